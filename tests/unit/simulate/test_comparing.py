"""What is added up equals what is simulated whole."""

from __future__ import annotations

import numpy as np
import pytest

from cds_app.simulate.averaging import mix
from cds_app.simulate.comparing import Comparison
from cds_app.simulate.covariates import Covariates
from cds_app.simulate.patients import Patient, Stage
from cds_app.simulate.plans import Dose, Plan, Regimen
from cds_app.simulate.simulation import simulate
from tests.unit.simulate.pharmacy import adult, drug

TIMES = np.arange(0.0, 48.1, 0.5)
PERSON = adult(haematocrit_percent=35.0, baseline_inr=1.0)
GENOTYPES = {"CYP2C9": "*1/*1", "VKORC1": "AG", "CYP3A5": "*3/*3"}


@pytest.mark.parametrize(
    ("name", "amount_mg"), [("vancomycin", 1000.0), ("tacrolimus", 4.0), ("warfarin", 5.0), ("propofol", 100.0)]
)
def test_history_and_plan_add_up(name: str, amount_mg: float) -> None:
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
    )
    history = (Dose(at_h=-14.0, amount_mg=amount_mg, over_h=over_h, route=route),)
    stages = (Stage(from_h=-14.0, covariates=person), Stage(from_h=-3.0, covariates=person.with_creatinine(1.5)))
    patient = Patient(stages=stages, history=history)
    mixture = mix(drug(name), patient, draws=50, rng=np.random.default_rng(2))
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
        assert at == 50
