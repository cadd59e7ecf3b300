"""The posterior against a grid, and calibrated: true values rank evenly, intervals hold, models are told apart.

Every shipped model by itself: test_pk_calibration. Simulation-based calibration: Talts, arXiv 1804.06788, 2018.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from cds_app.simulate.kinetics.averaging import mix, share_out
from cds_app.simulate.kinetics.drugs import Drug, DrugFile
from cds_app.simulate.kinetics.models import Residual
from cds_app.simulate.kinetics.patients import Level, Patient, Placed, Stage, place
from cds_app.simulate.kinetics.posterior import Posterior, log_error, log_likelihood, sample_posterior
from cds_app.simulate.kinetics.simulation import simulate
from cds_app.simulate.plans import Dose
from tests.unit.simulate.pharmacy import adult, drug, model

Floats = NDArray[np.float64]
HISTORY = tuple(Dose(at_h=-36.0 + 12.0 * n, amount_mg=1000.0, over_h=1.0) for n in range(3))
BARE = Patient(stages=(Stage(from_h=-36.0, covariates=adult()),), history=HISTORY)
TWO = replace(
    BARE,
    levels=(
        Level(at_h=-10.5, value=24.0, quantity="vancomycin_peak"),
        Level(at_h=-0.5, value=13.0, quantity="vancomycin_trough"),
    ),
)


def placed(name: str, patient: Patient = BARE) -> Placed:
    found = place(model(name), patient)
    assert isinstance(found, Placed)
    return found


def sampled(where: Placed, patient: Patient, draws: int, seed: int) -> Posterior:
    found = sample_posterior(where, patient, draws=draws, rng=np.random.default_rng(seed))
    assert isinstance(found, Posterior), found
    return found


def test_the_sample_equals_a_grid_over_both_parameters() -> None:
    where = placed("vancomycin-buelga-2005")
    omega = where.model.covariance
    sd = np.sqrt(np.diag(omega))
    axes = [np.linspace(-5.0, 5.0, 241) * one for one in sd]
    grid = np.stack([one.ravel() for one in np.meshgrid(*axes, indexing="ij")], axis=1)
    prior = -0.5 * np.einsum("ni,ij,nj->n", grid, np.linalg.inv(omega), grid)
    prior -= 0.5 * np.log(np.linalg.det(2.0 * np.pi * omega))
    heights = prior + log_likelihood(where, TWO, grid)
    cell = float(np.prod([one[1] - one[0] for one in axes]))
    evidence = np.log(np.sum(np.exp(heights - heights.max())) * cell) + heights.max()
    weights = np.exp(heights - heights.max())
    weights /= weights.sum()
    mean = weights @ grid
    spread = np.sqrt(weights @ (grid - mean) ** 2)
    found = sampled(where, TWO, 20_000, seed=4)
    # chance: 1/sqrt(20000) is 0.7 % of a standard deviation
    assert found.log_evidence == pytest.approx(evidence, abs=0.02)
    np.testing.assert_allclose(found.etas.mean(axis=0), mean, atol=0.03 * spread.min())
    np.testing.assert_allclose(found.etas.std(axis=0), spread, rtol=0.03)
    best = grid[heights.argmax()]
    np.testing.assert_allclose(found.mode, best, atol=float(axes[1][1] - axes[1][0]))


def test_without_levels_the_sample_is_the_population() -> None:
    found = sampled(placed("vancomycin-thomson-2009"), BARE, 20_000, seed=1)
    omega = model("vancomycin-thomson-2009").covariance
    np.testing.assert_allclose(np.cov(found.etas.T), omega, atol=0.05 * omega.max())
    assert (found.log_evidence, found.effective) == (0.0, 20_000.0)


def test_errors_of_measurement_are_densities() -> None:
    values = np.linspace(1e-6, 120.0, 400_001)
    for residual in (
        Residual(kind="combined", proportional=0.2, additive=1.5),
        Residual(kind="combined", additive=3.5),
        Residual(kind="log", proportional=0.19),
    ):
        density = np.exp(log_error(residual, values, np.full_like(values, 20.0)))
        assert np.trapezoid(density, values) == pytest.approx(1.0, abs=1e-4)


def measured(where: Placed, truth: Floats, times: tuple[float, ...], rng: np.random.Generator) -> tuple[Level, ...]:
    """Levels of a virtual patient, with error."""
    epochs, _ = where.epochs(truth[None])
    exact = simulate(where.model, epochs, HISTORY, np.array(times)).values[0]
    residual = where.model.file.residual
    noise = np.sqrt(residual.additive**2 + (residual.proportional * exact) ** 2) * rng.standard_normal(len(times))
    return tuple(
        Level(at_h=at, value=float(value), quantity="vancomycin_random")
        for at, value in zip(times, exact + noise, strict=True)
    )


@pytest.mark.slow
def test_true_parameters_rank_evenly_and_intervals_hold_what_they_promise() -> None:
    where, rng, people, draws, bins = placed("vancomycin-thomson-2009"), np.random.default_rng(11), 900, 499, 10
    size = len(where.model.varying)
    truths = rng.multivariate_normal(np.zeros(size), where.model.covariance, people)
    ranks = np.empty((people, size))
    for n, truth in enumerate(truths):
        levels = measured(where, truth, (-10.5, -6.0, -0.5), rng)
        found = sampled(where, replace(BARE, levels=levels), draws, seed=n)
        ranks[n] = (found.etas < truth).mean(axis=0)
    inside = ((ranks > 0.05) & (ranks < 0.95)).mean(axis=0)
    # three standard errors of a share of 0.9 among 900 are 3 %; the mean over the parameters is held closer
    assert np.abs(inside - 0.9).max() < 0.03
    assert abs(inside.mean() - 0.9) < 0.02
    counts = np.stack([np.histogram(ranks[:, n], bins=bins, range=(0.0, 1.0))[0] for n in range(size)])
    chi2 = ((counts - people / bins) ** 2 / (people / bins)).sum(axis=1)
    assert chi2.max() < 27.9  # 99.9 % quantile of chi-square with 9 degrees of freedom


def test_forecasts_improve_as_levels_arrive() -> None:
    where, rng = placed("vancomycin-colin-2019"), np.random.default_rng(8)
    times, later = (-34.0, -24.5, -10.5, -6.0), np.array([-0.5])
    errors = np.zeros((3, 90))
    for person in range(90):
        truth = rng.multivariate_normal(np.zeros(len(where.model.varying)), where.model.covariance)
        exact = simulate(where.model, where.epochs(truth[None])[0], HISTORY, later).values[0, 0]
        levels = measured(where, truth, times, rng)
        for row, count in enumerate((0, 2, 4)):
            known = replace(BARE, levels=levels[:count])
            found = sampled(where, known, 400, seed=person)
            forecast = simulate(where.model, where.epochs(found.etas)[0], HISTORY, later).values
            errors[row, person] = abs(np.log(np.median(forecast) / exact))
    none, two, four = errors.mean(axis=1)
    assert none > two > four
    assert four < 0.6 * none


def test_models_are_told_apart_by_levels() -> None:
    rng, both = np.random.default_rng(2), ("vancomycin-buelga-2005", "vancomycin-colin-2019")
    vancomycin = drug("vancomycin")
    for truth in both:
        where, summed = placed(truth), np.zeros(2)
        for person in range(12):
            eta = rng.multivariate_normal(np.zeros(len(where.model.varying)), where.model.covariance)
            levels = measured(where, eta, (-34.0, -24.5, -10.5, -6.0, -0.5), rng)
            found = mix(vancomycin, replace(BARE, levels=levels), draws=400, rng=np.random.default_rng(person))
            logs = {one.placed.model.name: one.posterior.log_evidence for one in found.members}
            summed += [logs[name] for name in both]
        assert both[int(summed.argmax())] == truth


def test_weights_begin_with_the_contents_and_add_up() -> None:
    vancomycin = drug("vancomycin")
    found = mix(vancomycin, BARE, draws=1000, rng=np.random.default_rng(1))
    assert [one.weight for one in found.members] == pytest.approx([1 / 13, 4 / 13, 4 / 13, 4 / 13])
    assert [name for name, _ in found.left_out] == ["vancomycin-adane-2015"]
    models = {name: one.model_dump() for name, one in vancomycin.file.models.items()}
    models["vancomycin-goti-2018"]["weight"] = 2.75
    heavier = DrugFile.model_validate({**vancomycin.file.model_dump(), "models": models})
    other = Drug(file=heavier, version="1", sha256="", models=vancomycin.models)
    again = mix(other, BARE, draws=1000, rng=np.random.default_rng(1))
    assert {one.placed.model.name: one.weight for one in again.members}["vancomycin-goti-2018"] == pytest.approx(0.55)
    assert sum(len(one.etas) for one in again.members) == 1000


def test_whole_numbers_follow_weights() -> None:
    assert share_out(np.array([0.5, 0.25, 0.25]), 1001) == [501, 250, 250]
    assert share_out(np.array([1.0]), 7) == [7]
    assert sum(share_out(np.array([1.0, 1.0, 1.0]) / 3.0, 100)) == 100


def test_levels_that_no_patient_could_have_are_refused_or_said_to_be_strange() -> None:
    levels = tuple(
        Level(at_h=at, value=value, quantity="vancomycin_random")
        for at, value in ((-11.0, 1.0), (-10.9, 140.0), (-10.8, 1.0), (-10.7, 140.0))
    )
    found = sample_posterior(
        placed("vancomycin-thomson-2009"), replace(BARE, levels=levels), draws=400, rng=np.random.default_rng(1)
    )
    assert isinstance(found, tuple) or found.strangest > 1.0
