"""What-if: the same answer for the same seed, plans compared on the same people, and refusals that name the field."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_app.simulate.kinetics.covariates import Covariates
from cds_app.simulate.kinetics.patients import Level, Patient, Stage
from cds_app.simulate.plans import MAX_DOSES, MAX_HORIZON_H, Dose, Plan, Regimen
from cds_app.simulate.refusals import Refused
from cds_app.simulate.regimens.answers import WhatIf
from cds_app.simulate.regimens.outcomes import bands, chance, spread
from cds_app.simulate.regimens.questions import Question, goal_of, limit_problems, most_in_a_day, offered
from cds_app.simulate.regimens.what_if import problems_of, ranked, sampled, what_if
from tests.unit.simulate.pharmacy import adult, drug

HISTORY = tuple(Dose(at_h=-36.0 + 12.0 * n, amount_mg=1000.0, over_h=1.0) for n in range(3))
LEVELS = (
    Level(at_h=-10.5, value=30.0, quantity="vancomycin_peak"),
    Level(at_h=-0.5, value=17.0, quantity="vancomycin_trough"),
)
PATIENT = Patient(stages=(Stage(from_h=-36.0, covariates=adult()),), history=HISTORY, levels=LEVELS)


def every_12_h(amount_mg: float, **given: Any) -> Regimen:
    usual: dict[str, Any] = {"name": f"{amount_mg:g}", "amount_mg": amount_mg, "interval_h": 12.0, "over_h": 1.0}
    return Regimen(**usual | given)


PLANS = tuple(every_12_h(one) for one in (500.0, 750.0, 1000.0))
QUESTION = Question(plans=PLANS, draws=400, seed=7, current="1000")


def answered(patient: Patient = PATIENT, question: Question = QUESTION, name: str = "vancomycin") -> WhatIf:
    found = what_if(drug(name), patient, question)
    assert isinstance(found, WhatIf), found
    return found


def refused(patient: Patient = PATIENT, question: Question = QUESTION, name: str = "vancomycin") -> dict[str, str]:
    found = what_if(drug(name), patient, question)
    assert isinstance(found, Refused), "was answered"
    return {one.field: one.limit for one in found.reasons}


def bolus(amount_mg: float) -> Dose:
    return Dose(at_h=-36.0, amount_mg=amount_mg)


def test_the_same_seed_gives_the_same_answer_and_another_seed_another() -> None:
    assert answered() == answered()
    assert answered().plans != answered(question=replace(QUESTION, seed=8)).plans


def test_a_plan_fares_the_same_whatever_it_is_compared_with() -> None:
    alone = answered(question=replace(QUESTION, plans=PLANS[1:2], current=None))
    assert alone.plans[0].target == answered().plans[1].target
    assert alone.plans[0].trough == answered().plans[1].trough


def test_the_answer_says_all_that_it_rests_on() -> None:
    found = answered()
    assert (found.drug, found.goal, found.unit, found.draws, found.seed) == ("vancomycin", "usual", "mg/L", 400, 7)
    assert (found.levels, found.doses) == (2, 3)
    assert [name for name, _ in found.left_out] == ["vancomycin-adane-2015"]
    assert sum(one.weight for one in found.models) == pytest.approx(1.0)
    assert sum(one.draws for one in found.models) == 400
    assert all(one.effective_draws >= 100.0 for one in found.models)
    assert all(len(row) == len(found.times_h) for plan in found.plans for row in plan.bands)
    assert (found.times_h[0], found.times_h[-1]) == (0.0, 72.0)


def test_without_a_further_dose_the_level_only_falls_and_no_target_or_harm_is_claimed() -> None:
    none = answered(question=replace(QUESTION, plans=(Plan(name="none", doses=()), PLANS[2]), current=None)).plans[0]
    assert np.all(np.diff(np.array(none.bands[2])) <= 0.0)
    assert none.target is None
    assert none.harms == ()
    assert none.unchecked
    assert not none.within_limits


def test_bands_are_in_order_and_hold_the_median() -> None:
    for plan in answered().plans:
        rows = np.array(plan.bands)
        assert (np.diff(rows, axis=0) >= 0.0).all()


def test_high_levels_make_a_lower_dose_the_better_one_with_its_gain() -> None:
    found = answered()
    assert found.recommended == "750"
    assert found.gain is not None
    assert found.gain.over == "1000"
    assert 0.0 < found.gain.low90 < found.gain.probability < found.gain.high90
    now, then = found.plans[2].target, found.plans[1].target
    assert now is not None
    assert then is not None
    assert found.gain.probability == pytest.approx(then.probability - now.probability)


def test_no_plan_is_recommended_where_all_are_harmful_or_outside_the_limits_of_doses() -> None:
    harmful = answered(question=replace(QUESTION, plans=(every_12_h(2000.0), every_12_h(2500.0)), current=None))
    assert harmful.recommended is None
    assert harmful.gain is None
    small = answered(question=replace(QUESTION, plans=(every_12_h(50.0),), current=None)).plans[0]
    assert [one.field for one in small.outside] == ["plan.amount_mg"]
    assert not small.within_limits


def test_without_levels_the_answer_says_so_and_models_count_as_in_the_content() -> None:
    found = answered(replace(PATIENT, levels=()))
    assert [one.weight for one in found.models] == pytest.approx([1 / 13, 4 / 13, 4 / 13, 4 / 13])
    assert any(said.startswith("No level was used") for said in found.remarks)
    shares = found.plans[2].target_by_model
    assert max(shares.values()) - min(shares.values()) > 0.1  # published models disagree, and it is shown


def test_a_rising_creatinine_lowers_the_clearance_and_is_remarked() -> None:
    worse = replace(
        PATIENT,
        levels=(),
        stages=(*PATIENT.stages, Stage(from_h=-6.0, covariates=adult().with_creatinine(2.0))),
    )
    found = answered(worse)
    before, after = answered(replace(PATIENT, levels=())).plans[2].auc24_steady, found.plans[2].auc24_steady
    assert before is not None
    assert after is not None
    assert after.median > 1.3 * before.median
    assert any(said.startswith("Kidney function changed") for said in found.remarks)


def test_a_cap_of_the_publication_is_reported() -> None:
    young = adult(age_years=25.0, creatinine_mg_dl=0.5)
    found = answered(replace(PATIENT, levels=(), stages=(Stage(from_h=-36.0, covariates=young),)))
    goti = next(one for one in found.models if "goti" in one.name)
    assert goti.applied == ("creatinine clearance capped at 150 mL/min (Goti 2018)",)


def test_a_plan_of_single_doses_has_no_steady_state() -> None:
    single = Plan(name="once", doses=(Dose(at_h=1.0, amount_mg=1500.0, over_h=1.5),))
    found = answered(question=replace(QUESTION, plans=(single,), current=None)).plans[0]
    assert found.auc24_steady is None
    assert found.target is None
    assert not found.within_limits
    assert found.auc24_last is not None


def test_a_loading_dose_raises_the_first_day_and_not_the_steady_state() -> None:
    loaded = every_12_h(750.0, name="loaded", loading_mg=1500.0)
    question = replace(QUESTION, plans=(PLANS[1], loaded), current=None, horizon_h=24.0)
    plain, raised = answered(question=question).plans
    assert raised.auc24_steady == plain.auc24_steady
    assert raised.highest.median > plain.highest.median


WARFARIN = Patient(
    stages=(
        Stage(
            from_h=-96.0,
            covariates=Covariates(
                age_years=71.0, weight_kg=80.0, baseline_inr=1.0, genotypes={"CYP2C9": "*1/*1", "VKORC1": "AG"}
            ),
        ),
    ),
    history=tuple(Dose(at_h=-96.0 + 24.0 * n, amount_mg=5.0, route="oral") for n in range(4)),
    levels=(Level(at_h=-0.1, value=2.4, quantity="inr"),),
)


def test_a_quick_inr_makes_a_lower_warfarin_dose_the_better_one() -> None:
    plans = tuple(Regimen(name=f"{one:g}", amount_mg=one, interval_h=24.0, route="oral") for one in (2.5, 5.0))
    found = answered(WARFARIN, Question(plans=plans, draws=200, seed=1, current="5"), "warfarin")
    assert found.unit == "INR"
    assert found.plans[0].trough is None
    assert found.plans[0].end.low90 < found.plans[0].end.median < found.plans[0].end.high90
    assert found.recommended == "2.5"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"plans": (every_12_h(-1000.0),), "current": None}, "plans.0.amount_mg"),
        ({"plans": (every_12_h(0.0),), "current": None}, "plans.0.amount_mg"),
        ({"plans": (every_12_h(float("nan"), name="x"),), "current": None}, "plans.0.amount_mg"),
        ({"plans": (every_12_h(float("inf")),), "current": None}, "plans.0.amount_mg"),
        ({"plans": (every_12_h(1e6),), "current": None}, "plans.0.doses"),
        ({"plans": (every_12_h(1000.0, interval_h=0.0),), "current": None}, "plans.0.interval_h"),
        ({"plans": (every_12_h(1000.0, interval_h=1e-9),), "current": None}, "plans.0.interval_h"),
        ({"plans": (every_12_h(1000.0, over_h=13.0),), "current": None}, "plans.0.doses"),
        ({"plans": (every_12_h(1000.0, over_h=-1.0),), "current": None}, "plans.0.over_h"),
        ({"plans": (every_12_h(1000.0, route="oral"),), "current": None}, "plans.0.route"),
        ({"plans": (every_12_h(1000.0, start_h=-5.0),), "current": None}, "plans.0.start_h"),
        ({"plans": (every_12_h(1000.0, start_h=99.0),), "current": None}, "plans.0.start_h"),
        ({"plans": (every_12_h(1000.0, loading_mg=-1.0),), "current": None}, "plans.0.loading_mg"),
        ({"plans": (Plan(name="past", doses=(HISTORY[0],)),), "current": None}, "plans.0.doses"),
        ({"plans": (every_12_h(1000.0, over_h=1e-10),), "current": None}, "plans.0.over_h"),
        ({"plans": ()}, "plans"),
        ({"plans": PLANS * 20}, "plans"),
        ({"plans": (PLANS[0], PLANS[0]), "current": None}, "plans"),
        ({"current": "unheard"}, "current"),
        ({"goal": "unheard"}, "goal"),
        ({"draws": 10**9}, "draws"),
        ({"draws": 0}, "draws"),
        ({"draws": 20_000, "horizon_h": 2000.0}, "draws"),
        ({"seed": -1}, "seed"),
        ({"horizon_h": 1e6}, "horizon_h"),
        ({"horizon_h": 0.0}, "horizon_h"),
        ({"horizon_h": float("nan")}, "horizon_h"),
    ],
)
def test_a_question_outside_its_limits_is_refused_by_field(change: dict[str, Any], field: str) -> None:
    assert field in refused(question=replace(QUESTION, **change))


def level(**given: Any) -> tuple[Level, ...]:
    usual: dict[str, Any] = {"at_h": -0.5, "value": 17.0, "quantity": "vancomycin_trough"}
    return (Level(**usual | given),)


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"levels": level(at_h=1.0)}, "levels.0.at_h", "future"),
        ({"levels": level(at_h=-40.0)}, "levels.0.at_h", "after the first dose"),
        ({"levels": level(), "history": ()}, "levels.0.at_h", "after the first dose"),
        ({"levels": level(quantity="tobramycin_trough")}, "levels.0.quantity", "one of this drug's"),
        ({"levels": level(value=-3.0)}, "levels.0.value", "0.5 to 150"),
        ({"levels": level(value=float("nan"))}, "levels.0.value", "0.5 to 150"),
        ({"levels": level() * 500}, "levels", "at most"),
        ({"history": (*HISTORY, Dose(at_h=5.0, amount_mg=1.0))}, "history", "future"),
        ({"history": (HISTORY[0], HISTORY[0])}, "history", "under two identities"),
        ({"history": (HISTORY[0], replace(HISTORY[0], amount_mg=500.0))}, "history", "overlap"),
        ({"history": (replace(HISTORY[0], over_h=0.0),) * 2}, "history", "under two identities"),
        ({"history": (bolus(500.0), bolus(1000.0))}, "history", "same time"),
        ({"history": (replace(HISTORY[0], amount_mg=-5.0),), "levels": ()}, "history.0.amount_mg", "above 0"),
        ({"history": (replace(HISTORY[0], at_h=-1e6),), "levels": ()}, "history.0.at_h", "within"),
        ({"history": (replace(HISTORY[0], at_h=-0.5, over_h=2.0),), "levels": ()}, "plans.0.doses", "overlap"),
        ({"history": HISTORY * 1000, "levels": ()}, "history", "at most"),
        ({"stages": ()}, "covariates", "1 to"),
        ({"stages": (*PATIENT.stages, *PATIENT.stages)}, "covariates", "order"),
        ({"stages": (Stage(from_h=3.0, covariates=adult()),)}, "covariates", "order"),
    ],
)
def test_a_history_that_cannot_be_is_refused_by_field(change: dict[str, Any], field: str, said: str) -> None:
    found = refused(replace(PATIENT, **change))
    assert said in found[field]


@pytest.mark.parametrize(
    ("person", "field"),
    [
        (adult(weight_kg=3.0), "covariates.weight_kg"),
        (adult(creatinine_mg_dl=0.1), "covariates.creatinine_mg_dl"),
        (adult(creatinine_mg_dl=25.0), "covariates.creatinine_mg_dl"),
        (adult(dialysis=True), "covariates.dialysis"),
    ],
)
def test_a_patient_that_no_model_is_made_for_is_refused(person: Covariates, field: str) -> None:
    assert field in refused(replace(PATIENT, stages=(Stage(from_h=-36.0, covariates=person),)))


def test_refusals_hold_limits_and_no_values_of_the_patient() -> None:
    stages = (Stage(from_h=-36.0, covariates=adult(weight_kg=3.21)),)
    said = str(refused(replace(PATIENT, stages=stages, levels=())))
    assert "weight" in said
    assert "3.21" not in said
    assert "1234.5" not in str(refused(replace(PATIENT, levels=level(value=1234.5))))


def test_limits_of_doses_are_said_and_nothing_is_cut_to_them() -> None:
    file = drug("vancomycin")
    fields = {one.field for one in limit_problems(file, every_12_h(3500.0, over_h=0.1, interval_h=2.0))}
    assert fields == {"plan.amount_mg", "plan.over_h", "plan.interval_h", "plan.daily_mg"}
    assert limit_problems(file, every_12_h(1000.0)) == ()
    assert most_in_a_day([Dose(at_h=12.0 * n, amount_mg=100.0) for n in range(6)]) == 200.0
    assert MAX_HORIZON_H == 2880.0


def test_quantiles_equal_numpys() -> None:
    values = np.random.default_rng(1).lognormal(size=(501, 7))
    np.testing.assert_allclose(bands(values), np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95), axis=0))
    assert spread(values[:, 0]).low90 == pytest.approx(np.quantile(values[:, 0], 0.05))
    hit = chance(np.array([True] * 30 + [False] * 70))
    assert hit.probability == 0.3
    assert hit.standard_error == pytest.approx(0.0458, abs=1e-4)


def test_a_drug_with_several_goals_asks_which() -> None:
    tacrolimus = drug("tacrolimus")
    assert goal_of(tacrolimus, Question(plans=())) is None
    assert goal_of(tacrolimus, Question(plans=(), goal="kidney_early")) == "kidney_early"
    assert goal_of(drug("meropenem"), Question(plans=())) == "mic_2"
    assert goal_of(drug("warfarin"), Question(plans=())) == "usual"
    assert goal_of(drug("warfarin"), Question(plans=(), goal="unheard")) is None


@pytest.mark.parametrize("name", ["vancomycin", "tobramycin", "gentamicin", "meropenem", "tacrolimus", "warfarin"])
def test_every_drug_answers_for_an_ordinary_patient(name: str) -> None:
    person = adult(haematocrit_percent=35.0, baseline_inr=1.0)
    genotypes = {"CYP2C9": "*1/*1", "VKORC1": "AG", "CYP3A5": "*3/*3"}
    patient = Patient(stages=(Stage(from_h=0.0, covariates=replace(person, genotypes=genotypes)),))
    offers = offered(drug(name))
    assert offers
    goal = next(iter(drug(name).file.goals))
    found = answered(patient, Question(plans=offers[:4], draws=100, goal=goal), name)
    for plan in found.plans:
        assert plan.target is not None
        assert plan.outside == ()
        assert plan.harms


def test_propofol_reaches_its_effect_site() -> None:
    patient = Patient(stages=(Stage(from_h=0.0, covariates=adult()),))
    bolus = Plan(name="2 mg/kg", doses=(Dose(at_h=0.0, amount_mg=160.0),))
    found = answered(patient, Question(plans=(bolus,), draws=200), "propofol").plans[0]
    assert (found.trough, found.auc24_steady) == (None, None)
    assert 2.0 < found.highest.median < 6.0
    assert found.target is not None
    assert found.target.probability > 0.5


numbers = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, -1.0, 1e-300, 1e300, 1000.0, 12.0, 1.0])
)


@given(data=st.data())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_numbers_raise_and_refusals_name_a_field(data: st.DataObject) -> None:
    def some() -> float:
        return data.draw(numbers)

    regimen = Regimen(name="r", amount_mg=some(), interval_h=some(), over_h=some(), start_h=some(), loading_mg=some())
    single = Plan(name="s", doses=(Dose(at_h=some(), amount_mg=some(), over_h=some()),))
    patient = Patient(
        stages=(Stage(from_h=some(), covariates=adult(weight_kg=some(), age_years=some(), creatinine_mg_dl=some())),),
        history=(Dose(at_h=some(), amount_mg=some(), over_h=some()),),
        levels=(Level(at_h=some(), value=some(), quantity="vancomycin_random"),),
    )
    question = Question(plans=(regimen, single), draws=100, seed=1, horizon_h=some())
    found = what_if(drug("vancomycin"), patient, question)
    assert isinstance(found, WhatIf) or all(one.field and one.limit for one in found.reasons)


@pytest.mark.parametrize(("horizon_h", "step_h"), [(5e-324, None), (24.0, 5e-324), (5e-324, 1e308), (24.0, 1e308)])
def test_the_smallest_and_greatest_spans_are_answered_or_refused(horizon_h: float, step_h: float | None) -> None:
    found = what_if(drug("vancomycin"), PATIENT, replace(QUESTION, horizon_h=horizon_h, step_h=step_h))
    assert isinstance(found, WhatIf) or all(one.field and one.limit for one in found.reasons)


def test_an_interval_too_short_to_count_is_refused() -> None:
    found = refused(question=replace(QUESTION, plans=(every_12_h(1000.0, interval_h=5e-324),), current=None))
    assert found == {"plans.0.interval_h": f"must make at most {MAX_DOSES} doses"}


def test_a_plan_whose_harm_cannot_be_seen_by_the_horizon_is_not_recommended() -> None:
    late = every_12_h(1000.0, name="late", interval_h=24.0, start_h=1.0)
    found = answered(question=replace(QUESTION, plans=(late,), current=None, horizon_h=24.0))
    assert found.plans[0].unchecked == ("trough above 20 mg/L: kidney injury becomes likelier",)
    assert found.recommended is None


def test_a_sample_may_be_drawn_once_for_several_questions() -> None:
    sample = sampled(drug("vancomycin"), PATIENT, QUESTION)
    assert what_if(drug("vancomycin"), PATIENT, QUESTION, sample) == answered()


def test_a_coarse_look_says_the_same_of_exposure_and_troughs() -> None:
    coarse = answered(question=replace(QUESTION, step_h=8.0))
    assert len(coarse.times_h) < 20
    for fine, rough in zip(answered().plans, coarse.plans, strict=True):
        assert (rough.target, rough.auc24_steady) == (fine.target, fine.auc24_steady)
        assert rough.trough is not None
        assert fine.trough is not None
        assert rough.trough.median == pytest.approx(fine.trough.median)


@pytest.mark.parametrize("step_h", [0.0, -1.0, float("nan")])
def test_a_step_that_is_none_is_refused(step_h: float) -> None:
    assert refused(question=replace(QUESTION, step_h=step_h)) == {"step_h": "must be a number above 0"}
    assert problems_of(drug("vancomycin"), PATIENT, replace(QUESTION, step_h=step_h))


def test_plans_are_ranked_by_target_and_only_within_limits() -> None:
    found = ranked(answered(question=replace(QUESTION, plans=(*PLANS, every_12_h(50.0)), current=None)).plans)
    assert found[0].name == answered().recommended
    assert "50" not in [one.name for one in found]
