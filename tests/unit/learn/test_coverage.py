"""An interval is held where it is right, is not where it is too narrow, and is widened until it is."""

from __future__ import annotations

import numpy as np
import pytest

from cds_app.learn.calibrating import calibrate
from cds_app.learn.coverage import Told, coverage, widening, widest

_PATIENTS, _HOURS = 3000, 10


def _expit(x: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def _told(*, off: float, half: float, seed: int = 0) -> Told:
    """Risks that are off by some log-odds, with an interval that reaches so far to both sides."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(_PATIENTS), _HOURS)
    margin = rng.normal(-2.0, 1.0, len(patient))
    label = (rng.random(len(patient)) < _expit(margin + off)).astype(np.int64)
    return Told(
        risk=_expit(margin), low=_expit(margin - half), high=_expit(margin + half), label=label, patient=patient
    )


def test_true_risks_are_held_by_intervals_of_no_width_as_often_as_chance_allows() -> None:
    found = [coverage(_told(off=0.0, half=1e-6, seed=seed), {}) for seed in range(40)]
    held, cells = sum(one["held"] for one in found), sum(one["cells"] for one in found)
    assert cells == 200
    assert 0.84 < held / cells < 0.96
    assert sum(one["held_by_interval_alone"] for one in found) < 5


def test_risks_that_are_off_are_held_only_by_intervals_that_reach_the_truth() -> None:
    assert coverage(_told(off=0.5, half=0.1), {})["held"] == 0
    wide = coverage(_told(off=0.5, half=0.6), {})
    assert (wide["held"], wide["held_by_interval_alone"]) == (5, 5)


def test_the_factor_is_how_much_too_narrow_the_interval_was() -> None:
    needed = widening(_told(off=0.5, half=0.1), {})
    # chance explains a part of the distance, so that about five times is enough
    assert 4.0 < widest(needed) < 6.0
    assert widest([0.0, 0.2]) == 1.0
    assert widest([]) == 1.0


def test_groups_are_looked_at_and_those_with_few_outcomes_are_not() -> None:
    told = _told(off=0.0, half=0.2)
    some = np.zeros(len(told.risk), bool)
    some[:50] = True
    assert coverage(told, {"kind": {"few": some}})["cells"] == 5
    assert coverage(told, {"kind": {"rest": ~some}})["cells"] == 10


def test_rows_of_one_patient_do_not_count_as_independent() -> None:
    told = _told(off=0.0, half=1e-6)
    again = told.of(np.repeat(np.arange(len(told.risk)), 20))
    assert coverage(again, {})["held"] == coverage(told, {})["held"]


def test_an_interval_is_widened_where_groups_differ_and_only_there() -> None:
    rng = np.random.default_rng(1)
    patient = np.repeat(np.arange(_PATIENTS), _HOURS)
    margin, man = rng.normal(-2.0, 1.0, len(patient)), patient % 2 == 0
    among = {"sex": {"female": ~man, "male": man}}
    alike, apart = (
        (rng.random(len(patient)) < _expit(margin + shift * np.where(man, 1, -1))).astype(np.int64)
        for shift in (0.0, 0.4)
    )
    same = calibrate(margin, alike, patient, np.random.default_rng(2), among=among)
    differ = calibrate(margin, apart, patient, np.random.default_rng(2), among=among)
    plain = calibrate(margin, apart, patient, np.random.default_rng(2))
    assert same.widened < 1.6
    assert differ.widened > 3.0
    assert plain.widened == 1.0
    assert differ.calibration.log_odds == pytest.approx(plain.calibration.log_odds)
    for curve in (differ.calibration.low, differ.calibration.high):
        assert (np.diff(curve) >= 0).all()
    assert coverage(Told.by(differ.calibration, margin, apart, patient), among)["held"] >= 13
