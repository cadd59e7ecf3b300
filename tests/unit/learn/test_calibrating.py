"""Calibrating: of few patients as of many, or a refusal in words."""

from __future__ import annotations

import numpy as np
import pytest

from cds_app.content import canonical_json
from cds_app.errors import DataError
from cds_app.learn.calibrating import calibrate
from cds_app.learn.growing import Baseline, Task
from cds_app.score.features.hours import FEATURES, NAMES


@pytest.mark.parametrize("patients", [120, 4000])
def test_few_rows_are_calibrated_like_many(patients: int) -> None:
    rng = np.random.default_rng(5)
    margin = rng.normal(size=patients)
    label = (rng.random(patients) < 1 / (1 + np.exp(-margin))).astype(np.int64)
    found = calibrate(margin, label, np.arange(patients), np.random.default_rng(1), resamples=20).calibration
    assert np.isfinite(found.log_odds).all()
    assert found.probability(np.array([1.5]))[0] > found.probability(np.array([-1.5]))[0]


@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize("others", [0, 1])
def test_too_few_with_the_outcome_or_without_are_refused_in_words(value: int, others: int) -> None:
    label = np.full(500, value)
    label[:others] = 1 - value
    with pytest.raises(DataError, match="too few patients have the outcome"):
        calibrate(np.random.default_rng(5).normal(size=500), label, np.arange(500), np.random.default_rng(1))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_of_one_outcome_alone_nothing_is_learned(value: float) -> None:
    rows = np.random.default_rng(5).normal(size=(40, len(FEATURES))).astype(np.float32)
    task = Task(rows=np.arange(40), target=np.full(40, value), weight=np.ones(40))
    with pytest.raises(DataError, match="none has the outcome, or every one"):
        Baseline.fit(rows, task)


def test_what_nobody_measured_and_what_never_differs_say_nothing_and_leave_plain_numbers() -> None:
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(400, len(FEATURES))).astype(np.float32)
    rows[:, NAMES.index("etco2_last")], rows[:, NAMES.index("male")] = np.nan, 1.0
    target = (rows[:, NAMES.index("lactate_last")] > 0.0).astype(np.float64)
    found = Baseline.fit(rows, Task(rows=np.arange(400), target=target, weight=np.ones(400)))
    canonical_json(found.to_json())
    other = rows.copy()
    other[:, NAMES.index("etco2_last")] = 40.0
    np.testing.assert_allclose(found.margins(other), found.margins(rows))
