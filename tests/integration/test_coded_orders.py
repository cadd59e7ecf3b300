"""Orders and allergies that come as codes alone, as records send them: the card is the same as for words."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.orders import cards, medication, signing

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
SNOMED = "http://snomed.info/sct"


def _code(*codings: tuple[str, str]) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code} for system, code in codings]}


def _allergy(code: dict[str, Any], **more: Any) -> dict[str, Any]:
    active = _code(("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "active"))
    of = {"reference": "Patient/p1"}
    return {
        "resourceType": "AllergyIntolerance",
        "id": "a1",
        "patient": of,
        "clinicalStatus": active,
        "code": code,
    } | more


def _draft(code: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    draft = medication("draft-1", "", status="draft", **more)
    del draft["medicationCodeableConcept"]
    return draft | ({"medicationCodeableConcept": code} if code else {})


def _warned(client: FlaskClient, allergy: dict[str, Any], *drafted: dict[str, Any]) -> bool:
    found = cards(client, signing(*drafted, chart=(allergy,)))
    return any("Allergy recorded" in card["detail"] for card in found)


PENICILLIN = _allergy(_code((SNOMED, "91936005")))


@pytest.mark.parametrize(
    "coding",
    [
        (RXNORM, "723"),
        (RXNORM, "1659149"),
        ("urn:oid:2.16.840.1.113883.6.88", "74169"),
        (ATC, "J01CR05"),
        (" http://www.whocc.no/atc/ ", "J01CA12"),
    ],
)
def test_an_order_without_a_word_meets_the_allergy_to_its_class(client: FlaskClient, coding: tuple[str, str]) -> None:
    assert _warned(client, PENICILLIN, _draft(_code(coding)))


@pytest.mark.parametrize(("status", "warned"), [("active", True), ("resolved", False)])
def test_an_allergy_that_is_kept_among_the_problems_is_one(client: FlaskClient, status: str, *, warned: bool) -> None:
    problem = {
        "resourceType": "Condition",
        "id": "c1",
        "subject": {"reference": "Patient/p1"},
        "clinicalStatus": _code(("http://terminology.hl7.org/CodeSystem/condition-clinical", status)),
        "code": _code((SNOMED, "91936005")),
    }
    assert _warned(client, problem, _draft(_code((RXNORM, "723")))) is warned


@pytest.mark.parametrize("coding", [(RXNORM, "18631"), (ATC, "J01FA10"), (RXNORM, "0")])
def test_another_drug_does_not(client: FlaskClient, coding: tuple[str, str]) -> None:
    assert not _warned(client, PENICILLIN, _draft(_code(coding)))


@pytest.mark.parametrize(
    "allergy",
    [
        _allergy(_code((SNOMED, "373270004"))),
        _allergy(_code((ATC, "J01C"))),
        _allergy(
            _code((SNOMED, "416098002")),
            reaction=[{"substance": _code((SNOMED, "373270004")), "manifestation": [{"text": "Rash"}]}],
        ),
        _allergy(_code(("urn:oid:1.2.3", "PCN"), (RXNORM, "723"))),
    ],
)
def test_an_allergy_is_met_as_substance_as_class_and_in_its_reaction(
    client: FlaskClient, allergy: dict[str, Any]
) -> None:
    assert _warned(client, allergy, _draft(_code((RXNORM, "723"))))


@pytest.mark.parametrize("code", ["716186003", "409137002", "716184000"])
def test_no_known_allergy_is_none(client: FlaskClient, code: str) -> None:
    assert not _warned(client, _allergy(_code((SNOMED, code))), _draft(_code((RXNORM, "723"))))


NAMED = {"resourceType": "Medication", "id": "m", "code": _code((RXNORM, "723"))}
MIXED = {"resourceType": "Medication", "id": "m", "ingredient": [{"itemCodeableConcept": _code((RXNORM, "723"))}]}
URN = "urn:uuid:7e0d5bb5-2b1c-4a53-9d8f-4b7a3a0f6b11"


@pytest.mark.parametrize("drug", [NAMED, MIXED])
def test_the_drug_of_a_contained_medication_is_met(client: FlaskClient, drug: dict[str, Any]) -> None:
    assert _warned(client, PENICILLIN, _draft(medicationReference={"reference": "#m"}, contained=[drug]))


@pytest.mark.parametrize("drug", [NAMED, MIXED])
def test_the_drug_of_a_medication_beside_the_order_is_met(client: FlaskClient, drug: dict[str, Any]) -> None:
    body = signing(_draft(medicationReference={"reference": URN}), chart=(PENICILLIN,))
    body["context"]["draftOrders"]["entry"].append({"fullUrl": URN, "resource": drug})
    assert any("Allergy recorded" in card["detail"] for card in cards(client, body))
