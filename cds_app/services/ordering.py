"""Draft orders, and what is being recorded, against the twin: from inputs to the cards that are due."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence, Set
from dataclasses import replace
from typing import Final

import msgspec

from cds_app.cards.definition import HIGHEST_TIER, SimulatedInsulin, Simulates
from cds_app.cards.dose_material import DoseMaterial
from cds_app.cards.doses import dose_cards
from cds_app.cards.drafts import Due
from cds_app.cards.orders import OrderMaterial, order_cards
from cds_app.cards.undosed import undosed_text
from cds_app.domain.facts import Allergy
from cds_app.domain.ontology import Ontology
from cds_app.domain.proposed import Proposed
from cds_app.mitigate.conditions import View
from cds_app.mitigate.doses import Dosed, DoseRule, Given, Undosed, simulate_drafts
from cds_app.mitigate.findings import Checked, Finding
from cds_app.mitigate.insulin import Injection, InsulinRule, simulate_insulin
from cds_app.mitigate.order_checks import AllergyCheck, OrderChecks
from cds_app.mitigate.orders import check_orders, check_recorded
from cds_app.score.clinical.scores import clinical_scores
from cds_app.score.situation import Situation
from cds_app.score.standing import unread_allergies
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.continuity import stand_ins
from cds_app.services.inputs import Inputs, setting_of, situation_of
from cds_app.simulate.refusals import told

_Checking = Callable[[OrderChecks, View, Proposed, Set[str]], tuple[Checked, ...]]
_SEEDS: Final = 2**32


def draft_dues(knowledge: Knowledge, inputs: Inputs) -> tuple[Due, ...]:
    """Cards about drafts that do not make sense for this patient now, and about doses that another plan betters."""
    situation = situation_of(knowledge, inputs)
    material = _material(knowledge, inputs, situation, check_orders)
    if material is None:
        return ()
    doses = [_told(one, knowledge.ontology) for one in _doses(knowledge, inputs, situation, material.checked)]
    reasons = {
        one.order.ref: undosed_text(one, knowledge.labels, knowledge.templates)
        for one in doses
        if isinstance(one, Undosed)
    }
    orders = order_cards(replace(material, undosed=reasons))
    grounds = frozenset(ground for one in orders for ground in one.grounds)
    found = (*orders, *_dose_dues(knowledge, inputs, situation, doses, grounds))
    return tuple(sorted(found, key=lambda one: -one.tier))


def recorded_dues(knowledge: Knowledge, inputs: Inputs) -> tuple[Due, ...]:
    """Cards about drugs that are taken and do not go with an allergy or a problem that is being recorded."""
    material = _material(knowledge, inputs, situation_of(knowledge, inputs), check_recorded)
    return () if material is None else order_cards(material)


def _material(knowledge: Knowledge, inputs: Inputs, situation: Situation, checking: _Checking) -> OrderMaterial | None:
    proposed = inputs.proposed
    if not (proposed.judged or proposed.unread or proposed.allergies or proposed.conditions):
        return None
    view = View(situation=situation, scores=clinical_scores(situation))
    return OrderMaterial(
        service=inputs.service,
        templates=knowledge.templates,
        setting=setting_of(knowledge, inputs, situation),
        labels=knowledge.labels,
        situation=situation,
        checked=checking(knowledge.order_checks, view, proposed, frozenset(inputs.service.checks)),
        unused=inputs.unused,
        unknown=sum(not one.concepts for one in proposed.judged),
        unread=proposed.unread,
        disputed=proposed.disputed,
        allergies=_unread_allergies(inputs, situation),
    )


def _unread_allergies(inputs: Inputs, situation: Situation) -> tuple[Allergy, ...]:
    """What the drafts could not be checked against; nothing where none is judged, or the patient has died."""
    asked = inputs.proposed.judged and "allergy" in inputs.service.checks and not situation.deceased
    return unread_allergies(situation.facts.allergies, situation.now) if asked else ()


# --- doses


def _doses(
    knowledge: Knowledge, inputs: Inputs, situation: Situation, checked: Sequence[Checked]
) -> tuple[Dosed | Injection | Undosed, ...]:
    """Doses of what may be given at all: of a drug that is dangerous here no dose is the better one."""
    asked = inputs.service.simulates
    if asked is None or situation.deceased:
        return ()
    barred = {one.order.ref for one in checked if any(map(_bars, one.findings))}
    judged = tuple(one.ref for one in inputs.proposed.judged if one.ref not in barred)
    proposed = msgspec.structs.replace(inputs.proposed, selected=judged)
    found = simulate_drafts(
        knowledge.drugs_of(inputs.service),
        _rules(asked),
        situation,
        proposed,
        most=asked.most_drafts,
        given=Given(seed=seed_of(inputs.seed), likely=lambda: stand_ins(knowledge.imputer, situation)),
    )
    people = knowledge.people_of(inputs.service)
    if people is None or asked.insulin is None:
        return found
    return (*found, *simulate_insulin(people, _insulin_rule(asked.insulin), situation, proposed))


def _told(one: Dosed | Injection | Undosed, ontology: Ontology) -> Dosed | Injection | Undosed:
    """Why a dose was not simulated, in the units that the site reads."""
    return replace(one, reasons=told(one.reasons, ontology)) if isinstance(one, Undosed) else one


def _bars(finding: Finding) -> bool:
    return finding.tier >= HIGHEST_TIER or isinstance(finding.check, AllergyCheck)


def _rules(asked: Simulates) -> dict[str, DoseRule]:
    return {
        name: DoseRule(
            goal=one.goal,
            low=one.low_points / 100.0,
            gain=one.gain_points / 100.0,
            draws=asked.draws,
            coarse_step_h=asked.coarse_step_h,
            compared=asked.compared,
            needs_review=one.needs_review,
        )
        for name, one in asked.drugs.items()
    }


def _insulin_rule(asked: SimulatedInsulin) -> InsulinRule:
    low, gain = asked.low_points / 100.0, asked.gain_points / 100.0
    return InsulinRule(low=low, gain=gain, needs_review=asked.needs_review)


def seed_of(text: str) -> int:
    """The root of all chance of an answer, from the uuid that its ids follow from: a replay draws the same."""
    return uuid.uuid5(uuid.UUID(text), "simulation").int % _SEEDS


def _dose_dues(
    knowledge: Knowledge,
    inputs: Inputs,
    situation: Situation,
    doses: Sequence[Dosed | Injection | Undosed],
    told: frozenset[str],
) -> tuple[Due, ...]:
    return dose_cards(
        DoseMaterial(
            service=inputs.service,
            templates=knowledge.templates,
            setting=setting_of(knowledge, inputs, situation),
            labels=knowledge.labels,
            situation=situation,
            patient=inputs.event.patient,
            dosed=tuple(one for one in doses if isinstance(one, Dosed)),
            injections=tuple(one for one in doses if isinstance(one, Injection)),
            undosed=tuple(one for one in doses if isinstance(one, Undosed)),
            told=told,
            unused=inputs.unused,
        )
    )
