"""Resampled figures against scikit-learn with each patient's rows weighted, and medians against repeated values."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from cds_app.learn.resampling import Ranking, Resamples, interval, ratio, weighted_median


@pytest.mark.parametrize(("values", "tolerance"), [(9, 1e-12), (10**9, 2e-4)])
def test_every_resample_ranks_as_scikit_learn_does_with_weights(values: int, tolerance: float) -> None:
    """Few values keep their ties; many are binned, which moves an area by less than a bin is wide."""
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(300), 40)
    label = (rng.random(len(patient)) < 0.05).astype(np.int64)
    score = np.floor(values * (rng.random(len(patient)) + 0.5 * label) / 2.0)
    drawn = Resamples.drawn(300, np.random.default_rng(1), draws=5)
    ranking = Ranking.of(drawn, patient, label, score)
    auroc, auprc = ranking.auroc(), ranking.auprc()
    for k in range(6):
        weight = drawn.times[patient, k]
        assert auroc[k] == pytest.approx(roc_auc_score(label, score, sample_weight=weight), abs=tolerance)
        assert auprc[k] == pytest.approx(average_precision_score(label, score, sample_weight=weight), abs=5 * tolerance)


def test_every_resample_has_as_many_patients_and_the_first_is_the_data() -> None:
    drawn = Resamples.drawn(50, np.random.default_rng(2), draws=20)
    assert (drawn.times.sum(axis=0) == 50).all()
    assert (drawn.times[:, 0] == 1).all()


def test_sums_are_those_of_rows_repeated() -> None:
    patient, value = np.array([0, 0, 1, 2]), np.array([1.0, 2.0, 4.0, 8.0])
    drawn = Resamples(np.array([[1.0, 2.0], [1.0, 0.0], [1.0, 1.0]]))
    assert drawn.sums(patient, value).tolist() == [15.0, 14.0]
    assert drawn.binned(patient, np.array([0, 1, 1, 0]), 2, value).tolist() == [[9.0, 10.0], [6.0, 4.0]]


def test_a_weighted_median_is_that_of_repeated_values() -> None:
    rng = np.random.default_rng(3)
    value, times = rng.integers(0, 30, 17).astype(float), rng.integers(0, 4, (17, 40)).astype(float)
    expected = [np.median(np.repeat(value, times[:, k].astype(int))) for k in range(40)]
    np.testing.assert_allclose(weighted_median(value, times), expected)


def test_a_figure_of_nothing_is_undefined() -> None:
    assert np.isnan(weighted_median(np.array([]), np.ones((0, 3)))).all()
    assert np.isnan(weighted_median(np.ones(1), np.zeros((1, 2)))).all()
    assert np.isnan(ratio(np.ones(2), np.zeros(2))).all()
    assert interval(np.array([0.5])) is None
    assert interval(np.array([0.5, np.nan, np.nan, 0.4])) is None
    assert interval(np.array([0.5, 0.4, 0.4])) == [0.4, 0.4]
