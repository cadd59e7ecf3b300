"""What alerts cost, on a ward small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from cds_app.learn.burden import HoursAtRisk, begins, burden
from cds_app.learn.resampling import Resamples

# patient 0: onset at hour 5 (first positive hour 3, two hours ahead); 1: alerted, never; 2: onset, never alerted;
# 3: alerted only after the onset at hour 3
WARD = HoursAtRisk(
    patient=np.repeat([0, 1, 2, 3], 6),
    hour=np.tile(np.arange(1.0, 7.0), 4),
    label=np.array([*(0, 0, 1, 1, 1, 1), *(0, 0, 0, 0, 0, 0), *(0, 0, 0, 0, 1, 1), *(1, 1, 1, 0, 0, 0)]),
    horizon_h=2.0,
)
ALERT = np.array([*(0, 1, 1, 0, 1, 0), *(1, 0, 0, 0, 0, 1), *(0,) * 6, *(0, 0, 0, 0, 1, 1)], dtype=bool)


def _burden(times: np.ndarray) -> dict[str, list[float]]:
    found = burden(WARD, ALERT, begins(WARD.patient, ALERT), Resamples(times))
    return {name: one.tolist() for name, one in found.items()}


def test_an_alert_begins_where_the_hour_before_had_none() -> None:
    assert np.flatnonzero(begins(WARD.patient, ALERT)).tolist() == [1, 4, 6, 11, 22]
    assert begins(np.array([0, 1]), np.array([True, True])).tolist() == [True, True]


def test_onset_is_the_horizon_after_the_first_positive_hour_or_when_the_run_ends() -> None:
    assert WARD.onset_h(4).tolist() == pytest.approx([5.0, np.nan, 7.0, 3.0], nan_ok=True)
    short = HoursAtRisk(
        patient=np.zeros(4, np.int64), hour=np.arange(1.0, 5.0), label=np.array([1, 0, 0, 1]), horizon_h=4.0
    )
    assert short.onset_h(1).tolist() == [2.0]
    gap = HoursAtRisk(
        patient=np.zeros(3, np.int64), hour=np.array([1.0, 2.0, 9.0]), label=np.ones(3, np.int64), horizon_h=8.0
    )
    assert gap.onset_h(1).tolist() == [3.0]
    assert np.isnan(WARD.of(WARD.patient == 1).onset_h(4)).all()


def test_hours_patients_and_leads_are_counted() -> None:
    found = {name: one[0] for name, one in _burden(np.ones((4, 1))).items()}
    assert found == pytest.approx(
        {
            "hours_alerted": 7 / 24,
            "ppv_hours": 2 / 7,
            "sensitivity_hours": 2 / 9,
            "patients_alerted": 3 / 4,
            "ppv_patients": 2 / 3,
            "sensitivity_patients": 2 / 3,
            "sensitivity_before_onset": 1 / 3,
            "onsets_warned": 0.0,
            "alerts_per_100_patient_days": 500.0,
            "lead_time_h": 3.0,
        }
    )


def test_every_onset_is_warned_of_anew() -> None:
    """Onsets of patient 0 at hours 5 and 13, of patient 1 at hour 5; the horizon is 4 hours."""
    hours = np.arange(1.0, 15.0)
    positive = ((hours < 5.0) | ((hours >= 9.0) & (hours < 13.0)), hours < 5.0)
    ward = HoursAtRisk(
        patient=np.repeat([0, 1], 14),
        hour=np.tile(hours, 2),
        label=np.concatenate(positive).astype(np.int64),
        horizon_h=4.0,
    )
    assert ward.onsets()[1].tolist() == [5.0, 13.0, 5.0]
    given = np.zeros(28, bool)
    given[[2, 5, 14 + 4]] = True  # two hours before an onset, seven before the next, and at one
    assert burden(ward, given, given, Resamples(np.ones((2, 1))))["onsets_warned"].tolist() == [pytest.approx(1 / 3)]


def test_a_patient_who_is_not_drawn_counts_for_nothing() -> None:
    found = _burden(np.array([[1.0], [0.0], [0.0], [1.0]]))
    assert found["ppv_patients"] == [1.0]
    assert found["sensitivity_before_onset"] == [0.5]
    assert found["alerts_per_100_patient_days"] == [pytest.approx(3 / 12 * 24 * 100)]
    none = _burden(np.array([[0.0], [1.0], [0.0], [0.0]]))
    assert np.isnan(none["lead_time_h"]).all()
    assert np.isnan(none["sensitivity_patients"]).all()
