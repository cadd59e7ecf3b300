"""Plans compared: common random numbers, replay byte for byte, honest shares, and refusals by plan."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from typing import Any

import msgspec
import numpy as np
import pytest

from cds_app.score.result import Abstained
from cds_app.simulate.surgery.comparing import Comparison, compare_plans
from cds_app.simulate.surgery.depth import Depth
from cds_app.simulate.surgery.figures import share
from cds_app.simulate.surgery.plan import BloodLoss, Fluid, Norepinephrine, Plan, Propofol, PropofolInfusion, Rescue
from tests.surgery_patients import SURGERY, compared, outcome, patient, refused, seen

WAIT = Plan(name="nothing", actions=())
ONE = Plan(name="1 mg/kg", actions=(Propofol(dose_mg_per_kg=1.0, at_min=1.0),))
TWO = Plan(name="2 mg/kg", actions=(Propofol(dose_mg_per_kg=2.0, at_min=1.0),))
OPERATION = (
    Propofol(dose_mg_per_kg=2.0, at_min=1.0),
    PropofolInfusion(rate_mg_per_kg_per_h=6.0, at_min=2.0, over_min=28.0),
    BloodLoss(loss_ml=700.0, at_min=8.0, over_min=10.0),
)
UNAIDED = Plan(name="operation", actions=OPERATION, opioid=True)
RESCUED = Plan(name="operation with rescue", actions=OPERATION, opioid=True, rescue=Rescue())


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    first, again = compared(WAIT, TWO, seed=5), compared(WAIT, TWO, seed=5)
    assert msgspec.json.encode(first) == msgspec.json.encode(again)
    assert first != compared(WAIT, TWO, seed=6)


def test_a_plan_comes_out_the_same_beside_any_other_plans() -> None:
    alone = outcome(compared(TWO))
    beside = outcome(compared(WAIT, ONE, TWO), 2)
    assert replace(beside, against_first_min=None) == alone


def test_the_comparison_says_everything_that_a_page_needs() -> None:
    found = compared(WAIT, UNAIDED, draws=120, seed=9, horizon_min=30.0)
    told = json.loads(msgspec.json.encode(found))
    assert (found.seed, found.draws, found.horizon_min) == (9, 120, 30.0)
    assert (found.model, found.version, found.sha256) == (SURGERY.name, SURGERY.version, SURGERY.sha256)
    assert told["patient"]["map"] == {"value": 89.0, "age_h": 0.5, "likely": None}
    assert found.assumed == ("cardiac_output", "ejection_fraction")
    assert found.times_min[0] == 0.0
    assert found.times_min[-1] == 30.0
    band = outcome(found, 1).mean_pressure_mmhg
    assert len(band.median) == len(found.times_min) == 61
    assert found.cautions


def test_bands_lie_in_order_and_begin_at_the_patient() -> None:
    found = outcome(compared(UNAIDED))
    for band in (found.mean_pressure_mmhg, found.heart_rate_per_min, found.output_l_per_min):
        rows = np.array([band.low_90, band.low_50, band.median, band.high_50, band.high_90], dtype=float)
        assert np.all(np.diff(rows, axis=0) >= 0.0)
    assert found.mean_pressure_mmhg.median[0] == pytest.approx(89.0, abs=3.0)
    assert found.heart_rate_per_min.median[0] == pytest.approx(72.0, abs=2.0)


def test_plans_are_compared_on_the_same_draws() -> None:
    found = compared(ONE, TWO, draws=200)
    one, two = outcome(found, 0), outcome(found, 1)
    assert one.against_first_min is None
    assert two.against_first_min is not None
    assert two.against_first_min == pytest.approx(two.low_mean_min - one.low_mean_min, abs=0.002)
    assert two.against_first_min > 0.0
    assert two.low_min.low >= one.low_min.low  # a higher dose shortens low pressure in no draw
    assert two.low_min.median >= one.low_min.median
    assert two.low_min.high >= one.low_min.high


def test_rescue_shortens_low_pressure_and_is_counted() -> None:
    found = compared(UNAIDED, RESCUED, draws=200)
    unaided, rescued = outcome(found, 0), outcome(found, 1)
    assert rescued.low_mean_min < unaided.low_mean_min
    assert unaided.rescue_most is None
    assert unaided.rescue_needed == unaided.low_probability
    assert rescued.rescue_most is not None
    assert 0.0 < rescued.rescue_most.high <= Rescue().most_ug_per_kg_per_min
    assert rescued.rescue_needed.value == pytest.approx(unaided.low_probability.value, abs=0.03)


def test_norepinephrine_begun_early_prevents_some_of_it() -> None:
    early = Norepinephrine(rate_ug_per_kg_per_min=0.06, at_min=1.0, over_min=29.0)
    found = compared(UNAIDED, Plan(name="early", actions=(*OPERATION, early), opioid=True), draws=200)
    assert outcome(found, 1).low_probability.value < outcome(found, 0).low_probability.value


def test_a_weak_heart_and_a_lost_litre_are_worse_than_neither() -> None:
    loss = Plan(name="loss", actions=(BloodLoss(loss_ml=1000.0, at_min=1.0, over_min=15.0),))
    small = patient(body_weight=seen(50.0), body_height=seen(160.0))
    assert outcome(compared(loss, who=small)).low_mean_min > outcome(compared(loss)).low_mean_min
    lower = outcome(compared(UNAIDED, who=patient(map=seen(75.0))))
    assert lower.low_probability.value >= outcome(compared(UNAIDED)).low_probability.value


def test_a_beta_blocked_heart_answers_bleeding_with_less_tachycardia() -> None:
    loss = Plan(name="loss", actions=(BloodLoss(loss_ml=1000.0, at_min=1.0, over_min=15.0),))
    free, blocked = (outcome(compared(loss, who=patient(beta_blocked=told))) for told in (False, True))
    ends = [one.heart_rate_per_min.median[-1] for one in (free, blocked)]
    assert None not in ends
    assert float(ends[1] or 0.0) < float(ends[0] or 0.0) - 5.0


def test_a_fluid_bolus_raises_output() -> None:
    bolus = Plan(name="bolus", actions=(Fluid(fluid_ml=500.0, at_min=1.0, over_min=10.0),))
    band = outcome(compared(bolus)).output_l_per_min.median
    assert float(band[22] or 0.0) > float(band[0] or 0.0) + 0.1


def test_a_collapse_is_an_answer_and_stays_low() -> None:
    bled = Plan(name="bled", actions=(BloodLoss(loss_ml=3000.0, at_min=1.0, over_min=10.0),))
    found = outcome(compared(bled))
    assert found.low_probability.value == 1.0
    assert found.collapsed.value > 0.9
    assert found.mean_pressure_mmhg.median[-1] == SURGERY.model.circulation.surface.least_mmhg
    assert found.lowest_mmhg.median == SURGERY.model.circulation.surface.least_mmhg
    assert b"NaN" not in msgspec.json.encode(compared(bled))


def deep(found: Comparison, at: int = 0) -> Depth:
    one = outcome(found, at).depth
    assert isinstance(one, Depth), one
    return one


def test_more_propofol_is_deeper_and_maintained_it_stays_so() -> None:
    kept = PropofolInfusion(rate_mg_per_kg_per_h=8.0, at_min=1.5, over_min=28.5)
    maintained = Plan(name="maintained", actions=(*TWO.actions, kept))
    found = compared(ONE, TWO, maintained, draws=200, horizon_min=30.0)
    one, two, held = (deep(found, at) for at in range(3))
    assert one.lowest.median > two.lowest.median > held.lowest.median
    assert one.deep_probability.value < two.deep_probability.value < held.deep_probability.value
    assert one.light_mean_min > two.light_mean_min > held.light_mean_min
    assert two.light_probability.value > 0.9  # a dose alone does not last for half an hour
    assert held.light_min.low <= held.light_mean_min <= held.light_min.high
    rows = np.array([two.bis.low_90, two.bis.low_50, two.bis.median, two.bis.high_50, two.bis.high_90], dtype=float)
    assert np.all(np.diff(rows, axis=0) >= 0.0)
    assert set(rows[:, 0]) == {93.0}


def test_an_opioid_beside_it_deepens_propofol() -> None:
    found = compared(TWO, replace(TWO, name="with an opioid", opioid=True), draws=200)
    assert 0.6 * deep(found).lowest.median < deep(found, 1).lowest.median < deep(found).lowest.median


def test_nobody_is_too_light_before_an_induction_can_have_worked() -> None:
    late = Plan(name="late", actions=(Propofol(dose_mg_per_kg=2.0, at_min=28.0),))
    found = deep(compared(late, horizon_min=30.0))
    assert (found.light_mean_min, found.light_probability.value) == (0.0, 0.0)
    assert found.bis.median[0] == 93.0


@pytest.mark.parametrize(
    ("changed", "plan", "why"),
    [
        ({}, WAIT, {"propofol": "missing"}),
        ({"age_years": 89}, TWO, {"age": "out-of-population"}),
        ({"body_height": seen(207.0)}, TWO, {"body_height": "out-of-population"}),
        ({"sedated": True}, TWO, {"sedatives": "unsuitable"}),
    ],
)
def test_depth_is_not_estimated_outside_its_model_and_pressure_still_is(
    changed: dict[str, Any], plan: Plan, why: dict[str, str]
) -> None:
    found = outcome(compared(plan, who=patient(**changed)))
    assert refused(found.depth) == why
    assert found.mean_pressure_mmhg.median[-1] is not None


def test_rescue_is_needed_where_the_circulation_collapses_at_once() -> None:
    bleeding = Plan(name="x", actions=(BloodLoss(loss_ml=3000.0, at_min=1.0, over_min=1.0),), rescue=Rescue())
    found = outcome(compared(bleeding, horizon_min=10.0))
    assert found.collapsed.value > 0.9
    assert found.rescue_needed.value >= found.collapsed.value


def test_of_a_collapsed_draw_no_depth_is_known() -> None:
    bled = BloodLoss(loss_ml=3000.0, at_min=1.0, over_min=10.0)
    small = patient(body_weight=seen(50.0), body_height=seen(160.0))
    found = deep(compared(Plan(name="bled", actions=(*TWO.actions, bled)), who=small))
    assert found.bis.median[-1] is None
    assert found.bis.median[4] is not None


def test_a_plan_that_the_model_cannot_follow_is_refused_by_its_name() -> None:
    filled = Fluid(fluid_ml=3000.0, at_min=0.0, over_min=5.0, kind="albumin")
    flood = Plan(name="flood", actions=(filled,) * 3)
    found = compared(flood, WAIT)
    one = found.outcomes[0]
    assert isinstance(one, Abstained)
    assert (one.name, refused(one)) == ("flood", {"model": "out-of-population"})
    assert outcome(found, 1).against_first_min is None


def test_a_patient_who_cannot_be_simulated_is_refused_before_any_plan() -> None:
    found = compare_plans(SURGERY, patient(map=None), [WAIT], draws=50, seed=1)
    assert refused(found) == {"map": "missing"}
    odd = patient(map=seen(70.0), heart_rate=seen(125.0), pulse_pressure=seen(105.0))
    assert refused(compare_plans(SURGERY, odd, [WAIT], draws=50, seed=1)) == {"model": "unsuitable"}


def test_the_answer_cannot_be_changed() -> None:
    found = compared(WAIT)
    assert isinstance(found, Comparison)
    with pytest.raises(FrozenInstanceError):
        found.seed = 2  # type: ignore[misc]


def test_a_share_of_none_is_not_sure_to_be_none() -> None:
    none, some, every = share(0, 200), share(20, 200), share(200, 200)
    assert (none.value, none.low) == (0.0, 0.0)
    assert none.high == pytest.approx(0.0188, abs=0.0005)  # Wilson: z2 / (n + z2)
    assert some.low < some.value == 0.1 < some.high
    assert (every.value, every.high) == (1.0, 1.0)
