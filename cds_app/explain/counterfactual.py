"""What would change the estimate: the one new measurement that would tell most, and what it would take to come down.

These are questions to the model, answered by asking it again with one more value. They say what the model would then
say. They do not say what a treatment would do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from cds_app.domain.arrays import Floats
from cds_app.explain.reasons import group_points
from cds_app.score.features.hours import Statics, features
from cds_app.score.risk.model import RiskModel
from cds_app.twin.bedside import Likely
from cds_app.twin.model import Dynamics, TwinModel
from cds_app.twin.state import Track, track_of

_TENTH = 1.2816  # of a normal distribution, in standard deviations from the mean
_STEPS = 12
_NOTHING_EXPECTED: Mapping[str, Likely] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One estimate that may be asked again with one value more.

    Parameters
    ----------
    tracks : mapping of str to Track
        What was measured, by quantity.
    statics : Statics
        Who the patient is.
    at_h : float
        The instant, on the clock of the tracks, hours.
    """

    model: RiskModel
    twin: TwinModel
    tracks: Mapping[str, Track]
    statics: Statics
    at_h: float

    def risk(self, quantity: str = "", values: Sequence[float] = ()) -> Floats:
        """Risk as it is, or with each of some values of one quantity measured now: (1,) or (values,).

        NaN where the model would not be asked: the value is that of the predicted state, or makes the patient unlike
        those that it was trained on.
        """
        variants = [self._with(quantity, value) for value in values] if quantity else [self.tracks]
        return np.array([self._asked(one) for one in variants])

    def imagined(self, draws: Iterable[Mapping[str, float]]) -> tuple[tuple[float, Mapping[str, float]], ...]:
        """Risk, and the part of each measurement in it, with several values at once measured now.

        Draws with which the model would not be asked are left out.
        """
        found = []
        for draw in draws:
            tracks = self.tracks
            for quantity, value in draw.items():
                tracks = {**tracks, quantity: self._with(quantity, value)[quantity]}
            if (row := self._row(tracks)) is not None:
                found.append(self._explained(row))
        return tuple(found)

    def _explained(self, row: NDArray[np.float32]) -> tuple[float, Mapping[str, float]]:
        risk, contributions, base_margin = self.model.explain(row)
        points = group_points(
            self.model.quantities,
            contributions,
            margin=risk.margin,
            base_margin=base_margin,
            probability=risk.probability,
            base=risk.base,
        )
        return risk.probability, points

    def _asked(self, tracks: Mapping[str, Track]) -> float:
        row = self._row(tracks)
        return np.nan if row is None else self.model.predict(row).probability

    def _row(self, tracks: Mapping[str, Track]) -> NDArray[np.float32] | None:
        """What the model would look at; None where it would not be asked."""
        row = features(self.twin, tracks, self.statics, [self.at_h])[0]
        endpoint, reference = self.model.limits.endpoint, self.model.population
        if endpoint is not None and (track := tracks.get(endpoint.quantity)) is not None:
            last = track.until(self.at_h) - 1
            if last >= 0 and endpoint.reached(track.hours, track.values, last):
                return None
        return None if reference is not None and reference.outside(row) else row

    def _with(self, quantity: str, value: float) -> Mapping[str, Track]:
        track, past = self.tracks.get(quantity), self.seen(quantity)
        hours, values = (track.hours[:past], track.values[:past]) if track is not None else ((), ())
        longer = track_of(self.twin, quantity, [*hours, self.at_h], [*values, value])
        return {**self.tracks, quantity: longer}

    def seen(self, quantity: str) -> int:
        """How many values of a quantity there are so far."""
        track = self.tracks.get(quantity)
        return 0 if track is None else track.until(self.at_h)


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """How far one new measurement would move the estimate.

    Parameters
    ----------
    low, high : float
        A low and a high value within reach, canonical unit: of this patient where it was imputed (5 and 95 of 100 lie
        below), else among such patients (10 and 90). Neither is beyond both such patients and the newest value.
    risk_low, risk_high : float
        The estimate if the value were that.
    """

    quantity: str
    low: float
    high: float
    risk_low: float
    risk_high: float

    @property
    def spread(self) -> float:
        """How far apart the two estimates are."""
        return abs(self.risk_high - self.risk_low)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a modifiable measurement would have to be for the estimate to fall below a limit.

    Parameters
    ----------
    now : float
        Its newest value, canonical unit.
    needed : float or None
        The value nearest to it that would do, on the way to what is usual; None: this one alone would not.
    risk : float
        The estimate at that value, or the least that was found.
    change : float
        How far that value is from the newest, in standard deviations of such patients.
    """

    quantity: str
    now: float
    needed: float | None
    risk: float
    change: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Where the estimate would most likely lie if what is missing or too old were measured now.

    Parameters
    ----------
    low, high : float
        90 of 100 imaginations lie between.
    quantities : tuple of str
        What they imagine.
    points : tuple of (str, float, float)
        Parts of measurements in it that are open most, in points of 100: 90 of 100 imaginations lie between.
    """

    low: float
    high: float
    quantities: tuple[str, ...]
    points: tuple[tuple[str, float, float], ...]


def most_telling(
    question: Question, candidates: Iterable[str], expected: Mapping[str, Likely] = _NOTHING_EXPECTED
) -> tuple[Telling, ...]:
    """How much a new value of each quantity would tell, most first.

    Left out is what the twin does not follow, and what the model would not be asked with.

    Parameters
    ----------
    expected : mapping of str to Likely
        What a new value of this patient most likely is, where that was imputed: its interval takes the place of that of
        such patients.
    """
    known = [(name, question.twin.dynamics[name]) for name in candidates if name in question.twin.dynamics]
    found = [_telling(question, name, dynamics, expected.get(name)) for name, dynamics in known]
    asked = [one for one in found if np.isfinite(one.spread)]
    return tuple(sorted(asked, key=lambda one: (-one.spread, one.quantity)))


def needs(question: Question, modifiable: Iterable[str], below: float) -> tuple[Need, ...]:
    """What it would take, measurement by measurement, those first that would do with the smallest change.

    Parameters
    ----------
    modifiable : iterable of str
        Quantities that treatment can move; those never measured are left out.
    below : float
        The limit, a probability.
    """
    found = [_need(question, name, below) for name in modifiable if question.seen(name)]
    usable = [one for one in found if one is not None]
    return tuple(sorted(usable, key=lambda one: (one.needed is None, one.change, one.quantity)))


def _telling(question: Question, quantity: str, dynamics: Dynamics, expected: Likely | None) -> Telling:
    spread = _TENTH * hypot(dynamics.baseline_sd, dynamics.deviation_sd)
    low, high = (dynamics.to_unit(dynamics.baseline_mean + side) for side in (-spread, spread))
    if expected is not None:
        low, high = _within_reach(question, quantity, (low, high), (expected.low, expected.high))
    risk_low, risk_high = map(float, question.risk(quantity, (low, high)))
    return Telling(quantity=quantity, low=low, high=high, risk_low=risk_low, risk_high=risk_high)


def _within_reach(
    question: Question, quantity: str, usual: tuple[float, float], imputed: tuple[float, float]
) -> tuple[float, float]:
    """An imputed interval as far as such patients, or the newest value of this one, are there.

    Imputation spreads alike to both sides, and so to what nobody has: no white cells at all.
    """
    seen = question.seen(quantity)
    known = (*usual, *((question.tracks[quantity].values[seen - 1],) if seen else ()))
    low, high = (float(np.clip(one, min(known), max(known))) for one in imputed)
    return low, high


def _need(question: Question, quantity: str, below: float) -> Need | None:
    """None where the model would not be asked with any value on the way."""
    dynamics = question.twin.dynamics[quantity]
    now = question.tracks[quantity].values[question.seen(quantity) - 1]
    way = np.linspace(now, dynamics.to_unit(dynamics.baseline_mean), _STEPS + 1)[1:]
    risks = question.risk(quantity, way.tolist())
    if np.isnan(risks).all():
        return None
    enough = np.flatnonzero(risks < below)
    at = int(enough[0]) if len(enough) else int(np.nanargmin(risks))
    spread = hypot(dynamics.baseline_sd, dynamics.deviation_sd)
    return Need(
        quantity=quantity,
        now=now,
        needed=float(way[at]) if len(enough) else None,
        risk=float(risks[at]),
        change=abs(dynamics.to_scale(float(way[at])) - dynamics.to_scale(now)) / spread,
    )
