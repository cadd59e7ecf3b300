"""Simulations on the pages: of what the chart says, with the same chance for the same facts, and refused by field."""

from __future__ import annotations

import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from cds_app.bootstrap import trials_of
from cds_app.content import content_root
from cds_app.deps import Deps
from cds_app.errors import BadRequest, ContentError, DependencyDown
from cds_app.services.sidebar.frame import Frame
from cds_app.services.what_if.dose import Wish
from cds_app.services.what_if.operation import PLANNED, Planned, operation_fields
from cds_app.services.what_if.simulators import INSIDE
from tests.bedside import Bed, bed_of
from tests.conftest import FROZEN
from tests.patients import observation, patient
from tests.trials import ORDER, RXNORM, dose, measured, on_vancomycin


@pytest.fixture
def bed(deps: Deps) -> Bed:
    return bed_of(deps, on_vancomycin(ORDER, measured("4092-3", "mg/L", 17.5, 1, "level")), FROZEN)


def test_the_drug_that_the_patient_has_comes_first_with_its_order_doses_and_level(bed: Bed) -> None:
    html = bed.trials.what_if(bed.asking(), Wish(drug=""))
    assert '<option value="vancomycin" selected>' in html
    assert "As ordered now: 1000 mg every 12 h." in html
    assert "3 doses given and 1 level measured were used" in html
    assert "Simulation, not an order" in html
    assert len(html.encode()) <= 60_000


def test_a_taper_that_was_ordered_last_is_compared_with_by_no_part_of_it(deps: Deps) -> None:
    (first,) = ORDER["dosageInstruction"]
    then = {**first, "doseAndRate": [{"doseQuantity": {"value": 500, "unit": "mg"}}]}
    authored = (FROZEN - timedelta(hours=2)).isoformat()
    taper = {**ORDER, "id": "o2", "authoredOn": authored, "dosageInstruction": [first, then]}
    bed = bed_of(deps, on_vancomycin(ORDER, taper), FROZEN)
    html = bed.trials.what_if(bed.asking(), Wish(drug="vancomycin"))
    assert "No standing order of vancomycin says a dose and an interval." in html
    assert "As ordered now" not in html


@pytest.mark.parametrize("status", ["draft", "on-hold"])
def test_what_is_drafted_or_on_hold_is_not_called_ordered_now(deps: Deps, status: str) -> None:
    bed = bed_of(deps, on_vancomycin({**ORDER, "status": status}), FROZEN)
    html = bed.trials.what_if(bed.asking(), Wish(drug="vancomycin"))
    assert "As ordered now" not in html
    assert "No standing order of vancomycin says a dose and an interval." in html


def test_a_page_says_what_it_went_by_and_when_that_was_measured(bed: Bed) -> None:
    html = bed.trials.what_if(bed.asking(), Wish(drug="vancomycin"))
    assert re.search(r"1 level measured were used; Weight 78.0 kg at [^;]*; Creatinine 1.40 mg/dL at \d\d:\d\d", html)


def test_the_best_of_all_plans_is_among_those_compared_however_far_from_what_was_asked(deps: Deps) -> None:
    """That no plan is within its limits is not said while the content offers one."""
    bed = bed_of(deps, on_vancomycin()[:-3], FROZEN)
    html = bed.trials.what_if(bed.asking(), Wish(drug="vancomycin", amount_mg=1500.0, interval_h=8.0))
    assert "No plan that was compared is within all limits" not in html
    assert "best within limits" in html


def test_no_dose_is_simulated_in_pregnancy(deps: Deps) -> None:
    expecting = {
        **{"resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/p1"}},
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "Z33.1"}]},
        "recordedDate": (FROZEN - timedelta(days=20)).isoformat(),
    }
    _, *chart = on_vancomycin(expecting)
    bed = bed_of(deps, [patient(birthDate="1995-02-03"), *chart], FROZEN)
    html = bed.trials.what_if(bed.asking(), Wish(drug="vancomycin"))
    assert "Pregnancy: is outside what the models are made for" in html
    assert "in 100 virtual copies" not in html


def test_the_same_facts_give_the_same_answer_and_another_dose_another(bed: Bed) -> None:
    asking = bed.asking()
    first = bed.trials.what_if_changes(asking, Wish(drug="vancomycin", amount_mg=750.0))
    assert first == bed.trials.what_if_changes(asking, Wish(drug="vancomycin", amount_mg=750.0))
    assert first != bed.trials.what_if_changes(asking, Wish(drug="vancomycin", amount_mg=1500.0))


def test_how_many_copies_and_how_far_is_asked_within_limits_and_kept_by_the_form(bed: Bed) -> None:
    asking = bed.asking()
    html = bed.trials.what_if(asking, Wish(drug="vancomycin", horizon_h=24.0, draws=300))
    assert "300 virtual copies" in html
    assert re.search(r'id="fan-7-0">24</t[dh]>', html)
    assert '<input type="hidden" name="horizon" value="24"><input type="hidden" name="draws" value="300">' in html
    for wish, said in (
        (Wish(drug="vancomycin", draws=99), "Draws: must be 100 to 20000"),
        (Wish(drug="vancomycin", draws=20_001), "Draws: must be 100 to 20000"),
        (Wish(drug="vancomycin", horizon_h=3000.0), "Hours ahead: must be above 0 and at most 2880 h"),
    ):
        html = bed.trials.what_if(asking, wish)
        assert "Not simulated" in html
        assert said in html


def test_a_fan_is_told_as_a_table_too_that_changes_with_it(bed: Bed) -> None:
    asking = bed.asking()
    html = bed.trials.what_if(asking, Wish(drug="vancomycin", amount_mg=750.0))
    texts = bed.trials.what_if_changes(asking, Wish(drug="vancomycin", amount_mg=750.0))["texts"]
    assert isinstance(texts, dict)
    cells = {key: text for key, text in texts.items() if re.fullmatch(r"fan-\d-\d", key)}
    assert len(cells) in (8 * 4, 8 * 5)
    assert all(re.search(rf'id="{key}">{re.escape(text)}</t[dh]>', html) for key, text in cells.items())
    assert (cells["fan-0-0"], cells["fan-7-0"]) == ("0", "72")


def test_a_plan_is_told_beside_what_is_ordered_now_and_with_its_harm_where_no_target_is_meant_for_it(bed: Bed) -> None:
    told = bed.trials.what_if(bed.asking(), Wish(drug="vancomycin", amount_mg=1500.0))
    assert re.search(
        r"1500 mg every 12 h: \S+ in 100 virtual copies of this patient reach the target; \S+ as ordered", told
    )
    html = bed.trials.what_if(bed.asking(), Wish(drug="gentamicin", amount_mg=400.0, interval_h=8.0))
    said = "400 mg every 8 h: no figure for the target can be given. Over its limit: trough above 2 mg/L"
    assert said in html


def test_what_cannot_be_simulated_leaves_no_figure_of_another_plan_behind(bed: Bed) -> None:
    found = bed.trials.what_if_changes(bed.asking(), Wish(drug="vancomycin", amount_mg=90_000.0))
    paths, texts = found["paths"], found["texts"]
    assert isinstance(paths, dict)
    assert isinstance(texts, dict)
    assert set(paths.values()) == {""}
    drawn = bed.trials.what_if_changes(bed.asking(), Wish(drug="vancomycin", amount_mg=750.0))["texts"]
    assert isinstance(drawn, dict)
    figures = {key for key in drawn if re.fullmatch(r"fan-\d-[1-9]", key)}
    assert figures
    assert {texts[key] for key in figures} == {"–"}


def test_58_a_what_if_never_shows_benefit_alone(bed: Bed) -> None:
    html = bed.trials.what_if(bed.asking(), Wish(drug="vancomycin"))
    columns = re.findall(r'<th scope="col">([^<]*)</th>', html[html.index("Plans compared") :])
    assert columns[:3] == ["Plan", "Begins", "Target, in 100"]
    harms = [one for one in columns[3:] if one.endswith(", in 100")]
    assert harms
    plans = re.findall(r'<tr(?: class="asked")?><th scope="row">.*?</tr>', html, re.DOTALL)
    assert len(plans) > 1
    for plan in plans:
        chances = re.findall(r"<td[^>]*>(.*?)</td>", plan)[2 : 2 + len(harms)]
        assert len(chances) == len(harms)
        assert all(re.match(r"(?:&lt;|<|&gt;|>)? ?\d", one) for one in chances), chances
    assert "90 in 100" in html  # how wide: the band of the copies


def test_what_is_lacking_is_named_and_gives_no_number(bed: Bed) -> None:
    html = bed.trials.what_if(bed.asking(), Wish(drug="warfarin"))
    assert "Not simulated" in html
    assert "Genotype of CYP2C9: is needed by this model; what was not called is not taken as reference" in html
    assert "in 100 virtual copies" not in html


@pytest.mark.parametrize("wish", [Wish(drug="vancomycin", amount_mg=-1.0), Wish(drug="vancomycin", interval_h=0.0)])
def test_a_dose_that_is_none_is_refused_and_not_clamped(bed: Bed, wish: Wish) -> None:
    html = bed.trials.what_if(bed.asking(), wish)
    assert "Not simulated" in html
    assert "must be a number above 0" in html


def test_a_drug_that_cannot_be_simulated_is_refused_by_field(bed: Bed) -> None:
    for name in ("no-such-drug", "propofol"):
        with pytest.raises(BadRequest) as refused:
            bed.trials.what_if(bed.asking(), Wish(drug=name))
        assert refused.value.field == "drug"


def test_an_operation_is_tried_beside_a_gentler_one(bed: Bed) -> None:
    html = bed.trials.operation(bed.asking(), Planned(propofol_mg_per_kg=2.0, loss_ml=500.0))
    assert "As planned: in" in html
    assert "half its effect on BIS, which is 2.5 mg/L in a typical person of this age" in html  # of 65 years
    assert "More propofol at once than is usual from 55 years on, at most 1.5 mg/kg" in html
    assert "As planned: BIS falls below 40 for 1 min or more in" in html
    assert "Eleveld, Br J Anaesth 2018;120:942-959" in html
    assert "read in the named source; re-computed, with golden values" in html
    columns = re.findall(r'<th scope="col">([^<]*)</th>', html[html.index("<caption>Plans compared") :])
    rows = re.findall(r'<tr><th scope="row">.*?</tr>', html[html.index("<caption>Plans compared") :])
    assert len(rows) > 1
    for row in rows:
        cells = dict(zip(columns, re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row), strict=False))
        assert re.fullmatch(r"(?:&[lg]t;)?\d+", cells["BIS below 40, in 100"])
        assert re.fullmatch(r"(?:&[lg]t;)?\d+", cells["BIS above 60, in 100"])
    assert "More propofol at once" not in bed.trials.operation(bed.asking(), Planned(propofol_mg_per_kg=1.5))
    assert "norepinephrine ready" in html


def test_an_ejection_fraction_on_record_is_not_taken_from_what_is_usual(deps: Deps) -> None:
    known = [
        *(patient(), observation("heart_rate", 80.0, FROZEN), observation("sbp", 128.0, FROZEN)),
        *(observation("dbp", 70.0, FROZEN), measured("29463-7", "kg", 78, 40, "weight")),
        measured("8302-2", "cm", 168, 40, "height"),
    ]
    echo = measured("10230-1", "%", 30.0, 48, "echo")
    without, with_one = (
        bed.trials.operation(bed.asking(), Planned())
        for bed in (bed_of(deps, known, FROZEN), bed_of(deps, [*known, echo], FROZEN))
    )
    assert "taken from what is usual: cardiac output, ejection fraction." in without
    assert "taken from what is usual: cardiac output." in with_one


def test_the_cardiac_risk_index_is_told_with_what_it_does_not_see(deps: Deps) -> None:
    failing = {
        **{"resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/p1"}},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "84114007"}]},
        "recordedDate": (FROZEN - timedelta(days=90)).isoformat(),
    }
    bed = bed_of(deps, [patient(), failing, ORDER, measured("2160-0", "mg/dL", 1.0, 5, "cr")], FROZEN)
    html = bed.trials.operation(bed.asking(), Planned())
    assert "RCRI at least 1 (class II or higher: heart failure 1)" in html
    assert "What the list of problems does not name counts as absent" in html
    assert "High-risk surgery: inside the abdomen or the chest, or on large vessels above the groin." in html
    assert "had a cardiac complication" not in html
    told = bed.trials.operation(bed.asking(), Planned(high_risk=True))
    assert "RCRI 2 (class III: high-risk surgery 1, heart failure 1)" in told
    assert "10.1 % had a cardiac complication within 30 days in pooled studies" in told
    assert 'name="high_risk" value="yes" checked' in told


def test_an_operation_is_not_tried_without_pressure_and_weight(deps: Deps) -> None:
    bed = bed_of(deps, [patient(), observation("heart_rate", 80.0, FROZEN)], FROZEN)
    html = bed.trials.operation(bed.asking(), Planned())
    assert "Not simulated" in html
    assert "weight missing" in html


def test_maintained_propofol_and_an_opioid_are_part_of_the_plan(bed: Bed) -> None:
    asking = bed.asking()
    lone, kept, beside = (
        bed.trials.operation(asking, Planned(propofol_mg_per_kg=1.5, propofol_mg_per_kg_per_h=rate, opioid=opioid))
        for rate, opioid in ((0.0, False), (6.0, False), (6.0, True))
    )
    minutes = [int(re.findall(r"of 100 \((\d+) min\)", html)[0]) for html in (lone, kept)]
    assert minutes[1] < minutes[0]
    assert kept != beside
    assert 'name="opioid" value="yes" checked' in beside
    assert 'name="opioid" value="yes">' in kept


def test_an_operation_says_when_what_happens_and_how_a_rescue_is_led(bed: Bed) -> None:
    planned = Planned(propofol_mg_per_kg=1.5, propofol_mg_per_kg_per_h=6.0, loss_ml=500.0, fluid_ml=250.0)
    html = bed.trials.operation(bed.asking(), planned)
    assert (
        "Minutes count from now. As planned: propofol 1.5 mg/kg from minute 1 to 1.5; propofol after it 6 mg/kg/h from "
        "minute 1.5 to 30; blood loss 500 mL from minute 8 to 23; crystalloid 250 mL from minute 8 to 18."
    ) in html
    assert "Norepinephrine ready: begun at 0.04 µg/kg/min once mean pressure has been below 65 mmHg for 1 min" in html
    assert "As planned: nothing." in bed.trials.operation(bed.asking(), Planned(propofol_mg_per_kg=0.0))


def test_a_sedated_patient_has_pressure_but_no_depth(deps: Deps) -> None:
    propofol = {"coding": [{"system": RXNORM, "code": "8782"}], "text": "Propofol"}
    given = {**dose(3, 100, "sedated"), "medicationCodeableConcept": propofol}
    bed = bed_of(deps, on_vancomycin(given), FROZEN)
    html = bed.trials.operation(bed.asking(), Planned())
    assert "As planned: in" in html
    assert "BIS not estimated: sedatives: given within a day, and not counted in BIS." in html
    assert "As planned: BIS" not in html


@pytest.mark.parametrize(
    ("planned", "field", "said"),
    [
        (Planned(loss_ml=50_000.0), "loss", "must be 0 to 3000 mL"),
        (Planned(propofol_mg_per_kg=-1.0), "propofol", "must be 0 to 4 mg/kg"),
        (Planned(propofol_mg_per_kg_per_h=16.0), "maintenance", "must be 0 to 15 mg/kg/h"),
        (Planned(loss_over_min=0.0), "loss_over", "must be 1 to 22 min"),
        (Planned(fluid_ml=float("nan")), "fluid", "must be 0 to 3000 mL"),
    ],
)
def test_an_operation_beyond_its_limits_is_refused_by_field(bed: Bed, planned: Planned, field: str, said: str) -> None:
    with pytest.raises(BadRequest, match=said) as refused:
        bed.trials.operation(bed.asking(), planned)
    assert refused.value.field == field


def test_the_least_that_can_be_asked_is_simulated_though_no_gentler_plan_can(bed: Bed) -> None:
    html = bed.trials.operation(bed.asking(), Planned(propofol_mg_per_kg=0.12))
    assert "As planned: in" in html
    assert "Two thirds of the propofol" not in html


def test_an_operation_is_planned_as_the_form_says() -> None:
    given = {
        "propofol": 1.5,
        "maintenance": 6.0,
        "norepinephrine": 0.05,
        "loss": None,
        "loss_over": None,
        "fluid": 250.0,
    }
    planned = Planned.of(given)
    assert (planned.propofol_mg_per_kg, planned.loss_ml, planned.fluid_ml) == (1.5, 0.0, 250.0)
    assert planned.propofol_mg_per_kg_per_h == 6.0
    assert planned.norepinephrine_ug_per_kg_per_min == 0.05
    assert [one.name for one in operation_fields(planned)] == list(PLANNED)


def test_few_wait_for_a_simulation_and_others_are_told_to_come_again(bed: Bed) -> None:
    """Hooks need threads too."""
    asking = bed.asking()
    with bed.trials._simulators.alone(), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(bed.trials.what_if_changes, asking, Wish(drug="meropenem"))
        while bed.trials._simulators.inside._value:  # until it waits in line
            time.sleep(0.01)
        with pytest.raises(DependencyDown):
            bed.trials.what_if(asking, Wish(drug="meropenem"))
        bed.trials._simulators.turn.release()
        assert waiting.result(timeout=60)["texts"]
        bed.trials._simulators.turn.acquire()


def test_a_hundred_at_once_are_answered_or_told_to_come_again(bed: Bed) -> None:
    """Time and memory are those of a few; nobody waits in vain, and nothing else fails."""
    asking = bed.asking()

    def tried(_: int) -> str | int:
        try:
            return str(bed.trials.what_if_changes(asking, Wish(drug="meropenem"))["texts"])
        except DependencyDown as error:
            return error.retry_after_s

    with ThreadPoolExecutor(100) as pool:
        found = list(pool.map(tried, range(100)))
    answers = [one for one in found if isinstance(one, str)]
    assert answers
    assert len(set(answers)) == 1
    assert all(one > 0 for one in found if isinstance(one, int))
    assert bed.trials._simulators.inside._value == INSIDE


def test_pages_whose_template_lacks_a_sentence_are_not_made(bed: Bed, tmp_path: Path) -> None:
    folder = shutil.copytree(content_root() / "templates" / "sidebar", tmp_path / "sidebar")
    told = folder / "simulations.j2"
    told.write_text(told.read_text("utf-8").replace("macro depth", "macro depths"), "utf-8")
    with pytest.raises(ContentError, match=r"simulations\.j2 lacks depth"):
        trials_of(Frame(bed.opening, folder), bed.simulators)
