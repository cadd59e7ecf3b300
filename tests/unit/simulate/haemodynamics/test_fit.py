"""Draws of one patient: they agree with what was measured and stay open where nothing was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cds_app.score.result import Abstained
from cds_app.simulate.haemodynamics.fit import Fit, fit, interval
from cds_app.simulate.haemodynamics.patient import Known, known
from tests.surgery_patients import SURGERY, patient, refused, seen


def fitted(draws: int = 400, seed: int = 1, **changed: Any) -> Fit | Abstained:
    about = known(patient(**changed), SURGERY.bounds)
    assert isinstance(about, Known), about
    parts, rng = SURGERY.model.circulation, np.random.default_rng(seed)
    return fit(about, parts.surface, parts.constants, SURGERY.priors, rng, draws=draws)


def fine(**changed: Any) -> Fit:
    found = fitted(**changed)
    assert isinstance(found, Fit), found
    return found


@pytest.mark.parametrize("mean", [60.0, 75.0, 90.0, 110.0, 130.0])
def test_the_draws_have_the_pressure_that_was_measured(mean: float) -> None:
    pressure = fine(map=seen(mean)).found["mean_pressure_mmhg"]
    assert pressure.median == pytest.approx(mean, abs=3.0)
    assert 5.0 < pressure.high - pressure.low < 20.0  # a cuff's error is believed to be 4 mmHg


def test_the_draws_have_the_rate_and_pulse_pressure_that_were_measured() -> None:
    found = fine(heart_rate=seen(95.0), pulse_pressure=seen(40.0))
    bodies = found.bodies
    inputs = np.array([bodies.stressed_volume, bodies.resistance, bodies.heart_rate])
    rest = np.array([bodies.lv_systolic, bodies.rv_systolic, bodies.arterial_compliance])
    states = SURGERY.model.circulation.surface.states(np.vstack([inputs, rest]))
    assert np.median(bodies.heart_rate) == pytest.approx(95.0, abs=2.0)
    assert np.median(states.pulse_pressure) == pytest.approx(40.0, abs=SURGERY.priors.measurement["pulse_pressure_sd"])
    assert not states.outside.any()
    assert states.mean_pressure == pytest.approx(bodies.set_point)


def test_a_measured_output_moves_the_draws_and_narrows_them() -> None:
    without, low = fine(), fine(cardiac_output=seen(3.2))
    assert "cardiac_output" in without.assumed
    assert "cardiac_output" not in low.assumed
    named = "cardiac_output_l_per_min"
    assert low.found[named].median < without.found[named].median - 1.0
    assert low.found[named].high - low.found[named].low < without.found[named].high - without.found[named].low
    assert low.found["resistance_dyn_s_per_cm5"].median > without.found["resistance_dyn_s_per_cm5"].median


def test_a_measured_ejection_fraction_moves_the_draws() -> None:
    weak = fine(ejection_fraction=seen(0.25)).found["ejection_fraction"]
    assert weak.median == pytest.approx(0.25, abs=0.07)
    assert weak.high < fine().found["ejection_fraction"].median


def test_blood_volume_goes_with_weight_and_less_so_in_obesity() -> None:
    lean = fine(body_weight=seen(67.4)).found["blood_volume_l"]  # a body mass index of 22
    heavy = fine(body_weight=seen(134.8)).found["blood_volume_l"]
    assert lean.median == pytest.approx(0.070 * 67.4, rel=0.06)
    assert lean.median * 1.2 < heavy.median < lean.median * 1.7


def test_what_no_circulation_has_together_is_refused() -> None:
    together: dict[str, Any] = {"map": seen(70.0), "heart_rate": seen(125.0), "pulse_pressure": seen(105.0)}
    assert refused(fitted(**together)) == {"model": "unsuitable"}
    torn: dict[str, Any] = {"map": seen(130.0), "cardiac_output": seen(2.0), "pulse_pressure": seen(100.0)}
    assert refused(fitted(**torn)) == {"model": "unsuitable"}


def test_a_rate_that_no_candidate_can_have_is_refused() -> None:
    about = known(patient(), SURGERY.bounds)
    assert isinstance(about, Known)
    parts, rng = SURGERY.model.circulation, np.random.default_rng(1)
    found = fit(replace(about, heart_rate=900.0), parts.surface, parts.constants, SURGERY.priors, rng, draws=50)
    assert refused(found) == {"model": "unsuitable"}


def test_enough_candidates_are_effective_in_ordinary_patients() -> None:
    for changed in ({}, {"map": seen(110.0), "pulse_pressure": seen(85.0)}, {"heart_rate": seen(110.0)}):
        assert fine(**changed).effective > 2.0 * SURGERY.priors.fit["least_effective"]


def test_two_seeds_find_the_same_within_the_noise_of_their_draws() -> None:
    one, other = fine(draws=1500, seed=1), fine(draws=1500, seed=2)
    for name, found in one.found.items():
        width = found.high - found.low
        assert other.found[name].median == pytest.approx(found.median, abs=0.1 * width), name


def test_a_beta_blocker_blunts_the_reflex() -> None:
    assert np.all(fine(beta_blocked=True).bodies.beta_gain == 0.5)
    assert np.all(fine().bodies.beta_gain == 1.0)


def test_the_draws_are_what_simulation_based_calibration_expects() -> None:
    # Truths from the prior, readings from the truths: the ranks of truths among the draws are then uniform.
    rng = np.random.default_rng(11)
    ranks: list[float] = []
    surface, error = SURGERY.model.circulation.surface, SURGERY.priors.measurement
    spread = SURGERY.priors.spread
    while len(ranks) < 60:
        size = 78.0 * 70.0 / 5150.0 * np.sqrt(22.0 / (78.0 / 1.75**2)) * np.exp(0.1 * rng.standard_normal())
        rate = 72.0 + error["heart_rate_sd"] * rng.standard_normal()
        logs = [np.log(1325.0), 0.0, np.log(0.4), np.log(1.3), np.log(2.0)]
        names = ("stressed_volume", "resistance", "lv_systolic", "rv_systolic", "arterial_compliance")
        volume, resistance, lv, rv, artery = (
            np.exp(log + spread[f"{name}_sd"] * rng.standard_normal()) for log, name in zip(logs, names, strict=True)
        )
        truth = surface.states(np.array([[volume], [resistance], [rate], [lv], [rv], [artery]]))
        output = float(size * truth.output[0] * 0.06)
        mean = float(truth.mean_pressure[0]) + error["mean_pressure_sd"] * rng.standard_normal()
        pulse = float(truth.pulse_pressure[0]) + error["pulse_pressure_sd"] * rng.standard_normal()
        read = output * (1.0 + error["output_share_sd"] * rng.standard_normal())
        if truth.outside[0] or not (55 <= mean <= 140 and 15 <= pulse <= 110 and 2 <= read <= 12):
            continue
        told: dict[str, Any] = {"map": seen(mean), "pulse_pressure": seen(pulse), "cardiac_output": seen(read)}
        found = fitted(draws=200, seed=len(ranks), **told)
        if isinstance(found, Fit):
            ranks.append(float((found.bodies.resistance < resistance).mean()))
    spread_of_ranks = np.histogram(ranks, bins=4, range=(0.0, 1.0))[0]
    # chi-squared with 3 degrees of freedom, 99.9th percentile
    assert ((spread_of_ranks - 15.0) ** 2 / 15.0).sum() < 16.3


def test_an_interval_is_the_median_and_the_central_ninety_percent() -> None:
    found = interval(np.arange(101.0))
    assert (found.low, found.median, found.high) == (5.0, 50.0, 95.0)
