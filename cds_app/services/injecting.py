"""What if: insulin for a meal or a high glucose, tried on virtual people who are like the patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cds_app.domain.facts import Medication
from cds_app.score.situation import Situation
from cds_app.services.operating import Field
from cds_app.simulate.glucose import Bolus, InsulinPlan, Meal, People
from cds_app.simulate.glycaemia import GlucosePatient, InsulinAnswer, insulin_what_if, patient_problems
from cds_app.simulate.refusals import Refusal, Refused

INJECTED: Final = ("bolus", "carbohydrate", "daily")
MINUTES: Final = 360
PLANNED: Final = "As entered"
NONE: Final = "No extra insulin"
_DAY_H: Final = 24.0
_UNITS: Final = frozenset({"u", "[iu]", "[u]", "iu", "unit", "units", "international unit"})
_STEP_U: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """What a user wants to try.

    Parameters
    ----------
    bolus_u, carbohydrate_g : float
        0: none of it.
    daily_u : float or None
        All insulin of a usual day; None: what was given in the last 24 h.
    """

    bolus_u: float = 4.0
    carbohydrate_g: float = 45.0
    daily_u: float | None = None

    @classmethod
    def of(cls, given: Mapping[str, float | None]) -> Injected:
        """From a form's fields, by the names in `INJECTED`; what was left out is as usual."""
        names = dict(zip(INJECTED, ("bolus_u", "carbohydrate_g", "daily_u"), strict=True))
        return cls(**{names[name]: value for name, value in given.items() if value is not None})


def injected_fields(people: People, wish: Injected, daily_u: float | None) -> tuple[Field, ...]:
    """The form; the limits are the content's."""
    limits = people.file.rules.validity
    low, high = limits["daily_insulin_u"].low, limits["daily_insulin_u"].high
    return (
        Field("bolus", "Insulin now", wish.bolus_u, 0.0, limits["bolus_u"].high, "U"),
        Field("carbohydrate", "Meal now", wish.carbohydrate_g, 0.0, limits["carbohydrate_g"].high, "g carbohydrate"),
        Field("daily", "Insulin of a usual day", low if daily_u is None else daily_u, low, high, "U"),
    )


def daily_insulin(situation: Situation, wish: Injected) -> float | None:
    """As entered, else all that was given in 24 h, in U; None where that is not known as a whole."""
    if wish.daily_u is not None:
        return wish.daily_u
    amounts = [_units(one) for one in situation.given("insulins", _DAY_H)]
    return sum(one for one in amounts if one is not None) if amounts and None not in amounts else None


def _units(given: Medication) -> float | None:
    return given.dose_value if given.dose_unit.strip().casefold() in _UNITS else None


def try_insulin(people: People, situation: Situation, wish: Injected) -> InsulinAnswer | Refused:
    """The dose beside none, one unit less and one unit more, from the glucose of now on."""
    patient = like_whom(people, situation, wish)
    if isinstance(patient, Refused):
        return patient
    meals = (Meal(at_min=0, carbohydrate_g=wish.carbohydrate_g),) if wish.carbohydrate_g else ()
    return insulin_what_if(people, patient, _plans(people, wish), meals, MINUTES)


def like_whom(people: People, situation: Situation, wish: Injected) -> GlucosePatient | Refused:
    """The patient as virtual people are sought who are alike, or all that speaks against it.

    Nothing is supposed: without a current glucose, a weight, an age or the insulin of a day there is no answer.
    """
    glucose, weight = situation.fresh("glucose"), situation.latest("body_weight")
    daily_u, age = daily_insulin(situation, wish), situation.age_years
    known = {
        "glucose_mg_dl": glucose.value if glucose is not None and glucose.bound == "=" else None,
        "weight_kg": weight.value if weight is not None and weight.bound == "=" else None,
        "age_years": float(age) if age is not None else None,
        "daily_insulin_u": daily_u,
    }
    lacking = [Refusal(field=f"patient.{name}", limit=_LACKS[name]) for name, value in known.items() if value is None]
    if lacking:
        return Refused(subject="insulin", reasons=tuple(lacking))
    values = {name: value for name, value in known.items() if value is not None}
    patient = GlucosePatient(type_1=bool(situation.conditions("type_1_diabetes")), **values)
    problems = tuple(patient_problems(people, patient))
    return Refused(subject="insulin", reasons=problems) if problems else patient


_LACKS: Final = {
    "glucose_mg_dl": "a current glucose is needed",
    "weight_kg": "must be recorded",
    "age_years": "must be recorded",
    "daily_insulin_u": "must be entered: no insulin of the last 24 h is recorded in units",
}


def _plans(people: People, wish: Injected) -> tuple[InsulinPlan, ...]:
    most = people.file.rules.validity["bolus_u"].high
    amounts = {PLANNED: wish.bolus_u, NONE: 0.0}
    for units in (wish.bolus_u - _STEP_U, wish.bolus_u + _STEP_U):
        if 0.0 < units <= most:
            amounts[f"{units:g} U"] = units
    return tuple(
        InsulinPlan(name=name, boluses=(Bolus(at_min=0, units=units),) if units else ())
        for name, units in amounts.items()
    )
