"""Figures of a report against hand-made cases, and eligibility of a whole design against the served function."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cds_app.learn.burden import HoursAtRisk
from cds_app.learn.calibrating import calibrate
from cds_app.learn.hours.rows import shipped_twin
from cds_app.learn.hours.sepsis import SEPSIS
from cds_app.learn.measure import (
    Scored,
    alert_figures,
    calibration,
    calibration_again,
    difference,
    error_by_chance,
    figures,
    logistic_line,
    served,
)
from cds_app.learn.resampling import Resamples
from cds_app.score.features.hours import Statics, features
from cds_app.score.risk.eligibility import Circumstances, eligible
from cds_app.twin.state import track_of


def _expit(x: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def test_logistic_line_finds_the_line_that_made_the_data() -> None:
    x = np.linspace(-6, 2, 50)
    rows = np.full(50, 1000.0)
    # expected counts instead of drawn ones: the maximum of the likelihood is exact
    assert logistic_line(x, rows * _expit(-1.0 + 0.7 * x), rows) == pytest.approx((-1.0, 0.7), abs=1e-6)


def test_a_true_risk_is_calibrated() -> None:
    rng = np.random.default_rng(0)
    risk = _expit(rng.normal(-3, 1, 40_000))
    found = calibration((rng.random(40_000) < risk).astype(np.int64), risk)
    assert found["slope"] == pytest.approx(1.0, abs=0.1)
    assert found["ece"] < 0.006


def test_the_error_of_a_right_risk_stays_below_what_chance_allows_and_that_of_a_wrong_one_does_not() -> None:
    rng = np.random.default_rng(2)
    patient = np.repeat(np.arange(300), 10)
    risk = _expit(rng.normal(-2, 1, 300))[patient]
    below, above = 0, 0
    for _ in range(20):
        label = (rng.random(300)[patient] < risk).astype(np.int64)  # hours of one patient have one outcome
        below += calibration(label, risk)["ece"] <= error_by_chance(patient, label, risk)
        above += calibration(label, 2.0 * risk)["ece"] > error_by_chance(patient, label, 2.0 * risk)
    assert below >= 16  # of 19 that are expected, less three standard deviations
    assert above == 20


def test_alert_figures_count_hours_and_patients() -> None:
    patient = np.array([0, 0, 1, 1, 2, 2])
    label = np.array([0, 1, 0, 0, 0, 1])
    alert = np.array([True, True, True, False, False, False])
    found = alert_figures(patient, label, alert)
    assert found["ppv_hours"] == pytest.approx(1 / 3)
    assert found["sensitivity_hours"] == 0.5
    assert found["patients_alerted"] == pytest.approx(2 / 3)
    assert found["ppv_patients"] == 0.5
    assert found["sensitivity_patients"] == 0.5


def _scored(seed: int, patients: int = 60, hours: int = 20) -> Scored:
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), hours)
    risk = _expit(rng.normal(-1.0, 1.0, len(patient)) + rng.normal(0.0, 1.0, patients)[patient])
    label = (rng.random(len(patient)) < risk).astype(np.int64)
    hour = np.tile(np.arange(1.0, hours + 1.0), patients)
    return Scored.at(HoursAtRisk(patient=patient, hour=hour, label=label, horizon_h=6.0), risk, 0.5)


def test_groups_with_few_patients_with_the_outcome_get_counts_only() -> None:
    none = HoursAtRisk(patient=np.zeros(3, np.int64), hour=np.arange(3.0), label=np.zeros(3, np.int64), horizon_h=6.0)
    assert figures(Scored.at(none, np.zeros(3), 0.5), Resamples(np.ones((1, 1)))) == {
        "rows": 3,
        "patients": 1,
        "patients_with_outcome": 0,
    }


def test_intervals_hold_the_figure_and_the_first_resample_is_the_data_itself() -> None:
    scored = _scored(4)
    drawn = Resamples.drawn(60, np.random.default_rng(5))
    found = figures(scored, drawn)
    assert found["auroc"] == pytest.approx(roc_auc_score(scored.at_risk.label, scored.score))
    for name in ("auroc", "auprc"):
        low, high = found["intervals"][name]
        assert low < found[name] < high
    again = calibration_again(scored, drawn)
    # equal bins: the line is fitted to 250 means instead of 1200 rows
    assert again["slope"][0] == pytest.approx(found["calibration"]["slope"], abs=0.01)
    assert again["intercept"][0] == pytest.approx(found["calibration"]["intercept"], abs=0.01)
    assert again["ece"][0] == pytest.approx(found["calibration"]["ece"], abs=1e-9)
    assert set(found["intervals"]["calibration"]) == {"slope", "intercept", "ece"}
    assert set(found["intervals"]["alerts"]) == set(found["alerts"])


def test_hours_without_a_number_are_silent_and_not_ranked() -> None:
    scored = _scored(6)
    holes = np.where(np.arange(len(scored.score)) % 3 == 0, np.nan, scored.score)
    known = np.isfinite(holes)
    here = Scored.at(scored.at_risk, holes, 0.5)
    found = figures(here, Resamples(np.ones((60, 1))))
    assert found["rows"] == len(holes)
    assert found["auroc"] == pytest.approx(roc_auc_score(scored.at_risk.label[known], holes[known]))
    assert found["alerts"]["hours_alerted"] == (holes >= 0.5).mean()
    assert found["intervals"]["auroc"] is None


def test_a_score_is_not_ahead_of_itself_and_is_of_noise() -> None:
    scored = _scored(7)
    drawn = Resamples.drawn(60, np.random.default_rng(8))
    assert difference(scored, scored, drawn)["auroc"] == {"value": 0.0, "interval": [0.0, 0.0]}
    noise = Scored.at(scored.at_risk, np.random.default_rng(9).random(len(scored.score)), 0.5)
    ahead = difference(scored, noise, drawn)["auroc"]
    assert 0.0 < ahead["interval"][0] < ahead["value"] < ahead["interval"][1]


def test_calibration_recovers_a_bent_margin() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(-3, 1, 60_000)
    label = (rng.random(60_000) < _expit(truth)).astype(np.int64)
    bent = np.arcsinh(2.0 * (truth + 3.0))
    fitted = calibrate(bent, label, np.arange(60_000) // 20, np.random.default_rng(2))
    assert set(fitted.log_loss) == {"platt", "smoothed_isotonic"}
    again = calibration(label, fitted.calibration.probability(bent))
    assert again["slope"] == pytest.approx(1.0, abs=0.1)
    assert again["ece"] < 0.006
    assert (fitted.calibration.low <= fitted.calibration.high).all()


def test_served_agrees_with_eligible() -> None:
    rng, twin = np.random.default_rng(3), shipped_twin()
    agreed = set()
    for _ in range(200):
        names = [name for name in ("heart_rate", "sbp", "spo2", "resp_rate") if rng.random() < 0.7]
        tracks = {
            name: track_of(twin, name, sorted(map(float, rng.integers(1, 30, 2))), [80.0, 90.0]) for name in names
        }
        at, age = float(rng.integers(0, 32)), float(rng.integers(14, 60))
        person = Statics(age_years=age, sex=None, unit_start_h=0.0, hours_before_unit=None)
        rows = features(twin, tracks, person, [at])
        who = Circumstances(age_years=age, pregnant=False, inpatient=True, hours_in_unit=at)
        expected = eligible("sepsis", SEPSIS.limits, who, tracks, at) is None
        assert bool(served(SEPSIS.limits, rows)[0]) is expected
        agreed.add(expected)
    assert agreed == {True, False}
