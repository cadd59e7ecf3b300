"""Small trends as SVG paths: geometry here, classes and words in the template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

WIDTH: Final = 96.0
HEIGHT: Final = 28.0
_MARGIN: Final = 3.0

Point = tuple[datetime, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The usual range as a rectangle: upper edge and height."""

    top: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A line in a box of `WIDTH` by `HEIGHT`.

    Parameters
    ----------
    path : str
        SVG path data; gaps stay gaps.
    last : tuple of float
        Where the newest value lies.
    band : Band or None
        The usual range, as far as it is inside the box.
    """

    path: str
    last: tuple[float, float]
    band: Band | None


def trend(
    points: Sequence[Point],
    begin: datetime,
    end: datetime,
    *,
    usual: tuple[float, float] | None = None,
    gap: timedelta = timedelta(hours=12),
) -> Trend | None:
    """Draw values over a time span; None when fewer than two lie in it.

    Parameters
    ----------
    points : sequence of (time, value)
        Ascending in time.
    begin, end : datetime
        What the width stands for.
    usual : (low, high), optional
        Usual range in the unit of the values.
    gap : timedelta
        A longer silence breaks the line.
    """
    shown = [one for one in points if begin <= one[0] <= end]
    if len(shown) < 2:
        return None
    low, high = _limits([value for _, value in shown])

    def x(at: datetime) -> float:
        return round(_MARGIN + (WIDTH - 2 * _MARGIN) * ((at - begin) / (end - begin)), 1)

    def y(value: float) -> float:
        return round(HEIGHT - _MARGIN - (HEIGHT - 2 * _MARGIN) * (value - low) / (high - low), 1)

    places = [(at, x(at), y(value)) for at, value in shown]
    band = _band(y(min(max(usual[1], low), high)), y(max(min(usual[0], high), low))) if usual else None
    return Trend(path=_path(places, gap), last=places[-1][1:], band=band)


def _limits(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = max(0.08 * (high - low), 0.02 * abs(high), 0.05)
    return low - room, high + room


def _band(top: float, bottom: float) -> Band | None:
    return Band(top=top, height=round(bottom - top, 1)) if bottom > top else None


def _path(places: Sequence[tuple[datetime, float, float]], gap: timedelta) -> str:
    parts = []
    before: datetime | None = None
    for at, x, y in places:
        move = before is None or at - before > gap
        parts.append(f"{'M' if move else 'L'}{x} {y}")
        before = at
    return "".join(parts)
