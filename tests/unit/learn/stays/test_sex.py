"""The last round says what the other trees leave out of sex, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost as xgb
from numpy.typing import NDArray

from cds_app.learn.stays.sex import moved, told

_ROWS = 4000
_MALE = 3
Floats = NDArray[np.float64]


def _invented() -> tuple[NDArray[np.float32], NDArray[np.int64], Floats]:
    """Rows, outcome and margins of a score that leaves out that women die less: by 0.8 in the log-odds."""
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(_ROWS, 5)).astype(np.float32)
    rows[:, _MALE] = rng.integers(0, 2, _ROWS)
    rows[:40, _MALE] = np.nan
    truth = rows[:, 0] - 1.0 + 0.8 * (np.nan_to_num(rows[:, _MALE], nan=0.5) - 0.5)
    label = (rng.random(_ROWS) < 1.0 / (1.0 + np.exp(-truth))).astype(np.int64)
    return rows, label, 0.5 * (rows[:, 0].astype(np.float64) - 2.0)


def _apart(margin: Floats, label: NDArray[np.int64], male: Floats) -> Floats:
    """How far observed and predicted are apart, of women and men, when the margin is calibrated by a slope of 2."""
    risk = 1.0 / (1.0 + np.exp(-(2.0 * margin + 1.0)))
    return np.array([(label - risk)[male == sex].mean() for sex in (0.0, 1.0)])


def test_what_is_left_out_is_added_in_units_of_the_margin_and_whose_sex_is_unknown_stays() -> None:
    rows, label, margin = _invented()
    male, everybody = rows[:, _MALE].astype(np.float64), np.ones(_ROWS, bool)
    found = moved(margin, label, male, everybody)
    assert np.abs(_apart(margin, label, male)).min() > 0.04
    assert _apart(found, label, male) == pytest.approx([0.0, 0.0], abs=0.01)
    steps = [np.unique(np.round(found - margin, 9)[male == sex]).tolist() for sex in (0.0, 1.0)]
    assert [len(one) for one in steps] == [1, 1]
    assert steps[1][0] - steps[0][0] == pytest.approx(0.8 / 2.0, abs=0.1)  # the calibration has a slope of 2
    np.testing.assert_array_equal(found[np.isnan(male)], margin[np.isnan(male)])


def test_what_is_left_out_is_learned_from_the_rows_that_are_given() -> None:
    rows, label, margin = _invented()
    male, some = rows[:, _MALE].astype(np.float64), np.arange(_ROWS) < 2000
    turned = np.where(some, label, 1 - label)
    np.testing.assert_array_equal(moved(margin, label, male, some), moved(margin, turned, male, some))


def test_a_sex_that_nobody_has_is_not_moved() -> None:
    rows, label, margin = _invented()
    men = rows[:, _MALE] == 1.0
    found = moved(margin, label, rows[:, _MALE].astype(np.float64), men)
    np.testing.assert_array_equal(found[rows[:, _MALE] == 0.0], margin[rows[:, _MALE] == 0.0])


@pytest.mark.parametrize("together", [1, 3])
def test_the_trees_say_it_and_all_else_as_before(together: int) -> None:
    rows, label, margin = _invented()
    recipe = {"objective": "binary:logistic", "max_depth": 2, "num_parallel_tree": together, "nthread": 1}
    recipe |= {"subsample": 0.5, "colsample_bytree": 0.2, "reg_lambda": 30.0, "min_child_weight": 20.0, "eta": 0.02}
    trees = xgb.train(recipe, xgb.DMatrix(rows[:, :5], label=label), num_boost_round=4)
    male = rows[:, _MALE].astype(np.float64)
    after = told(trees, margin, label, male, _MALE)
    known = np.isfinite(male)
    before, now = (one.predict(xgb.DMatrix(rows), output_margin=True) for one in (trees, after))
    wanted = moved(margin, label, male, np.ones(_ROWS, bool)) - margin
    np.testing.assert_allclose((now - before)[known], wanted[known], atol=1e-5)
    whole, parts = (one.predict(xgb.DMatrix(rows), pred_contribs=True) for one in (trees, after))
    others = [0, 1, 2, 4]
    np.testing.assert_allclose(parts[:, others], whole[:, others], atol=1e-5)
