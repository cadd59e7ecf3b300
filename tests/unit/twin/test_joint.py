"""The joint smoother and the twin's smoother on a grid, held against conditioning done by hand."""

from __future__ import annotations

import numpy as np
import pytest

from cds_app.twin.filter import run
from cds_app.twin.joint import MOST, Joint
from cds_app.twin.model import Dynamics
from cds_app.twin.smoother import FIELDS, Parameters, followed
from cds_app.twin.windows import HOURS, Singles

COUPLED = np.array([[1.0, 0.8], [0.8, 1.0]], np.float32)


def joint(variables: int = 2, *, log: bool = False) -> Joint:
    parts = np.stack([COUPLED if variables == 2 else np.eye(variables, dtype=np.float32)] * 2) * np.float32(0.5)
    parts[1] = 0.1 * np.eye(variables)
    return Joint(
        log=np.full(variables, log), least=np.full(variables, 0.1, np.float32), centre=np.zeros(variables, np.float32),
        spread=np.ones(variables, np.float32), hours=np.array([8.0, 0.0], np.float32), parts=parts,
    )  # fmt: skip


def measured(*cells: tuple[int, int, float], variables: int = 2) -> Singles:
    found = np.full((HOURS, variables), np.nan, np.float32)
    for hour, variable, value in cells:
        found[hour, variable] = value
    return found


def test_one_measurement_tells_of_itself_of_others_and_of_other_hours() -> None:
    found = joint().smoothed(measured((10, 0, 1.2)))
    own = 0.5 / (0.6 + 1e-3)
    assert found[11, 0] == pytest.approx(1.2 * own * np.exp(-1 / 8), rel=1e-4)
    assert found[10, 1] == pytest.approx(1.2 * own * 0.8, rel=1e-4)
    assert found[6, 1] == pytest.approx(1.2 * own * 0.8 * np.exp(-4 / 8), rel=1e-4)


def test_two_measurements_agree_with_conditioning_by_hand() -> None:
    found = joint().smoothed(measured((10, 0, 1.0), (14, 1, -0.5)))
    cross = 0.4 * np.exp(-4 / 8)
    system = np.array([[0.601, cross], [cross, 0.601]])
    to_cell = np.array([0.5 * np.exp(-2 / 8), 0.4 * np.exp(-2 / 8)])  # variable 0 at hour 12
    assert found[12, 0] == pytest.approx(to_cell @ np.linalg.solve(system, [1.0, -0.5]), rel=1e-4)


def test_filtering_is_smoothing_of_what_was_known() -> None:
    values = measured((3, 0, 1.0), (9, 1, -1.0), (20, 0, 2.0))
    past = values.copy()
    past[13:] = np.nan
    found = joint().filtered(values, [12])
    assert found[12] == pytest.approx(joint().smoothed(past)[12], abs=1e-5)
    assert np.isnan(found[11]).all()


def test_what_is_extreme_is_expected_again_and_moves_nothing_else_further() -> None:
    far, farther = joint().smoothed(measured((10, 0, 4.0))), joint().smoothed(measured((10, 0, 9.0)))
    assert farther[:, 1] == pytest.approx(far[:, 1])
    alike = (0.5 * np.exp(-2 / 8)) / 0.6  # of the variable with itself two hours apart
    assert farther[12, 0] - far[12, 0] == pytest.approx(5.0 * alike, rel=1e-4)
    assert joint().filtered(measured((10, 0, 9.0)), [12])[12] == pytest.approx(farther[12], rel=1e-4)


def test_many_hours_at_once_are_each_what_they_are_alone() -> None:
    rng = np.random.default_rng(3)
    values = np.where(rng.random((HOURS, 12)) < 0.8, rng.normal(0.0, 1.0, (HOURS, 12)), np.nan).astype(np.float32)
    assert np.isfinite(values).sum() > MOST  # so that the last hours leave something out
    whole = joint(12).filtered(values, range(HOURS))
    for hour in (0, 5, 30, 47):
        assert whole[hour] == pytest.approx(joint(12).filtered(values, [hour])[hour], abs=1e-4)


def test_with_nothing_measured_everybody_is_expected() -> None:
    assert joint(log=True).smoothed(measured()) == pytest.approx(np.ones((HOURS, 2)), abs=1e-6)


def test_more_measurements_than_a_bedside_waits_for_lose_the_oldest_but_no_variable() -> None:
    values = np.tile(np.linspace(-1.0, 1.0, HOURS, dtype=np.float32)[:, None], (1, 12))
    values[1:, 0] = np.nan  # its only measurement is the oldest
    assert np.isfinite(values).sum() > MOST
    wide = joint(12)
    assert wide.filtered(values, [47])[47, 0] < 0.0
    assert wide.filtered(values, [47])[47, 5] == pytest.approx(wide.smoothed(values)[47, 5], abs=2e-3)


def dynamics(transform: str = "identity") -> Dynamics:
    return Dynamics(
        quantity="x", transform="log" if transform == "log" else "identity", low=0.0, high=1e9, baseline_mean=1.0,
        baseline_sd=0.7, baseline_relaxation_h=500.0, deviation_sd=0.6, relaxation_h=6.0, noise_sd=0.2, soft_z=99.0,
        gate_z=99.0,
    )  # fmt: skip


def parameters(one: Dynamics) -> Parameters:
    return Parameters.from_json(
        {name: [getattr(one, name)] for name in FIELDS[:-1]} | {"log": [one.transform == "log"]}
    )


@pytest.mark.parametrize("transform", ["identity", "log"])
def test_filtering_on_the_grid_is_the_twins_filter(transform: str) -> None:
    one, hours, values = dynamics(transform), [2, 3, 9, 30], [1.4, 0.6, 2.0, 1.1]
    rows = run(one, None, [float(hour) for hour in hours], one.on_scale(values))
    found = followed(
        measured(*((h, 0, v) for h, v in zip(hours, values, strict=True)), variables=1)[None], parameters(one), "causal"
    )
    for hour, row in zip(hours, rows, strict=True):
        assert found[0, hour, 0] == pytest.approx(one.to_unit(row[0] + row[1]), rel=1e-5)


def test_smoothing_on_the_grid_is_exact() -> None:
    one, seen = dynamics(), np.array([5, 11, 30])
    y = np.array([1.5, 0.2, 2.2])
    found = followed(
        measured(*((int(h), 0, v) for h, v in zip(seen, y, strict=True)), variables=1)[None],
        parameters(one),
        "retrospective",
    )

    def covariance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        lag = np.abs(a[:, None] - b[None, :])
        return np.asarray(0.49 * np.exp(-lag / 500.0) + 0.36 * np.exp(-lag / 6.0))

    system = covariance(seen, seen) + 0.04 * np.eye(3)
    exact = 1.0 + covariance(np.arange(HOURS), seen) @ np.linalg.solve(system, y - 1.0)
    assert found[0, :, 0] == pytest.approx(exact, abs=1e-5)
