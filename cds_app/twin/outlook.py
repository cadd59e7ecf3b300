"""What the twin expects at and after an instant, and the patient's own range. Only samples up to then count."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import exp, sqrt

from cds_app.domain.time import to_hours
from cds_app.twin.bedside import Likely
from cds_app.twin.filter import Belief, predict, prior
from cds_app.twin.model import RESIDUAL_FADES_H, Dynamics, Horizon, TwinModel
from cds_app.twin.state import Track, TwinState

_NORMAL_95 = 1.6448536269514722
_NORMAL_975 = 1.959963984540054
Instant = float | datetime  # hours since 1970-01-01T00:00Z, or aware


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRange:
    """A patient's own reference interval in the canonical unit; ``samples`` it was learned from."""

    quantity: str
    low: float
    centre: float
    high: float
    samples: int


def hours_of(at: Instant) -> float:
    """An instant in hours since 1970-01-01T00:00Z."""
    return to_hours(at) if isinstance(at, datetime) else float(at)


def belief_at(dynamics: Dynamics, track: Track | None, hours: float) -> Belief:
    """What is believed at an instant from the samples up to then; the prior when there are none."""
    seen = track.until(hours) if track is not None else 0
    if track is None or seen == 0:
        return prior(dynamics, hours)
    return predict(dynamics, track.belief(seen - 1), hours)


def own_range(model: TwinModel, state: TwinState, quantity: str, at: Instant) -> OwnRange | None:
    """Where 95 % of this person's measurements lie when all is as usual for them.

    Baseline plus and minus 1.96 times the root of deviation, noise and baseline variance.
    """
    hours, track = hours_of(at), state.tracks.get(quantity)
    seen = track.until(hours) if track is not None else 0
    if seen == 0:
        return None
    dynamics = model.dynamics[quantity]
    belief = belief_at(dynamics, track, hours)
    half = _NORMAL_975 * sqrt(belief.p_bb + dynamics.deviation_sd**2 + dynamics.noise_sd**2)
    return OwnRange(
        quantity=quantity,
        low=dynamics.to_unit(belief.baseline - half),
        centre=dynamics.to_unit(belief.baseline),
        high=dynamics.to_unit(belief.baseline + half),
        samples=seen,
    )


def expected(
    model: TwinModel, tracks: Mapping[str, Track], quantity: str, hours: float, horizon_h: float
) -> tuple[float, float, float, float]:
    """What a measurement will be ``horizon_h`` hours after an instant (0 for then); also of what was never seen.

    Returns
    -------
    tuple of float
        ``(median, sd, low, high)``: the predictive distribution of a measurement with its 90 % interval, transformed
        scale.
    """
    dynamics = model.dynamics[quantity]
    ahead = predict(dynamics, belief_at(dynamics, tracks.get(quantity), hours), hours + horizon_h)
    sd = sqrt(ahead.p_bb + 2.0 * ahead.p_bd + ahead.p_dd + dynamics.noise_sd**2)
    median = ahead.baseline + ahead.deviation
    low = high = 0.0
    for share, calibrated in _between(dynamics.horizons, horizon_h):
        low += share * calibrated.low_factor
        high += share * calibrated.high_factor
        if horizon_h > 0.0:
            faded = min(1.0, horizon_h / dynamics.horizons[0].horizon_h) if dynamics.horizons else 0.0
            median += share * faded * _correction(model, tracks, calibrated, hours)
    return median, sd, median - low * sd, median + high * sd


def expected_after(
    dynamics: Dynamics, track: Track, likely: Likely, at: tuple[float, float]
) -> tuple[float, float, float]:
    """Median and 90 % interval of a measurement so long after an instant at which the quantity was imputed.

    The imputed value takes the place of what the track believes of the instant, with its own uncertainty: both rest on
    the same measurements, and to join them would count these twice. What is usual for the patient is the track's.

    Parameters
    ----------
    at : tuple of float
        The instant, hours since 1970-01-01T00:00Z, and hours after it.

    Returns
    -------
    tuple of float
        ``(median, low, high)``, transformed scale.
    """
    hours, horizon_h = at
    low, mean, high = (dynamics.to_scale(value) for value in (likely.low, likely.mean, likely.high))
    believed, spread = belief_at(dynamics, track, hours), (high - low) / (2.0 * _NORMAL_95)
    settled = max(spread**2 - dynamics.noise_sd**2, 0.0)  # of the value itself; the interval is of a measurement
    begun = believed._replace(
        deviation=mean - believed.baseline, p_bd=-believed.p_bb, p_dd=settled + believed.p_bb, pending=0
    )
    ahead = predict(dynamics, begun, hours + horizon_h)
    sd = sqrt(ahead.p_bb + 2.0 * ahead.p_bd + ahead.p_dd + dynamics.noise_sd**2)
    median = ahead.baseline + ahead.deviation
    below, above = _factors(dynamics.horizons, horizon_h)
    return median, median - below * sd, median + above * sd


def _factors(horizons: tuple[Horizon, ...], horizon_h: float) -> tuple[float, float]:
    """How many standard deviations a 90 % interval of a forecast reaches below and above; a normal one's for now."""
    shares = _between(horizons, horizon_h)
    faded = min(1.0, horizon_h / horizons[0].horizon_h) if horizons else 0.0
    ends = (sum(share * one.low_factor for share, one in shares), sum(share * one.high_factor for share, one in shares))
    below, above = (_NORMAL_95 + faded * (one - _NORMAL_95) for one in ends)
    return below, above


def _between(horizons: tuple[Horizon, ...], horizon_h: float) -> tuple[tuple[float, Horizon], ...]:
    """The calibrated horizons around one, with their shares; the nearest alone beyond the ends."""
    if not horizons:
        return ((1.0, Horizon(horizon_h=max(horizon_h, 1.0))),)
    at = bisect_left(horizons, horizon_h, key=lambda one: one.horizon_h)
    if at == 0 or at == len(horizons):
        return ((1.0, horizons[min(at, len(horizons) - 1)]),)
    before, after = horizons[at - 1], horizons[at]
    share = (horizon_h - before.horizon_h) / (after.horizon_h - before.horizon_h)
    return ((1.0 - share, before), (share, after))


def _correction(model: TwinModel, tracks: Mapping[str, Track], horizon: Horizon, hours: float) -> float:
    total = horizon.intercept
    for name, weights in horizon.weights.items():
        track = tracks.get(name)
        if track is not None:
            signals = signals_of(model.dynamics[name], track, hours)
            total += sum(weight * signal for weight, signal in zip(weights, signals, strict=True))
    return total


def signals_of(dynamics: Dynamics, track: Track, hours: float) -> tuple[float, ...]:
    """What a track tells forecasts: baseline (minus the population's), deviation, and the fading last residual."""
    seen = track.until(hours)
    if seen == 0:
        return (0.0, 0.0, 0.0)
    last = seen - 1
    belief = predict(dynamics, track.belief(last), hours)
    residual = dynamics.to_scale(track.values[last]) - track.baseline[last] - track.deviation[last]
    fading = track.weight[last] * exp((track.hours[last] - hours) / RESIDUAL_FADES_H)
    return (belief.baseline - dynamics.baseline_mean, belief.deviation, fading * residual)
