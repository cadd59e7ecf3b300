"""What is read off trajectories: exposure, troughs, time in range; and how probable targets and harms are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np

from cds_app.domain.arrays import Flags, Floats
from cds_app.simulate.kinetics.drugs import Harm, Metric, Target, Wish
from cds_app.simulate.kinetics.simulation import Trajectories
from cds_app.simulate.plans import Plan

DAY_H: Final = 24.0
BANDS: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
_NEAR_H: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A figure over the draws: median and the middle 90 %."""

    median: float
    low90: float
    high90: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """A probability, and how far chance alone moves it at this number of draws (one standard error)."""

    probability: float
    standard_error: float


def area_unit(unit: str) -> str:
    """Of the area under a concentration, by the hour: ``mg.h/L``."""
    mass, _, volume = unit.partition("/")
    return f"{mass}.h/{volume}"


def spread(values: Floats) -> Spread:
    """Quantiles over the draws."""
    low90, median, high90 = (float(one) for one in np.quantile(values, (BANDS[0], 0.5, BANDS[-1])))
    return Spread(median=median, low90=low90, high90=high90)


def bands(values: Floats) -> Floats:
    """Quantiles `BANDS` over the draws at each time, (5, times), of values (draws, times)."""
    rows = np.sort(values, axis=0)
    at = np.array(BANDS) * (len(rows) - 1)
    below = np.floor(at).astype(np.int64)
    above = np.minimum(below + 1, len(rows) - 1)
    share = (at - below)[:, None]
    return np.asarray(rows[below] * (1.0 - share) + rows[above] * share)


def chance(hits: Flags) -> Chance:
    """The share of draws that hit."""
    share = float(np.mean(hits))
    return Chance(probability=share, standard_error=sqrt(share * (1.0 - share) / len(hits)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One plan's trajectories, and what belongs to them.

    Parameters
    ----------
    plan : Plan
    trajectories : Trajectories
        From now to the horizon.
    steady_area : ndarray (draws,) or None
        Area under the curve of 24 h at the steady state of a regular plan.
    """

    plan: Plan
    trajectories: Trajectories
    steady_area: Floats | None = None


def metric(name: Metric, course: Course, wish: Wish | None = None) -> Floats | None:
    """A figure of every draw, (draws,); None where the plan has none: no steady state without regularity."""
    return _METRICS[name](course, wish)


def reached(target: Target, course: Course) -> Flags | None:
    """Which draws reach a target; None where the plan has no such figure, or the target is not meant for it."""
    found = _aimed_at(target, course)
    return None if found is None else np.asarray((found >= target.low) & (found <= target.high))


def on_target(target: Target, course: Course) -> bool:
    """Whether the middle of the draws reaches a target: neither too little nor too much for most."""
    found = _aimed_at(target, course)
    return found is not None and target.low <= float(np.median(found)) <= target.high


def _aimed_at(target: Target, course: Course) -> Floats | None:
    return metric(target.metric, course, target) if target.meant_for(course.plan.interval_h) else None


def harmed(harm: Harm, course: Course) -> Flags | None:
    """Which draws come to harm."""
    found = metric(harm.metric, course, harm)
    if found is None:
        return None
    if harm.above is not None:
        return np.asarray(found > harm.above)
    return np.asarray(found < (-np.inf if harm.below is None else harm.below))


def _steady(course: Course, _: Wish | None) -> Floats | None:
    return course.steady_area


def _last_day(course: Course, _: Wish | None) -> Floats | None:
    area, times = course.trajectories.area, course.trajectories.times_h
    if area is None or times[-1] - times[0] < DAY_H - _NEAR_H:
        return None
    start = int(np.searchsorted(times, times[-1] - DAY_H - _NEAR_H))
    if start == len(times) - 1:  # nobody looked in that day
        return None
    return np.asarray((area[:, -1] - area[:, start]) * DAY_H / (times[-1] - times[start]))


def trough_h(plan: Plan, end_h: float) -> float | None:
    """When a plan has its last trough: at the end of its last whole interval, or just before its last dose."""
    if plan.interval_h is not None:
        ends = [one.at_h + plan.interval_h for one in plan.doses]
        return max((at for at in ends if at <= end_h + _NEAR_H), default=None)
    return plan.doses[-1].at_h if len(plan.doses) > 1 else None


def _trough(course: Course, _: Wish | None) -> Floats | None:
    times, values = course.trajectories.times_h, course.trajectories.values
    at = trough_h(course.plan, float(times[-1]))
    if at is None:
        return None
    return np.asarray(values[:, int(np.argmin(np.abs(times - at)))])


def _highest(course: Course, _: Wish | None) -> Floats:
    return np.asarray(course.trajectories.values.max(axis=1))


def _end(course: Course, _: Wish | None) -> Floats:
    return np.asarray(course.trajectories.values[:, -1])


def _time_above(course: Course, wish: Wish | None) -> Floats | None:
    if wish is None or wish.threshold is None:
        return None
    times, values = course.trajectories.times_h, course.trajectories.values
    start = int(np.searchsorted(times, times[-1] - DAY_H - _NEAR_H))
    if start == len(times) - 1:  # nobody looked in that day
        return None
    above, steps = values[:, start:] >= wish.threshold, np.diff(times[start:])
    return np.asarray((above[:, 1:] @ steps + above[:, :-1] @ steps) / (2.0 * steps.sum()))


_METRICS: Final[Mapping[Metric, Callable[[Course, Wish | None], Floats | None]]] = {
    "auc24_steady": _steady,
    "auc24_last": _last_day,
    "trough": _trough,
    "highest": _highest,
    "end": _end,
    "time_above": _time_above,
}
