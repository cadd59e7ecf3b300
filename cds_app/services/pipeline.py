"""The main job on one screen: event and record in, decisions out. Pure: the same inputs give the same bytes.

record -> situation -> scores, risks, deviations -> concerns -> policy -> options -> cards -> decisions
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from cds_app.cards.definition import HIGHEST_TIER, Pipeline
from cds_app.cards.drafts import ACT_TODAY, Alongside, Due, due
from cds_app.cards.material import Advice, Material
from cds_app.cards.policy import judge, restates
from cds_app.cards.shadow import judged
from cds_app.cards.text import Trusted
from cds_app.cards.unread import UNREAD
from cds_app.cards.wire import to_card, wire_json
from cds_app.domain.decisions import Decision, Remembered, Suppression
from cds_app.domain.proposed import proposed_text
from cds_app.explain.background import background
from cds_app.explain.estimates import RiskEstimate, estimate_risks, risk_before
from cds_app.mitigate.concerns import Concern, assess
from cds_app.mitigate.conditions import View, outpatient
from cds_app.mitigate.options import Option, options_for
from cds_app.score.clinical.scores import clinical_scores
from cds_app.score.deviation import JointDeviation, deviations, joint
from cds_app.score.disputes import disputed
from cds_app.score.risk.model import Risk
from cds_app.score.situation import Situation
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.departing import discharge_dues
from cds_app.services.helping import Asked, would_help
from cds_app.services.inputs import Inputs, setting_of, situation_of
from cds_app.services.ordering import draft_dues, recorded_dues

_TRIED = 3  # whoever waits for a card waits while the model is asked twice about each


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What there is to say, before the alert policy: cards that are due, most urgent first, and the risks asked for."""

    dues: tuple[Due, ...] = ()
    risks: Mapping[str, RiskEstimate] = field(default_factory=dict)


def decide(knowledge: Knowledge, inputs: Inputs) -> tuple[Decision, ...]:
    """Every card that is due, shown or suppressed, most urgent first."""
    return conclude(knowledge, inputs, find(knowledge, inputs).dues)


def find(knowledge: Knowledge, inputs: Inputs) -> Found:
    """What the service's pipeline finds."""
    return _FINDERS[inputs.service.pipeline](knowledge, inputs)


def conclude(knowledge: Knowledge, inputs: Inputs, dues: Sequence[Due]) -> tuple[Decision, ...]:
    """What follows from cards that are due. Only what is shown, or would be but for shadow mode, is written."""
    pins = _pins(knowledge, inputs)
    offered: dict[Suppression, list[Option]] = {Suppression.NONE: [], Suppression.SHADOW: []}
    decisions: list[Decision] = []
    verdicts = _verdicts(dues, inputs)
    last = max((index for index, verdict in enumerate(verdicts) if verdict is Suppression.NONE), default=None)
    for index, (one, verdict) in enumerate(zip(dues, verdicts, strict=True)):
        card = None
        if verdict in offered:
            besides = _without_room(dues, verdicts, inputs) if index == last else ()
            draft = one.write(Alongside(options=offered[verdict], besides=besides))
            offered[verdict].extend(draft.options)
            card = partial(to_card, draft, inputs.service, launch_url=knowledge.launch_url)
        decisions.append(_decision(inputs, one, card, verdict, index, pins))
    return tuple(decisions)


def _without_room(dues: Sequence[Due], verdicts: Sequence[Suppression], inputs: Inputs) -> tuple[Trusted, ...]:
    """What is to be acted on, and has no card because the response has no room for more: its last card names it."""
    rows = zip(dues, verdicts, strict=True)
    open_ = [one for one, verdict in rows if verdict is Suppression.RESPONSE and one.tier >= ACT_TODAY]
    named = (one for one in open_ if not restates(one, open_, inputs.service.policy))
    return tuple(text for one in named if (text := one.brief()))


def _verdicts(dues: Sequence[Due], inputs: Inputs) -> Sequence[Suppression]:
    """What the alert policy says of each. Whoever opened the twin asked for them: nothing is kept quiet."""
    service = inputs.service
    if service.pipeline == "opened":
        return [Suppression.NONE] * len(dues)
    policy = partial(judge, policy=service.policy, snooze_h=service.snooze_h, now=inputs.event.received)
    return judged(dues, _heard(dues, inputs), policy, inputs.shadow)


def _course(knowledge: Knowledge, inputs: Inputs) -> Found:
    material = gather_material(knowledge, inputs)
    return Found(dues=due(material), risks=material.risks)


def _quiet(_: Knowledge, __: Inputs) -> Found:
    """The twin has learned what came; there is nothing to say at this moment of the work."""
    return Found()


_FINDERS: Mapping[Pipeline, Callable[[Knowledge, Inputs], Found]] = {
    "course": _course,
    "opened": _course,
    "orders": lambda knowledge, inputs: Found(dues=draft_dues(knowledge, inputs)),
    "recorded": lambda knowledge, inputs: Found(dues=recorded_dues(knowledge, inputs)),
    "discharge": lambda knowledge, inputs: Found(dues=discharge_dues(knowledge, inputs)),
    "quiet": _quiet,
}


def _heard(dues: Sequence[Due], inputs: Inputs) -> tuple[Remembered, ...]:
    """What the alert policy remembers.

    That something dangerous about an order was said when it was picked is no reason for silence when it is signed, nor
    that it was said of another draft: for the highest tier only what this service said of this draft counts. What could
    not be read may be anything, so that of each draft it is said once.
    """
    service = inputs.service
    if service.pipeline != "orders":
        return inputs.record.past
    drafts = {*(one.ref for one in inputs.proposed.orders), *inputs.proposed.unread}
    grave = {one.topic: drafts.intersection(one.grounds) for one in dues if one.tier == HIGHEST_TIER}
    unread = {one.topic: drafts.intersection(one.grounds) for one in dues if one.topic == UNREAD}
    return tuple(one for one in inputs.record.past if _counts(one, service.id, grave) and _counts(one, "", unread))


def _counts(one: Remembered, service: str, about: Mapping[str, Set[str]]) -> bool:
    """Whether what was said of one of these topics was said by the service, if it is named, and of the same drafts."""
    if one.topic not in about:
        return True
    told = not isinstance(one, Decision) or about[one.topic] <= set(one.trigger.split())
    return told and service in ("", one.service)


def gather_material(knowledge: Knowledge, inputs: Inputs) -> Material:
    """All stages before the cards."""
    record = inputs.record
    situation = situation_of(knowledge, inputs)
    scores = clinical_scores(situation)
    change_h = inputs.service.policy.change_h
    asked = estimate_risks(knowledge.risks, knowledge.twin, situation, record.state, change_h=change_h)
    risks = asked | knowledge.silenced()
    outcomes = {name: one.outcome for name, one in risks.items()}
    view = View(situation=situation, scores=scores, risks=outcomes, doubted=record.state.set_aside)
    concerns = assess(knowledge.catalogue, situation, scores, view.risks)
    urgent = any(one.tier >= ACT_TODAY for one in concerns)
    comparable = knowledge.catalogue.is_of(situation.age_years) and not outpatient(situation)
    alone = any(one.topic == knowledge.catalogue.alone for one in concerns)
    compared = comparable and not urgent and not alone and not situation.deceased
    return Material(
        service=inputs.service,
        templates=knowledge.templates,
        setting=setting_of(knowledge, inputs, situation),
        labels=knowledge.labels,
        situation=situation,
        scores=scores,
        disputed=tuple(disputed(situation, situation.by_variable)),
        deviation=_deviation(knowledge, inputs) if compared else None,
        risks=risks,
        concerns=concerns,
        alone=alone,
        risk_of=knowledge.risk_of,
        background=cache(partial(background, knowledge.background, situation)),
        advise=partial(_advise, knowledge, inputs, view, risks),
        unused=inputs.unused,
    )


def _deviation(knowledge: Knowledge, inputs: Inputs) -> JointDeviation:
    state, now = inputs.record.state, inputs.event.received
    return joint(knowledge.twin.joint, deviations(knowledge.twin, knowledge.ontology, state, now))


def _advise(
    knowledge: Knowledge,
    inputs: Inputs,
    view: View,
    risks: Mapping[str, RiskEstimate],
    concern: Concern,
    offered: Sequence[Option],
) -> Advice:
    risk = knowledge.risk_of.get(concern.topic)
    model = knowledge.risks.get(risk or "")
    options, refused = options_for(concern, knowledge.catalogue, view, patient=inputs.event.patient, offered=offered)
    return Advice(
        concern=concern,
        topic=knowledge.catalogue.topics[concern.topic],
        offered=options,
        refused=refused,
        risk=risk,
        earlier=partial(risk_before, model, risks[model.name]) if model else lambda: None,
        helps=_helps(knowledge, inputs, view.situation, risks[model.name]) if model else (),
    )


def _helps(knowledge: Knowledge, inputs: Inputs, situation: Situation, estimate: RiskEstimate) -> tuple[str, ...]:
    """What would move an estimate, of the first few inputs that the service asks for and that are not known now."""
    if not isinstance(estimate.outcome, Risk):
        return ()
    asked = Asked(situation=situation, tracks=inputs.record.state.tracks, name=estimate.outcome.model_name)
    return tuple(one.quantity for one in would_help(knowledge, asked, inputs.service.policy.asked_first, most=_TRIED))


def _decision(
    inputs: Inputs,
    one: Due,
    card: Callable[[str], Mapping[str, Any]] | None,
    verdict: Suppression,
    index: int,
    pins: Mapping[str, str],
) -> Decision:
    card_id = str(uuid.uuid5(uuid.UUID(inputs.seed), f"{index} {one.topic}"))
    return Decision(
        id=card_id,
        service=inputs.service.id,
        topic=one.topic,
        tier=one.tier,
        points=one.points,
        at=inputs.event.received,
        suppression=verdict,
        trigger=" ".join(one.grounds),
        extents=one.extents,
        pins=pins,
        card=wire_json(card(card_id)) if card else b"",
    )


def _pins(knowledge: Knowledge, inputs: Inputs) -> dict[str, str]:
    event, record = inputs.event, inputs.record
    shadow = inputs.shadow.stated()
    streams = {alias: one.number for alias, one in sorted(record.streams.items()) if one.number}
    return {
        **knowledge.pins_of(inputs.service),
        **({"shadow": wire_json(shadow).decode()} if shadow else {}),
        "seed": inputs.seed,
        "segments": str(inputs.segments),
        "entries": str(record.entries_known),
        "facts": record.basis,
        **({"streams": wire_json(streams).decode()} if streams else {}),
        "unused": wire_json(dict(inputs.unused)).decode(),
        "event": wire_json(
            {
                "hook": event.hook,
                "instance": event.instance,
                "tenant": event.tenant,
                "patient": event.patient,
                "user": event.user,
                "encounter": event.encounter,
            }
        ).decode(),
        **({"proposed": proposed_text(inputs.proposed)} if inputs.service.proposed else {}),
    }
