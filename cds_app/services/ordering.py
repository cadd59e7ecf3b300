"""Draft orders, and what is being recorded, against the twin: from inputs to the cards that are due."""

from __future__ import annotations

from collections.abc import Callable, Set

from cds_app.cards.drafts import Due
from cds_app.cards.orders import OrderMaterial, order_cards
from cds_app.domain.proposed import Proposed
from cds_app.mitigate.conditions import View
from cds_app.mitigate.order_checks import OrderChecks
from cds_app.mitigate.orders import Checked, check_orders, check_recorded
from cds_app.score.clinical import clinical_scores
from cds_app.services.inputs import Inputs, situation_of
from cds_app.services.knowledge import Knowledge

_Checking = Callable[[OrderChecks, View, Proposed, Set[str]], tuple[Checked, ...]]


def draft_dues(knowledge: Knowledge, inputs: Inputs) -> tuple[Due, ...]:
    """Cards about drafts that do not make sense for this patient now."""
    return _dues(knowledge, inputs, check_orders)


def recorded_dues(knowledge: Knowledge, inputs: Inputs) -> tuple[Due, ...]:
    """Cards about drugs that are taken and do not go with an allergy or a problem that is being recorded."""
    return _dues(knowledge, inputs, check_recorded)


def _dues(knowledge: Knowledge, inputs: Inputs, checking: _Checking) -> tuple[Due, ...]:
    situation, proposed = situation_of(knowledge, inputs), inputs.proposed
    if not (proposed.judged or proposed.allergies or proposed.conditions):
        return ()
    view = View(situation=situation, scores=clinical_scores(situation))
    checked = checking(knowledge.order_checks, view, proposed, frozenset(inputs.service.checks))
    return order_cards(
        OrderMaterial(
            service=inputs.service,
            templates=knowledge.templates,
            zone=knowledge.zone,
            labels=knowledge.labels,
            situation=situation,
            checked=checked,
            unused=inputs.unused,
            unknown=sum(not one.concepts for one in proposed.judged),
        )
    )
