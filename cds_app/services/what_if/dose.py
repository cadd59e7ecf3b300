"""What if: a dose of a drug, or a plan for an operation, tried on the twin of the patient whose page it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cds_app.domain.facts import Measurement, Medication
from cds_app.errors import BadRequest
from cds_app.score.situation import Situation
from cds_app.services.what_if.simulators import seed_of
from cds_app.simulate.kinetics.drugs import Drug
from cds_app.simulate.plans import Regimen
from cds_app.simulate.refusals import Refusal, Refused
from cds_app.simulate.regimens.answers import WhatIf
from cds_app.simulate.regimens.chart import Charted, patient_of
from cds_app.simulate.regimens.goals import aim_of
from cds_app.simulate.regimens.orders import next_due_h, regimen_of
from cds_app.simulate.regimens.questions import Question, offered, offers_any
from cds_app.simulate.regimens.remarks import measured_of
from cds_app.simulate.regimens.what_if import what_if
from cds_app.twin.bedside import NOBODY, Likely

DRAWS: Final = 2000
WISHED: Final = ("goal", "dose", "interval", "over", "horizon", "draws")
"""Fields of a form that asks for a dose, beside the drug."""
_OFFERS: Final = 5
_SEARCH_DRAWS: Final = 500
_SEARCH_DRAWS_STEPPED: Final = 200
_SEARCH_STEP_H: Final = 2.0
_OFFERS_STEPPED: Final = 2
"""Where every plan is stepped through hour by hour and cannot be scaled from another: a page is wanted at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A dose that a user wants to try.

    Parameters
    ----------
    goal : str or None
        One of the drug's; None: the one that is usual for the patient.
    amount_mg, interval_h, over_h : float or None
        None: as ordered, else as the content offers first.
    horizon_h : float or None
        Hours ahead; None: the drug's own.
    draws : int or None
        Virtual copies; None: as many as are usual.
    """

    drug: str
    goal: str | None = None
    amount_mg: float | None = None
    interval_h: float | None = None
    over_h: float | None = None
    horizon_h: float | None = None
    draws: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What plans are looked over for: the goal, and the hash of the facts that chance comes from."""

    goal: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of it.

    Parameters
    ----------
    plan : Regimen
        That was tried.
    current : Regimen or None
        As ordered now.
    answer : WhatIf or Refused
    remarks : tuple of str
        What was assumed of the chart.
    measured : tuple of Measurement
        What the models went by, beside levels.
    goal : str or None
        That was aimed at; None where nothing settles it.
    """

    plan: Regimen
    current: Regimen | None
    answer: WhatIf | Refused
    remarks: tuple[str, ...] = ()
    measured: tuple[Measurement, ...] = ()
    goal: str | None = None


def try_dose(drug: Drug, situation: Situation, wish: Wish, digest: str, likely: Mapping[str, Likely] = NOBODY) -> Tried:
    """Give a plan to virtual copies of the patient, beside the current one and what the content offers.

    Parameters
    ----------
    digest : str
        Of the facts: with the same facts, the same chance.
    likely : mapping of str to Likely, optional
        What may stand in for a measurement that is not current.

    Raises
    ------
    BadRequest
        If a length of infusion is asked for what is swallowed, or a goal that the drug does not have.
    """
    if wish.goal is not None and wish.goal not in drug.file.goals:
        raise BadRequest(f"must be one of {', '.join(drug.file.goals)}", field="goal")
    charted = patient_of(situation, drug, likely=likely)
    current = ordered(situation, drug, charted)
    plan = _plan(drug, wish, current, charted)
    goal = wish.goal or aim_of(drug, situation)
    if isinstance(goal, Refusal):
        lacks = (goal, *(charted.reasons if isinstance(charted, Refused) else ()))
        return Tried(plan=plan, current=current, answer=Refused(subject=drug.name, reasons=lacks))
    if isinstance(charted, Refused):
        return Tried(plan=plan, current=current, answer=charted, goal=goal)
    compared = [plan, *([current] if current is not None and current.name != plan.name else [])]
    question = Question(
        plans=(*compared, *_others(drug, charted, plan, compared, Sought(goal=goal, digest=digest))),
        goal=goal,
        draws=DRAWS if wish.draws is None else wish.draws,
        horizon_h=wish.horizon_h,
        seed=seed_of(drug.sha256, digest),
        current=current.name if current is not None else None,
    )
    answer = what_if(drug, charted.patient, question)
    used = measured_of(drug, charted.patient, answer, situation) if isinstance(answer, WhatIf) else ()
    return Tried(plan=plan, current=current, answer=answer, remarks=charted.remarks, measured=used, goal=goal)


def _others(
    drug: Drug, charted: Charted, plan: Regimen, compared: Sequence[Regimen], sought: Sought
) -> tuple[Regimen, ...]:
    """What the content offers besides: the best of all, looked at coarsely, then those that are most like the plan."""
    names = {one.name for one in compared}
    offers = _nearest([one for one in offered(drug, start_h=plan.start_h) if one.name not in names], plan)
    found = looked_over(drug, charted, offers, sought) if offers else None
    best = found.recommended if isinstance(found, WhatIf) else None
    return tuple(sorted(offers, key=lambda one: one.name != best)[: _OFFERS_STEPPED if _is_stepped(drug) else _OFFERS])


def looked_over(drug: Drug, charted: Charted, plans: Sequence[Regimen], sought: Sought) -> WhatIf | Refused:
    """Many plans at once, coarsely: which of them is worth a closer look."""
    question = Question(
        plans=tuple(plans),
        goal=sought.goal,
        draws=_SEARCH_DRAWS_STEPPED if _is_stepped(drug) else _SEARCH_DRAWS,
        step_h=max(_SEARCH_STEP_H, drug.file.step_h),
        seed=seed_of(drug.sha256, sought.digest),
    )
    return what_if(drug, charted.patient, question)


def _is_stepped(drug: Drug) -> bool:
    return any(model.file.response == "hamberg-inr" for model in drug.models)


def drugs_of(situation: Situation, pharmacy: Mapping[str, Drug]) -> tuple[str, ...]:
    """Drugs that the patient has or is to have, of those that can be simulated, the newest first."""
    known = {drug.file.concept: name for name, drug in pharmacy.items() if offers_any(drug)}
    rows = sorted(situation.facts.medications, key=lambda one: one.when, reverse=True)
    had = (known[concept] for one in rows if one.when <= situation.now for concept in one.concepts if concept in known)
    return tuple(dict.fromkeys(had))


def can_be_tried(pharmacy: Mapping[str, Drug]) -> tuple[str, ...]:
    """Drugs of which regular plans can be made: not those that are led by their effect."""
    return tuple(name for name, drug in pharmacy.items() if offers_any(drug))


def ordered(situation: Situation, drug: Drug, charted: Charted | Refused) -> Regimen | None:
    """The newest order that stands; None where it does not say what can be computed with: an older one is not meant."""
    orders = [one for one in situation.facts.medications if _stands(one, drug, situation)]
    newest = max(orders, key=lambda order: order.when, default=None)
    found = None if newest is None else regimen_of(newest, drug, situation.now, name="")
    return named(found, drug.file.usual_infusion_h, charted) if isinstance(found, Regimen) else None


def _stands(one: Medication, drug: Drug, situation: Situation) -> bool:
    standing = one.status == "active" and (one.end is None or one.end > situation.now)
    return one.source == "request" and standing and drug.file.concept in one.concepts and one.when <= situation.now


def _plan(drug: Drug, wish: Wish, current: Regimen | None, charted: Charted | Refused) -> Regimen:
    usual = current or offered(drug)[0]
    if wish.over_h is not None and usual.route != "iv":
        raise BadRequest("is of infusions only: this drug is swallowed", field="over")
    over_h = usual.over_h if wish.over_h is None else wish.over_h
    plan = Regimen(
        name="",
        amount_mg=usual.amount_mg if wish.amount_mg is None else wish.amount_mg,
        interval_h=usual.interval_h if wish.interval_h is None else wish.interval_h,
        over_h=over_h if usual.route == "iv" else 0.0,
        route=usual.route,
    )
    return named(plan, drug.file.usual_infusion_h, charted)


def named(plan: Regimen, usual_h: float, charted: Charted | Refused) -> Regimen:
    """A plan by what it says, as the content names its own, begun when its next dose is due."""
    start_h = next_due_h(charted.patient, plan.interval_h) if isinstance(charted, Charted) else 0.0
    length = f" over {plan.over_h:g} h" if plan.over_h != usual_h else ""
    return Regimen(
        name=f"{plan.amount_mg:g} mg every {plan.interval_h:g} h{length}",
        amount_mg=plan.amount_mg,
        interval_h=plan.interval_h,
        over_h=plan.over_h,
        route=plan.route,
        start_h=start_h,
    )


def _nearest(offers: list[Regimen], plan: Regimen) -> list[Regimen]:
    """Offers, those first that give about as much in a day."""
    daily = plan.amount_mg / plan.interval_h if plan.interval_h else 0.0
    return sorted(offers, key=lambda one: (abs(one.amount_mg / one.interval_h - daily), one.amount_mg))
