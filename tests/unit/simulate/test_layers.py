"""History and plan laid over each other are the same as both simulated in one go."""

from __future__ import annotations

import numpy as np
import pytest

from cds_app.simulate.averaging import mix
from cds_app.simulate.layers import Layers
from cds_app.simulate.patients import Patient, Stage
from cds_app.simulate.plans import Dose, Plan, Regimen
from cds_app.simulate.simulation import simulate
from tests.unit.simulate.pharmacy import adult, drug

HISTORY = tuple(Dose(at_h=-36.0 + 12.0 * n, amount_mg=1000.0, over_h=1.0) for n in range(3))
STAGES = (Stage(from_h=-36.0, covariates=adult()), Stage(from_h=-6.0, covariates=adult().with_creatinine(2.0)))
TIMES = np.arange(0.0, 49.0, 4.0)
EVERY_12_H = Regimen(name="a", amount_mg=750.0, interval_h=12.0, over_h=1.5).until(48.0)
LOADED = Regimen(name="b", amount_mg=750.0, interval_h=12.0, over_h=1.5, loading_mg=2000.0).until(48.0)
ONCE = Plan(name="c", doses=(Dose(at_h=1.0, amount_mg=500.0),))


@pytest.mark.parametrize("plan", [EVERY_12_H, LOADED, ONCE], ids=["regular", "loaded", "bolus"])
@pytest.mark.parametrize("history", [HISTORY, ()], ids=["history", "none"])
def test_concentrations_of_history_and_plan_add_up(plan: Plan, history: tuple[Dose, ...]) -> None:
    patient = Patient(stages=STAGES, history=history)
    mixture = mix(drug("vancomycin"), patient, draws=100, rng=np.random.default_rng(1))
    found = Layers(mixture, patient, TIMES).course(plan)
    whole = [
        simulate(one.placed.model, one.placed.epochs(one.etas)[0], (*history, *plan.doses), TIMES, area=True)
        for one in mixture.members
        if len(one.etas)
    ]
    values = np.vstack([one.values for one in whole])
    # 1e-9: both are exact but for rounding, over a few hundred steps
    np.testing.assert_allclose(found.trajectories.values, values, rtol=1e-9, atol=1e-9)
    assert found.trajectories.area is not None
    areas = np.vstack([one.area for one in whole if one.area is not None])
    since_now = areas - areas[:, :1]  # what went before is counted from another start
    mine = found.trajectories.area - found.trajectories.area[:, :1]
    np.testing.assert_allclose(mine, since_now, rtol=1e-9, atol=1e-7)


def test_plans_that_differ_in_amount_alone_are_in_proportion() -> None:
    patient = Patient(stages=STAGES)
    mixture = mix(drug("vancomycin"), patient, draws=100, rng=np.random.default_rng(1))
    layers = Layers(mixture, patient, TIMES)
    double = Regimen(name="d", amount_mg=1500.0, interval_h=12.0, over_h=1.5).until(48.0)
    once, twice = layers.course(EVERY_12_H), layers.course(double)
    np.testing.assert_allclose(twice.trajectories.values, 2.0 * once.trajectories.values, rtol=1e-12)
    assert once.steady_area is not None
    assert twice.steady_area is not None
    np.testing.assert_allclose(twice.steady_area, 2.0 * once.steady_area, rtol=1e-12)


def test_a_response_is_no_sum_and_is_simulated_whole() -> None:
    covariates = adult(baseline_inr=1.0, genotypes={"CYP2C9": "*1/*1", "VKORC1": "GG"})
    history = (Dose(at_h=-24.0, amount_mg=5.0, route="oral"),)
    patient = Patient(stages=(Stage(from_h=-24.0, covariates=covariates),), history=history)
    mixture = mix(drug("warfarin"), patient, draws=100, rng=np.random.default_rng(1))
    plan = Regimen(name="w", amount_mg=5.0, interval_h=24.0, route="oral").until(48.0)
    found = Layers(mixture, patient, TIMES).course(plan)
    (member,) = mixture.members
    whole = simulate(member.placed.model, member.placed.epochs(member.etas)[0], (*history, *plan.doses), TIMES)
    np.testing.assert_array_equal(found.trajectories.values, whole.values)
    assert found.steady_area is None
    assert found.trajectories.area is None
