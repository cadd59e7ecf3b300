"""Draft orders over HTTP: what is shown, what is silent, and that every decision comes out again."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_app.deps import Deps
from cds_app.domain.decisions import Suppression
from cds_app.services.replay import replay_decision
from tests.conftest import FROZEN, FrozenClock
from tests.orders import LISINOPRIL, SIGN, cards, drafts, medication, potassium, signing, spironolactone
from tests.patients import observation

SELECT = "/cds-services/twinline-order-select"
HOSTILE = "spironolactone <b>x</b> [a](https://evil.example) \u202e"


def test_spironolactone_at_potassium_5_9_on_lisinopril_is_told(client: FlaskClient) -> None:
    (card,) = cards(client, signing(spironolactone(), chart=(LISINOPRIL, *potassium(5.9))))
    assert card["summary"].startswith("Draft order Spironolactone: potassium is high, Potassium 5.9 mmol/L at")
    assert "up from 4.6" in card["summary"]
    assert card["indicator"] == "warning"
    assert card["source"]["topic"]["code"] == "potassiumHighSpironolactone"
    assert "With Lisinopril: both raise potassium" in card["detail"]
    assert "Draft order: spironolactone 25 mg oral tablet" in card["detail"]
    assert "kidney function: no creatinine within 48 h" in card["detail"]
    assert len(card["detail"]) <= 900
    ((action,),) = (one["actions"] for one in card["suggestions"])
    assert action == {
        "type": "delete",
        "description": "Remove this draft: Spironolactone",
        "resourceId": "MedicationRequest/draft-1",
    }


def test_what_could_not_be_fetched_is_told_apart_from_what_could_not_be_used(client: FlaskClient) -> None:
    unusable = {**observation("wbc", 9.0, FROZEN, key="odd"), "valueQuantity": {"value": "many"}}
    body = signing(spironolactone(), chart=(LISINOPRIL, *potassium(5.9), unusable))
    del body["prefetch"]["allergies"]
    (card,) = cards(client, body)
    assert "1 part of the record could not be fetched. 1 resource could not be used." in card["detail"]


def test_each_reason_says_the_value_that_it_rests_on_once(client: FlaskClient) -> None:
    kidney = [observation("creatinine", value, FROZEN - timedelta(hours=hours), key=f"c{hours}")
              for value, hours in ((1.0, 30), (2.6, 1))]  # fmt: skip
    (card,) = cards(client, signing(spironolactone(), chart=(*potassium(5.9), *kidney)))
    why = card["detail"].partition("**Options")[0]
    assert "5.5 mmol/L or more. Potassium 5.9 mmol/L (4.6" in why
    assert "below eGFR 30" in why
    assert why.count("Creatinine 2.60 mg/dL") == 1
    assert why.count("Potassium 5.9") == 1
    assert card["summary"].startswith("Draft order Spironolactone: potassium is high")  # verified goes first


def test_what_is_from_memory_says_so_on_the_card(client: FlaskClient) -> None:
    allergy = {
        "resourceType": "AllergyIntolerance",
        "id": "a1",
        "patient": {"reference": "Patient/p1"},
        "code": {"text": "Penicillin"},
        "criticality": "high",
    }
    (card,) = cards(client, signing(medication("d", "amoxicillin 500 mg", status="draft"), chart=(allergy,)))
    assert card["indicator"] == "critical"
    assert "[pending clinical review]" in card["detail"]
    assert "Allergy recorded: Penicillins" in card["detail"]


def test_nothing_to_say_is_no_card_and_nothing_known_is_an_issue_only(client: FlaskClient) -> None:
    assert cards(client, signing(chart=potassium(5.9))) == []
    assert cards(client, signing(medication("d", "Xyzzamab 5 mg", status="draft"), chart=potassium(5.9))) == []


def test_an_unknown_drug_is_said_beside_another_card(client: FlaskClient) -> None:
    unknown = medication("d", "Xyzzamab 5 mg", status="draft")
    (card,) = cards(client, signing(spironolactone(), unknown, chart=potassium(5.9)))
    assert "1 draft of drugs not known here, not checked." in card["detail"]


def test_a_draft_for_another_patient_is_dropped_and_nothing_of_it_told(client: FlaskClient) -> None:
    other = spironolactone(subject={"reference": "Patient/p2"})
    (card,) = cards(client, signing(other, chart=potassium(6.4)))
    assert "1 for another patient than the one of the call" in card["detail"]
    assert "Nothing was checked" in card["detail"]
    assert not any(one in json.dumps(card).lower() for one in ("spironolactone", "potassium", "p2"))


def test_no_text_of_a_draft_is_alive(client: FlaskClient) -> None:
    draft = spironolactone(medicationCodeableConcept={"text": HOSTILE})
    (card,) = cards(client, signing(draft, chart=potassium(5.9)))
    said = json.dumps({key: card[key] for key in ("summary", "detail", "suggestions", "source")}, ensure_ascii=False)
    assert not any(one in said for one in ("<b>", "evil.example", "\u202e"))


def test_only_what_is_selected_is_judged_when_orders_are_picked(client: FlaskClient) -> None:
    ibuprofen = medication("draft-2", "potassium chloride 10 mmol", status="draft")
    body = signing(spironolactone(), ibuprofen, chart=potassium(5.9), hook="order-select")
    body["context"]["selections"] = ["MedicationRequest/draft-2"]
    (card,) = cards(client, body, SELECT)
    assert card["source"]["topic"]["code"] == "potassiumHighPotassiumChloride"


def test_what_was_told_when_picking_is_not_told_again_when_signing_unless_it_is_dangerous(
    client: FlaskClient, clock: FrozenClock
) -> None:
    for value, again in ((5.9, 0), (6.4, 1)):
        body = signing(spironolactone(), chart=potassium(value), hook="order-select")
        assert len(cards(client, body, SELECT)) == 1
        clock.forward(minutes=2)
        assert len(cards(client, {**copy.deepcopy(body), "hook": "order-sign"})) == again
        clock.forward(minutes=1)


def test_what_is_dangerous_is_told_of_each_draft_of_the_drug(client: FlaskClient, clock: FrozenClock) -> None:
    for key, again in (("draft-1", 1), ("draft-1", 0), ("draft-2", 1)):
        body = signing({**spironolactone(), "id": key}, chart=potassium(6.4))
        assert len(cards(client, body)) == again
        clock.forward(minutes=2)


def test_every_decision_about_a_draft_replays_byte_for_byte(
    client: FlaskClient, deps: Deps, clock: FrozenClock
) -> None:
    for body, url in told():
        client.post(url, json=body)
        clock.forward(minutes=30)
    found = [one.decision for one in deps.store.journal() if one.decision]
    assert len(found) >= 6
    assert {one.suppression for one in found} >= {Suppression.NONE, Suppression.LOCKOUT}
    for one in found:
        again = replay_decision(deps.knowledge, deps.store, one.id)
        assert (again.same, again.again) == (True, one)


def told() -> Iterator[tuple[dict[str, Any], str]]:
    yield signing(spironolactone(), chart=(LISINOPRIL, *potassium(5.9))), SIGN
    yield signing(spironolactone(), medication("d", "metformin", status="draft"), chart=potassium(5.9)), SIGN
    yield signing(spironolactone(), hook="order-select", selections=["MedicationRequest/draft-1"]), SELECT
    yield refill(), "/cds-services/twinline-medication-refill"
    yield allergic(wrapped=True), "/cds-services/twinline-allergyintolerance-create"


def refill(**context: Any) -> dict[str, Any]:
    body = signing(chart=(LISINOPRIL, *potassium(6.2)), hook="medication-refill")
    del body["context"]["draftOrders"], body["context"]["userId"]
    body["context"] |= {"medications": drafts(LISINOPRIL), **context}
    return body


def allergic(*, wrapped: bool) -> dict[str, Any]:
    new = {
        "resourceType": "AllergyIntolerance",
        "patient": {"reference": "Patient/p1"},
        "code": {"text": "Lisinopril"},
    }
    body = signing(chart=(LISINOPRIL,), hook="allergyintolerance-create")
    del body["context"]["draftOrders"]
    body["context"]["allergyIntolerance"] = {"resource": new} if wrapped else new
    return body


def test_a_refill_is_checked_without_a_user(client: FlaskClient) -> None:
    (card,) = cards(client, refill(), "/cds-services/twinline-medication-refill")
    assert (card["indicator"], card["source"]["topic"]["code"]) == ("critical", "potassiumHighLisinopril")


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_new_allergy_finds_the_order_it_speaks_against(client: FlaskClient, *, wrapped: bool) -> None:
    (card,) = cards(client, allergic(wrapped=wrapped), "/cds-services/twinline-allergyintolerance-create")
    assert card["summary"].startswith("Active order Lisinopril: allergy recorded")
    assert "suggestions" not in card  # an order that stands is not ours to remove


def test_a_new_problem_finds_the_order_it_speaks_against(client: FlaskClient) -> None:
    asthma = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "J45.909"}], "text": "Asthma"}
    problem = {"resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/p1"}, "code": asthma}
    body = signing(chart=(medication("m2", "propranolol 40 mg"),), hook="problem-list-item-create")
    del body["context"]["draftOrders"]
    body["context"]["conditions"] = drafts(problem)
    (card,) = cards(client, body, "/cds-services/twinline-problem-list-item-create")
    assert card["summary"].startswith("Active order Propranolol: asthma is recorded")


@pytest.mark.parametrize(
    ("service", "context"),
    [
        ("order-dispatch", {"dispatchedOrders": ["ServiceRequest/1"], "performer": "Organization/1"}),
        ("order-dispatch", {"order": "ServiceRequest/1", "performer": "Organization/1", "task": {"id": "1"}}),
        ("appointment-book", {"userId": "Practitioner/1", "appointments": drafts()}),
    ],
)
def test_hooks_without_an_answer_yet_are_accepted(client: FlaskClient, service: str, context: dict[str, Any]) -> None:
    body = signing(chart=potassium(6.4), hook=service)
    body["context"] = {"patientId": "p1", **context}
    assert cards(client, body, f"/cds-services/twinline-{service}") == []


def test_too_many_drafts_are_refused(client: FlaskClient) -> None:
    many = [medication(f"d{number}", "ibuprofen", status="draft") for number in range(201)]
    assert client.post(SIGN, json=signing(*many)).status_code == 413


def test_tablets_in_plain_words_and_an_order_in_mg_are_added_up(client: FlaskClient) -> None:
    words = [{"text": "1-2 TAB PO Q4H:PRN"}]
    percocet = medication("d1", "Percocet (5mg-325mg)", status="draft", dosageInstruction=words)
    mixture = medication("d1", "Oxycodone-Acetaminophen (5mg-325mg)", status="draft", dosageInstruction=words)
    tylenol = medication("a1", "Acetaminophen", dosageInstruction=[{"text": "Acetaminophen 650 mg PO Q6H:PRN"}])
    heavy = observation("creatinine", 80.0, FROZEN, key="weight")
    heavy |= {"code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}}
    heavy["valueQuantity"] = {"value": 80.0, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}
    (card,) = cards(client, signing(mixture, chart=(tylenol, heavy)))
    assert card["summary"] == (
        "Draft order Oxycodone + Paracetamol: daily amount (Paracetamol 6500 mg together, at most 4000)"
    )
    assert "- Acetaminophen, ordered" in card["detail"]
    (card,) = cards(client, signing(percocet, chart=(tylenol, heavy)))  # a brand says no strength, and what is in it
    assert "Paracetamol is ordered already" in card["detail"]
    assert "daily amount: no dose in mg at an interval" in card["detail"]
