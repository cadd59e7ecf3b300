"""Route, interval and length of infusion of a dosage, where they are said in a form that can be computed with.

Nothing is guessed: a dosage in words only, on demand, at mealtimes or on some days of the week has no interval.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Final, Literal

from cds_app.domain.facts import Dosing
from cds_app.domain.time import time_in
from cds_app.fabric.codes import codes_of, text_of
from cds_app.fabric.meals import carbohydrate_g, goes_with_meals
from cds_app.fabric.shapes import Object, as_object, first, number, word

Route = Literal["iv", "oral", "subcutaneous", "other", ""]

_ROUTE_CODES: Final[Mapping[str, Route]] = {  # SNOMED CT
    **{"47625008": "iv", "26643006": "oral", "34206005": "subcutaneous"}
}
_ROUTE_WORDS: Final[Mapping[str, Route]] = {
    **dict.fromkeys(("iv", "iv drip", "iv bolus", "iv push", "ivpb", "ivp", "intravenous", "intravenous route"), "iv"),
    **dict.fromkeys(("po", "po/ng", "ng", "oral", "oral route", "by mouth", "per os"), "oral"),
    **dict.fromkeys(("sc", "sq", "subq", "subcut", "subcutaneous", "subcutaneous route"), "subcutaneous"),
}
_HOURS: Final[Mapping[str, float]] = {"min": 1.0 / 60.0, "h": 1.0, "hr": 1.0, "hour": 1.0, "d": 24.0, "wk": 168.0}
_TIMING_CODES: Final[Mapping[str, float]] = {
    **{"qd": 24.0, "daily": 24.0, "am": 24.0, "pm": 24.0, "bid": 12.0, "tid": 8.0, "qid": 6.0, "qod": 48.0},
    **{f"q{n}h": float(n) for n in (1, 2, 3, 4, 6, 8, 12, 24, 36, 48)},
}
_ONCE: Final = frozenset({"once", "once only", "one time", "one-time", "stat", "now", "x1"})
_EVERY: Final = re.compile(r"q\s*(\d{1,2})\s*h(?:rs?)?\Z")
_MASS_RATE: Final = re.compile(r"(?P<mass>[a-zµ]+)/(?P<time>h|hr|hour|min)\Z")


def dosing_of(instruction: Object, dose: Object, zone: tzinfo) -> Dosing | None:
    """How a drug is given, from one dosage (instruction); None if it says nothing of that."""
    repeat = as_object((as_object(instruction.get("timing")) or {}).get("repeat")) or {}
    names = _timing_names(instruction)
    found = Dosing(
        route=_route(instruction.get("route")),
        interval_h=_interval_h(instruction, repeat),
        over_h=_over_h(instruction, repeat, dose),
        start=_start(repeat, zone),
        as_needed=_as_needed(instruction),
        once=_once(instruction, repeat),
        with_meals=goes_with_meals(instruction, repeat, names),
        rated=_rated(instruction),
        carbohydrate_g=carbohydrate_g(instruction, repeat, names),
    )
    return None if found == Dosing() else found


def _route(concept: object) -> Route:
    names = [text_of(concept), *(code for _, code in codes_of(concept))]
    said = (_ROUTE_CODES.get(name) or _ROUTE_WORDS.get(name.casefold()) for name in names)
    known = next((one for one in said if one), None)
    return known or ("other" if any(names) else "")


def _as_needed(instruction: Object) -> bool:
    for_what = as_object(instruction.get("asNeededCodeableConcept"))
    return instruction.get("asNeededBoolean") is True or for_what is not None


def _once(instruction: Object, repeat: Object) -> bool:
    return number(repeat.get("count")) == 1.0 or any(name.casefold() in _ONCE for name in _timing_names(instruction))


def _timing_names(instruction: Object) -> list[str]:
    """What the code of a timing is called, in words and codes."""
    code = (as_object(instruction.get("timing")) or {}).get("code")
    return [text_of(code), *(one for _, one in codes_of(code))]


def _rated(instruction: Object) -> bool:
    """Whether a rate is said that is no length of time."""
    rated = first(instruction.get("doseAndRate"))
    rates = (_quantity(rated.get("rateQuantity")), _quantity(instruction.get("rateQuantity")))
    return bool(_quantity(rated.get("rateRatio"))) or any(one and _unit(one) not in _HOURS for one in rates)


def _interval_h(instruction: Object, repeat: Object) -> float | None:
    if repeat.get("dayOfWeek"):
        return None
    frequency, period = number(repeat.get("frequency")), number(repeat.get("period"))
    unit = _HOURS.get(word(repeat.get("periodUnit")) or word(repeat.get("periodUnits")))
    if frequency and period and unit and frequency > 0.0 and period > 0.0:
        return period * unit / frequency
    return next((hours for name in _timing_names(instruction) if (hours := _named(name.casefold())) is not None), None)


def _named(text: str) -> float | None:
    found = _EVERY.match(text)
    if found is not None:
        return float(found[1]) or None
    return _TIMING_CODES.get(text)


def _over_h(instruction: Object, repeat: Object, dose: Object) -> float | None:
    """From the duration of each event, a rate that is a time, or a rate in the dose's own unit of mass."""
    duration, unit = number(repeat.get("duration")), _HOURS.get(word(repeat.get("durationUnit")))
    if duration and unit and duration > 0.0:
        return duration * unit
    rated = first(instruction.get("doseAndRate"))
    rate = next(
        (one for one in map(_quantity, (rated.get("rateQuantity"), instruction.get("rateQuantity"))) if one), {}
    )
    return _from_rate(rate, dose) or _from_ratio(as_object(rated.get("rateRatio")) or {}, dose)


def _quantity(value: object) -> Object:
    return as_object(value) or {}


def _unit(quantity: Object) -> str:
    return (word(quantity.get("code")) or word(quantity.get("unit"))).casefold()


def _from_rate(rate: Object, dose: Object) -> float | None:
    value, unit = number(rate.get("value")), _unit(rate)
    if value is None or value <= 0.0:
        return None
    if unit in _HOURS:
        return value * _HOURS[unit]
    found, amount = _MASS_RATE.match(unit), number(dose.get("value"))
    if found is None or amount is None or amount <= 0.0 or found["mass"] != _unit(dose):
        return None
    return amount / value * _HOURS[found["time"]]


def _from_ratio(ratio: Object, dose: Object) -> float | None:
    above, below = _quantity(ratio.get("numerator")), _quantity(ratio.get("denominator"))
    value, time = number(above.get("value")), number(below.get("value"))
    amount, unit = number(dose.get("value")), _HOURS.get(_unit(below))
    if not value or not time or not amount or unit is None or _unit(above) != _unit(dose):
        return None
    hours = amount / value * time * unit
    return hours if hours > 0.0 else None


def _start(repeat: Object, zone: tzinfo) -> datetime | None:
    period = as_object(repeat.get("boundsPeriod")) or {}
    found = time_in(period.get("start"), local=zone)
    return found.start if found is not None and found.exact else None
