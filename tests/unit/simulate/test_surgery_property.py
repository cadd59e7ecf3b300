"""Whatever is asked: an answer in order, or a refusal that names the field; never another error, never NaN."""

from __future__ import annotations

import json
from math import inf, nan
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_app.errors import BadRequest
from cds_app.score.result import Abstained
from cds_app.simulate.haemodynamics_patient import Observed
from cds_app.simulate.surgery import Comparison, Outcome, compare_plans
from cds_app.simulate.surgery_plan import BloodLoss, Fluid, Norepinephrine, Plan, Propofol, PropofolInfusion, Rescue
from tests.surgery_patients import SURGERY, patient

ODD = st.sampled_from([nan, inf, -inf, -1.0, 0.0, 1e9])


def amount(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high) | ODD


WHEN: dict[str, st.SearchStrategy[Any]] = {"at_min": amount(0.0, 3.0), "over_min": amount(0.1, 3.0)}
ACTIONS = st.one_of(
    st.builds(Propofol, dose_mg_per_kg=amount(0.1, 4.0), **WHEN),
    st.builds(PropofolInfusion, rate_mg_per_kg_per_h=amount(0.1, 15.0), **WHEN),
    st.builds(BloodLoss, loss_ml=amount(10.0, 3000.0), **WHEN),
    st.builds(Fluid, fluid_ml=amount(10.0, 3000.0), kind=st.sampled_from(["crystalloid", "albumin"]), **WHEN),
    st.builds(Norepinephrine, rate_ug_per_kg_per_min=amount(0.01, 0.3), **WHEN),
)
PLANS = st.builds(
    Plan,
    name=st.text(min_size=1, max_size=12),
    actions=st.lists(ACTIONS, max_size=3).map(tuple),
    opioid=st.booleans(),
    rescue=st.none() | st.just(Rescue()),
)


def observed(low: float, high: float) -> st.SearchStrategy[Observed]:
    return st.builds(Observed, value=amount(low, high), age_h=st.just(0.5) | ODD)


PATIENTS = st.fixed_dictionaries(
    {
        "age_years": st.none() | st.integers(-1, 120),
        "body_weight": st.none() | observed(40.0, 160.0),
        "map": st.none() | observed(55.0, 140.0),
        "heart_rate": observed(40.0, 130.0),
        "pulse_pressure": observed(15.0, 110.0),
        "cardiac_output": st.none() | observed(2.0, 12.0),
    }
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(about=PATIENTS, plan=PLANS, usual=st.booleans())
def test_whatever_is_asked_there_is_an_answer_or_a_named_refusal(
    about: dict[str, Any], plan: Plan, usual: bool
) -> None:
    who = patient() if usual else patient(**about)
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
    told = found.to_json()
    assert b"NaN" not in told
    assert json.loads(told)["draws"] == 50
    one = found.outcomes[0]
    if isinstance(one, Outcome):
        assert 0.0 <= one.low_mean_min <= 6.0 + 1e-6
        assert one.lowest_mmhg.low <= one.lowest_mmhg.median <= one.lowest_mmhg.high
        assert one.rescue_needed.low <= one.rescue_needed.value <= one.rescue_needed.high
