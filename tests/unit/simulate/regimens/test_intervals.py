"""Intervals: targets and harms meant for some only, figures wherever a dose falls, and too much or too little."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cds_app.simulate.kinetics.covariates import Covariates
from cds_app.simulate.kinetics.patients import Patient, Stage
from cds_app.simulate.plans import Dose, Plan, Regimen
from cds_app.simulate.refusals import Refused
from cds_app.simulate.regimens.answers import PlanOutcome, WhatIf
from cds_app.simulate.regimens.questions import Question, limit_problems
from cds_app.simulate.regimens.what_if import what_if
from tests.unit.simulate.pharmacy import adult, drug

YOUNG = adult(age_years=30.0, weight_kg=70.0, creatinine_mg_dl=0.9)


def answered(*plans: Regimen | Plan, name: str = "gentamicin", person: Covariates | None = None) -> WhatIf:
    patient = Patient(stages=(Stage(from_h=0.0, covariates=person or YOUNG),))
    found = what_if(drug(name), patient, Question(plans=plans, draws=1000, seed=4, current=plans[0].name))
    assert isinstance(found, WhatIf), found
    return found


def given(amount_mg: float, interval_h: float) -> Regimen:
    return Regimen(name=f"{amount_mg:g} every {interval_h:g}", amount_mg=amount_mg, interval_h=interval_h, over_h=0.5)


def outcome(found: WhatIf, n: int = 0) -> PlanOutcome:
    return found.plans[n]


@pytest.mark.parametrize(("interval_h", "says"), [(8.0, "trough above 2 mg/L"), (24.0, "trough above 1 mg/L")])
def test_a_trough_is_feared_by_how_often_a_dose_is_given(interval_h: float, says: str) -> None:
    found = outcome(answered(given(100.0, interval_h)))
    assert [one.says for one in found.harms] == [says]


def test_a_target_of_one_dose_a_day_is_none_of_several() -> None:
    found = answered(given(120.0, 8.0), given(480.0, 24.0))
    several, once = found.plans
    assert (several.target, several.on_target) == (None, False)
    assert once.target is not None
    assert found.recommended == once.name
    assert found.gain is None  # there is nothing to compare with


def test_of_an_irregular_plan_every_harm_is_feared() -> None:
    doses = tuple(Dose(at_h=at, amount_mg=120.0, over_h=0.5) for at in (0.0, 8.0, 30.0))
    found = outcome(answered(Plan(name="as it comes", doses=doses)))
    assert [one.says for one in found.harms] == ["trough above 1 mg/L", "trough above 2 mg/L"]


@pytest.mark.parametrize(("amount_mg", "on_target"), [(100.0, False), (240.0, False), (480.0, True), (900.0, False)])
def test_a_plan_is_recommended_only_if_the_middle_patient_is_on_target(amount_mg: float, on_target: bool) -> None:
    found = answered(given(amount_mg, 24.0))
    assert outcome(found).on_target is on_target
    assert (found.recommended is not None) is on_target


def test_no_plan_is_named_where_each_harms_or_falls_short() -> None:
    person = adult(age_years=65.0, weight_kg=75.0, creatinine_mg_dl=3.1)
    found = answered(
        *(given(mg, every) for mg in (120.0, 200.0, 280.0, 400.0) for every in (24.0, 48.0)), person=person
    )
    assert found.recommended is None
    assert any(one.harms[0].within for one in found.plans)  # harmless, and of no use
    assert any(one.on_target for one in found.plans)


def test_a_harm_may_be_told_later_than_an_offer_is_held_to() -> None:
    found = outcome(answered(given(400.0, 24.0)))
    assert [(one.at_most, one.told_from) for one in found.harms] == [(0.25, 0.5)]
    person = adult(baseline_inr=1.0, genotypes={"CYP2C9": "*1/*1", "VKORC1": "AG"})
    daily = Regimen(name="x", amount_mg=5.0, interval_h=24.0, route="oral")
    found = outcome(answered(daily, name="warfarin", person=person))
    assert [(one.at_most, one.told_from) for one in found.harms] == [(0.05, 0.05)]


@pytest.mark.parametrize(("amount_mg", "named"), [(140.0, True), (14.0, False), (1400.0, False)])
def test_no_tenth_and_no_tenfold_of_an_induction_is_recommended(amount_mg: float, named: bool) -> None:
    bolus = Plan(name="bolus", doses=(Dose(at_h=0.0, amount_mg=amount_mg),))
    assert (answered(bolus, name="propofol").recommended is not None) is named


@pytest.mark.parametrize(("interval_h", "fields"), [(4.0, {"plan.daily_mg"}), (6.0, set()), (8.0, set())])
def test_a_day_counts_every_dose_of_it_however_short_the_interval(interval_h: float, fields: set[str]) -> None:
    found = limit_problems(drug("meropenem"), given(1500.0, interval_h))
    assert {one.field for one in found} == fields


def test_a_loading_dose_and_what_follows_it_are_both_held_to_the_limits() -> None:
    loaded = replace(given(100_000.0, 48.0), loading_mg=1000.0)
    assert "plan.amount_mg" in {one.field for one in limit_problems(drug("meropenem"), loaded)}


def test_the_highest_level_is_the_same_whenever_a_short_infusion_falls() -> None:
    pushed = replace(given(1000.0, 8.0), over_h=0.05)
    plans = [replace(pushed, name=f"{at}", start_h=at) for at in (0.0, 0.1, 0.2)]
    highest = [outcome(answered(one, name="meropenem")).highest.median for one in plans]
    assert highest == pytest.approx([highest[0]] * 3)
    at_once = outcome(answered(replace(pushed, over_h=0.0), name="meropenem")).highest.median
    assert highest[0] < at_once < 1.2 * highest[0]


def test_time_above_a_level_is_the_same_in_any_company() -> None:
    plan = replace(given(500.0, 8.0), start_h=0.1)
    others = [replace(plan, name=f"{n}", start_h=0.1 + 0.01 * n) for n in range(1, 30)]
    alone, beside = outcome(answered(plan, name="meropenem")), outcome(answered(plan, *others, name="meropenem"))
    assert alone.target is not None
    assert beside.target is not None
    assert beside.target.probability == pytest.approx(alone.target.probability, abs=0.02)


def test_doses_that_are_not_in_order_of_time_are_refused() -> None:
    doses = tuple(Dose(at_h=at, amount_mg=120.0, over_h=0.5) for at in (8.0, 0.0))
    patient = Patient(stages=(Stage(from_h=0.0, covariates=YOUNG),))
    found = what_if(drug("gentamicin"), patient, Question(plans=(Plan(name="mixed", doses=doses),)))
    assert isinstance(found, Refused)
    assert [(one.field, one.limit) for one in found.reasons] == [("plans.0.doses", "must be in order of time")]
