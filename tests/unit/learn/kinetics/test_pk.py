"""Estimating and checking drug models on people: known parameters come back, forecasts improve, pictures are drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cds_app.errors import DataError
from cds_app.learn.kinetics.evaluating import THEOPHYLLINE
from cds_app.learn.kinetics.forecast import draw_check, foretell, predictive_check
from cds_app.learn.kinetics.invented import Ranks, held, plans_of, simulated
from cds_app.learn.kinetics.population import fit, written
from cds_app.learn.kinetics.subjects import Subject, quinidine, remifentanil, theophylline, warfarin
from cds_app.simulate.kinetics.covariates import Covariates
from cds_app.simulate.kinetics.models import Model, Residual
from cds_app.simulate.kinetics.patients import Level, Placed, place
from cds_app.simulate.kinetics.simulation import plasma
from cds_app.simulate.plans import Dose
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
    found = simulated({"tobramycin": drug("tobramycin")}, people=40, seed=3)
    assert list(found) == ["tobramycin-conil-2011", "tobramycin-hennig-2013", "tobramycin"]
    for figures in found.values():
        assert (figures["people"], figures["refused"]) == (40, 0)
        for within in ("level_within_90", "course_within_90"):
            assert 0.75 <= figures[within]["share"] <= 1.0  # of 40, within three standard errors of 0.9
        assert figures["effective_draws_least"] > 50
    assert "parameters_within_90" not in found["tobramycin"]  # models differ in what varies


def test_of_a_drug_that_is_led_by_its_effect_equal_doses_are_looked_at() -> None:
    (plan,) = plans_of(drug("propofol"))
    assert [plan.amount_mg, plan.interval_h] == pytest.approx([100.0, 0.125])
    (one,) = drug("propofol").models
    found = held(one, (plan,), people=2, rng=np.random.default_rng(1))
    assert found.parameters.shape == (2, 7)
    assert "uneven_p" not in found.figures()  # of two people, nothing can be said of that


def test_bands_that_are_too_narrow_are_seen() -> None:
    spread = np.random.default_rng(5).random((2, 500))
    ranks = Ranks(level=spread[0], course=spread[1], parameters=np.zeros((500, 0)), effective=np.ones(500), refused=3)
    found = ranks.figures()
    assert (found["people"], found["refused"]) == (503, 3)
    assert 0.86 < found["level_within_90"]["share"] < 0.94
    assert found["uneven_p"] > 0.01
    narrow = np.clip(0.5 + 1.3 * (spread[0] - 0.5), 0.0, 1.0)
    found = replace(ranks, level=narrow).figures()
    assert found["level_within_90"]["high95"] < 0.8
    assert found["uneven_p"] < 1e-4


def test_an_interval_of_ranks_holds_exactly_nine_of_ten() -> None:
    every = np.arange(2000) / 1999.0
    even = Ranks(level=every, course=every, parameters=every[:, None], effective=np.ones(2000), refused=0).figures()
    assert {even[name]["share"] for name in even if name.endswith("_within_90")} == {0.9}
    assert even["uneven_p"] == 1.0
