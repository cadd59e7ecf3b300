"""Estimating and checking drug models on people: known parameters come back, forecasts improve, pictures are drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cds_app.errors import DataError
from cds_app.learn.pk import THEOPHYLLINE
from cds_app.learn.pk_forecast import draw_check, foretell, predictive_check
from cds_app.learn.pk_invented import simulated
from cds_app.learn.pk_population import fit, written
from cds_app.learn.pk_subjects import Subject, quinidine, remifentanil, theophylline, warfarin
from cds_app.simulate.covariates import Covariates
from cds_app.simulate.models import Model, Residual
from cds_app.simulate.patients import Level, Placed, place
from cds_app.simulate.plans import Dose
from cds_app.simulate.simulation import plasma
from tests.unit.simulate.pharmacy import drug

TRUTH = {"CL": 2.5, "V1": 30.0, "KA": 1.2}
TIMES = (0.3, 0.8, 1.5, 3.0, 6.0, 10.0, 16.0, 24.0)


def truth() -> Model:
    residual = Residual(kind="combined", proportional=0.1, additive=0.1)
    return written(THEOPHYLLINE, TRUTH, np.diag([0.08, 0.04, 0.15]), residual)


def people(count: int, seed: int) -> list[Subject]:
    model, rng = truth(), np.random.default_rng(seed)
    found = []
    for n in range(count):
        dose = Dose(at_h=0.0, amount_mg=300.0, route="oral")
        bare = Subject(name=f"{n}", covariates=Covariates(weight_kg=rng.uniform(50, 100)), doses=(dose,), levels=())
        placed = place(model, bare.known(0))
        assert isinstance(placed, Placed)
        eta = rng.multivariate_normal(np.zeros(3), model.covariance)
        exact = plasma(model, placed.epochs(eta[None])[0], (dose,), np.array(TIMES)).values[0]
        seen = exact + rng.standard_normal(len(exact)) * np.sqrt(0.1**2 + (0.1 * exact) ** 2)
        levels = tuple(
            Level(at_h=at, value=max(float(value), 0.01), quantity="level")
            for at, value in zip(TIMES, seen, strict=True)
        )
        found.append(replace(bare, levels=levels))
    return found


@pytest.mark.slow
def test_known_parameters_come_back() -> None:
    found = fit(replace(THEOPHYLLINE, iterations=12), people(25, seed=1), seed=2)
    for name, value in TRUTH.items():
        # spread between people over the root of 25: 4 to 8 %
        assert found.file.constants[f"TV_{name}"] == pytest.approx(value, rel=0.15)
    assert np.diag(found.covariance) == pytest.approx([0.08, 0.04, 0.15], rel=0.6)
    assert found.file.residual.proportional == pytest.approx(0.1, abs=0.04)


def test_the_next_level_is_foretold_better_with_those_before_it() -> None:
    found = foretell(truth(), people(12, seed=3), seed=4, least_earlier=3).figures()
    assert found["individual_median_relative_error"] < found["population_median_relative_error"]
    assert found["levels"] == 60
    assert 0.8 <= found["within_90"] <= 1.0


def test_a_predictive_check_of_the_right_model_holds_and_is_drawn(tmp_path: Path) -> None:
    subjects = people(40, seed=5)
    found = predictive_check(truth(), subjects, seed=6)
    inside = (found["observed"] >= found["low"]) & (found["observed"] <= found["high"])
    assert inside.mean() > 0.75
    draw_check(found, "right", "mg/L", tmp_path / "check.png")
    assert (tmp_path / "check.png").read_bytes().startswith(b"\x89PNG")


def test_published_tables_are_read(tmp_path: Path) -> None:
    path = tmp_path / "theoph.csv"
    path.write_text("Subject,Wt,Dose,Time,conc\n1,80,4,0,0.7\n1,80,4,1,9.5\n2,70,5,2,8\n", "utf-8")
    one, two = theophylline(path)
    assert one.doses == (Dose(at_h=0.0, amount_mg=320.0, route="oral"),)
    assert [(level.at_h, level.value) for level in one.levels] == [(1.0, 9.5)]
    assert two.covariates.weight_kg == 70.0
    path.write_text(
        "ID,TIME,WEIGHT,AGE,SEX,AMOUNT,DVID,DV\n1,0,66,50,1,100,0,.\n1,24,66,50,1,.,1,9\n1,24,66,50,1,.,2,40\n"
    )
    (one,) = warfarin(path)
    assert (one.covariates.sex, len(one.levels)) == ("male", 1)
    path.write_text(
        "ID,Time,conc,Rate,Age,Sex,Ht,Wt\n1,0,,70,30,Male,170,70\n1,10,9,70,30,Male,170,70\n"
        "1,20,,0,30,Male,170,70\n1,30,4,0,30,Male,170,70\n"
    )
    (one,) = remifentanil(path)
    assert len(one.doses) == 1
    assert one.doses[0].amount_mg == pytest.approx(70.0 * 20.0 / 1000.0)
    assert one.doses[0].over_h == pytest.approx(20.0 / 60.0)


def test_doses_taken_at_an_interval_before_a_row_are_put_in(tmp_path: Path) -> None:
    path = tmp_path / "quinidine.csv"
    path.write_text(
        "Subject,time,conc,dose,interval,Age,Weight\n"
        "1,0,,200,,60,80\n1,20,,200,6,60,80\n1,24,1.5,,,60,80\n2,100,,300,8,60,80\n2,108,2.5,,,60,80\n3,1,,200,,60,80\n",
        "utf-8",
    )
    one, two = quinidine(path)
    assert [dose.at_h for dose in one.doses] == [0.0, 2.0, 8.0, 14.0, 20.0]
    assert [(level.at_h, level.value) for level in one.levels] == [(24.0, 1.5)]
    assert [dose.at_h for dose in two.doses] == [100.0 - 8.0 * n for n in range(12, -1, -1)]


def test_a_table_that_lacks_a_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "theoph.csv"
    path.write_text("Subject,Wt\n1,80\n", "utf-8")
    with pytest.raises(DataError, match="lacks the column Dose"):
        theophylline(path)


def test_the_bands_hold_for_people_drawn_from_a_shipped_model() -> None:
    warfarin_, meropenem = drug("warfarin"), drug("meropenem")
    found = simulated({"meropenem": meropenem}, people=4, seed=3)
    assert found == {}  # no level of it is used
    figures = simulated({"warfarin": warfarin_}, people=10, seed=3)["warfarin-hamberg-2007"]
    assert figures["levels"] == 3 * (2 - figures["refused"])
    assert 0.5 <= figures["within_90"] <= 1.0
    assert figures["within_50"] <= figures["within_90"]
    assert figures["effective_draws_least"] > 50
