"""Route, interval and length of infusion of a dosage, where they are said in a form that can be computed with.

Nothing is guessed: a dosage in words only, on demand, at mealtimes or on some days of the week has no interval.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Final, Literal

from cds_app.domain.dosing import Dosing
from cds_app.domain.time import time_in
from cds_app.fabric.codes import codes_of, text_of
from cds_app.fabric.drugs.meals import carbohydrate_g, goes_with_meals
from cds_app.fabric.drugs.unsettled import HOURS, lasts_h, unsettled_of
from cds_app.fabric.shapes import Object, as_object, first, number, word
from cds_app.fabric.times import end_of

Route = Literal["iv", "oral", "subcutaneous", "local", "other", ""]

_ROUTE_CODES: Final[Mapping[str, Route]] = {  # SNOMED CT
    **{"47625008": "iv", "26643006": "oral", "34206005": "subcutaneous"},
    **{"6064005": "local", "54485002": "local", "10547007": "local"},  # on the skin, into eyes and ears
}
_ROUTE_WORDS: Final[Mapping[str, Route]] = {
    **dict.fromkeys(("iv", "iv drip", "iv bolus", "iv push", "ivpb", "ivp", "intravenous", "intravenous route"), "iv"),
    **dict.fromkeys(("po", "po/ng", "ng", "oral", "oral route", "by mouth", "per os"), "oral"),
    **dict.fromkeys(
        ("tp", "topical", "topical route", "ophthalmic route", "otic route", "ophth", "eye", "ear"), "local"
    ),
    **dict.fromkeys(("sc", "sq", "subq", "subcut", "subcutaneous", "subcutaneous route"), "subcutaneous"),
}
_TIMING_CODES: Final[Mapping[str, float]] = {
    **{"qd": 24.0, "daily": 24.0, "am": 24.0, "pm": 24.0, "bid": 12.0, "tid": 8.0, "qid": 6.0, "qod": 48.0},
    **{f"q{n}h": float(n) for n in (1, 2, 3, 4, 6, 8, 12, 24, 36, 48)},
}
_ONCE: Final = frozenset({"once", "once only", "one time", "one-time", "stat", "now", "x1"})
_ON_DEMAND: Final = re.compile(r"\b(?:prn|as needed|as required|(?:if|when) (?:needed|required)|on demand)\b")
_EVERY: Final = re.compile(r"q\s*(\d{1,2})\s*h(?:rs?)?\Z")
_MASS_RATE: Final = re.compile(r"(?P<mass>[^\W\d_]+)/(?P<time>h|hr|hour|min)\Z")


def dosing_of(instruction: Object, dose: Object, zone: tzinfo, *, beside: bool = False) -> Dosing | None:
    """How a drug is given, from one dosage (instruction); None if it says nothing of that.

    Parameters
    ----------
    beside : bool
        Whether other instructions stand beside it, or follow.
    """
    repeat = as_object((as_object(instruction.get("timing")) or {}).get("repeat")) or {}
    names = _timing_names(instruction)
    intervals, lengths = _intervals_h(repeat, names), _lengths_h(instruction, repeat, dose)
    unsettled = unsettled_of(instruction, repeat, dose, intervals, lengths)
    found = Dosing(
        route=_route(instruction.get("route")),
        interval_h=next(iter(intervals), None),
        over_h=next(iter(lengths), None),
        start=_start(repeat, zone, exact=True),
        start_day=_start(repeat, zone, exact=False),
        as_needed=_as_needed(instruction, names),
        once=_once(instruction, repeat),
        with_meals=goes_with_meals(instruction, repeat, names),
        rated=_rated(instruction),
        carbohydrate_g=carbohydrate_g(instruction, repeat, names),
        lasts_h=lasts_h(repeat, intervals),
        end=end_of(as_object(repeat.get("boundsPeriod")), zone),
        unsettled=("dosage", *unsettled) if beside else unsettled,
    )
    return None if found == Dosing() else found


def _route(concept: object) -> Route:
    names = [text_of(concept), *(code for _, code in codes_of(concept))]
    said = (_ROUTE_CODES.get(name) or _ROUTE_WORDS.get(name.casefold()) for name in names)
    known = next((one for one in said if one), None)
    return known or ("other" if any(names) else "")


def _as_needed(instruction: Object, names: Sequence[str]) -> bool:
    coded = any(instruction.get(name) is True for name in ("asNeededBoolean", "asNeeded"))
    for_what = any(instruction.get(name) for name in ("asNeededCodeableConcept", "asNeededFor"))
    return (
        coded or for_what or any(_ON_DEMAND.search(text.casefold()) for text in (*names, word(instruction.get("text"))))
    )


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
    return bool(_quantity(rated.get("rateRatio"))) or any(one and _unit(one) not in HOURS for one in rates)


def _intervals_h(repeat: Object, names: Sequence[str]) -> list[float]:
    """Every interval that is said, in numbers first; none where some days are left out."""
    if repeat.get("dayOfWeek"):
        return []
    named = [hours for name in names if (hours := _named(name.casefold())) is not None]
    counted = _counted_h(repeat)
    return named if counted is None else [counted, *named]


def _counted_h(repeat: Object) -> float | None:
    frequency, period = number(repeat.get("frequency")), number(repeat.get("period"))
    unit = HOURS.get(word(repeat.get("periodUnit")) or word(repeat.get("periodUnits")))
    if frequency and period and unit and frequency > 0.0 and period > 0.0:
        return period * unit / frequency
    return None


def _named(text: str) -> float | None:
    found = _EVERY.match(text)
    if found is not None:
        return float(found[1]) or None
    return _TIMING_CODES.get(text)


def _lengths_h(instruction: Object, repeat: Object, dose: Object) -> list[float]:
    """From the duration of each event, a rate that is a time, and a rate in the dose's own unit of mass."""
    duration, unit = number(repeat.get("duration")), HOURS.get(word(repeat.get("durationUnit")))
    rated = first(instruction.get("doseAndRate"))
    rate = next(
        (one for one in map(_quantity, (rated.get("rateQuantity"), instruction.get("rateQuantity"))) if one), {}
    )
    said = (
        duration * unit if duration and unit and duration > 0.0 else None,
        _from_rate(rate, dose),
        _from_ratio(as_object(rated.get("rateRatio")) or {}, dose),
    )
    return [one for one in said if one is not None]


def _quantity(value: object) -> Object:
    return as_object(value) or {}


def _unit(quantity: Object) -> str:
    return (word(quantity.get("code")) or word(quantity.get("unit"))).casefold()


def _from_rate(rate: Object, dose: Object) -> float | None:
    value, unit = number(rate.get("value")), _unit(rate)
    if value is None or value <= 0.0:
        return None
    if unit in HOURS:
        return value * HOURS[unit]
    found, amount = _MASS_RATE.match(unit), number(dose.get("value"))
    if found is None or amount is None or amount <= 0.0 or found["mass"] != _unit(dose):
        return None
    return amount / value * HOURS[found["time"]]


def _from_ratio(ratio: Object, dose: Object) -> float | None:
    above, below = _quantity(ratio.get("numerator")), _quantity(ratio.get("denominator"))
    value, time = number(above.get("value")), number(below.get("value"))
    amount, unit = number(dose.get("value")), HOURS.get(_unit(below))
    if not value or not time or not amount or unit is None or _unit(above) != _unit(dose):
        return None
    hours = amount / value * time * unit
    return hours if hours > 0.0 else None


def _start(repeat: Object, zone: tzinfo, *, exact: bool) -> datetime | None:
    """The instant of a start that is one, or else the first of the day, month or year that it names."""
    period = as_object(repeat.get("boundsPeriod")) or {}
    found = time_in(period.get("start"), local=zone)
    return found.start if found is not None and found.exact is exact else None
