"""What if: insulin for a meal or a high glucose, tried on virtual people who are like the patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cds_app.score.situation import Situation
from cds_app.services.what_if.operation import Field
from cds_app.simulate.glucose.chart import daily_insulin, like_whom
from cds_app.simulate.glucose.model import Bolus, InsulinPlan, Meal
from cds_app.simulate.glucose.people import People
from cds_app.simulate.glucose.what_if import InsulinAnswer, insulin_what_if
from cds_app.simulate.refusals import Refused

INJECTED: Final = ("bolus", "carbohydrate", "daily")
MINUTES: Final = 360
PLANNED: Final = "As entered"
NONE: Final = "No extra insulin"
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
        Field("bolus", "Insulin now", wish.bolus_u, 0.0, limits["bolus_u"].high, "units"),
        Field("carbohydrate", "Meal now", wish.carbohydrate_g, 0.0, limits["carbohydrate_g"].high, "g carbohydrate"),
        Field("daily", "Insulin of a usual day", daily_u, low, high, "units"),
    )


def usual_insulin(situation: Situation, wish: Injected) -> float | None:
    """As entered, else all that was given in 24 h, in U; None where that is not known as a whole."""
    return daily_insulin(situation) if wish.daily_u is None else wish.daily_u


def try_insulin(people: People, situation: Situation, wish: Injected) -> InsulinAnswer | Refused:
    """The dose beside none, one unit less and one unit more, from the glucose of now on."""
    like = like_whom(people, situation, usual_insulin(situation, wish))
    if isinstance(like, Refused):
        return like
    meals = (Meal(at_min=0, carbohydrate_g=wish.carbohydrate_g),) if wish.carbohydrate_g else ()
    return insulin_what_if(people, like.patient, _plans(people, wish), meals, MINUTES)


def _plans(people: People, wish: Injected) -> tuple[InsulinPlan, ...]:
    most = people.file.rules.validity["bolus_u"].high
    amounts = {PLANNED: wish.bolus_u, NONE: 0.0}
    for units in (wish.bolus_u - _STEP_U, wish.bolus_u + _STEP_U):
        if 0.0 < units <= most:
            amounts[f"{units:g} {'unit' if units == 1.0 else 'units'}"] = units
    return tuple(
        InsulinPlan(name=name, boluses=(Bolus(at_min=0, units=units),) if units else ())
        for name, units in amounts.items()
    )
