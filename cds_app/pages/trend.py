"""One quantity over time: what was measured, what the twin takes it to be, and where it is heading.

The estimate at a moment rests on samples up to that moment only, so the line shows what the twin said then. Where
nothing was measured for longer than a value stays current, the lines are broken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from cds_app.cards.text import clock_time
from cds_app.cards.views import reported, taken
from cds_app.domain.facts import Fact, Measurement
from cds_app.domain.ontology import Range
from cds_app.domain.time import to_hours
from cds_app.domain.told import Told, with_unit
from cds_app.pages.canvas import BOTTOM, HEIGHT, TOP, Asked, Band, Canvas, canvas_of
from cds_app.pages.origins import aside_of, origin_of, out_of
from cds_app.pages.rendering import Words
from cds_app.pages.scale import Tick, area, line, time_ticks, value_ticks
from cds_app.pages.thresholds import Limit, limit_lines
from cds_app.pages.treatments import Treatments, treatments
from cds_app.score.situation import Situation
from cds_app.twin.bedside import Likely
from cds_app.twin.model import TwinModel
from cds_app.twin.outlook import expected, expected_after
from cds_app.twin.state import TwinState

_GRID: Final = 72
_HALF_OF_90: Final = 0.6744897501960817 / 1.6448536269514722  # where half lies, of where 90 in 100 lie, if normal
_MOST_ROWS: Final = 40
WINDOWS_H: Final = (6, 12, 24, 48, 72, 168)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A measured value: where, whether the twin set it aside, and what stands beside it for readers."""

    x: float
    y: float
    aside: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Imputed:
    """What a quantity most likely is now, on the line of now: never among the measurements."""

    x: float
    y: float
    top: float
    bottom: float
    text: str


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
    treated : Treatments
    older : int
        How many measurements are in the drawing and not in the rows.
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
    imputed: Imputed | None
    marks: tuple[Mark, ...]
    lines: tuple[str, ...]
    usual: tuple[float, float] | None
    usual_text: str
    limits: tuple[Limit, ...]
    now_x: float
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    treated: Treatments
    rows: tuple[Row, ...]
    older: int
    finding: str
    forecast: str


def trend(model: TwinModel, state: TwinState, situation: Situation, asked: Asked, words: Words) -> TrendView | None:
    """The trend of a quantity up to ``situation.now``; None where nothing of it lies in the window.

    Parameters
    ----------
    state : TwinState
        Samples after now are not looked at.
    """
    seen = _seen(situation, asked)
    if asked.quantity not in state.tracks or not seen:
        return None
    canvas = canvas_of(model, state, situation, asked, seen)
    ahead, treated, rows = _ahead(canvas), treatments(canvas), tuple(_rows(seen, canvas))
    return TrendView(
        quantity=asked.quantity,
        label=canvas.variable.label,
        unit=canvas.variable.told.text,
        past=tuple(_past(canvas)) if asked.adult else (),
        ahead=ahead,
        imputed=None if asked.likely is None else _imputed(words, canvas, asked.likely),
        marks=tuple(_mark(one, canvas) for one in seen),
        lines=tuple(line([_place(one, canvas) for one in run]) for run in _runs(seen, canvas) if len(run) > 1),
        usual=_usual(canvas.usual(seen[-1]), canvas),
        usual_text=_range_text(canvas.usual(seen[-1]), canvas.variable.told),
        limits=limit_lines(asked.thresholds, canvas.y, canvas.variable.told),
        now_x=canvas.x.at(0.0),
        x_ticks=time_ticks(canvas.x, situation.now, asked.zone, 6),
        y_ticks=value_ticks(canvas.y, 5, canvas.variable.told),
        treated=treated,
        rows=rows[:_MOST_ROWS],
        older=len(rows[_MOST_ROWS:]),
        finding=_finding(words, seen, canvas),
        forecast=_forecast(words, canvas) if ahead else "",
    )


def _seen(situation: Situation, asked: Asked) -> tuple[Measurement, ...]:
    return tuple(one for one in situation.history(asked.quantity, asked.window_h) if not one.implausible)


# --- measurements


def _hours(one: Measurement, canvas: Canvas) -> float:
    return to_hours(one.when) - canvas.now_h


def _place(one: Measurement, canvas: Canvas) -> tuple[float, float]:
    return canvas.x.at(_hours(one, canvas)), canvas.y.at(one.value)


def _mark(one: Measurement, canvas: Canvas) -> Mark:
    x, y = _place(one, canvas)
    return Mark(x=x, y=y, aside=_set_aside(one, canvas), text=f"{_value(one, canvas)} at {_clock(one, canvas)}")


def _set_aside(one: Measurement, canvas: Canvas) -> bool:
    return canvas.asked.adult and canvas.state.set_aside(canvas.asked.quantity, one.ref)


def _runs(seen: Sequence[Measurement], canvas: Canvas) -> Iterator[list[Measurement]]:
    """Measurements between which no gap is longer than a value stays current."""
    run: list[Measurement] = []
    for one in seen:
        if run and one.when - run[-1].when > timedelta(hours=canvas.variable.fresh_h):
            yield run
            run = []
        run.append(one)
    yield run


def _rows(seen: Sequence[Measurement], canvas: Canvas) -> Iterator[Row]:
    """Newest first, with what was set aside for them."""
    aside = aside_of(canvas.situation, canvas.asked.quantity, canvas.asked.window_h)
    rows = sorted((*seen, *aside), key=lambda one: (one.when, one.ref), reverse=True)
    return (_row(one, canvas, aside.get(one, "")) for one in rows)


def _row(one: Measurement, canvas: Canvas, aside: str) -> Row:
    said, sent = reported(one, canvas.usual(one), canvas.situation.ontology), canvas.variable.told.beside(one)
    remarks = [
        f"= {sent}" if sent else "",
        out_of(canvas.usual(one), one.value),
        f"reported as {said}" if said else "",
        taken(one, canvas.situation.ontology) or "",
        "set aside as a possible artefact" if _set_aside(one, canvas) else "",
        "preliminary" if one.preliminary else "",
        origin_of(one),
        aside,
        f"comment: {one.comment}" if one.comment else "",
    ]
    return Row(
        ref=one.ref,
        time=_clock(one, canvas),
        value=_value(one, canvas),
        remark=", ".join(filter(None, remarks)),
    )


def _value(one: Measurement, canvas: Canvas) -> str:
    return canvas.variable.told.measured(one)


def _clock(one: Fact, canvas: Canvas) -> str:
    return clock_time(one.when, canvas.situation.now, canvas.asked.zone)


# --- the twin


def _past(canvas: Canvas) -> Iterator[Band]:
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


def _ahead(canvas: Canvas) -> tuple[Band, ...]:
    """The forecast from now on, and none where the newest sample is too old to speak of now and nothing is imputed."""
    if not canvas.asked.adult or (canvas.stale and canvas.asked.likely is None):
        return ()
    steps = max(4, round(_GRID * canvas.x.high / (canvas.x.high - canvas.x.low)))
    return (_band(canvas, [canvas.x.high * i / steps for i in range(steps + 1)], None),)


def _band(canvas: Canvas, hours: Sequence[float], horizon_h: float | None) -> Band:
    """Areas over times in hours from now: estimates at them, or, without a horizon, forecasts made now."""
    rows = [_spread(canvas, since, horizon_h) for since in hours]
    if len(rows) == 1:  # a stretch of one sample is drawn as short as it is, not as nothing
        rows, hours = rows * 2, (hours[0], min(hours[0] + 0.1, canvas.x.high))
    xs = [canvas.x.at(since) for since in hours]

    def run(column: int) -> list[tuple[float, float]]:
        return [(x, canvas.y.inside(row[column])) for x, row in zip(xs, rows, strict=True)]

    return Band(wide=area(run(4), run(0)), half=area(run(3), run(1)), median=line(run(2)))


def _spread(canvas: Canvas, since: float, horizon_h: float | None) -> tuple[float, ...]:
    """Low 90, low 50, median, high 50, high 90, in the canonical unit."""
    likely = canvas.asked.likely
    at_h, ahead = (canvas.now_h, since) if horizon_h is None else (canvas.now_h + since, horizon_h)
    if horizon_h is None and canvas.stale and likely is not None:
        median, low, high = expected_after(canvas.dynamics, canvas.track, likely, (at_h, ahead))
    else:
        median, _, low, high = expected(canvas.model, canvas.state.tracks, canvas.asked.quantity, at_h, ahead)
    scale = (low, median - _HALF_OF_90 * (median - low), median, median + _HALF_OF_90 * (high - median), high)
    return tuple(map(canvas.dynamics.to_unit, scale))


# --- ranges, events, words


def _usual(span: Range | None, canvas: Canvas) -> tuple[float, float] | None:
    if span is None or (span.low is None and not span.high):
        return None
    top = TOP if span.high is None else canvas.y.inside(span.high)
    bottom = HEIGHT - BOTTOM if span.low is None else canvas.y.inside(span.low)
    return (top, round(bottom - top, 1)) if bottom - top > 0.5 else None


def _range_text(span: Range | None, told: Told) -> str:
    if span is None or (span.low is None and not span.high):  # a flow of 0 is no range to speak of
        return ""
    if span.low is None:
        return f"up to {told.number(span.high or 0.0)}"
    if span.high is None:
        return f"from {told.number(span.low)}"
    return f"{told.number(span.low)} to {told.number(span.high)}"


def _finding(words: Words, seen: Sequence[Measurement], canvas: Canvas) -> str:
    first, last = (_value(one, canvas) for one in (seen[0], seen[-1]))
    return words.say(
        "finding",
        label=canvas.variable.label,
        value=_with_unit(last, canvas),
        at=_clock(seen[-1], canvas),
        first=first,
        first_at=_clock(seen[0], canvas) if len(seen) > 1 else "",
        same=first == last,  # of what was between it says nothing
        out=out_of(canvas.usual(seen[-1]), seen[-1].value),
    )


def _imputed(words: Words, canvas: Canvas, likely: Likely) -> Imputed:
    mean, low, high = map(canvas.variable.told.number, (likely.mean, likely.low, likely.high))
    y, top, bottom = (canvas.y.inside(value) for value in (likely.mean, likely.high, likely.low))
    said = words.say("likely", value=_with_unit(mean, canvas), low=low, high=high)
    return Imputed(x=canvas.x.at(0.0), y=y, top=top, bottom=bottom, text=said)


def _forecast(words: Words, canvas: Canvas) -> str:
    low, _, median, _, high = map(canvas.variable.told.number, _spread(canvas, canvas.x.high, None))
    value, hours = _with_unit(median, canvas), f"{canvas.x.high:g}"
    return words.say("forecast", imputed=canvas.stale, hours=hours, value=value, low=low, high=high)


def _with_unit(value: str, canvas: Canvas) -> str:
    return with_unit(value, canvas.variable.told.text)
