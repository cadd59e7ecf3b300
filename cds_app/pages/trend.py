"""One quantity over time: what was measured, what the twin takes it to be, and where it is heading.

The estimate at a moment rests on samples up to that moment only, so the line shows what the twin said then. Where
nothing was measured for longer than a value stays current, the lines are broken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from typing import Final

from cds_app.cards.text import clock_time, number, plain
from cds_app.domain.facts import Fact, Measurement, Medication, Procedure
from cds_app.domain.ontology import Variable
from cds_app.domain.time import to_hours
from cds_app.pages.origins import aside_of, origin_of, out_of
from cds_app.pages.scale import Axis, Tick, area, limits, line, time_ticks, value_ticks
from cds_app.pages.thresholds import Limit, Threshold, limit_lines
from cds_app.score.situation import Situation
from cds_app.twin.model import Dynamics, TwinModel
from cds_app.twin.outlook import expected
from cds_app.twin.state import Track, TwinState

WIDTH: Final = 340.0
HEIGHT: Final = 210.0
LEFT: Final = 40.0
RIGHT: Final = 8.0
TOP: Final = 14.0
BOTTOM: Final = 40.0
_GRID: Final = 72
_AHEAD: Final = 0.25  # of the window behind, the window ahead
_MOST_AHEAD_H: Final = 12.0
_HALF_OF_90: Final = 0.6744897501960817 / 1.6448536269514722  # where half lies, of where 90 in 100 lie, if normal
_MOST_EVENTS: Final = 12
_MOST_ROWS: Final = 40
_EVENT_TEXT: Final = 48
WINDOWS_H: Final = (6, 12, 24, 48, 72, 168)


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A stretch of estimates: areas where half and where 90 in 100 measurements would lie, and the median."""

    wide: str
    half: str
    median: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A measured value: where, whether the twin set it aside, and what stands beside it for readers."""

    x: float
    y: float
    aside: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A treatment or procedure on the time axis; ``number`` is drawn, ``text`` stands below."""

    x: float
    number: int
    text: str
    time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measurement of the table: newest first."""

    ref: str
    time: str
    value: str
    remark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendView:
    """All that is drawn and said of one quantity.

    Parameters
    ----------
    past, ahead : tuple of Band
        Estimates up to now, one per unbroken stretch, and forecasts.
    lines : tuple of str
        Lines through the measurements, one per unbroken stretch.
    usual : tuple of (float, float) or None
        Top and height of the usual range.
    now_x : float
    finding : str
        What the drawing shows, in one sentence.
    forecast : str
        Where it is heading, in one sentence; "" where nothing can be said.
    """

    quantity: str
    label: str
    unit: str
    past: tuple[Band, ...]
    ahead: tuple[Band, ...]
    marks: tuple[Mark, ...]
    lines: tuple[str, ...]
    usual: tuple[float, float] | None
    usual_text: str
    limits: tuple[Limit, ...]
    now_x: float
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    events: tuple[Event, ...]
    rows: tuple[Row, ...]
    finding: str
    forecast: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which trend: of what, how far back, in which time zone the clock is read, and with which thresholds."""

    quantity: str
    window_h: float
    zone: tzinfo
    thresholds: tuple[Threshold, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Canvas:
    """A twin's track on a pair of axes, times in hours from now."""

    model: TwinModel
    state: TwinState
    situation: Situation
    variable: Variable
    asked: Asked
    x: Axis
    y: Axis

    @property
    def now_h(self) -> float:
        return to_hours(self.situation.now)

    @property
    def track(self) -> Track:
        return self.state.tracks[self.asked.quantity]

    @property
    def dynamics(self) -> Dynamics:
        return self.model.dynamics[self.asked.quantity]


def trend(model: TwinModel, state: TwinState, situation: Situation, asked: Asked) -> TrendView | None:
    """The trend of a quantity up to ``situation.now``; None where nothing of it lies in the window.

    Parameters
    ----------
    model : TwinModel
    state : TwinState
        Samples after now are not looked at.
    situation : Situation
    asked : Asked
    """
    seen = _seen(situation, asked)
    if asked.quantity not in state.tracks or not seen:
        return None
    canvas = _canvas(model, state, situation, asked, seen)
    ahead = _ahead(canvas)
    return TrendView(
        quantity=asked.quantity,
        label=canvas.variable.label,
        unit=canvas.variable.unit_text,
        past=tuple(_past(canvas)),
        ahead=ahead,
        marks=tuple(_mark(one, canvas) for one in seen),
        lines=tuple(line([_place(one, canvas) for one in run]) for run in _runs(seen, canvas) if len(run) > 1),
        usual=_usual(canvas),
        usual_text=_range_text(canvas),
        limits=limit_lines(asked.thresholds, canvas.y, canvas.variable.decimals),
        now_x=canvas.x.at(0.0),
        x_ticks=time_ticks(canvas.x, situation.now, asked.zone, 6),
        y_ticks=value_ticks(canvas.y, 5),
        events=tuple(_events(canvas)),
        rows=tuple(_rows(seen, canvas)),
        finding=_finding(seen, canvas),
        forecast=_forecast_text(canvas) if ahead else "",
    )


def _seen(situation: Situation, asked: Asked) -> tuple[Measurement, ...]:
    return tuple(one for one in situation.history(asked.quantity, asked.window_h) if not one.implausible)


def _canvas(
    model: TwinModel, state: TwinState, situation: Situation, asked: Asked, seen: Sequence[Measurement]
) -> _Canvas:
    variable = situation.ontology.quantity(asked.quantity)
    behind, now_h = asked.window_h, to_hours(situation.now)
    ahead = min(_AHEAD * behind, _MOST_AHEAD_H)
    dynamics = model.dynamics[asked.quantity]
    _, _, low, high = expected(model, state.tracks, asked.quantity, now_h, 0.0)
    usual = variable.reference_for(situation.sex)
    shown = [one.value for one in seen]
    ends = [value for value in (dynamics.to_unit(low), dynamics.to_unit(high)) if _near(value, shown)]
    ends += [value for value in (usual.low, usual.high) if value is not None and _near(value, shown)] if usual else []
    ends += [one.value for one in asked.thresholds if _near(one.value, shown)]
    least = 4.0 * 10.0**-variable.decimals
    y_low, y_high = limits((*shown, *ends), least=least)
    if min(shown) >= 0.0:
        y_low = max(y_low, 0.0)
    return _Canvas(
        model=model,
        state=state,
        situation=situation,
        variable=variable,
        asked=asked,
        x=Axis(low=-behind, high=ahead, start=LEFT, end=WIDTH - RIGHT),
        y=Axis(low=y_low, high=y_high, start=HEIGHT - BOTTOM, end=TOP),
    )


def _near(value: float, shown: Sequence[float]) -> bool:
    """Whether an end or limit is worth the room it takes: not where values would shrink to a line."""
    low, high = min(shown), max(shown)
    span = max(high - low, 0.15 * max(abs(low), abs(high)))
    return low - 1.5 * span <= value <= high + 1.5 * span


# --- measurements


def _hours(one: Measurement, canvas: _Canvas) -> float:
    return to_hours(one.when) - canvas.now_h


def _place(one: Measurement, canvas: _Canvas) -> tuple[float, float]:
    return canvas.x.at(_hours(one, canvas)), canvas.y.at(one.value)


def _mark(one: Measurement, canvas: _Canvas) -> Mark:
    x, y = _place(one, canvas)
    return Mark(x=x, y=y, aside=_set_aside(one, canvas), text=f"{_value(one, canvas)} at {_clock(one, canvas)}")


def _set_aside(one: Measurement, canvas: _Canvas) -> bool:
    return canvas.state.set_aside(canvas.asked.quantity, one.ref)


def _runs(seen: Sequence[Measurement], canvas: _Canvas) -> Iterator[list[Measurement]]:
    """Measurements between which no gap is longer than a value stays current."""
    run: list[Measurement] = []
    for one in seen:
        if run and one.when - run[-1].when > timedelta(hours=canvas.variable.fresh_h):
            yield run
            run = []
        run.append(one)
    yield run


def _rows(seen: Sequence[Measurement], canvas: _Canvas) -> Iterator[Row]:
    """Newest first, with what was set aside for them."""
    aside = aside_of(canvas.situation, canvas.asked.quantity, canvas.asked.window_h)
    rows = sorted((*seen, *aside), key=lambda one: (one.when, one.ref), reverse=True)[:_MOST_ROWS]
    return (_row(one, canvas, aside.get(one, "")) for one in rows)


def _row(one: Measurement, canvas: _Canvas, aside: str) -> Row:
    span = canvas.variable.reference_for(canvas.situation.sex)
    remarks = [out_of(span, one.value), "set aside as a possible artefact" if _set_aside(one, canvas) else ""]
    remarks += ["preliminary" if one.preliminary else "", origin_of(one), aside]
    return Row(
        ref=one.ref,
        time=_clock(one, canvas),
        value=_value(one, canvas),
        remark=", ".join(filter(None, remarks)),
    )


def _value(one: Measurement, canvas: _Canvas) -> str:
    return ("" if one.bound == "=" else one.bound) + number(one.value, canvas.variable.decimals)


def _clock(one: Fact, canvas: _Canvas) -> str:
    return clock_time(one.when, canvas.situation.now, canvas.asked.zone)


# --- the twin


def _past(canvas: _Canvas) -> Iterator[Band]:
    """Estimates on a grid and at the samples themselves, broken where the newest sample was too old."""
    track, now_h, behind = canvas.track, canvas.now_h, canvas.asked.window_h
    grid = {round(-behind + behind * i / _GRID, 4) for i in range(_GRID + 1)}
    grid |= {round(at - now_h, 4) for at in track.hours if -behind <= at - now_h <= 0.0}
    run: list[float] = []
    for since in sorted(grid):
        seen = track.until(now_h + since)
        if seen and now_h + since - track.hours[seen - 1] <= canvas.variable.fresh_h:
            run.append(since)
        elif run:
            yield _band(canvas, run, 0.0)
            run = []
    if run:
        yield _band(canvas, run, 0.0)


def _ahead(canvas: _Canvas) -> tuple[Band, ...]:
    """The forecast from now on; none where the newest sample is too old to speak of now."""
    track = canvas.track
    seen = track.until(canvas.now_h)
    if not seen or canvas.now_h - track.hours[seen - 1] > canvas.variable.fresh_h:
        return ()
    steps = max(4, round(_GRID * canvas.x.high / (canvas.x.high - canvas.x.low)))
    return (_band(canvas, [canvas.x.high * i / steps for i in range(steps + 1)], None),)


def _band(canvas: _Canvas, hours: Sequence[float], horizon_h: float | None) -> Band:
    """Areas over times in hours from now: estimates at them, or, without a horizon, forecasts made now."""
    rows = [_spread(canvas, since, horizon_h) for since in hours]
    if len(rows) == 1:  # a stretch of one sample is drawn as short as it is, not as nothing
        rows, hours = rows * 2, (hours[0], min(hours[0] + 0.1, canvas.x.high))
    xs = [canvas.x.at(since) for since in hours]

    def run(column: int) -> list[tuple[float, float]]:
        return [(x, canvas.y.inside(row[column])) for x, row in zip(xs, rows, strict=True)]

    return Band(wide=area(run(4), run(0)), half=area(run(3), run(1)), median=line(run(2)))


def _spread(canvas: _Canvas, since: float, horizon_h: float | None) -> tuple[float, ...]:
    """Low 90, low 50, median, high 50, high 90, in the canonical unit."""
    at_h, ahead = (canvas.now_h, since) if horizon_h is None else (canvas.now_h + since, horizon_h)
    median, _, low, high = expected(canvas.model, canvas.state.tracks, canvas.asked.quantity, at_h, ahead)
    scale = (low, median - _HALF_OF_90 * (median - low), median, median + _HALF_OF_90 * (high - median), high)
    return tuple(map(canvas.dynamics.to_unit, scale))


# --- ranges, events, words


def _usual(canvas: _Canvas) -> tuple[float, float] | None:
    span = canvas.variable.reference_for(canvas.situation.sex)
    if span is None or (span.low is None and not span.high):
        return None
    top = TOP if span.high is None else canvas.y.inside(span.high)
    bottom = HEIGHT - BOTTOM if span.low is None else canvas.y.inside(span.low)
    return (top, round(bottom - top, 1)) if bottom - top > 0.5 else None


def _range_text(canvas: _Canvas) -> str:
    span, decimals = canvas.variable.reference_for(canvas.situation.sex), canvas.variable.decimals
    if span is None or (span.low is None and not span.high):  # a flow of 0 is no range to speak of
        return ""
    if span.low is None:
        return f"up to {number(span.high or 0.0, decimals)}"
    if span.high is None:
        return f"from {number(span.low, decimals)}"
    return f"{number(span.low, decimals)} to {number(span.high, decimals)}"


def _events(canvas: _Canvas) -> Iterator[Event]:
    """Drugs given and procedures done in the window: of the same the first, in the order of time, numbered."""
    facts = canvas.situation.facts
    given = (one for one in facts.medications if one.source == "administration" and one.status != "not-done")
    done = (one for one in facts.procedures if one.source == "procedure" and one.status in ("completed", "in-progress"))
    happened: list[Medication | Procedure] = [*given, *done]
    first: dict[str, Medication | Procedure] = {}
    for one in sorted(happened, key=lambda fact: fact.when):
        if canvas.x.low <= to_hours(one.when) - canvas.now_h <= 0.0:
            first.setdefault(plain(one.text, limit=_EVENT_TEXT), one)
    newest = sorted(first.items(), key=lambda item: item[1].when)[-_MOST_EVENTS:]
    for count, (text, one) in enumerate(newest, start=1):
        x = canvas.x.at(to_hours(one.when) - canvas.now_h)
        yield Event(x=x, number=count, text=text, time=_clock(one, canvas))


def _finding(seen: Sequence[Measurement], canvas: _Canvas) -> str:
    last, label = seen[-1], canvas.variable.label
    said = f"{label} {_with_unit(_value(last, canvas), canvas)} at {_clock(last, canvas)}"
    if len(seen) > 1:
        first = seen[0]
        way = "unchanged from" if _value(first, canvas) == _value(last, canvas) else "from"
        said += f", {way} {_value(first, canvas)} at {_clock(first, canvas)}"
    out = out_of(canvas.variable.reference_for(canvas.situation.sex), last.value)
    return f"{said}; {out}." if out else f"{said}."


def _forecast_text(canvas: _Canvas) -> str:
    low, _, median, _, high = _spread(canvas, canvas.x.high, None)
    decimals = canvas.variable.decimals
    middle = _with_unit(number(median, decimals), canvas)
    span = f"90 in 100 between {number(low, decimals)} and {number(high, decimals)}"
    return f"In {canvas.x.high:g} h the twin expects about {middle} ({span}), if nothing is changed."


def _with_unit(value: str, canvas: _Canvas) -> str:
    unit = canvas.variable.unit_text
    return f"{value}{unit}" if unit == "%" else f"{value} {unit}".strip()
