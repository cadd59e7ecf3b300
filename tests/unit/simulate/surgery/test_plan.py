"""What may be asked of a simulation: every refusal names the field and the limit, and never the value."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from math import inf, nan
from typing import Any

import numpy as np
import pytest

from cds_app.errors import BadRequest
from cds_app.simulate.surgery.comparing import compare_plans
from cds_app.simulate.surgery.plan import (
    STEP_MIN,
    BloodLoss,
    Fluid,
    Norepinephrine,
    Plan,
    Propofol,
    PropofolInfusion,
    Rates,
    Rescue,
    rates,
)
from tests.surgery_patients import SURGERY, patient

ORDINARY: dict[str, Any] = {
    "dose_mg_per_kg": Propofol(dose_mg_per_kg=2.0, at_min=1.0),
    "rate_mg_per_kg_per_h": PropofolInfusion(rate_mg_per_kg_per_h=6.0, at_min=1.0, over_min=10.0),
    "loss_ml": BloodLoss(loss_ml=500.0, at_min=1.0, over_min=10.0),
    "fluid_ml": Fluid(fluid_ml=500.0, at_min=1.0, over_min=10.0),
    "rate_ug_per_kg_per_min": Norepinephrine(rate_ug_per_kg_per_min=0.1, at_min=1.0, over_min=10.0),
}
ABSURD = [-1.0, 0.0, 1e6, nan, inf, -inf, True, "2", None]


def refusal(*plans: Plan, **asked: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        compare_plans(SURGERY, patient(), plans, **{"draws": 50, "seed": 1, "horizon_min": 20.0, **asked})
    return caught.value


def plan(*actions: Any, **more: Any) -> Plan:
    return Plan(name="a plan", actions=actions, **more)


@pytest.mark.parametrize("value", ABSURD)
@pytest.mark.parametrize("field", ORDINARY)
def test_an_absurd_dose_rate_or_volume_is_refused_by_field_and_limit(field: str, value: Any) -> None:
    error = refusal(plan(ORDINARY["loss_ml"], replace(ORDINARY[field], **{field: value})))
    low, high = SURGERY.limits.ranges[field]
    assert error.field == f"plans[0].actions[1].{field}"
    assert error.message == f"{field}: a number from {low:g} to {high:g}"


@pytest.mark.parametrize("value", [value for value in ABSURD if value != 0.0])
@pytest.mark.parametrize("field", ORDINARY)
def test_an_absurd_time_is_refused(field: str, value: Any) -> None:
    assert refusal(plan(replace(ORDINARY[field], at_min=value))).field == "plans[0].actions[0].at_min"


@pytest.mark.parametrize("value", ABSURD)
def test_an_absurd_duration_is_refused(value: Any) -> None:
    assert refusal(plan(replace(ORDINARY["loss_ml"], over_min=value))).field == "plans[0].actions[0].over_min"


def test_what_ends_after_the_horizon_is_refused_and_what_ends_with_it_is_not() -> None:
    late = replace(ORDINARY["loss_ml"], at_min=15.0, over_min=5.1)
    assert refusal(plan(late)).message == "over_min: ends after the horizon"
    compare_plans(SURGERY, patient(), [plan(replace(late, over_min=5.0))], draws=50, seed=1, horizon_min=20.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("draws", one) for one in (0, -5, 49, 10**9, 100.5, 1e6, nan, inf, None, True)],
        *[("horizon_min", one) for one in (0, -5, 0.5, 241, 10**6, nan, inf, None, True)],
        *[("seed", one) for one in (-5, 2**63, 1.5, nan, None, True)],
    ],
)
def test_an_absurd_size_is_refused_before_anything_is_made_of_it(field: str, value: Any) -> None:
    error = refusal(plan(), **{field: value})
    assert error.field == field
    assert not re.search(r"1000000|-5|nan|None", error.message)


def test_many_draws_over_a_long_time_of_many_plans_are_refused_together() -> None:
    plans = [replace(plan(), name=f"plan {at}") for at in range(6)]
    error = refusal(*plans, draws=2000, horizon_min=240.0)
    assert (error.field, "60000 draw-minutes" in error.message) == ("draws", True)


def test_no_plan_and_too_many_plans_and_two_of_a_name_are_refused() -> None:
    assert refusal().field == "plans"
    assert refusal(*[replace(plan(), name=str(at)) for at in range(7)]).field == "plans"
    assert refusal(plan(), plan()).message == "plans: two have the same name"


@pytest.mark.parametrize("name", ["", "  ", "x" * 81, "a\nb", "a\x00", "\u202etxet"])
def test_a_name_that_a_page_cannot_show_is_refused(name: str) -> None:
    assert refusal(replace(plan(), name=name)).field == "plans[0].name"


def test_too_many_actions_and_actions_of_an_unknown_kind_are_refused() -> None:
    assert refusal(plan(*[ORDINARY["loss_ml"]] * 21)).field == "plans[0].actions"
    assert refusal(plan("bleed")).field == "plans[0].actions[0]"
    assert refusal(plan(replace(ORDINARY["fluid_ml"], kind="wine"))).field == "plans[0].actions[0].kind"


@pytest.mark.parametrize("field", [field.name for field in fields(Rescue)])
def test_an_absurd_rule_for_rescue_is_refused(field: str) -> None:
    error = refusal(plan(rescue=replace(Rescue(), **{field: 1e5})))
    assert error.field == f"plans[0].rescue.{field}"


def test_a_rule_for_rescue_that_contradicts_itself_is_refused() -> None:
    over = Rescue(rate_ug_per_kg_per_min=0.2, most_ug_per_kg_per_min=0.1)
    assert refusal(plan(rescue=over)).field == "plans[0].rescue.most_ug_per_kg_per_min"
    assert refusal(plan(rescue=Rescue(below_mmhg=80.0, above_mmhg=80.0))).field == "plans[0].rescue.above_mmhg"


def test_everything_planned_is_given_whatever_the_steps() -> None:
    whole = plan(
        Propofol(dose_mg_per_kg=2.0, at_min=0.513, over_min=0.11),
        PropofolInfusion(rate_mg_per_kg_per_h=6.0, at_min=1.01, over_min=10.0),
        BloodLoss(loss_ml=333.0, at_min=0.0, over_min=7.77),
        Fluid(fluid_ml=500.0, at_min=1.99, over_min=17.01),
        Fluid(fluid_ml=250.0, at_min=19.0, over_min=1.0, kind="albumin"),
        Norepinephrine(rate_ug_per_kg_per_min=0.05, at_min=3.0, over_min=4.0),
    )
    given = rates(whole, round(20.0 / STEP_MIN))
    totals = {field.name: float(getattr(given, field.name).sum()) * STEP_MIN for field in fields(Rates)}
    expected = {"propofol": 3.0, "loss": 333.0, "crystalloid": 500.0, "albumin": 250.0, "norepinephrine": 0.2}
    assert {name: totals[name] for name in expected} == pytest.approx(expected, rel=1e-9)


def test_anaesthesia_begins_with_the_first_propofol() -> None:
    given = rates(plan(Propofol(dose_mg_per_kg=1.0, at_min=2.0)), 150)
    assert np.flatnonzero(given.anaesthetised)[0] == 60
    assert rates(plan(), 150).anaesthetised.sum() == 0.0
