"""What a dosage says beyond one dose at one interval: what keeps a regular plan from being made of it.

Ranges, highest doses, several instructions, hours of the day that are not even, rates by volume: each is named here, so
that whoever makes a plan can refuse it by field instead of leaving it out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

from cds_app.domain.dosing import Open
from cds_app.domain.units import mg_per
from cds_app.fabric.shapes import Object, as_object, first, number, objects, word

HOURS: Final[Mapping[str, float]] = {"min": 1.0 / 60.0, "h": 1.0, "hr": 1.0, "hour": 1.0, "d": 24.0, "wk": 168.0}
_LONGER: Final[Mapping[str, float]] = {**HOURS, "s": 1.0 / 3600.0, "mo": 28.0 * 24.0, "a": 365.0 * 24.0}
"""The shortest that a month and a year can be."""
_CLOCK: Final = re.compile(r"(?P<hours>[01]\d|2[0-3]):(?P<minutes>[0-5]\d)(?::[0-5]\d(?:\.\d+)?)?\Z")
_DAY_H: Final = 24.0
_SAME: Final = 1e-6
_ALIKE: Final = 1.05
"""A rate and a duration are rounded."""


def unsettled_of(
    instruction: Object, repeat: Object, dose: Object, intervals_h: Sequence[float], lengths_h: Sequence[float]
) -> tuple[Open, ...]:
    """Names of what is left open.

    Parameters
    ----------
    dose : mapping
        The Quantity that counts as the dose.
    intervals_h : sequence of float
        Every interval that the timing says, in numbers or in a code.
    lengths_h : sequence of float
        Every length of an infusion that could be worked out, from a duration or a rate.
    """
    found: dict[Open, bool] = {
        "dose": _dose_open(instruction, dose),
        "maximum": _may_exceed(instruction, dose, intervals_h),
        "timing": _timing_open(instruction, repeat, intervals_h),
        "length": _length_open(instruction, repeat, lengths_h),
    }
    return tuple(name for name, open_ in found.items() if open_)


def lasts_h(repeat: Object, intervals_h: Sequence[float]) -> float | None:
    """Hours that a course lasts at least, by the number of its doses or a length; None where neither is said."""
    count, every_h = number(repeat.get("count")), next(iter(intervals_h), None)
    said = [] if count is None or every_h is None else [count * every_h]
    length = as_object(repeat.get("boundsDuration")) or first((as_object(repeat.get("boundsRange")) or {}).get("low"))
    value, unit = number(length.get("value")), _LONGER.get(word(length.get("code")) or word(length.get("unit")))
    if value is not None and unit is not None:
        said.append(value * unit)
    elif length or "boundsRange" in repeat:
        said.append(0.0)  # bounded, by nobody knows what
    return min(said, default=None)


def one_dose(doses: Sequence[Object]) -> Object:
    """The dose among those of an instruction: the only mass beside what is per weight, else the first."""
    masses = [one for one in doses if mass_unit(one)]
    return next(iter(masses or doses), {})


def mass_unit(dose: Object) -> str:
    """The unit of a dose that is a mass; "" for none, and where unit and code say different ones."""
    said = [text for name in ("unit", "code") if (text := word(dose.get(name)).strip().casefold())]
    known = {mg_per(text) for text in said}
    return said[0] if len(known) == 1 and None not in known else ""


def conflicting(dose: Object) -> bool:
    """Whether unit and code of a dose are two different masses."""
    said = {mg_per(word(dose.get(name))) for name in ("unit", "code")} - {None}
    return len(said) > 1


def doses_of(instruction: Object) -> list[Object]:
    """Every dose of an instruction: R4 ``doseAndRate``, STU3 ``doseQuantity``, or an administration's dosage."""
    rated = [one.get("doseQuantity") for one in objects(instruction.get("doseAndRate"))]
    every = (*rated, instruction.get("doseQuantity"), instruction.get("dose"))
    return [one for one in every if isinstance(one, dict)]


def _dose_open(instruction: Object, dose: Object) -> bool:
    amounts = {_mg(one) for one in doses_of(instruction) if mass_unit(one)}
    return bool(dose.get("comparator")) or conflicting(dose) or len(amounts) > 1


def _mg(dose: Object) -> float | None:
    value, factor = number(dose.get("value")), mg_per(mass_unit(dose))
    return None if value is None or factor is None else value * factor


def _may_exceed(instruction: Object, dose: Object, intervals_h: Sequence[float]) -> bool:
    """Whether a highest dose stands there that the plan is not known to keep."""
    amount, every_h = _mg(dose), next(iter(intervals_h), None)
    if instruction.get("maxDosePerLifetime") is not None:
        return True
    at_once = instruction.get("maxDosePerAdministration")
    if at_once is not None and not _within(amount, _mg(as_object(at_once) or {})):
        return True
    rate = None if amount is None or every_h is None else amount / every_h
    return any(not _within(rate, _mg_per_h(one)) for one in objects(instruction.get("maxDosePerPeriod")))


def _within(value: float | None, most: float | None) -> bool:
    return value is not None and most is not None and value <= most * (1.0 + _SAME)


def _mg_per_h(ratio: Object) -> float | None:
    amount, below = _mg(as_object(ratio.get("numerator")) or {}), as_object(ratio.get("denominator")) or {}
    value, unit = number(below.get("value")), _LONGER.get(word(below.get("code")) or word(below.get("unit")))
    return amount / (value * unit) if amount is not None and value and unit else None


def _timing_open(instruction: Object, repeat: Object, intervals_h: Sequence[float]) -> bool:
    ranges = any(repeat.get(name) is not None for name in ("frequencyMax", "periodMax", "countMax"))
    timing = as_object(instruction.get("timing")) or {}
    frequency = number(repeat.get("frequency"))
    part = frequency is not None and not frequency.is_integer()
    differ = len(set(intervals_h)) > 1
    return ranges or part or differ or bool(timing.get("event")) or _uneven(repeat, intervals_h)


def _uneven(repeat: Object, intervals_h: Sequence[float]) -> bool:
    """Whether hours of the day are said that are not as far apart as the interval."""
    said = repeat.get("timeOfDay")
    if said is None:
        return False
    told = said if isinstance(said, list) else [said]
    clock = [_CLOCK.match(one) if isinstance(one, str) else None for one in told]
    times = sorted(int(one["hours"]) + int(one["minutes"]) / 60.0 for one in clock if one)
    gaps = [after - before for before, after in pairwise([*times, times[0] + _DAY_H])] if times else []
    every_h = next(iter(intervals_h), None)
    return None in clock or every_h is None or any(abs(gap - every_h) > _SAME for gap in gaps)


def _length_open(instruction: Object, repeat: Object, lengths_h: Sequence[float]) -> bool:
    """Whether a length or a rate is said that makes no one length."""
    if repeat.get("durationMax") is not None or any("rateRange" in one for one in _rated(instruction)):
        return True
    said = repeat.get("duration") not in (None, 0) or any(
        one.get(name) is not None for one in _rated(instruction) for name in ("rateQuantity", "rateRatio")
    )
    return (said and not lengths_h) or max(lengths_h, default=0.0) > _ALIKE * min(lengths_h, default=0.0)


def _rated(instruction: Object) -> Iterator[Object]:
    yield from objects(instruction.get("doseAndRate"))
    yield instruction
