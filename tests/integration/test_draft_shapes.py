"""Drafts that say two drugs, that cannot be read, that take another's place: what is told, with nothing guessed."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.conftest import FROZEN
from tests.orders import cards, medication, potassium, signing
from tests.patients import observation, patient

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
METFORMIN = "6809"


def coded(code: str, display: str, key: str = "d", **more: Any) -> dict[str, Any]:
    drug = {"coding": [{"system": RXNORM, "code": code, "display": display}]}
    return medication(key, "", status="draft", **{"medicationCodeableConcept": drug, **more})


def allergic(text: str) -> dict[str, Any]:
    return {
        "resourceType": "AllergyIntolerance",
        "id": "a1",
        "patient": {"reference": "Patient/p1"},
        "code": {"text": text},
    }


@pytest.mark.parametrize("to", ["Ibuprofen", "Metformin"])
def test_a_draft_whose_code_and_name_differ_is_checked_as_both_and_says_so(client: FlaskClient, to: str) -> None:
    (card,) = cards(client, signing(coded(METFORMIN, "Ibuprofen 400 MG Oral Tablet"), chart=(allergic(to),)))
    assert card["summary"] == f"Draft order Metformin or Ibuprofen: allergy recorded ({to})"
    assert "Its code and its name say different drugs: Metformin or Ibuprofen. Both were checked." in card["detail"]


def test_that_code_and_name_differ_is_told_where_nothing_else_is(client: FlaskClient) -> None:
    (card,) = cards(client, signing(coded("161", "Amlodipine 5 MG Oral Tablet")))
    assert card["summary"] == (
        "Draft order: its code and its name say different drugs (Paracetamol or Amlodipine), both were checked"
    )
    assert card["indicator"] == "warning"
    ((action,),) = (one["actions"] for one in card["suggestions"])
    assert action["resourceId"] == "MedicationRequest/d"


def test_a_name_that_says_more_than_the_code_is_heard(client: FlaskClient) -> None:
    taken = medication("m", "lorazepam 1 mg")
    (card,) = cards(client, signing(coded("161", "Acetaminophen 300 MG / Codeine 30 MG Oral Tablet"), chart=(taken,)))
    assert card["summary"] == "Draft order Paracetamol + Codeine: sedation beside (Lorazepam)"
    assert "different drugs" not in card["detail"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}, "may change what the order means"),
        ({"implicitRules": "urn:x"}, "may change what the order means"),
        ({"medicationReference": {"reference": "Medication/gone"}}, "neither coded nor named"),
        ({"subject": {"reference": "Patient/other"}}, "for another patient than the one of the call"),
        ({"subject": {"reference": "urn:uuid:9"}}, "for somebody who cannot be told to be the patient of the call"),
        ({"subject": {"display": "Doe"}}, "in a form that is not known here"),
    ],
)
def test_a_draft_that_cannot_be_read_is_told(client: FlaskClient, change: dict[str, Any], said: str) -> None:
    draft = medication("d", "spironolactone", status="draft", **change)
    if "medicationReference" in change:
        del draft["medicationCodeableConcept"]
    (card,) = cards(client, signing(draft, chart=potassium(6.4)))
    assert card["summary"] == "1 draft order not checked: what it means could not be read"
    assert said in card["detail"]
    assert "suggestions" not in card
    assert cards(client, signing(draft, chart=potassium(6.4))) == []
    other = medication("e", "lisinopril", status="draft")
    told = cards(client, signing({**draft, "id": "d2"}, other, chart=potassium(6.4)))
    assert [one["indicator"] for one in told] == ["critical", "info"]


@pytest.mark.parametrize("wrapped", [True, False])
def test_drafts_whose_bundle_says_no_type_are_read(client: FlaskClient, wrapped: bool) -> None:
    body = signing(chart=potassium(6.4))
    draft = medication("d", "spironolactone", status="draft")
    body["context"]["draftOrders"] = {"entry": [{"resource": draft} if wrapped else draft]}
    (card,) = cards(client, body)
    assert "potassium" in card["summary"].casefold()


def test_of_drafts_that_cannot_be_read_only_those_that_are_signed_and_selected_are_told(client: FlaskClient) -> None:
    odd = {"modifierExtension": [{"url": "urn:x"}]}
    drafts = [medication(key, "spironolactone", status=how, **odd) for key, how in (("d", "draft"), ("e", "cancelled"))]
    url = "/cds-services/twinline-order-select"
    body = signing(*drafts, medication("f", "xyzzamab", status="draft"), hook="order-select")
    assert len(cards(client, {**body, "context": {**body["context"], "selections": ["MedicationRequest/f"]}}, url)) == 0
    (card,) = cards(client, {**body, "context": {**body["context"], "selections": ["MedicationRequest/d"]}}, url)
    assert card["summary"].startswith("1 draft order not checked")


@pytest.mark.parametrize(
    "solution", ["Prismasate (B32 K2)", "PrismaSol BGK 4/2.5", "KCl (CRRT)", "Hemodialysis Solution"]
)
def test_a_draft_is_held_against_dialysis_that_only_its_solutions_tell_of(client: FlaskClient, solution: str) -> None:
    usual = (observation("creatinine", 0.9, FROZEN), medication("m", solution))
    (card,) = cards(client, signing(medication("d", "cefepime 2 g IV", status="draft"), chart=usual))
    assert "renal replacement therapy" in card["summary"]


@pytest.mark.parametrize("element", ["priorPrescription", "basedOn"])
def test_a_draft_in_the_place_of_an_order_is_not_held_against_it(client: FlaskClient, element: str) -> None:
    old, named = medication("m1", "lisinopril 10 mg"), {"reference": "MedicationRequest/m1"}
    new = medication("d", "losartan 50 mg", status="draft")
    usual = (*potassium(4.5), observation("creatinine", 0.8, FROZEN), old)
    (card,) = cards(client, signing(new, chart=usual))
    assert "two RAAS inhibitors (Lisinopril)" in card["summary"]
    again = {**new, "id": "d2", element: [named] if element == "basedOn" else named}
    assert cards(client, signing(again, chart=usual)) == []


def test_a_heparin_flush_is_told_to_who_must_have_no_heparin(client: FlaskClient) -> None:
    flush = medication("d", "Heparin Flush (10 units/ml)", status="draft")
    (card,) = cards(client, signing(flush, chart=(allergic("heparin"),)))
    assert card["summary"] == "Draft order Heparin flush: allergy recorded (Heparin (unfractionated))"
    told = signing({**flush, "id": "d2"}, chart=(problem("D75.82", "Heparin induced thrombocytopenia"),))
    (card,) = cards(client, told)
    assert card["indicator"] == "critical"


@pytest.mark.parametrize(("code", "drug"), [("Z88.0", "amoxicillin"), ("Z88.2", "Bactrim DS"), ("Z88.5", "morphine")])
def test_an_allergy_among_the_diagnoses_is_one(client: FlaskClient, code: str, drug: str) -> None:
    draft = medication("d", drug, status="draft")
    (card, *_) = cards(client, signing(draft, chart=(problem(code, "Allergy status"), *potassium(4.5))))
    assert ": allergy recorded (" in card["summary"]


def test_how_much_a_day_would_be_stands_in_the_summary(client: FlaskClient) -> None:
    repeat = {"frequency": 1, "period": 4, "periodUnit": "h"}
    dose = [{"timing": {"repeat": repeat}, "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "g"}}]}]
    (card,) = cards(client, signing(medication("d", "paracetamol", status="draft", dosageInstruction=dose)))
    assert card["summary"] == "Draft order Paracetamol: daily amount (6000 mg, at most 4000)"


def test_what_is_ordered_already_is_named_once(client: FlaskClient) -> None:
    again = medication("d", "metoprolol 25 mg", status="draft")
    (card,) = cards(client, signing(again, chart=(medication("m", "Metoprolol Tartrate"),)))
    assert card["summary"] == "Draft order Metoprolol: already ordered or given"
    assert "- Metoprolol is ordered already. [pending clinical review]" in card["detail"]
    (card,) = cards(client, signing(medication("e", "atenolol 25 mg", status="draft")))
    assert card["summary"] == "Draft order Atenolol: already ordered or given (Metoprolol)"
    assert "- With Metoprolol: another drug of the same class (Beta-blockers) is ordered already." in card["detail"]


def test_an_allergy_to_aspirin_is_told_of_another_nsaid(client: FlaskClient) -> None:
    (card,) = cards(client, signing(medication("d", "ibuprofen", status="draft"), chart=(allergic("aspirin"),)))
    assert card["summary"] == "Draft order Ibuprofen: allergy recorded (Aspirin)"


def test_a_pregnancy_is_told_with_its_record_and_is_over_after_a_birth(client: FlaskClient) -> None:
    expecting = problem("Z33.1", "Pregnancy", recordedDate="2026-01-10")
    draft = medication("d", "lisinopril", status="draft")

    def signed(key: str, *chart: dict[str, Any]) -> list[dict[str, Any]]:
        body = signing({**draft, "id": key}, chart=(*chart, *potassium(4.5), observation("creatinine", 0.8, FROZEN)))
        body["prefetch"]["patient"] = patient(birthDate="1996-02-03")
        return cards(client, body)

    (card,) = signed("d", expecting)
    assert "Pregnancy, recorded 10 Jan 2026" in card["detail"]
    assert signed("d2", expecting, problem("Z37.0", "Single live birth", key="b", recordedDate="2026-02-20")) == []


def problem(code: str, text: str, key: str = "c1", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": key,
        "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}], "text": text},
        **more,
    }
