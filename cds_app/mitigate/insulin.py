"""Is there a better dose than the drafted insulin for this patient? Plans for virtual people who are like them. Pure.

One dose now of a rapid-acting insulin under the skin is what the model has, with what the dosage says is eaten with it.
Nothing is supposed: a scale, a dose for a meal of unknown carbohydrate, a rate, a vein or another insulin is not
simulated, and it is said why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from math import isfinite
from typing import Final

from cds_app.domain.dosing import Dosing
from cds_app.domain.facts import Medication
from cds_app.domain.proposed import Proposed, Written
from cds_app.mitigate.doses import DRAFT, Highest, Undosed
from cds_app.score.situation import Situation
from cds_app.simulate.glucose.chart import (
    Likened,
    daily_insulin,
    day_problems,
    insulin_u,
    kind_of,
    like_whom,
)
from cds_app.simulate.glucose.model import Bolus, InsulinPlan, Meal
from cds_app.simulate.glucose.people import INSULINS, People
from cds_app.simulate.glucose.what_if import NOT_TYPE_1, InsulinAnswer, InsulinOutcome, insulin_what_if
from cds_app.simulate.refusals import Refusal, Refused

NONE: Final = "none"
UNIT: Final = "units"
_MINUTES: Final = 60.0
_UNSAID: Final = Dosing()


@dataclass(frozen=True, slots=True, kw_only=True)
class InsulinRule:
    """When another dose of insulin is worth telling.

    Parameters
    ----------
    low : float
        A better dose is told where less than this share of the time is in range.
    gain : float
        From so much more of it on.
    needs_review : bool
    """

    low: float
    gain: float
    needs_review: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LowGlucose:
    """How many of the virtual people ever fall below a glucose, against how many may."""

    below_mg_dl: float
    share: float
    at_most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """A drafted dose of insulin that was simulated.

    Parameters
    ----------
    order : Medication
    written : Written
    people : People
    rule : InsulinRule
    like : Likened
        The patient as the simulation had them.
    carbohydrate_g : float
        Eaten now, under every dose; 0: no meal.
    doses_u : dict of str to float
        By the names of the plans in ``answer``.
    answer : InsulinAnswer
    """

    order: Medication
    written: Written
    people: People
    rule: InsulinRule
    like: Likened
    carbohydrate_g: float
    doses_u: dict[str, float]
    answer: InsulinAnswer

    @property
    def draft(self) -> InsulinOutcome:
        """What the draft does."""
        return self.outcome(DRAFT)

    def outcome(self, name: str) -> InsulinOutcome:
        """What a dose does."""
        return next(one for one in self.answer.plans if one.name == name)

    def lows(self, outcome: InsulinOutcome) -> tuple[LowGlucose, ...]:
        """Both kinds of low glucose under a dose, the one further above its limit first."""
        rules = self.people.file.rules
        both = (
            LowGlucose(below_mg_dl=rules.range_mg_dl.low, share=outcome.low, at_most=rules.low_at_most),
            LowGlucose(below_mg_dl=rules.very_low_mg_dl, share=outcome.very_low, at_most=rules.very_low_at_most),
        )
        return tuple(sorted(both, key=lambda one: one.at_most - one.share))

    @property
    def over(self) -> tuple[LowGlucose, ...]:
        """Low glucose under the draft in more virtual people than may."""
        return tuple(one for one in self.lows(self.draft) if one.share > one.at_most)

    @property
    def low(self) -> bool:
        """Whether little of the time is in range under the draft."""
        return self.draft.time_in_range < self.rule.low

    @property
    def better(self) -> InsulinOutcome | None:
        """What to recommend instead, which may be no dose: within limits, and worth telling or without the harm."""
        if self.answer.recommended in (None, DRAFT):
            return None
        best = self.outcome(self.answer.recommended or NONE)
        return best if self.over or best.time_in_range - self.draft.time_in_range >= self.rule.gain else None

    @property
    def speaks(self) -> bool:
        """Whether there is something to say: harm over its limit, or little time in range that another dose betters."""
        return bool(self.over) or (self.low and self.better is not None)


def simulate_insulin(
    people: People, rule: InsulinRule, situation: Situation, proposed: Proposed
) -> tuple[Injection | Undosed, ...]:
    """Simulate drafted insulin.

    Parameters
    ----------
    people : People
    rule : InsulinRule
    situation : Situation
        The patient now; the drafts are not in it.
    proposed : Proposed
        Of its orders only those selected are judged.

    Returns
    -------
    tuple of Injection or Undosed
        One per judged draft of insulin.
    """
    drafts = (one for one in proposed.judged if INSULINS in one.concepts)
    return tuple(_simulated(people, rule, situation, one, proposed) for one in drafts)


def _simulated(
    people: People, rule: InsulinRule, situation: Situation, order: Medication, proposed: Proposed
) -> Injection | Undosed:
    written = proposed.written.get(order.ref, Written(instructions=1))
    weight = situation.fresh("body_weight")
    units = insulin_u(order.dose_value, order.dose_unit, weight.value if weight is not None else None)
    problems = [
        *_beside(people, order, proposed),
        *_order_problems(people, order, written, units),
        *_start_problems(people, order, situation),
    ]
    like = like_whom(people, situation, daily_insulin(situation))
    problems += _patient_problems(people, situation, like)
    if problems or units is None or isinstance(like, Refused):
        return _undosed(people, order, units, problems)
    doses_u = _doses(people, units)
    plans = [_plan(name, dose) for name, dose in doses_u.items()]
    minutes = round(people.file.rules.orders.within_h * _MINUTES)
    eaten_g = (order.dosing or _UNSAID).carbohydrate_g or 0.0
    meals = (Meal(at_min=0, carbohydrate_g=eaten_g),) if eaten_g else ()
    answer = insulin_what_if(people, like.patient, plans, meals, minutes)
    if isinstance(answer, Refused):
        return _undosed(people, order, units, answer.reasons)
    return Injection(
        order=order,
        written=written,
        people=people,
        rule=rule,
        like=like,
        carbohydrate_g=eaten_g,
        doses_u=doses_u,
        answer=answer,
    )


def _undosed(
    people: People, order: Medication, units: float | None, reasons: tuple[Refusal, ...] | list[Refusal]
) -> Undosed:
    rules, kind = people.file.rules.orders, kind_of(people, order)
    at_once = units if kind in (*rules.rapid, INSULINS) else None  # a day's basal, or U-500, may be more
    highest = Highest(amount=rules.highest_u, unit=UNIT, drafted=at_once, from_memory=True)
    known = {one.field: one for one in reversed(reasons)}  # of two about one field, the first
    kept = tuple(one for one in reasons if known[one.field] is one)
    return Undosed(order=order, drug=INSULINS, concept=kind, highest=highest, reasons=kept)


def _doses(people: People, units: float) -> dict[str, float]:
    """The draft, none, and what the content offers."""
    offers = {f"{one:g} {UNIT}": one for one in people.file.rules.orders.doses_u if one != units}
    return {DRAFT: units, NONE: 0.0, **offers}


def _plan(name: str, units: float) -> InsulinPlan:
    return InsulinPlan(name=name, boluses=(Bolus(at_min=0, units=units),) if units else ())


# --- why not


def _beside(people: People, order: Medication, proposed: Proposed) -> Iterator[Refusal]:
    """Another insulin in the same call that acts as fast: only together they are what would be given."""
    basal = people.file.rules.orders.basal
    others = (one for one in proposed.orders if one.ref != order.ref and INSULINS in one.concepts)
    if any(kind_of(people, one) not in basal for one in others):
        yield Refusal(field="drafts", limit="another draft of insulin stands beside it", beyond=True)


def _order_problems(people: People, order: Medication, written: Written, units: float | None) -> Iterator[Refusal]:
    rules, dosing, kind = people.file.rules.orders, order.dosing or _UNSAID, kind_of(people, order)
    if dosing.route == "iv":
        limit = "must be under the skin: insulin into a vein is not in the model"
        yield Refusal(field="order.route", limit=limit, beyond=True)
        return
    if kind not in (*rules.rapid, INSULINS):
        yield Refusal(field="order.insulin", limit=rules.others[kind].says, beyond=True)
        return
    if dosing.route != "subcutaneous":
        yield Refusal(field="order.route", limit="must be said, and under the skin")
    if written.instructions > 1 or (units == 0.0 and not dosing.once):
        yield Refusal(field="order.dosage", limit="must be one dose for the glucose of now, not a scale", beyond=True)
    elif dosing.rated:
        yield Refusal(field="order.rate", limit="is not simulated: one dose now is", beyond=True)
    else:
        yield from _timing_problems(people, dosing)
        yield from _dose_problems(people, order, units)
    if kind == INSULINS:
        yield Refusal(field="order.insulin", limit=rules.others[kind].says, beyond=True)


def _timing_problems(people: People, dosing: Dosing) -> Iterator[Refusal]:
    most_g = people.file.rules.validity["carbohydrate_g"].high
    if dosing.as_needed:
        yield Refusal(field="order.timing", limit="must be one dose now, not on demand", beyond=True)
    elif dosing.with_meals and dosing.carbohydrate_g is None:
        limit = "of the meal is needed, and the order does not say it as one amount in grams, eaten with one dose"
        yield Refusal(field="order.carbohydrate", limit=limit)
    elif not dosing.once:
        unknown = "meals of unknown carbohydrate" if dosing.carbohydrate_g is None else "later meals and glucose"
        yield Refusal(field="order.timing", limit=f"must be one dose now: repeated ones go with {unknown}", beyond=True)
    elif dosing.carbohydrate_g is not None and dosing.carbohydrate_g > most_g:
        yield Refusal(field="order.carbohydrate", limit=f"must be at most {most_g:g} g in a meal")


def _dose_problems(people: People, order: Medication, units: float | None) -> Iterator[Refusal]:
    most = people.file.rules.validity["bolus_u"].high
    if units is None and insulin_u(order.dose_value, order.dose_unit, 1.0) is not None:
        yield Refusal(field="order.dose", limit="is per kg: a weight of the last 30 days is needed")
    elif units is None:
        yield Refusal(field="order.dose", limit="needs an amount in units or units per kg")
    elif not (isfinite(units) and 0.0 < units <= most):
        yield Refusal(field="order.dose", limit=f"must be above 0 and at most {most:g} units")


def _start_problems(people: People, order: Medication, situation: Situation) -> Iterator[Refusal]:
    within_h, dosing = people.file.rules.orders.starts_within_h, order.dosing or _UNSAID
    if dosing.start is not None and dosing.start - situation.now > timedelta(hours=within_h):
        limit = f"must be within {within_h * _MINUTES:.0f} min: glucose by then is not known"
        yield Refusal(field="order.start_h", limit=limit, beyond=True)


def _patient_problems(people: People, situation: Situation, like: Likened | Refused) -> tuple[Refusal, ...]:
    reasons = like.reasons if isinstance(like, Refused) else ()
    return reasons if NOT_TYPE_1 in reasons else (*reasons, *day_problems(people, situation))
