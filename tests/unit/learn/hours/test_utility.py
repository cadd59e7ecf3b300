"""The challenge's utility against hand-worked rows and against its published reference loop."""

from __future__ import annotations

import numpy as np
import pytest

from cds_app.learn.hours.utility import best_threshold, normalised_utility, stakes
from cds_app.learn.resampling import Resamples


def _utility(patient: np.ndarray, label: np.ndarray, alert: np.ndarray) -> float:
    """Of the patients as they are, none drawn twice."""
    once = Resamples(np.ones((int(patient.max()) + 1, 1)))
    return float(normalised_utility(patient, label, alert, once)[0])


def _septic_stay() -> tuple[np.ndarray, np.ndarray]:
    """20 hours, label from row 10 on: onset at row 16, so rows 4, 10 and 19 are 12 h, 6 h before and 3 h after."""
    return np.zeros(20, np.int64), (np.arange(20) >= 10).astype(np.int64)


@pytest.mark.parametrize(
    ("row", "alert", "silent"),
    [
        (0, -0.05, 0.0),  # 16 h before onset: too early, as bad as a false alarm
        (4, 0.0, 0.0),  # 12 h before: the gain starts here
        (7, 0.5, 0.0),  # 9 h before: half way up
        (10, 1.0, 0.0),  # 6 h before: best
        (13, 2 / 3, -2 / 3),  # 3 h before: 6 of 9 hours of the fall are left, a third of the loss is reached
        (16, 1 / 3, -4 / 3),  # onset
        (19, 0.0, -2.0),  # 3 h after: an alert is worth nothing, silence costs most
    ],
)
def test_stakes_are_the_hand_worked_ones(row: int, alert: float, silent: float) -> None:
    worth = stakes(*_septic_stay())
    assert worth.alert[row] == pytest.approx(alert, abs=1e-12)
    assert worth.silent[row] == pytest.approx(silent, abs=1e-12)


def test_hours_later_than_3_after_onset_count_nothing() -> None:
    worth = stakes(np.zeros(25, np.int64), (np.arange(25) >= 10).astype(np.int64))
    assert not worth.gain[20:].any()


def test_a_false_alarm_costs_a_twentieth() -> None:
    worth = stakes(np.zeros(3, np.int64), np.zeros(3, np.int64))
    assert worth.alert.tolist() == [-0.05] * 3
    assert worth.silent.tolist() == [0.0] * 3


def test_normalised_utility_of_a_worked_example() -> None:
    """One septic stay alerted from row 10 on, one stay of 4 hours without sepsis alerted twice.

    Best possible: rows 4 to 10 gain 0 + 1/6 + ... + 1 = 3.5; rows 11 to 19 gain (8 + ... + 0)/9 + (1 + ... + 9) * 2/9
    = 4 + 10 = 14; together 17.5. Alerted: 1 + 14 = 15, less 2 * 0.05. (15 - 0.1) / 17.5.
    """
    patient, label = _septic_stay()
    alert = np.arange(20) >= 10
    found = _utility(
        np.append(patient, [1] * 4), np.append(label, [0] * 4), np.append(alert, [True, False, True, False])
    )
    assert found == pytest.approx(14.9 / 17.5, abs=1e-12)


def test_silence_is_0_and_the_best_alerts_are_1() -> None:
    patient, label = _septic_stay()
    assert _utility(patient, label, np.zeros(20, bool)) == 0.0
    assert _utility(patient, label, stakes(patient, label).gain > 0) == pytest.approx(1.0)


def test_utility_without_sepsis_is_undefined() -> None:
    assert np.isnan(_utility(np.zeros(3, np.int64), np.zeros(3, np.int64), np.ones(3, bool)))


def test_equals_the_loop_of_the_official_script() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 40, 200)
    patient = np.repeat(np.arange(200), lengths)
    label = np.concatenate([_label(rng, n) for n in lengths])
    alert = rng.random(len(patient)) < 0.3
    assert _utility(patient, label, alert) == pytest.approx(_official(patient, label, alert), abs=1e-12)


def test_best_threshold_separates_gain_from_loss() -> None:
    gain = np.array([1.0, 1.0, -0.05, -0.05])
    threshold, utility = best_threshold(gain, np.array([0.9, 0.8, 0.2, 0.1]))
    assert threshold == 0.8
    assert utility == 1.0


def _label(rng: np.random.Generator, hours: int) -> np.ndarray:
    label = np.zeros(hours, np.int64)
    if rng.random() < 0.5:
        label[rng.integers(0, hours) :] = 1
    return label


def _official(patient: np.ndarray, label: np.ndarray, alert: np.ndarray) -> float:
    """``evaluate_sepsis_score.py`` of the challenge, written out hour by hour."""
    observed = best = inaction = 0.0
    for one in np.unique(patient):
        mine, given = label[patient == one], alert[patient == one]
        ideal = np.zeros(len(mine), bool)
        if mine.any():
            onset = int(np.argmax(mine)) + 6
            ideal[max(0, onset - 12) : onset + 3 + 1] = True
        observed += _sum(mine, given)
        best += _sum(mine, ideal)
        inaction += _sum(mine, np.zeros(len(mine), bool))
    return (observed - inaction) / (best - inaction)


def _sum(label: np.ndarray, alert: np.ndarray) -> float:
    if not label.any():
        return -0.05 * float(alert.sum())
    onset = int(np.argmax(label)) + 6
    return sum(_hour(t - onset, bool(alert[t])) for t in range(len(label)) if t <= onset + 3)


def _hour(since: int, alert: bool) -> float:
    if alert:
        return max((since + 12) / 6, -0.05) if since <= -6 else (3 - since) / 9
    return 0.0 if since <= -6 else -2 * (since + 6) / 9


def test_a_patient_who_is_drawn_twice_counts_twice() -> None:
    patient, label = np.repeat([0, 1], 20).astype(np.int64), np.tile(_septic_stay()[1], 2)
    alert = (patient == 0) & (stakes(patient, label).gain > 0)
    drawn = Resamples(np.array([[1.0, 2.0, 0.0], [1.0, 1.0, 2.0]]))
    np.testing.assert_allclose(normalised_utility(patient, label, alert, drawn), [1 / 2, 2 / 3, 0.0])
