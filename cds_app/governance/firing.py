"""Does a topic fire as it used to? Counts per day against a baseline, gaps against a rate, one hour against a storm.

Detectors and their settings are those of the specification, simulated there and in
``tests/verification/test_firing_detectors.py``: two-sided CUSUM (E. S. Page, Biometrika 41, 1954) on standardised daily
counts with k = 0.5 and h = 6, beside it a single day beyond 4.5 standard deviations, and a silence alarm for what fires
seldom. Pure: counts in, verdicts out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from statistics import median
from typing import Final

TRAINING_DAYS: Final = 56
LEAST_DAYS: Final = 28  # of training: four of each weekday
CUSUM_K: Final = 0.5
CUSUM_H: Final = 6.0
JUMP_Z: Final = 4.5
FALSE_SILENCES_PER_DAY: Final = 1 / 730
STORM_TIMES: Final = 3.0
STORM_LEAST: Final = 10
_FALSE_STORMS_PER_HOUR: Final = FALSE_SILENCES_PER_DAY / 24
_HOUR_MARGIN: Final = 1.3  # an hour's expectation is known less well than a day's
_LEAST_EXPECTED: Final = 0.5  # per day: below, one card more is no jump
_WEEKDAYS: Final = 7
_HOURS: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """How often something fired on one day."""

    on: date
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What is expected.

    Parameters
    ----------
    by_weekday : tuple of float
        Median count of each weekday, Monday first.
    dispersion : float
        Variance of the counts over their expectation; 1 for a Poisson process.
    hour_share : tuple of float
        Share of a day's count in each of its hours.
    """

    by_weekday: tuple[float, ...]
    dispersion: float
    hour_share: tuple[float, ...] = (1 / _HOURS,) * _HOURS

    @property
    def per_day(self) -> float:
        """Mean over the weekdays."""
        return sum(self.by_weekday) / _WEEKDAYS

    def on(self, day: date) -> float:
        """Expected count of a day."""
        return max(self.by_weekday[day.weekday()], _LEAST_EXPECTED)

    def z(self, day: Day) -> float:
        """How many standard deviations a day's count is above what is expected."""
        expected = self.on(day.on)
        return (day.count - expected) / math.sqrt(self.dispersion * expected)

    def in_hour(self, day: date, hour: int) -> float:
        """Expected count of an hour of a day."""
        return self.on(day) * self.hour_share[hour]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cusum:
    """What has added up since it last was as expected, upwards and downwards, in standard deviations."""

    high: float = 0.0
    low: float = 0.0

    def after(self, z: float) -> Cusum:
        """With one more day."""
        return Cusum(high=max(0.0, self.high + z - CUSUM_K), low=max(0.0, self.low - z - CUSUM_K))

    @property
    def alarms(self) -> tuple[str, ...]:
        """``rising`` or ``falling``, when it is beyond its limit."""
        return (*(("rising",) if self.high > CUSUM_H else ()), *(("falling",) if self.low > CUSUM_H else ()))


def baseline_of(training: Sequence[Day], by_hour: Sequence[int] = (0,) * _HOURS) -> Baseline | None:
    """The baseline of a training period, newest days last; None if it is too short to tell.

    Parameters
    ----------
    training : sequence of Day
        Complete days without gaps; the last `TRAINING_DAYS` count.
    by_hour : sequence of int
        Counts in the period by hour of the day.
    """
    days = training[-TRAINING_DAYS:]
    if len(days) < LEAST_DAYS:
        return None
    groups: list[list[int]] = [[one.count for one in days if one.on.weekday() == weekday] for weekday in range(7)]
    plain = Baseline(by_weekday=tuple(float(median(group)) for group in groups), dispersion=1.0)
    return replace(plain, dispersion=_dispersion(plain, days), hour_share=_shares(by_hour))


def run(baseline: Baseline, days: Iterable[Day]) -> Cusum:
    """The CUSUM over days, from nothing."""
    cusum = Cusum()
    for day in days:
        cusum = cusum.after(baseline.z(day))
    return cusum


def alarms_of(baseline: Baseline, days: Sequence[Day]) -> tuple[str, ...]:
    """What is wrong after the last of some days: ``rising``, ``falling``, ``jump``."""
    jumped = bool(days) and abs(baseline.z(days[-1])) > JUMP_Z
    return (*run(baseline, days).alarms, *(("jump",) if jumped else ()))


def is_silent(expected_since_last: float, per_day: float) -> bool:
    """Whether nothing was heard for so long that it happens once in two years.

    The gap w for which λ·exp(-λ·w) is one in 730 days, λ being the rate; counted in what was expected meanwhile, which
    is longer on nights and weekends when less is expected.
    """
    limit = math.log(per_day / FALSE_SILENCES_PER_DAY) if per_day > 0 else 0.0
    return limit > 1.0 and expected_since_last >= limit


def is_storm(count: int, expected: float) -> bool:
    """Whether an hour's count is a storm: several times what is expected, not few, and not by chance."""
    return (
        count >= STORM_LEAST
        and count > STORM_TIMES * expected
        and _poisson_tail(count, _HOUR_MARGIN * expected) < _FALSE_STORMS_PER_HOUR
    )


def _dispersion(plain: Baseline, days: Sequence[Day]) -> float:
    """Pearson's statistic per degree of freedom, never below a Poisson process; wider, as a median is uncertain itself.

    The variance of a median of n values is about π/2n of theirs.
    """
    squares = sum((one.count - plain.on(one.on)) ** 2 / plain.on(one.on) for one in days)
    weeks = len(days) / _WEEKDAYS
    return max(1.0, squares / (len(days) - _WEEKDAYS)) * (1 + math.pi / (2 * weeks))


def _shares(by_hour: Sequence[int]) -> tuple[float, ...]:
    """Shares of the hours, each with one count more, so that none is thought impossible."""
    total = sum(by_hour) + _HOURS
    return tuple((count + 1) / total for count in by_hour)


def _poisson_tail(count: int, mean: float) -> float:
    """Probability of so many or more, for counts above the mean: the terms fall at least geometrically."""
    if mean <= 0:
        return 0.0
    first = math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))
    return min(1.0, first / (1 - mean / (count + 1)))
