"""A simulation as a fan: the middle and the bands of many virtual copies of one patient, over the time ahead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Final

from cds_app.cards.text import number, simulated
from cds_app.pages.scale import Axis, Tick, area, line

WIDTH: Final = 340.0
HEIGHT: Final = 190.0
LEFT: Final = 40.0
RIGHT: Final = 8.0
TOP: Final = 14.0
BOTTOM: Final = 26.0
_GRIDS: Final = 4
_MOST_POINTS: Final = 180
TOLD: Final = 8
NONE: Final = "–"
_ROUND: Final = (1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 5.0, 6.0, 8.0, 10.0)

Row = Sequence[float | None]
Bands = tuple[Row, Row, Row, Row, Row]
"""5, 25, 50, 75 and 95 of 100 draws, at each time; None where no draw has an answer any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fan:
    """Paths of a drawing, ready for ``d``.

    Parameters
    ----------
    wide, half, median : str
        Areas where 90 and 50 of 100 draws lie, and the line in the middle.
    other : str
        The middle of the plan that is compared with; "" without one.
    limits_y : tuple of float
        Where limits lie.
    rows : tuple of tuple of str
        The same at a few times for who reads it: the time, the middle, where half and where 90 of 100 draws lie, and
        with another plan its middle.
    """

    wide: str
    half: str
    median: str
    other: str
    limits_y: tuple[float, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What a fan is drawn of.

    Parameters
    ----------
    times : sequence of float
        Ascending, from 0, in hours or minutes.
    other : Row or None
        The middle of another plan, at the same times.
    limits : tuple of float
    from_zero : bool
        Whether the axis of values begins at 0.
    step : float
        Between two marks of the time axis.
    decimals : int, optional
        Of the values that are told; by default as many as tell two digits.
    """

    times: Sequence[float]
    bands: Bands
    other: Row | None = None
    limits: tuple[float, ...] = ()
    from_zero: bool = True
    step: float = 12.0
    decimals: int | None = None


def fan(drawn: Drawn) -> Fan:
    """Draw it."""
    kept = _kept(len(drawn.times))
    times = [drawn.times[i] for i in kept]
    x = Axis(low=0.0, high=drawn.times[-1], start=LEFT, end=WIDTH - RIGHT)
    y = _value_axis(drawn)
    low90, low50, middle, high50, high90 = ([row[i] for i in kept] for row in drawn.bands)
    other = [drawn.other[i] for i in kept] if drawn.other is not None else []
    return Fan(
        wide=area(_line(x, y, times, high90), _line(x, y, times, low90)),
        half=area(_line(x, y, times, high50), _line(x, y, times, low50)),
        median=line(_line(x, y, times, middle)),
        other=line(_line(x, y, times, other)) if other else "",
        limits_y=tuple(y.inside(one) for one in drawn.limits),
        x_ticks=_time_ticks(x, drawn.step),
        y_ticks=_value_ticks(y),
        rows=tuple(_told(drawn, i) for i in _kept(len(drawn.times), TOLD)),
    )


def _told(drawn: Drawn, at: int) -> tuple[str, ...]:
    low90, low50, middle, high50, high90 = (_figure(row[at], drawn.decimals) for row in drawn.bands)
    row = (f"{drawn.times[at]:.4g}", middle, _from_to(low50, high50), _from_to(low90, high90))
    return row if drawn.other is None else (*row, _figure(drawn.other[at], drawn.decimals))


def _from_to(low: str, high: str) -> str:
    return NONE if NONE in (low, high) else f"{low} to {high}"


def _figure(value: float | None, decimals: int | None) -> str:
    if value is None:
        return NONE
    return simulated(value) if decimals is None else number(value, decimals)


def _kept(count: int, most: int = _MOST_POINTS) -> list[int]:
    """Which of many times are drawn: enough for the eye, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})


def _line(x: Axis, y: Axis, times: Sequence[float], row: Sequence[float | None]) -> list[tuple[float, float]]:
    return [(x.at(at), y.inside(value)) for at, value in zip(times, row, strict=True) if value is not None]


def _value_axis(drawn: Drawn) -> Axis:
    shown = [value for row in (*drawn.bands, drawn.other or (), drawn.limits) for value in row if value is not None]
    low, high = (0.0, _rounded_up(max(shown, default=1.0))) if drawn.from_zero else _around(shown)
    return Axis(low=low, high=high, start=HEIGHT - BOTTOM, end=TOP)


def _rounded_up(value: float) -> float:
    """A round number not below a value, that four grid lines divide well."""
    if value <= 0.0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    return next(one * power for one in _ROUND if one * power >= value * 0.999)


def _around(shown: Sequence[float]) -> tuple[float, float]:
    step = 20.0
    low, high = floor(min(shown) / step) * step, ceil(max(shown) / step) * step
    return low, max(high, low + step)


def _value_ticks(axis: Axis) -> tuple[Tick, ...]:
    """Always as many, at the same places: a script that draws anew only changes what stands there."""
    values = [axis.low + (axis.high - axis.low) * i / _GRIDS for i in range(_GRIDS + 1)]
    return tuple(Tick(at=axis.at(value), text=f"{value:.3g}") for value in values)


def _time_ticks(axis: Axis, step: float) -> tuple[Tick, ...]:
    count = int(axis.high / step + 1e-9)
    every = max(1, ceil(count / 6))
    return tuple(Tick(at=axis.at(i * step), text=f"{i * step:g}") for i in range(0, count + 1, every))
