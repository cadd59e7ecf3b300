"""Figures on explanations against trees whose truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb

from cds_app.learn.hours.faithfulness import Explainer, disturbed, faithfulness, highest, stability
from cds_app.learn.hours.rows import shipped_twin
from cds_app.score.features.hours import Feature

_FEATURES = tuple(
    Feature(name=f"{quantity}_{aspect}", quantity=quantity, aspect="value")
    for quantity in ("strong", "weak", "a", "b", "c", "d", "e")
    for aspect in ("last", "mean")
)


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(4000, len(_FEATURES))).astype(np.float32)
    margin = 3.0 * rows[:, 0] + 0.7 * rows[:, 2]
    label = rng.random(4000) < 1 / (1 + np.exp(-margin))
    booster = xgb.train(
        {"objective": "binary:logistic", "max_depth": 3, "eta": 0.3, "nthread": 1},
        xgb.DMatrix(rows, label=label),
        num_boost_round=30,
    )
    return Explainer(booster=booster, columns=np.arange(len(_FEATURES)), features=_FEATURES)


def test_contributions_are_summed_by_measurement(explainer: Explainer) -> None:
    rows = np.random.default_rng(1).normal(size=(50, len(_FEATURES))).astype(np.float32)
    whole = explainer.booster.predict(xgb.DMatrix(rows), pred_contribs=True)
    moved = explainer.moved(rows)
    assert moved.shape == (50, 7)
    # float32 contributions of fourteen features
    np.testing.assert_allclose(moved[:, 0], whole[:, 0] + whole[:, 1], atol=1e-5)
    np.testing.assert_allclose(moved.sum(axis=1) + whole[:, -1], explainer.margins(rows), atol=1e-4)


def test_withholding_a_measurement_hides_all_of_its_features_and_no_other(explainer: Explainer) -> None:
    rows = np.ones((2, len(_FEATURES)), np.float32)
    hidden = explainer.without(rows, np.array([0, 6]))
    assert np.flatnonzero(np.isnan(hidden[0])).tolist() == [0, 1]
    assert np.flatnonzero(np.isnan(hidden[1])).tolist() == [12, 13]


def test_the_reason_that_matters_moves_the_estimate_most(explainer: Explainer) -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(200, len(_FEATURES))).astype(np.float32)
    found = faithfulness(explainer, rows, explainer.moved(rows), np.arange(7), rng)
    assert found["first_moves_most"] > 0.8
    assert found["moved_by_place"][0] > 3 * found["moved_by_other"]


def test_what_is_always_known_is_neither_withheld_nor_counted(explainer: Explainer) -> None:
    rows = np.random.default_rng(2).normal(size=(200, len(_FEATURES))).astype(np.float32)
    found = faithfulness(explainer, rows, explainer.moved(rows), np.arange(1, 7), np.random.default_rng(0))
    assert found["withheld"] == 6
    assert found["moved_by_place"][0] < 1.0  # the strongest, 3 a standard deviation, is not among them


def test_only_measurements_may_be_absent(explainer: Explainer) -> None:
    names = ("heart_rate", "age", "lactate", "time_in_unit", "shock_index", "measurement_activity")
    features = tuple(Feature(name=name, quantity=name, aspect="value") for name in names)
    mixed = Explainer(booster=explainer.booster, columns=np.arange(6), features=features)
    assert mixed.measured.tolist() == [0, 2]


def test_reasons_drawn_by_lot_are_neither_faithful_nor_stable(explainer: Explainer) -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(400, len(_FEATURES))).astype(np.float32)
    lots = rng.normal(size=(400, 7))
    assert faithfulness(explainer, rows, lots, np.arange(7), rng)["first_moves_most"] < 0.5
    assert stability(lots, [rng.normal(size=(400, 7))])["top_3_kept"] == pytest.approx(3 / 7, abs=0.05)


def test_the_same_reasons_are_wholly_stable(explainer: Explainer) -> None:
    reasons = explainer.moved(np.random.default_rng(4).normal(size=(20, len(_FEATURES))).astype(np.float32))
    assert stability(reasons, [reasons]) == {"same_first": 1.0, "top_3_kept": 1.0, "same_direction": 1.0}


def test_each_patient_gives_at_most_the_row_of_the_highest_estimate() -> None:
    patient, risk = np.repeat(np.arange(50), 4), np.tile([0.1, 0.4, 0.3, 0.2], 50)
    assert np.flatnonzero(highest(patient, risk, np.random.default_rng(0))).tolist() == list(range(1, 200, 4))


def test_values_are_disturbed_by_half_of_the_noise_and_missing_ones_stay_missing() -> None:
    twin = shipped_twin()
    value = np.where(np.arange(4000) % 2 == 0, 90.0, np.nan)
    found = disturbed(twin, pd.DataFrame({"HR": value}), np.random.default_rng(5))["HR"].to_numpy()
    assert np.isnan(found[1::2]).all()
    assert np.std(found[::2]) == pytest.approx(0.5 * twin.dynamics["heart_rate"].noise_sd, rel=0.1)
