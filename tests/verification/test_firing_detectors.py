"""The detectors of what fires, simulated as the specification did (reliability-and-security, B2), with fixed seeds.

Counts are Poisson around a weekday pattern with 10 % overdispersion; 56 days of training, 90 days of watching. The
table was made with other random numbers and another weekday pattern, so a median may differ by two days and false
alarms by 0.15 in 90 days; the promise (at most 0.25 in 90 days from 10 a day on) has no such margin.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pytest

from cds_app.governance.firing import (
    JUMP_Z,
    STORM_LEAST,
    STORM_TIMES,
    TRAINING_DAYS,
    Baseline,
    Cusum,
    Day,
    baseline_of,
    is_silent,
    is_storm,
)

WEEK = np.array([1.1, 1.1, 1.05, 1.05, 1.05, 0.85, 0.8]) / 1.0
FIRST = date(2026, 1, 5)  # a Monday
WATCHED = 90
QUIET = 14  # days of watching before anything happens
RUNS = 300
NEVER = 10_000

Change = Callable[[int], float]


def simulate(rng: np.random.Generator, mean: float, days: int, change: Change) -> list[Day]:
    pattern = WEEK[np.arange(days) % 7] / WEEK.mean()
    rate = mean * pattern * np.array([change(day) for day in range(days)]) * rng.gamma(100, 1 / 100, days)
    return [Day(on=FIRST + timedelta(days=i), count=int(count)) for i, count in enumerate(rng.poisson(rate))]


def alarms(baseline: Baseline, days: list[Day]) -> list[int]:
    """Days of alarms; after each, the sum begins anew."""
    found, cusum = [], Cusum()
    for at, day in enumerate(days):
        z = baseline.z(day)
        cusum = cusum.after(z)
        if cusum.alarms or abs(z) > JUMP_Z:
            found.append(at)
            cusum = Cusum()
    return found


def trained(days: list[Day]) -> tuple[Baseline, list[Day]]:
    baseline = baseline_of(days[:TRAINING_DAYS])
    assert baseline is not None
    return baseline, days[TRAINING_DAYS:]


def false_alarms(mean: float) -> float:
    rng = np.random.default_rng(7)
    runs = [trained(simulate(rng, mean, TRAINING_DAYS + WATCHED, lambda _: 1.0)) for _ in range(RUNS)]
    return float(np.mean([len(alarms(baseline, days)) for baseline, days in runs]))


def delays(mean: float, change: Change, runs: int = 200) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Days from the change to the first alarm after it, the day of the alarm included."""
    rng = np.random.default_rng(11)
    begin = TRAINING_DAYS + QUIET
    found = []
    for _ in range(runs):
        baseline, days = trained(
            simulate(rng, mean, begin + WATCHED, lambda day: change(day - begin) if day >= begin else 1.0)
        )
        late = [at for at in alarms(baseline, days) if at >= QUIET]
        found.append(late[0] - QUIET + 1 if late else NEVER)
    return np.array(found, dtype=float)


@pytest.mark.parametrize(("mean", "table"), [(3, 0.45), (10, 0.21), (40, 0.11), (200, 0.0)])
def test_false_alarms_are_as_few_as_promised(mean: float, table: float) -> None:
    found = false_alarms(mean)
    assert found <= table + 0.15
    if mean >= 10:
        assert found <= 0.25


@pytest.mark.parametrize(
    ("mean", "factor", "median", "most"),
    [
        (3, 0.0, 6, 14),
        (10, 0.0, 3, 5),
        (40, 0.0, 1, 3),
        (200, 0.0, 1, 1),
        (10, 0.5, 7, 20),
        (40, 0.5, 4, 8),
        (200, 0.5, 3, 4),
        (10, 1.43, 6, 22),
        (40, 1.43, 4, 10),
        (200, 1.43, 4, 6),
        (3, 2.3, 2, 10),
        (10, 2.3, 2, 5),
        (40, 2.3, 1, 3),
        (200, 2.3, 1, 1),
        (3, 10.0, 1, 2),
        (10, 10.0, 1, 1),
        (200, 10.0, 1, 1),
    ],
)
def test_changes_are_found_as_fast_as_the_table_says(mean: float, factor: float, median: int, most: int) -> None:
    found = delays(mean, lambda _: factor)
    assert abs(float(np.median(found)) - median) <= 2
    assert float(np.percentile(found, 95)) <= most


@pytest.mark.parametrize(("mean", "median"), [(40, 34), (200, 33)])
def test_a_drift_is_found_before_it_has_run_its_course(mean: float, median: int) -> None:
    found = delays(mean, lambda day: 1 - 0.4 * min(day, 60) / 60)
    assert float(np.median(found)) <= median + 3


@pytest.mark.parametrize(("per_day", "hours"), [(1, 158), (3, 61), (10, 21), (40, 6.2), (200, 1.4)])
def test_silence_begins_after_the_gap_of_the_formula(per_day: float, hours: float) -> None:
    assert is_silent(per_day * hours / 24 * 1.03, per_day)
    assert not is_silent(per_day * hours / 24 * 0.97, per_day)
    meanwhile = np.log(730 * per_day)  # expected in the gap w for which per_day * exp(-per_day * w) is 1/730
    assert is_silent(meanwhile * 1.0001, per_day)
    assert not is_silent(meanwhile * 0.9999, per_day)


@pytest.mark.parametrize("per_day", [3, 10, 40, 200])
def test_silences_are_heard_falsely_about_once_in_two_years(per_day: float) -> None:
    rng = np.random.default_rng(3)
    gaps = rng.exponential(1.0, 100 * 365 * int(per_day))  # a hundred years, in what was expected meanwhile
    found = sum(is_silent(gap, per_day) for gap in gaps[gaps > 1.0])
    assert found / 100 == pytest.approx(0.5, rel=0.4)


def test_what_hardly_ever_fires_is_never_silent() -> None:
    assert not is_silent(100.0, 0.001)


# --- storms


def test_a_storm_is_several_times_what_is_expected_and_not_few() -> None:
    assert not is_storm(STORM_LEAST - 1, 0.1)
    assert is_storm(STORM_LEAST, 0.1)
    assert is_storm(STORM_LEAST, 0.0)
    assert not is_storm(int(STORM_TIMES * 40), 40)
    assert is_storm(int(STORM_TIMES * 40) + 1, 40)


@pytest.mark.parametrize("per_day", [3, 10, 40, 72, 200, 1000])
def test_storms_are_seen_falsely_less_than_once_in_two_years(per_day: float) -> None:
    rng = np.random.default_rng(5)
    hours = 4 * 365 * 24
    rate = per_day / 24 * rng.gamma(100, 1 / 100, hours)
    false = sum(is_storm(int(count), per_day / 24) for count in rng.poisson(rate))
    assert false / 4 <= 0.5


@pytest.mark.parametrize(("per_day", "minutes"), [(40, 45), (200, 25), (1000, 20)])
def test_ten_times_as_many_are_a_storm_within_the_hour(per_day: float, minutes: float) -> None:
    rng = np.random.default_rng(9)
    usual, raging = per_day / 24, 10 * per_day / 24
    took = []
    for _ in range(200):
        held = rng.poisson(usual * (60 - np.arange(61)) / 60)
        came = np.cumsum(np.concatenate([[0], rng.poisson(raging / 60, 60)]))
        took.append(next((t for t in range(61) if is_storm(int(held[t] + came[t]), usual)), NEVER))
    assert float(np.median(took)) <= minutes


def test_too_few_days_are_no_baseline() -> None:
    days = [Day(on=FIRST + timedelta(days=i), count=5) for i in range(27)]
    assert baseline_of(days) is None
    assert baseline_of([*days, Day(on=FIRST + timedelta(days=27), count=5)]) is not None


def test_one_day_that_was_mad_does_not_move_the_baseline() -> None:
    plain = [Day(on=FIRST + timedelta(days=i), count=5) for i in range(56)]
    mad = [*plain[:30], Day(on=plain[30].on, count=500), *plain[31:]]
    one, other = baseline_of(plain), baseline_of(mad)
    assert one is not None
    assert other is not None
    assert one.by_weekday == other.by_weekday
