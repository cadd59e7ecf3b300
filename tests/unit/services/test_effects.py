"""What options would do: simulated when asked, as the what-if page says it, with how sure that is; else why not."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from jinja2 import DictLoader

from cds_app.deps import Deps
from cds_app.errors import ContentError, DependencyDown, NotFound
from cds_app.mitigate.effects import CirculationEffect, DoseEffect, GlucoseEffect
from cds_app.pages.rendering import Words, html_environment
from cds_app.services.what_if.dose import Wish
from cds_app.services.what_if.effects import Effects
from tests.bedside import Bed, bed_of
from tests.conftest import FROZEN
from tests.patients import SEPTIC, course, observation, patient, stay
from tests.trials import ORDER, effect_of, measured, on_vancomycin, option_of
from tests.unit.mitigate.content import catalogue, option, topic

LOW = {**SEPTIC, "map": 60.0, "heart_rate": 112.0, "sbp": 88.0, "dbp": 46.0}
BODY = (measured("29463-7", "kg", 78, 40, "weight"), measured("8302-2", "cm", 168, 40, "height"))
TYPE_1 = {
    "resourceType": "Condition",
    "id": "t1",
    "clinicalStatus": {"coding": [{"code": "active"}]},
    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "46635009"}]},
    "subject": {"reference": "Patient/p1"},
}
INSULIN = {
    "resourceType": "MedicationAdministration",
    "id": "i1",
    "status": "completed",
    "subject": {"reference": "Patient/p1"},
    "medicationCodeableConcept": {
        "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "274783"}],
        "text": "Insulin glargine",
    },
    "effectiveDateTime": (FROZEN - timedelta(hours=5)).isoformat(),
    "dosage": {"dose": {"value": 40, "unit": "U"}},
}


def dose(change: Any, by: float | None = None, *drugs: str) -> DoseEffect:
    return DoseEffect(of="dose", drugs=drugs or ("vancomycin",), change=change, by=by)


@pytest.fixture(scope="module")
def level() -> dict[str, Any]:
    return measured("4092-3", "mg/L", 17.5, 1, "level")


@pytest.fixture
def treated(deps: Deps, level: dict[str, Any]) -> Bed:
    return bed_of(deps, on_vancomycin(ORDER, level), FROZEN)


@pytest.fixture
def shocked(deps: Deps) -> Bed:
    rows = [patient(), stay(FROZEN - timedelta(hours=48)), *course(FROZEN, LOW, LOW), *BODY]
    return bed_of(deps, [*rows, observation("lactate", 3.4, FROZEN - timedelta(hours=1))], FROZEN)


def test_the_best_dose_is_told_beside_the_order_with_ranges_and_harms(treated: Bed) -> None:
    line = effect_of(treated, dose("best"))
    assert re.match(r"Vancomycin \d+ mg every \d+ h, best within the limits of harm: AUC24 at steady state", line.says)
    assert re.search(r"AUC24 at steady state \d+ mg\.h/L \(\d+ to \d+ in 90 of 100 virtual copies\)", line.says)
    assert "as ordered now (1000 mg every 12 h)" in line.says
    assert "AUC24 above 700 mg.h/L in" in line.says
    assert line.review


def test_the_page_that_a_line_leads_to_says_the_same(treated: Bed) -> None:
    line = effect_of(treated, dose("space", 24))
    asked = re.fullmatch(r"what-if\?drug=vancomycin&dose=1000&interval=24", line.link)
    assert asked is not None
    html = treated.trials.what_if(treated.asking(), Wish(drug="vancomycin", amount_mg=1000.0, interval_h=24.0))
    chance = re.search(r"on target \(400 to 600\) in (\d+) of 100", line.says)
    assert chance is not None
    assert f"1000 mg every 24 h: {chance[1]} in 100 virtual copies" in html


def test_every_change_of_a_dose_is_told(treated: Bed) -> None:
    assert "Vancomycin 1200 mg every 12 h: AUC24" in effect_of(treated, dose("scale", 1.2)).says
    assert "Vancomycin 1000 mg every 12 h, as ordered now: AUC24" in effect_of(treated, dose("keep")).says
    skipped = effect_of(treated, dose("skip", 2)).says
    assert "Vancomycin 2 doses left out, then 1000 mg every 12 h: AUC24" in skipped
    stopped = effect_of(treated, dose("stop")).says
    found = re.match(
        r"Without a further dose vancomycin is at ([\d.]+) mg/L \(.*\) in 24 h; .* at ([\d.]+) mg/L", stopped
    )
    assert found is not None
    assert float(found[1]) < float(found[2])


def test_what_is_not_ordered_so_that_it_can_be_computed_with_is_said_and_what_nobody_takes_is_not(
    deps: Deps, level: dict[str, Any]
) -> None:
    bed = bed_of(deps, on_vancomycin(level), FROZEN)
    line = effect_of(bed, dose("best"))
    assert line.lacks == ("no standing order of vancomycin says a dose, an interval and a route",)
    assert not line.says
    assert not line.review
    situation = bed.frame.subject(bed.asking()).material.situation
    other = option_of(bed, "inr_low_raise", dose("scale", 1.1, "warfarin"))
    assert bed.effects.line(other, situation, "basis") is None
    with pytest.raises(NotFound):
        bed.effects.simulate(other, situation, "basis")


def test_every_sentence_is_in_the_template_and_written_without_markup(treated: Bed) -> None:
    words = treated.frame.effects
    said = {"middle": "<1", "low": "0", "high": "2", "unit": "mg/L", "metric": "trough"}
    told = words.say(
        "dose", drug="x", plan="p", is_ordered=False, best=False, looked_at=said, days="1", aimed=None, harms=[]
    )
    assert told == "X p: trough <1 mg/L (0 to 2 in 90 of 100 virtual copies)."
    assert words.say("none_within", compared=9).startswith("None of 9 plans compared is within the limits of harm")


def test_a_template_that_lacks_a_sentence_does_not_load(treated: Bed) -> None:
    words = Words(
        templates=html_environment(DictLoader({"effects.j2": "{% macro dose() %}{% endmacro %}"})), name="effects.j2"
    )
    with pytest.raises(ContentError, match=r"effects\.j2 lacks carbohydrate, fluid"):
        Effects(treated.simulators, catalogue(topic()), words)


def test_fluid_and_norepinephrine_are_told_on_mean_pressure(shocked: Bed) -> None:
    fluid = effect_of(shocked, CirculationEffect(of="circulation", fluid_ml=500))
    assert fluid.link == "operation?propofol=0&fluid=500"
    found = re.match(
        r"500 mL of crystalloid over 10 min: mean pressure (\d+) mmHg \(\d+ to \d+ .*\) 12 min after its end, "
        r"against (\d+)",
        fluid.says,
    )
    assert found is not None
    assert int(found[1]) > int(found[2])
    pressor = effect_of(shocked, CirculationEffect(of="circulation"))
    said = r"begun in \d+ of 100 virtual copies, at most 0\.\d\d µg/kg/min \(0\.\d\d to 0\.\d\d\); mean pressure (\d+)"
    led = re.search(rf"{said} mmHg \(\d+ to \d+ .*\) after 30 min, against (\d+) without", pressor.says)
    assert led is not None
    assert int(led[1]) > int(led[2])


def test_a_circulation_that_is_not_known_is_refused_by_name_at_once(deps: Deps) -> None:
    bare = bed_of(deps, [patient(), *course(FROZEN, LOW, LOW)], FROZEN)
    line = effect_of(bare, CirculationEffect(of="circulation", fluid_ml=500))
    assert line.head == "Effect not simulated"
    assert line.text == "weight missing; height missing."


def test_insulin_and_carbohydrate_are_told_on_glucose_in_type_1_diabetes_only(deps: Deps) -> None:
    sugar = measured("2345-7", "mg/dL", 240, 0.3, "glucose")
    rows = [patient(), *course(FROZEN, LOW, LOW), *BODY, sugar, INSULIN]
    other = effect_of(bed_of(deps, rows, FROZEN), GlucoseEffect(of="glucose", bolus_u=4))
    assert other.lacks == ("Diagnosis: only type 1 diabetes is simulated",)
    bed = bed_of(deps, [*rows, TYPE_1], FROZEN)
    told = effect_of(bed, GlucoseEffect(of="glucose", bolus_u=4))
    found = re.search(r"glucose (\d+) mg/dL \(\d+ to \d+ .*\) in 3 h, against (\d+) mg/dL", told.says)
    assert found is not None
    assert int(found[1]) < int(found[2])
    assert re.search(r"of 100 virtual people (none|\d+) fall below 70 mg/dL within 6 h, (none|\d+) without", told.says)
    eaten = effect_of(bed, GlucoseEffect(of="glucose", carbohydrate_g=20))
    assert "20 g of carbohydrate by mouth: glucose" in eaten.says


def test_what_was_simulated_is_told_again_at_once_and_other_facts_are_not_mixed_up(treated: Bed) -> None:
    made = option_of(treated, "vancomycin_auc", dose("best"))
    situation = treated.frame.subject(treated.asking()).material.situation
    first = treated.effects.simulate(made, situation, "facts")
    with treated.simulators.alone(), treated.simulators.inside:
        assert treated.effects.line(made, situation, "facts") == first
        assert treated.effects.simulate(made, situation, "facts") == first
        with pytest.raises(DependencyDown):
            treated.effects.simulate(made, situation, "other facts")
    later = replace(situation, now=situation.now + timedelta(minutes=6))
    line = treated.effects.line(made, later, "facts")
    assert line is not None
    assert not line.told


def test_content_that_names_a_drug_without_a_model_does_not_load(treated: Bed) -> None:
    effect = {"of": "dose", "drugs": ["aspirin"], "change": "stop"}
    with pytest.raises(ContentError, match="cannot be simulated"):
        Effects(treated.simulators, catalogue(topic(option(effect=effect))), treated.frame.effects)


def test_the_page_asks_first_then_tells_and_never_of_the_past(shocked: Bed) -> None:
    asking = shocked.asking()
    html = shocked.sidebar.options(asking)
    assert 'data-effect="/sidebar/v1/effect?option=hypotension_fluid"' in html
    assert 'href="/sidebar/v1/options?effect=hypotension_fluid#option-hypotension_fluid"' in html
    assert "Expected effect, simulated" not in html
    told = shocked.sidebar.options(asking, "hypotension_fluid")
    assert "Expected effect, simulated:</strong> 500 mL of crystalloid" in told
    fragment = shocked.sidebar.effect(asking, "hypotension_fluid")
    assert fragment["text"] in told
    assert fragment["href"].startswith("/sidebar/v1/operation?")
    assert "data-effect" not in shocked.sidebar.options(shocked.asking(back_h=1.0))
    for asked, name in ((asking, "no_such_option"), (shocked.asking(back_h=1.0), "hypotension_fluid")):
        with pytest.raises(NotFound):
            shocked.sidebar.options(asked, name)
