"""A draft order of a drug that can be simulated: what it would do, beside what the content offers instead."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from cds_app.domain.facts import Medication
from cds_app.score.situation import Situation
from cds_app.simulate.answers import WhatIf
from cds_app.simulate.chart import Charted, Extra, next_due_h, patient_of, regimen_of
from cds_app.simulate.drugs import Drug
from cds_app.simulate.plans import Regimen
from cds_app.simulate.questions import MOST_PLANS, Question, offered
from cds_app.simulate.refusals import Refusal, Refused
from cds_app.simulate.what_if import what_if

DRAFT: Final = "this order"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A draft that was simulated.

    Parameters
    ----------
    answer : WhatIf
        The draft is the plan `DRAFT`, and what the others are compared with.
    charted : Charted
        What of the chart was used.
    plans : tuple of Regimen
        The draft first; doses in mg, for a suggestion that replaces the draft's.
    """

    answer: WhatIf
    charted: Charted
    plans: tuple[Regimen, ...]

    @property
    def suggestion(self) -> Regimen | None:
        """A better plan within limits, if the draft is not it."""
        best = self.answer.recommended
        return next((one for one in self.plans if one.name == best and best != DRAFT), None)


def judge(
    order: Medication, situation: Situation, drug: Drug, question: Question, extra: Extra | None = None
) -> Judged | Refused:
    """Simulate a draft order, from when its next dose is due, beside the plans that the content offers.

    Parameters
    ----------
    order : Medication
        Of this drug.
    situation : Situation
    drug : Drug
    question : Question
        Draws, seed, goal and horizon; its plans are not looked at.
    extra : Extra, optional

    Returns
    -------
    Judged or Refused
        Refused also where the order has no amount, no regular interval or another route.
    """
    if drug.file.concept not in order.concepts:
        return Refused(subject=drug.name, reasons=(Refusal(field="order.medication", limit="is another drug"),))
    charted = patient_of(situation, drug, extra)
    if isinstance(charted, Refused):
        return charted
    draft = regimen_of(order, drug, name=DRAFT)
    if isinstance(draft, tuple):
        return Refused(subject=drug.name, reasons=draft)
    due_h = next_due_h(charted.patient, draft.interval_h)
    draft = replace(draft, start_h=due_h)
    plans = (draft, *_others(drug, draft))
    answer = what_if(drug, charted.patient, replace(question, plans=plans, current=DRAFT))
    return answer if isinstance(answer, Refused) else Judged(answer=answer, charted=charted, plans=plans)


def _others(drug: Drug, draft: Regimen) -> tuple[Regimen, ...]:
    """Plans on offer that are not the draft itself, those of its own interval first."""
    found = [
        one
        for one in offered(drug, start_h=draft.start_h, over_h=draft.over_h or None)
        if (one.amount_mg, one.interval_h) != (draft.amount_mg, draft.interval_h)
    ]
    found.sort(key=lambda one: abs(one.interval_h - draft.interval_h))
    return tuple(found[: MOST_PLANS - 1])
