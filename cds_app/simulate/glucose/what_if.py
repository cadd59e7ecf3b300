"""What if, for insulin: plans for the virtual people that are most like the patient, from the patient's glucose on.

Simulation, not an order. A virtual person is not the patient: how many of them are alike is said with the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isfinite
from typing import Final

import numpy as np

from cds_app.domain.arrays import Floats
from cds_app.simulate.glucose.model import Bolus, InsulinPlan, Meal, acting, glucose_courses
from cds_app.simulate.glucose.people import People
from cds_app.simulate.refusals import Refusal, Refused, outside
from cds_app.simulate.regimens.outcomes import BANDS

SUBJECT: Final = "insulin"
NOT_TYPE_1: Final = Refusal(field="patient.type_1", limit="only type 1 diabetes is simulated")
LONGEST_MIN: Final = 3 * 24 * 60
MOST_PLANS: Final = 24
_ALIKE: Final = 0.02
"""So little apart, time in range is no reason for more insulin."""
MOST_EVENTS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class GlucosePatient:
    """Somebody with type 1 diabetes now.

    Parameters
    ----------
    type_1 : bool
        Whether that is the diagnosis: there is no model of any other.
    age_years, weight_kg, daily_insulin_u, glucose_mg_dl : float
        Daily insulin: all of a usual day, U.
    given : tuple of Bolus
        Before now, of what still acts.
    """

    type_1: bool
    age_years: float
    weight_kg: float
    daily_insulin_u: float
    glucose_mg_dl: float
    given: tuple[Bolus, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InsulinOutcome:
    """What one plan does, weighted by how alike the virtual people are.

    Parameters
    ----------
    bands : tuple of five tuples
        5, 25, 50, 75 and 95 % of plasma glucose, mg/dL, at `InsulinAnswer.minutes`.
    time_in_range : float
        Mean share of the time.
    low, very_low, high : float
        Share of the virtual people that are ever there.
    within_limits : bool
    """

    name: str
    bands: tuple[tuple[float, ...], ...]
    time_in_range: float
    low: float
    very_low: float
    high: float
    within_limits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InsulinAnswer:
    """The answer, and what it rests on.

    Parameters
    ----------
    minutes : tuple of int
        From now.
    plans : tuple of InsulinOutcome
    recommended : str or None
        Within limits; of those with about the most time in range, the one with least insulin.
    alike : float
        How many virtual people the answer is worth.
    weights : tuple of (str, float)
    acting_u : float
        Given before now, and still acting.
    source, version, sha256 : str
    needs_review : bool
    """

    minutes: tuple[int, ...]
    plans: tuple[InsulinOutcome, ...]
    recommended: str | None
    alike: float
    weights: tuple[tuple[str, float], ...]
    acting_u: float
    source: str
    version: str
    sha256: str
    needs_review: bool


def insulin_what_if(
    people: People, patient: GlucosePatient, plans: Sequence[InsulinPlan], meals: Sequence[Meal], minutes: int
) -> InsulinAnswer | Refused:
    """Simulate insulin plans.

    Parameters
    ----------
    people : People
    patient : GlucosePatient
    plans : sequence of InsulinPlan
    meals : sequence of Meal
        The same under every plan.
    minutes : int
        How far ahead.

    Returns
    -------
    InsulinAnswer or Refused
        Nothing in it is chance: the same question has the same answer.
    """
    problems = [*patient_problems(people, patient), *_plan_problems(people, plans, meals, minutes)]
    if problems:
        return Refused(subject=SUBJECT, reasons=tuple(problems))
    like = likeness(people, patient)
    weights = like / like.sum()
    alike = float(1.0 / np.sum(weights * weights))
    if like.max() < people.file.rules.least_likeness or alike < people.file.rules.least_alike:
        limit = "is, with this weight, like that of no virtual person"
        return Refused(subject=SUBJECT, reasons=(Refusal(field="patient.daily_insulin_u", limit=limit),))
    now = started(people, patient.glucose_mg_dl, patient.given)
    courses = glucose_courses(now, plans, meals, minutes)
    outcomes = tuple(_outcome(now, one, course, weights) for one, course in zip(plans, courses, strict=True))
    return InsulinAnswer(
        minutes=tuple(range(minutes + 1)),
        plans=outcomes,
        recommended=_recommended(plans, outcomes),
        alike=alike,
        weights=tuple((one.name, float(w)) for one, w in zip(people.file.people, weights, strict=True)),
        acting_u=sum(one.units for one in patient.given),
        source=people.file.source,
        version=people.version,
        sha256=people.sha256,
        needs_review=people.file.needs_review,
    )


def likeness(people: People, patient: GlucosePatient) -> Floats:
    """How like the patient each virtual person is, 1 the same: in weight and daily insulin, on a logarithmic scale."""
    rules = people.file.rules
    daily = np.array([one.daily_insulin_u for one in people.file.people])
    apart = (np.log(people.at["BW"] / patient.weight_kg) / rules.weight_log_sd) ** 2
    apart += (np.log(daily / patient.daily_insulin_u) / rules.daily_insulin_log_sd) ** 2
    return np.asarray(np.exp(-0.5 * apart))


def _recommended(plans: Sequence[InsulinPlan], outcomes: Sequence[InsulinOutcome]) -> str | None:
    allowed = [(one, plan) for one, plan in zip(outcomes, plans, strict=True) if one.within_limits]
    most = max((one.time_in_range for one, _ in allowed), default=0.0)
    near = [(one, plan) for one, plan in allowed if one.time_in_range >= most - _ALIKE]
    least = min(
        near, key=lambda pair: (sum(one.units for one in pair[1].boluses), -pair[0].time_in_range), default=None
    )
    return None if least is None else least[0].name


def started(people: People, glucose_mg_dl: float, given: Sequence[Bolus] = ()) -> People:
    """The same people with another glucose in plasma, tissue and under the skin, and with insulin given before."""
    start = people.start.copy()
    if given:
        start += acting(people, given)
    share = glucose_mg_dl * people.at["Vg"] / start[3]
    start[[3, 4, 12]] *= share
    return replace(people, start=start)


def patient_problems(people: People, patient: GlucosePatient) -> Iterator[Refusal]:
    """Why somebody is none whom the virtual people can stand for."""
    limits = people.file.rules.validity
    if not patient.type_1:
        yield NOT_TYPE_1
    for name, value, unit in (
        ("age_years", patient.age_years, "years"),
        ("weight_kg", patient.weight_kg, "kg"),
        ("daily_insulin_u", patient.daily_insulin_u, "units"),
        ("glucose_mg_dl", patient.glucose_mg_dl, "mg/dL"),
    ):
        yield from outside(f"patient.{name}", value, limits[name].low, limits[name].high, unit)


def _plan_problems(
    people: People, plans: Sequence[InsulinPlan], meals: Sequence[Meal], minutes: int
) -> Iterator[Refusal]:
    yield from outside("minutes", minutes, 1, LONGEST_MIN, "min")
    if not 0 < len(plans) <= MOST_PLANS or len({one.name for one in plans}) != len(plans):
        yield Refusal(field="plans", limit=f"must be 1 to {MOST_PLANS}, with names of their own")
    for n, plan in enumerate(plans):
        yield from _insulin_problems(people, plan, f"plans.{n}", minutes)
    if len(meals) > MOST_EVENTS:
        yield Refusal(field="meals", limit=f"must be at most {MOST_EVENTS}")
        return
    most = people.file.rules.validity["carbohydrate_g"]
    wrong = [*(one for n, meal in enumerate(meals) for one in _meal_problems(meal, f"meals.{n}", most.high, minutes))]
    yield from wrong
    if not wrong and any(after.at_min < before.end_min for before, after in pairwise(meals)):
        yield Refusal(field="meals", limit="must be in order of time, each eaten before the next")


def _meal_problems(meal: Meal, where: str, most_g: float, minutes: int) -> Iterator[Refusal]:
    if not (isfinite(meal.carbohydrate_g) and 0.0 < meal.carbohydrate_g <= most_g):
        yield Refusal(field=f"{where}.carbohydrate_g", limit=f"must be above 0 and at most {most_g:g} g")
    yield from outside(f"{where}.at_min", meal.at_min, 0, minutes - 1, "min")


def _insulin_problems(people: People, plan: InsulinPlan, where: str, minutes: int) -> Iterator[Refusal]:
    limits = people.file.rules.validity
    if plan.basal_u_per_h is not None:
        low, high = limits["basal_u_per_h"].low, limits["basal_u_per_h"].high
        yield from outside(f"{where}.basal_u_per_h", plan.basal_u_per_h, low, high, "units/h")
    if len(plan.boluses) > MOST_EVENTS:
        yield Refusal(field=f"{where}.boluses", limit=f"must be at most {MOST_EVENTS}")
        return
    for n, one in enumerate(plan.boluses):
        yield from _bolus_problems(one, f"{where}.boluses.{n}", limits["bolus_u"].high, minutes)


def _bolus_problems(bolus: Bolus, where: str, most_u: float, minutes: int) -> Iterator[Refusal]:
    if not (isfinite(bolus.units) and 0.0 < bolus.units <= most_u):
        yield Refusal(field=f"{where}.units", limit=f"must be above 0 and at most {most_u:g} units")
    yield from outside(f"{where}.at_min", bolus.at_min, 0, minutes - 1, "min")


def _outcome(people: People, plan: InsulinPlan, glucose: Floats, weights: Floats) -> InsulinOutcome:
    rules = people.file.rules
    inside = ((glucose >= rules.range_mg_dl.low) & (glucose <= rules.range_mg_dl.high)).mean(axis=1)
    lowest, highest = glucose.min(axis=1), glucose.max(axis=1)
    low = float(weights @ (lowest < rules.range_mg_dl.low))
    very_low = float(weights @ (lowest < rules.very_low_mg_dl))
    return InsulinOutcome(
        name=plan.name,
        bands=tuple(tuple(row) for row in weighted_bands(glucose, weights).tolist()),
        time_in_range=float(weights @ inside),
        low=low,
        very_low=very_low,
        high=float(weights @ (highest > rules.very_high_mg_dl)),
        within_limits=low <= rules.low_at_most and very_low <= rules.very_low_at_most,
    )


def weighted_bands(values: Floats, weights: Floats) -> Floats:
    """Quantiles `BANDS` at each time, (5, times), of values (people, times): the least that enough weight is below."""
    order = np.argsort(values, axis=0)
    rows = np.take_along_axis(values, order, axis=0)
    shares = np.cumsum(weights[order], axis=0)
    picked = [np.minimum((shares < level - 1e-12).sum(axis=0), len(rows) - 1) for level in BANDS]
    return np.stack([np.take_along_axis(rows, one[None], axis=0)[0] for one in picked])
