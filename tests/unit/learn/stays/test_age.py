"""How margins spread by age is found, and counts by how far it is from chance."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cds_app.learn.measure import logistic_line
from cds_app.learn.stays.age import spread_of

Floats = NDArray[np.float64]
_PER_YEAR = -0.005  # a fifth and a half between 20 and 80 years
_ALL = 300_000


def _invented(stays: int = _ALL, *, per_year: float = _PER_YEAR) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Margins of a score that makes nothing of age, what followed, and ages: findings tell more of the young."""
    rng = np.random.default_rng(8)
    margin, age = rng.normal(-2.0, 1.5, stays), rng.uniform(18.0, 90.0, stays)
    truth = -2.0 + (1.0 + per_year * (age - 54.0)) * (margin + 2.0)
    return margin, (rng.random(stays) < 1.0 / (1.0 + np.exp(-truth))).astype(np.int64), age


def _slope(margin: Floats, label: NDArray[np.int64], mine: NDArray[np.bool_]) -> float:
    return logistic_line(margin[mine], label[mine].astype(np.float64), np.ones(int(mine.sum())))[1]


def test_what_findings_tell_more_of_the_young_is_found_and_makes_up_for_it() -> None:
    margin, label, age = _invented()
    found = spread_of(margin, label, age, np.arange(_ALL))
    assert found.per_year == pytest.approx(_PER_YEAR, abs=0.001)
    assert (found.middle, found.at_years) == pytest.approx((-2.0, 54.0), abs=0.3)
    after = margin + found.added(margin, age)
    for mine in (age < 40.0, age > 70.0):
        assert abs(_slope(margin, label, mine) - 1.0) > 0.09
        assert _slope(after, label, mine) == pytest.approx(1.0, abs=0.03)


def test_where_age_changes_nothing_next_to_nothing_is_found() -> None:
    margin, label, age = _invented(per_year=0.0)
    assert abs(spread_of(margin, label, age, np.arange(_ALL)).per_year) < 0.0008


def test_few_stays_count_for_less_and_the_same_stay_again_for_nothing() -> None:
    margin, label, age = _invented()
    stay, again = np.arange(400), np.tile(np.arange(400), 50)
    once = spread_of(margin[stay], label[stay], age[stay], stay)
    many = spread_of(margin[again], label[again], age[again], again)
    alone = spread_of(margin[again], label[again], age[again], np.arange(len(again)))
    assert many.per_year == pytest.approx(once.per_year)
    assert abs(once.per_year) < 0.5 * abs(alone.per_year)


def test_of_whom_the_age_is_unknown_nothing_is_learned_but_the_line() -> None:
    margin, label, age = _invented()
    known = np.where(np.arange(_ALL) % 2, age, np.nan)
    found = spread_of(margin, label, known, np.arange(_ALL))
    assert found.per_year == pytest.approx(_PER_YEAR, abs=0.0015)
    np.testing.assert_array_equal(found.added(margin, known)[::2], 0.0)
