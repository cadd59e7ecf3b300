"""``twinline simulate``: answers, refusals and usage errors by exit status, and the same bytes again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cds_app.commands.simulate import simulate
from cds_app.errors import DataError

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
AT = "2031-03-12T08:00:00+00:00"
TWELVE: dict[str, Any] = {
    "name": "1 g every 12 h",
    "dose": {"value": 1, "unit": "g"},
    "interval_h": 12,
    "over_h": 1,
    "start_h": 1,
}


def observation(code: str, value: float, unit: str, at: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"o{code}{at[8:13]}",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": at,
        "valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit},
    }


def given(at: str, end: str) -> dict[str, Any]:
    return {
        "resourceType": "MedicationAdministration",
        "id": f"a{at[8:13]}",
        "status": "completed",
        "medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": "11124"}], "text": "Vancomycin"},
        "subject": {"reference": "Patient/p"},
        "effectivePeriod": {"start": at, "end": end},
        "dosage": {"dose": {"value": 1000, "unit": "mg"}, "route": {"text": "IV"}},
    }


@pytest.fixture
def record(tmp_path: Path) -> Path:
    resources = [
        {"resourceType": "Patient", "id": "p", "gender": "male", "birthDate": "1970-05-01"},
        observation("29463-7", 80.0, "kg", "2031-03-10T07:00:00+00:00"),
        observation("8302-2", 175.0, "cm", "2031-03-10T07:00:00+00:00"),
        observation("2160-0", 1.0, "mg/dL", "2031-03-10T07:00:00+00:00"),
        given("2031-03-10T20:00:00+00:00", "2031-03-10T21:00:00+00:00"),
        given("2031-03-11T08:00:00+00:00", "2031-03-11T09:00:00+00:00"),
        given("2031-03-11T20:00:00+00:00", "2031-03-11T21:00:00+00:00"),
        observation("20578-1", 19.0, "ug/mL", "2031-03-12T07:30:00+00:00"),
    ]
    path = tmp_path / "record.json"
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}
    path.write_text(json.dumps(bundle), "utf-8")
    return path


def asked(record: Path, *words: str, **plan: Any) -> Result:
    usual: dict[str, Any] = {"drug": "vancomycin", "at": AT, "plans": [TWELVE], "draws": 200, "seed": 3}
    path = record.with_name("plan.json")
    path.write_text(json.dumps(usual | plan), "utf-8")
    return CliRunner().invoke(simulate, [str(path), "--patient", str(record), *words])


def test_plans_are_compared_and_one_is_recommended(record: Path) -> None:
    found = asked(record, compare_offers=True, current=TWELVE["name"])
    assert found.exit_code == 0, found.output
    assert "3 doses and 1 levels used" in found.output
    assert "Simulation, not an order." in found.output
    assert "recommended: " in found.output
    assert "not used: vancomycin-adane-2015" in found.output


def test_chances_and_amounts_are_told_as_coarsely_as_on_a_page(record: Path) -> None:
    lines = asked(record).output.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith(TWELVE["name"]))
    assert re.fullmatch(r"1 g every 12 h, from 1 h on: target (<1|>99|\d+) in 100", lines[at])
    amount = r"(\d\d+|\d\.\d|0\.\d\d)"
    for line, name in zip(lines[at + 1 :], ("AUC24 steady", "trough", "highest", "end"), strict=False):
        assert re.fullmatch(rf"    {name} {amount} mg(\.h)?/L \(90 in 100: {amount} to {amount}\)", line)
    assert re.fullmatch(r"    (<1|>99|\d+) in 100 AUC24 above 700 .* \((within|over) its limit of 15\)", lines[at + 5])


def test_a_target_that_is_not_usual_for_the_patient_must_be_named(record: Path) -> None:
    bundle = json.loads(record.read_text("utf-8"))
    code = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "Z95.2"}]}
    valve = {"resourceType": "Condition", "id": "v", "subject": {"reference": "Patient/p"}, "code": code}
    bundle["entry"].append({"resource": valve})
    record.write_text(json.dumps(bundle), "utf-8")
    plan = {"name": "5 mg", "dose": {"value": 5, "unit": "mg"}, "interval_h": 24, "route": "oral"}
    genes = [{"gene": "CYP2C9", "diplotype": "*1/*1"}, {"gene": "VKORC1", "diplotype": "AG"}]
    told: dict[str, Any] = {"drug": "warfarin", "plans": [plan], "genotypes": genes, "baseline_inr": 1.0}
    found = asked(record, **told)
    assert found.exit_code == 1
    assert "goal: must be one of mechanical_mitral, usual: none is usual for this patient" in found.output
    assert asked(record, **told, goal="usual").exit_code == 0


def test_the_same_question_gives_the_same_bytes(record: Path) -> None:
    first = asked(record, "--json")
    assert first.output == asked(record, "--json").output
    answer = json.loads(first.output)
    assert answer["answer"]["seed"] == 3
    assert answer["answer"]["levels"] == 1
    assert len(answer["chart"]["facts"]) == 4
    assert answer["answer"]["plans"][0]["name"] == TWELVE["name"]


def test_what_of_the_record_was_not_used_is_said(record: Path) -> None:
    bundle = json.loads(record.read_text("utf-8"))
    bundle["entry"].append({"resource": observation("20578-1", 900.0, "ug/mL", "2031-03-12T07:00:00+00:00")})
    record.write_text(json.dumps(bundle), "utf-8")
    assert "not used of the record: implausible value[x] (1)" in asked(record).output
    assert json.loads(asked(record, "--json").output)["unused"] == {"implausible value[x]": 1}


def test_what_was_told_and_no_model_asks_for_is_said(record: Path) -> None:
    told = {"baseline_inr": 1.1, "days_since_transplant": 5, "flags": {"OPIOID": True}}
    lines = asked(record, **told).output.splitlines()
    for name in ("baseline_inr", "days_since_transplant", "OPIOID"):
        assert f"  {name} was not used: no model of vancomycin asks for it." in lines


def test_without_a_time_the_newest_of_the_record_is_now(record: Path) -> None:
    answer = json.loads(asked(record, "--json", at=None).output)["answer"]
    assert (answer["doses"], answer["levels"]) == (3, 1)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"plans": [{**TWELVE, "dose": {"value": 1}}]}, "plans.0.dose.unit: must be mg, g or ug"),
        ({"plans": [{**TWELVE, "dose": {"value": 12, "unit": "mg/kg"}}]}, "plans.0.dose.unit"),
        ({"plans": [{**TWELVE, "dose": {"value": -1, "unit": "g"}}]}, "plans.0.amount_mg"),
        ({"plans": [{**TWELVE, "loading": {"value": 2}}]}, "plans.0.loading.unit"),
        ({"plans": [{"name": "x"}]}, "plans.0: needs dose and interval_h, or doses"),
        ({"plans": [{"name": "x", "doses": [{"at_h": 1, "dose": {"value": 1}}]}]}, "plans.0.doses.0.dose.unit"),
        ({"plans": []}, "plans: must be 1 to 32"),
        ({"draws": 10**9}, "draws"),
        ({"horizon_h": 1e6}, "horizon_h"),
        ({"seed": -1}, "seed"),
        ({"goal": "unheard"}, "goal"),
        (
            {"plans": [{**TWELVE, "doses": [{"at_h": 1, "dose": {"value": 1, "unit": "g"}, "over_h": 1}]}]},
            "plans.0.doses: stand alone, without dose, interval_h, over_h, start_h",
        ),
        (
            {
                "genotypes": [
                    {"gene": "CYP2C9", "diplotype": "*1/*1"},
                    {"gene": "CYP2C9", "diplotype": "*1/*2"},
                ]
            },
            "covariates.genotypes.CYP2C9",
        ),
        ({"at": "2031-03-11T00:00:00+00:00", "plans": [{**TWELVE, "start_h": 0}], "draws": 1}, "draws"),
    ],
)
def test_what_is_refused_names_the_field_and_ends_with_1(record: Path, plan: dict[str, Any], said: str) -> None:
    found = asked(record, **plan)
    assert found.exit_code == 1
    assert said in found.output
    assert json.loads(asked(record, "--json", **plan).output)["refused"]["subject"] == "vancomycin"


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        ({"drug": "moonshine"}, "drug"),
        ({"plan": []}, "plan"),
        ({"draws": "many"}, "draws"),
        ({"at": "2031-03-12T08:00:00"}, "at"),
        ({"plans": [{**TWELVE, "route": "subcutaneous"}]}, "plans.0.route"),
        ({"plans": [{**TWELVE, "every_h": 8}]}, "plans.0.every_h"),
        ({"plans": [{**TWELVE, "interval_h": "12"}]}, "plans.0.interval_h"),
        ({"plans": [{**TWELVE, "dose": {"value": True, "unit": "g"}}]}, "plans.0.dose.value"),
        ({"draws": True}, "draws"),
        ({"draws": 150.5}, "draws"),
        ({"horizon_h": "72"}, "horizon_h"),
        ({"flags": {"OPIOID": "no"}}, "flags.OPIOID"),
    ],
)
def test_a_plan_that_is_none_names_the_field(record: Path, plan: dict[str, Any], field: str) -> None:
    found = asked(record, **plan)
    assert isinstance(found.exception, DataError)
    assert found.exception.field == field


def test_a_record_of_nobody_or_of_two_and_a_plan_that_is_no_json_are_usage_errors(record: Path) -> None:
    two = json.loads(record.read_text("utf-8"))
    two["entry"].append({"resource": {"resourceType": "Patient", "id": "q"}})
    for text in ("{", "{}", json.dumps(two)):
        other = record.with_name("other.json")
        other.write_text(text, "utf-8")
        assert isinstance(asked(other).exception, DataError)
    path = record.with_name("broken.json")
    path.write_text('{"drug": 1, "drug": 2}', "utf-8")
    found = CliRunner().invoke(simulate, [str(path), "--patient", str(record)])
    assert isinstance(found.exception, DataError)
