"""Whatever is asked: an answer in order, or a refusal that names the field; never another error, never NaN."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from math import inf, nan
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_app.errors import BadRequest
from cds_app.score.result import Abstained
from cds_app.simulate.haemodynamics.patient import Patient
from cds_app.simulate.surgery.comparing import Comparison, Outcome, compare_plans
from cds_app.simulate.surgery.plan import BloodLoss, Fluid, Norepinephrine, Plan, Propofol, PropofolInfusion, Rescue
from tests.surgery_patients import SURGERY, patient, seen

ODD = st.sampled_from([nan, inf, -inf, -1.0, 0.0, 1e9])


WHEN: dict[str, st.SearchStrategy[Any]] = {"at_min": st.floats(0.0, 3.0), "over_min": st.floats(0.1, 3.0)}
ACTIONS: st.SearchStrategy[Any] = st.one_of(
    st.builds(Propofol, dose_mg_per_kg=st.floats(0.1, 4.0), **WHEN),
    st.builds(PropofolInfusion, rate_mg_per_kg_per_h=st.floats(0.1, 15.0), **WHEN),
    st.builds(BloodLoss, loss_ml=st.floats(10.0, 3000.0), **WHEN),
    st.builds(Fluid, fluid_ml=st.floats(10.0, 3000.0), kind=st.sampled_from(["crystalloid", "albumin"]), **WHEN),
    st.builds(Norepinephrine, rate_ug_per_kg_per_min=st.floats(0.01, 0.3), **WHEN),
)
LAWFUL = st.builds(
    Plan,
    name=st.just("a plan"),
    actions=st.lists(ACTIONS, max_size=3).map(tuple),
    opioid=st.booleans(),
    rescue=st.none() | st.just(Rescue()),
)
PATIENTS = st.builds(
    patient,
    age_years=st.integers(18, 90),
    body_weight=st.floats(55.0, 120.0).map(seen),
    map=st.floats(55.0, 140.0).map(seen),
    heart_rate=st.floats(40.0, 130.0).map(seen),
    pulse_pressure=st.floats(15.0, 110.0).map(seen),
    cardiac_output=st.none() | st.floats(2.0, 12.0).map(seen),
)


@st.composite
def spoiled(draw: st.DrawFn) -> Plan:
    """A plan of which one number is odd, or its name is anything."""
    plan = draw(LAWFUL)
    if not plan.actions:
        return replace(plan, name=draw(st.text(max_size=90)))
    names = [field.name for field in fields(plan.actions[0]) if field.name != "kind"]
    odd: dict[str, Any] = {draw(st.sampled_from(names)): draw(ODD)}
    wrong = replace(plan.actions[0], **odd)
    return replace(plan, actions=(wrong, *plan.actions[1:]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(who=PATIENTS, plan=LAWFUL | spoiled())
def test_whatever_is_asked_there_is_an_answer_or_a_named_refusal(who: Patient, plan: Plan) -> None:
    found: Comparison | Abstained | BadRequest
    try:
        found = compare_plans(SURGERY, who, [plan], draws=50, seed=1, horizon_min=6.0)
    except BadRequest as refusal:
        found = refusal
    if isinstance(found, BadRequest):
        assert found.field
        return
    if isinstance(found, Abstained):
        assert found.reasons
        return
    told = msgspec.json.encode(found)
    assert b"NaN" not in told
    assert json.loads(told)["draws"] == 50
    one = found.outcomes[0]
    if isinstance(one, Outcome):
        assert 0.0 <= one.low_mean_min <= 6.0 + 1e-6
        assert one.lowest_mmhg.low <= one.lowest_mmhg.median <= one.lowest_mmhg.high
        assert one.rescue_needed.low <= one.rescue_needed.value <= one.rescue_needed.high
