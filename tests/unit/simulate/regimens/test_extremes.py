"""The smallest, greatest and impossible numbers, one at a time in a question that is fine otherwise."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite, nan
from typing import Any, TypeVar

import pytest

from cds_app.simulate.kinetics.covariates import Covariates
from cds_app.simulate.kinetics.patients import Level, Patient, Stage
from cds_app.simulate.plans import Dose, Plan, Regimen
from cds_app.simulate.regimens.answers import WhatIf
from cds_app.simulate.regimens.questions import Question, limit_problems
from cds_app.simulate.regimens.what_if import what_if
from tests.unit.simulate.pharmacy import adult, drug

Changed = TypeVar("Changed", Regimen, Dose, Covariates, Question)


def with_(one: Changed, **fields: Any) -> Changed:
    """The same with some fields changed."""
    return replace(one, **fields)


EXTREMES = (0.0, -1.0, 5e-324, 1e-300, 1e300, 1.7976931348623157e308, inf, -inf, nan)
ON_WARFARIN = adult(baseline_inr=1.0, genotypes={"CYP2C9": "*1/*3", "VKORC1": "AA"})
REGIMENS = {
    "vancomycin": Regimen(name="r", amount_mg=1000.0, interval_h=12.0, over_h=1.0),
    "warfarin": Regimen(name="r", amount_mg=5.0, interval_h=24.0, route="oral"),
}
PEOPLE = {"vancomycin": adult(), "warfarin": ON_WARFARIN}


def asked(name: str, patient: Patient, question: Question) -> WhatIf | dict[str, str]:
    """An answer of finite numbers, or every refusal by field; nothing raises, and nothing warns."""
    found = what_if(drug(name), patient, question)
    if isinstance(found, WhatIf):
        assert all(isfinite(value) for plan in found.plans for band in plan.bands for value in band)
        return found
    assert found.reasons
    assert all(one.field and one.limit for one in found.reasons)
    return {one.field: one.limit for one in found.reasons}


def patient(name: str, covariates: Covariates | None = None, **more: Any) -> Patient:
    return Patient(stages=(Stage(from_h=-36.0, covariates=covariates or PEOPLE[name]),), **more)


@pytest.mark.parametrize("value", EXTREMES)
@pytest.mark.parametrize("name", REGIMENS)
def test_no_number_of_a_plan_raises(name: str, value: float) -> None:
    for field in ("amount_mg", "interval_h", "over_h", "start_h", "loading_mg"):
        regimen = with_(REGIMENS[name], **{field: value})
        asked(name, patient(name), Question(plans=(regimen,), draws=100))
        if not regimen.problems("plan", 24.0):
            limit_problems(drug(name), regimen)
    for field in ("horizon_h", "step_h"):
        asked(name, patient(name), with_(Question(plans=(REGIMENS[name],), draws=100), **{field: value}))


@pytest.mark.parametrize("value", EXTREMES)
def test_no_number_of_a_dose_or_a_level_raises(value: float) -> None:
    regimen, usual = REGIMENS["vancomycin"], Dose(at_h=-10.0, amount_mg=1000.0, over_h=1.0)
    for field in ("at_h", "amount_mg", "over_h"):
        dose = with_(usual, **{field: value})
        asked("vancomycin", patient("vancomycin", history=(dose,)), Question(plans=(regimen,), draws=100))
        single = Plan(name="s", doses=(dose,))
        asked("vancomycin", patient("vancomycin"), Question(plans=(single,), draws=100))
    for level in (Level(at_h=-1.0, value=value, quantity="vancomycin_trough"),
                  Level(at_h=value, value=15.0, quantity="vancomycin_trough")):  # fmt: skip
        known = patient("vancomycin", history=(usual,), levels=(level,))
        asked("vancomycin", known, Question(plans=(regimen,), draws=100))


@pytest.mark.parametrize("value", EXTREMES)
@pytest.mark.parametrize("name", REGIMENS)
def test_an_impossible_person_is_refused_by_field(name: str, value: float) -> None:
    for field in ("age_years", "weight_kg", "height_cm", "creatinine_mg_dl", "haematocrit_percent", "baseline_inr"):
        person = patient(name, with_(PEOPLE[name], **{field: value}))
        found = asked(name, person, Question(plans=(REGIMENS[name],), draws=100))
        assert isinstance(found, dict)
        assert found[f"covariates.{field}"].startswith("must be ")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"weight_kg": 3.0}, "covariates.weight_kg"), ({"creatinine_mg_dl": 25.0}, "covariates.creatinine_mg_dl"),
        ({"creatinine_mg_dl": 0.1}, "covariates.creatinine_mg_dl"), ({"dialysis": True}, "covariates.dialysis"),
    ],
)  # fmt: skip
def test_a_person_outside_all_models_is_refused_and_not_clamped(change: dict[str, Any], field: str) -> None:
    found = asked(
        "vancomycin", patient("vancomycin", adult(**change)), Question(plans=(REGIMENS["vancomycin"],), draws=100)
    )
    assert isinstance(found, dict)
    assert any(one.startswith(field) for one in found), found


@pytest.mark.parametrize(
    ("change", "field"), [({"draws": 10**9}, "draws"), ({"horizon_h": 1e6}, "horizon_h"), ({"seed": -1}, "seed")]
)
def test_what_would_take_too_long_is_refused_before_any_arithmetic(change: dict[str, Any], field: str) -> None:
    found = asked("vancomycin", patient("vancomycin"), with_(Question(plans=(REGIMENS["vancomycin"],)), **change))
    assert isinstance(found, dict)
    assert field in found


@pytest.mark.parametrize(("amount_mg", "limit"), [(1e6, "must be at most 30000 mg"), (1.0, "must be at least 10 mg")])
def test_a_dose_given_or_planned_that_nobody_gives_is_refused(amount_mg: float, limit: str) -> None:
    """A gram written as milligrams a thousand times over, or as micrograms."""
    usual = Question(plans=(REGIMENS["vancomycin"],), draws=100)
    history = (Dose(at_h=-10.0, amount_mg=amount_mg, over_h=1.0),)
    found = asked("vancomycin", patient("vancomycin", history=history), usual)
    assert isinstance(found, dict)
    assert found["history.0.amount_mg"] == f"{limit} to be simulated"
    slip = with_(usual, plans=(with_(REGIMENS["vancomycin"], amount_mg=amount_mg),))
    found = asked("vancomycin", patient("vancomycin"), slip)
    assert isinstance(found, dict)
    assert found["plans.0.doses"] == f"a dose {limit} to be simulated"


def test_a_figure_of_the_last_day_needs_somebody_to_look_in_it() -> None:
    question = Question(plans=(REGIMENS["vancomycin"],), draws=100, step_h=1000.0, horizon_h=70.0)
    found = asked("vancomycin", patient("vancomycin"), question)
    assert isinstance(found, WhatIf)
    last = found.plans[0].auc24_last
    assert last is None or isfinite(last.median)
