"""From values and times to places in a drawing. Geometry here; colours and sizes in the style sheet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from math import ceil, floor, log10
from typing import Final

from cds_app.domain.told import Told

_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
_HOUR_STEPS: Final = (1, 2, 3, 4, 6, 12, 24, 48, 168)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A straight line from values to places.

    Parameters
    ----------
    low, high : float
        Values at the ends; ``low < high``.
    start, end : float
        Places of these ends; ``start`` may be greater, as the y axis of a drawing grows downwards.
    """

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The place of a value, to a tenth."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def inside(self, value: float) -> float:
        """The place of a value, or of the end that it lies beyond."""
        return self.at(min(max(value, self.low), self.high))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark on an axis: where, and what stands there."""

    at: float
    text: str


def limits(values: Iterable[float], *, least: float, margin: float = 0.08) -> tuple[float, float]:
    """Ends of an axis that shows all values: at least ``least`` apart, with a margin on both sides."""
    found = tuple(values)
    low, high = min(found), max(found)
    wanted = max(high - low, least)
    middle = (low + high) / 2.0
    half = wanted * (0.5 + margin)
    return middle - half, middle + half


def value_ticks(axis: Axis, most: int, told: Told | None = None) -> tuple[Tick, ...]:
    """Values inside an axis that are round as they are told, at most ``most`` of them."""
    low, high = (one if told is None else told.value(one) for one in (axis.low, axis.high))
    step = _round_step((high - low) / most)
    decimals = max(0, -floor(log10(step) + 1e-9))
    if step * 10**decimals % 1 > 1e-9:  # 2.5, 0.25
        decimals += 1
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    values = (n * step for n in range(first, last + 1))
    return tuple(
        Tick(at=axis.at(one if told is None else told.back(one)), text=f"{one:.{decimals}f}") for one in values
    )


def _round_step(least: float) -> float:
    power = 10.0 ** floor(log10(least))
    return next(one * power for one in _STEPS if one * power >= least * (1.0 - 1e-9))


def time_ticks(axis: Axis, now: datetime, zone: tzinfo, most: int) -> tuple[Tick, ...]:
    """Full hours of the clock on an axis of hours since ``now``, at most ``most`` of them; at midnight the day."""
    hours = axis.high - axis.low
    step = next((one for one in _HOUR_STEPS if hours / one <= most), _HOUR_STEPS[-1])
    local = now.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    at = midnight - timedelta(hours=ceil(-axis.low / step + 24 / step) * step)
    while (since := (at - local) / timedelta(hours=1)) <= axis.high:
        if since >= axis.low:
            found.append(Tick(at=axis.at(since), text=f"{at:%d %b}" if at.hour == 0 else f"{at:%H:%M}"))
        at += timedelta(hours=step)
    return tuple(found)


def line(points: Sequence[tuple[float, float]]) -> str:
    """SVG path data of one unbroken line; "" without points."""
    return " ".join(f"{'L' if index else 'M'}{x:g} {y:g}" for index, (x, y) in enumerate(points))


def area(upper: Sequence[tuple[float, float]], lower: Sequence[tuple[float, float]]) -> str:
    """SVG path data of the area between two lines over the same places; "" without points."""
    return f"{line((*upper, *reversed(lower)))} Z" if upper else ""
