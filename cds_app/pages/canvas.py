"""What a trend is drawn on: a twin's track, and a pair of axes with room for what is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from cds_app.domain.facts import Measurement
from cds_app.domain.ontology import Range, Variable
from cds_app.domain.time import to_hours
from cds_app.pages.scale import Axis, limits
from cds_app.pages.thresholds import Threshold
from cds_app.score.situation import Situation
from cds_app.twin.bedside import Likely
from cds_app.twin.model import Dynamics, TwinModel
from cds_app.twin.outlook import expected
from cds_app.twin.state import Track, TwinState

WIDTH: Final = 340.0
HEIGHT: Final = 210.0
LEFT: Final = 40.0
RIGHT: Final = 8.0
TOP: Final = 14.0
BOTTOM: Final = 40.0
_AHEAD: Final = 0.25  # of the window behind, the window ahead
_MOST_AHEAD_H: Final = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A stretch of estimates: areas where half and where 90 in 100 measurements would lie, and the median."""

    wide: str
    half: str
    median: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which trend.

    Parameters
    ----------
    window_h : float
        How far back.
    zone : tzinfo
        In which the clock is read.
    likely : Likely, optional
        What it most likely is now, where it may stand in for a measurement.
    thresholds : tuple of Threshold
        Of topics that look at it.
    adult : bool
        Whether the twin's dynamics and usual ranges, which are of adults, are this patient's: where not, measurements
        alone are shown.
    """

    quantity: str
    window_h: float
    zone: tzinfo
    likely: Likely | None = None
    thresholds: tuple[Threshold, ...] = ()
    adult: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
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
    def stale(self) -> bool:
        """Whether the newest sample is too old to speak of now."""
        seen = self.track.until(self.now_h)
        return not seen or self.now_h - self.track.hours[seen - 1] > self.variable.fresh_h

    def usual(self, one: Measurement) -> Range | None:
        return _usual(one, self.variable, self.situation, self.asked)

    @property
    def dynamics(self) -> Dynamics:
        return self.model.dynamics[self.asked.quantity]


def canvas_of(
    model: TwinModel, state: TwinState, situation: Situation, asked: Asked, seen: Sequence[Measurement]
) -> Canvas:
    """Axes on which all that is shown has room."""
    variable = situation.ontology.quantity(asked.quantity)
    behind, now_h = asked.window_h, to_hours(situation.now)
    ahead = min(_AHEAD * behind, _MOST_AHEAD_H)
    dynamics = model.dynamics[asked.quantity]
    ends_h = (0.0, ahead) if asked.adult else ()
    spans = [expected(model, state.tracks, asked.quantity, now_h, horizon_h)[2:] for horizon_h in ends_h]
    usual = _usual(seen[-1], variable, situation, asked)
    shown = [one.value for one in seen]
    ends = [value for span in spans for value in map(dynamics.to_unit, span) if _near(value, shown)]
    ends += [value for value in (usual.low, usual.high) if value is not None and _near(value, shown)] if usual else []
    ends += [one.value for one in asked.thresholds if _near(one.value, shown)]
    if asked.likely is not None:
        ends += [value for value in (asked.likely.low, asked.likely.high) if _near(value, shown)]
    told = variable.told
    least = 4.0 * 10.0**-told.decimals / told.factor
    y_low, y_high = limits((*shown, *ends), least=least)
    if min(shown) >= 0.0:
        y_low = max(y_low, 0.0)
    return Canvas(
        model=model,
        state=state,
        situation=situation,
        variable=variable,
        asked=asked,
        x=Axis(low=-behind, high=ahead, start=LEFT, end=WIDTH - RIGHT),
        y=Axis(low=y_low, high=y_high, start=HEIGHT - BOTTOM, end=TOP),
    )


def _usual(one: Measurement, variable: Variable, situation: Situation, asked: Asked) -> Range | None:
    return variable.usual(one, situation.sex, adult=asked.adult)


def _near(value: float, shown: Sequence[float]) -> bool:
    """Whether an end or limit is worth the room it takes: not where values would shrink to a line."""
    low, high = min(shown), max(shown)
    span = max(high - low, 0.15 * max(abs(low), abs(high)))
    return low - 1.5 * span <= value <= high + 1.5 * span
