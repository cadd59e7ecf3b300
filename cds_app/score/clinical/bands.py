"""Points from a table of bands, for a value or a bound of it; inputs that are there, or named as lacking."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal

from cds_app.domain.facts import Measurement
from cds_app.score.result import Lack, Part
from cds_app.score.situation import Situation

Bands = Sequence[tuple[float, int]]  # (from this value on, points), ascending; the first from -inf


def rounded(value: float, step: str = "1") -> float:
    """Round to a step of the decimal system, halves up, as the number reads in decimal: 38.05 -> 38.1."""
    return float(Decimal(repr(value)).quantize(Decimal(step), rounding=ROUND_HALF_UP))


def points(bands: Bands, value: float) -> int:
    """Points of the last band that begins at or below the value."""
    return next(given for start, given in reversed(bands) if value >= start)


def points_of(bands: Bands, measured: Measurement, step: str = "1") -> int | None:
    """Points of a measurement; None when it is a bound and the bands it leaves open differ.

    Parameters
    ----------
    bands : Bands
        The table.
    measured : Measurement
        Its value is rounded to ``step`` first.
    step : str
        Decimal step, as text (``"0.1"``).
    """
    value = rounded(measured.value, step)
    if measured.bound == "=":
        return points(bands, value)
    if measured.bound in {">", ">="}:
        possible = {points(bands, value), *(given for start, given in bands if start > value)}
    else:
        possible = {given for start, given in bands if start < value or (start == value and "=" in measured.bound)}
    return possible.pop() if len(possible) == 1 else None


def lacking(situation: Situation, quantity: str) -> Lack:
    """Say why a quantity has no current value: never measured, or how old the newest one is."""
    last = situation.latest(quantity)
    if last is None:
        return Lack(name=quantity, why="missing")
    return Lack(name=quantity, why="stale", age_h=situation.age_h(last))


def current(situation: Situation, quantity: str, within_h: float | None = None) -> Measurement | Lack:
    """The newest value that is exact and current (by the ontology, or not older than ``within_h``)."""
    found = situation.fresh(quantity) if within_h is None else situation.latest(quantity, within_h)
    if found is None:
        return lacking(situation, quantity)
    if found.bound != "=":
        return Lack(name=quantity, why="bound-only", age_h=situation.age_h(found))
    return found


def apart(found: Iterable[Part | Lack]) -> tuple[tuple[Part, ...], tuple[Lack, ...]]:
    """What a score is made of, and what could not be had for it."""
    told = tuple(found)
    return tuple(one for one in told if isinstance(one, Part)), tuple(one for one in told if isinstance(one, Lack))
