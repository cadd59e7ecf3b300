"""What is added up equals what is simulated whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cds_app.content import latest
from cds_app.simulate.kinetics.averaging import Member, Mixture, mix
from cds_app.simulate.kinetics.covariates import Covariates
from cds_app.simulate.kinetics.individual import fit_to
from cds_app.simulate.kinetics.models import load_model
from cds_app.simulate.kinetics.patients import Level, Patient, Placed, Stage
from cds_app.simulate.kinetics.posterior import Posterior
from cds_app.simulate.kinetics.simulation import simulate
from cds_app.simulate.plans import Dose, Plan, Regimen
from cds_app.simulate.regimens.comparing import Comparison, once
from tests.unit.simulate.pharmacy import ROOT, adult, drug

TIMES = np.arange(0.0, 48.1, 0.5)
PERSON = adult(haematocrit_percent=35.0, baseline_inr=1.0)
GENOTYPES = {"CYP2C9": "*1/*1", "VKORC1": "AG", "CYP3A5": "*3/*3"}


@pytest.mark.parametrize(
    ("name", "amount_mg"), [("vancomycin", 1000.0), ("tacrolimus", 4.0), ("warfarin", 5.0), ("propofol", 100.0)]
)
@pytest.mark.parametrize("repeated", [False, True])
def test_history_and_plan_add_up(name: str, amount_mg: float, repeated: bool) -> None:
    route = drug(name).file.routes[0]
    over_h = 1.0 if name == "vancomycin" else 0.0
    person = Covariates(
        age_years=PERSON.age_years,
        weight_kg=PERSON.weight_kg,
        height_cm=PERSON.height_cm,
        sex=PERSON.sex,
        creatinine_mg_dl=1.0,
        haematocrit_percent=35.0,
        baseline_inr=1.0,
        genotypes=GENOTYPES,
        conditions=PERSON.conditions,
    )
    history = (Dose(at_h=-14.0, amount_mg=amount_mg, over_h=over_h, route=route),)
    stages = (Stage(from_h=-14.0, covariates=person), Stage(from_h=-3.0, covariates=person.with_creatinine(1.5)))
    patient = Patient(stages=stages, history=history)
    mixture = mix(drug(name), patient, draws=50, rng=np.random.default_rng(2))
    if repeated:
        mixture = replace(
            mixture, members=tuple(replace(one, etas=one.etas[::-1][::2].repeat(2, axis=0)) for one in mixture.members)
        )
    comparison = Comparison(mixture, patient, TIMES)
    regular = Regimen(
        name="r", amount_mg=amount_mg, interval_h=12.0, over_h=over_h, route=route, loading_mg=2.0 * amount_mg
    ).until(48.0)
    halved = Plan(
        name="h",
        doses=tuple(
            Dose(at_h=one.at_h, amount_mg=0.5 * one.amount_mg, over_h=one.over_h, route=one.route)
            for one in regular.doses
        ),
    )
    for plan in (regular, halved):
        found = comparison.course(plan)
        at = 0
        for one in mixture.members:
            if not len(one.etas):
                continue
            rows = slice(at, at + len(one.etas))
            epochs, _ = one.placed.epochs(one.etas)
            plain = one.placed.model.file.response == "none"
            whole = simulate(one.placed.model, epochs, (*history, *plan.doses), TIMES, area=plain)
            np.testing.assert_allclose(found.trajectories.values[rows], whole.values, rtol=1e-10, atol=1e-12)
            if plain:
                assert found.trajectories.area is not None
                assert whole.area is not None
                np.testing.assert_allclose(found.trajectories.area[rows], whole.area, rtol=1e-9, atol=1e-9)
            at = rows.stop
        assert at == sum(len(one.etas) for one in mixture.members) >= 50


def test_a_draw_that_comes_again_is_simulated_once_and_one_alike_in_a_part_is_another() -> None:
    rng = np.random.default_rng(4)
    etas = rng.standard_normal((40, 3))
    again = etas[rng.integers(0, 40, 200)]
    first, back = once(again)
    assert len(first) == len(np.unique(again, axis=0)) < 41
    np.testing.assert_array_equal(again[first[back]], again)
    alike = etas.copy()
    alike[:, 0] = np.sign(alike[:, 0])
    first, back = once(alike)
    np.testing.assert_array_equal(alike[first[back]], alike)
    assert len(first) == 40


def test_what_the_fit_left_of_the_clotting_factors_is_what_the_history_leaves() -> None:
    person = replace(PERSON, genotypes=GENOTYPES)
    history = tuple(Dose(at_h=-24.0 * n - 0.3 * (n % 3), amount_mg=5.0, route="oral") for n in range(20, 0, -1))
    levels = tuple(Level(at_h=at, value=value, quantity="inr") for at, value in ((-200.0, 1.9), (-50.7, 2.4)))
    patient = Patient(stages=(Stage(from_h=history[0].at_h, covariates=person),), history=history, levels=levels)
    mixture = mix(drug("warfarin"), patient, draws=200, rng=np.random.default_rng(3))
    assert mixture.members
    assert all(one.left is not None for one in mixture.members)
    anew = replace(mixture, members=tuple(replace(one, left=None) for one in mixture.members))
    plan = Regimen(name="r", amount_mg=5.0, interval_h=24.0, route="oral", start_h=20.0).until(48.0)
    fast, slow = (Comparison(one, patient, TIMES).course(plan).trajectories.values for one in (mixture, anew))
    np.testing.assert_allclose(fast, slow, rtol=1e-12)


@pytest.mark.parametrize("given_h", [(), (-60.0, -36.0, -12.0)], ids=["never", "before"])
def test_without_a_further_dose_an_inr_falls_back_to_its_baseline(given_h: tuple[float, ...]) -> None:
    person = replace(PERSON, genotypes=GENOTYPES)
    history = tuple(Dose(at_h=one, amount_mg=10.0, route="oral") for one in given_h)
    patient = Patient(stages=(Stage(from_h=min(given_h, default=0.0), covariates=person),), history=history)
    mixture = mix(drug("warfarin"), patient, draws=50, rng=np.random.default_rng(2))
    times = np.arange(0.0, 24.0 * 60.0 + 1.0, 24.0)
    values = Comparison(mixture, patient, times).course(Plan(name="no further dose", doses=())).trajectories.values
    middle = np.median(values, axis=0)
    assert middle[-1] == pytest.approx(1.0, abs=0.02)
    assert (middle.max() > 1.2) == bool(given_h)


def test_the_steady_area_of_what_is_swallowed_is_of_what_is_absorbed() -> None:
    digoxin = load_model(latest("pkpd/digoxin-jelliffe-2014", root=ROOT))
    fitted = fit_to(digoxin, PERSON)
    assert not isinstance(fitted, tuple)
    etas = np.zeros((2, len(digoxin.varying)))
    sample = Posterior(etas=etas, mode=etas[0], log_evidence=0.0, effective=2.0, strangest=0.0)
    placed = Placed(model=digoxin, stages=((0.0, fitted),))
    member = Member(placed=placed, posterior=sample, weight=1.0, etas=etas)
    times = np.arange(0.0, 24.0 * 60.0 + 1.0, 24.0)
    patient = Patient(stages=(Stage(from_h=0.0, covariates=PERSON),))
    plan = Regimen(name="r", amount_mg=0.25, interval_h=24.0, route="oral").until(times[-1])
    found = Comparison(Mixture(members=(member,), left_out=()), patient, times).course(plan)
    assert found.steady_area is not None
    assert found.trajectories.area is not None
    np.testing.assert_allclose(found.steady_area, np.diff(found.trajectories.area)[:, -1], rtol=1e-3)
