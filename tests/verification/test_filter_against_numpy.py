"""The closed form against a generic matrix Kalman filter, the analytic OU solution and the vectorised filter."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from numpy.typing import NDArray

from cds_app.twin.filter import Belief, predict, prior, run
from cds_app.twin.model import Dynamics

FREE = Dynamics(
    quantity="heart_rate", transform="identity", low=0, high=300, baseline_mean=80.0, baseline_sd=11.0,
    baseline_relaxation_h=300.0, deviation_sd=8.0, relaxation_h=7.0, noise_sd=3.0, soft_z=1e9, gate_z=1e9,
)  # fmt: skip
ROBUST = Dynamics(
    quantity="heart_rate", transform="identity", low=0, high=300, baseline_mean=80.0, baseline_sd=11.0,
    baseline_relaxation_h=300.0, deviation_sd=8.0, relaxation_h=7.0, noise_sd=3.0, soft_z=2.0, gate_z=4.0,
)  # fmt: skip


def _matrix_filter(hours: list[float], values: list[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mean = np.array([FREE.baseline_mean, 0.0])
    stationary = np.diag([FREE.baseline_sd**2, FREE.deviation_sd**2])
    H, R = np.array([[1.0, 1.0]]), np.array([[FREE.noise_sd**2]])
    x, P, before = mean.copy(), stationary.copy(), hours[0]
    for at, value in zip(hours, values, strict=True):
        F = np.diag(np.exp(-(at - before) / np.array([FREE.baseline_relaxation_h, FREE.relaxation_h])))
        x = mean + F @ (x - mean)
        P = F @ P @ F.T + stationary - F @ stationary @ F.T
        K = P @ H.T @ np.linalg.inv(H @ P @ H.T + R)
        x = x + (K @ (np.array([value]) - H @ x))
        P = (np.eye(2) - K @ H) @ P @ (np.eye(2) - K @ H).T + K @ R @ K.T  # Joseph form
        before = at
    return x, P


def _irregular(seed: int, count: int = 200) -> tuple[list[float], list[float]]:
    rng = np.random.default_rng(seed)
    hours = np.cumsum(rng.exponential(2.0, count) * (rng.random(count) > 0.1))
    return [float(one) for one in hours], [float(one) for one in 80 + 15 * rng.standard_t(3, count)]


@pytest.mark.parametrize("seed", range(5))
def test_the_closed_form_equals_a_matrix_kalman_filter(seed: int) -> None:
    hours, values = _irregular(seed)
    baseline, deviation, p_bb, p_bd, p_dd, *_ = run(FREE, None, hours, values)[-1]
    x, P = _matrix_filter(hours, values)
    assert (baseline, deviation) == pytest.approx(tuple(x), abs=1e-9)
    assert (p_bb, p_bd, p_dd) == pytest.approx((P[0, 0], P[0, 1], P[1, 1]), abs=1e-9)


@pytest.mark.parametrize("ahead_h", [0.01, 1.0, 24.0, 1000.0])
def test_a_prediction_is_the_analytic_solution_of_the_ou_equation(ahead_h: float) -> None:
    start = Belief(5.0, 92.0, -6.0, 4.0, -1.0, 3.0)
    found = predict(FREE, start, 5.0 + ahead_h)
    kept_b, kept_d = exp(-ahead_h / 300.0), exp(-ahead_h / 7.0)
    assert found.baseline == pytest.approx(80.0 + 12.0 * kept_b, abs=1e-9)
    assert found.deviation == pytest.approx(-6.0 * kept_d, abs=1e-9)
    assert found.p_bb == pytest.approx(4.0 * kept_b**2 + 121.0 * (1.0 - kept_b**2), abs=1e-9)
    assert found.p_bd == pytest.approx(-1.0 * kept_b * kept_d, abs=1e-9)
    assert found.p_dd == pytest.approx(3.0 * kept_d**2 + 64.0 * (1.0 - kept_d**2), abs=1e-9)


@pytest.mark.parametrize(("first_h", "second_h"), [(0.3, 2.0), (5.0, 5.0), (100.0, 0.001)])
def test_two_short_predictions_equal_one_long_one(first_h: float, second_h: float) -> None:
    start = Belief(0.0, 92.0, -6.0, 4.0, -1.0, 3.0, 1)
    twice = predict(FREE, predict(FREE, start, first_h), first_h + second_h)
    assert twice == pytest.approx(predict(FREE, start, first_h + second_h), abs=1e-9)


def test_the_prior_is_stationary() -> None:
    assert predict(FREE, prior(FREE, 0.0), 50.0) == pytest.approx(prior(FREE, 50.0), abs=1e-9)


def test_the_vectorised_filter_of_training_equals_the_scalar_one_of_serving() -> None:
    lockstep = pytest.importorskip("cds_app.learn.twin.lockstep")
    histories = [_irregular(seed, count) for seed, count in enumerate([50, 1, 120, 7])]
    patient = np.repeat(np.arange(4), [len(hours) for hours, _ in histories])
    hours, values = (np.concatenate([np.array(one[i]) for one in histories]) for i in (0, 1))
    found = lockstep.filtered(ROBUST, lockstep.Samples.of(patient, hours, values))
    rows = np.array([row for one in histories for row in run(ROBUST, None, *one)])
    names = ("baseline", "deviation", "p_bb", "p_bd", "p_dd", "z", "weight", "pending")
    for name, column in zip(names, rows.T, strict=True):
        assert getattr(found, name) == pytest.approx(column, abs=1e-9), name
    assert (rows[:, 6] == 0.0).any()
    last = np.array([len(hours) - 1, -1])
    later = lockstep.carried(ROBUST, found, last, np.array([hours[-1] + 3.0, 9.0]))
    b, d, p_bb, p_bd, p_dd, _, _, pending = rows[-1]
    end = Belief(hours[-1], b, d, p_bb, p_bd, p_dd, int(pending))
    assert later[:, 0] == pytest.approx(predict(ROBUST, end, hours[-1] + 3.0)[1:6], abs=1e-9)
    assert later[:, 1] == pytest.approx(prior(ROBUST, 9.0)[1:6])
