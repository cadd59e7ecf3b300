"""Ordering in the sandbox over real HTTP: what hooks see of drafts, what holds a signature back, what stands then."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
import requests
from fhir.resources.R4B import get_fhir_model_class

from cds_app.sandbox.once import run_once
from tests.unit.sandbox.stub_service import CARD, NOW, PATIENTS, SICK, SUGGESTION, Stub, ehr, stub, text_of

__all__ = ["ehr", "stub"]

INSTANT = NOW.isoformat().replace("+00:00", "Z")


def post(ehr: str, path: str, **fields: str) -> requests.Response:
    return requests.post(f"{ehr}/patients/{SICK}/{path}", data=fields, headers={"Origin": ehr}, timeout=10)


def order(ehr: str, drug: str = "amoxicillin", **fields: str) -> requests.Response:
    return post(ehr, "orders", drug=drug, **fields)


def draft_ids(page: requests.Response) -> list[str]:
    return re.findall(r"/orders/(draft-[\w-]+)/withdraw", page.text)


def active(ehr: str) -> list[dict[str, Any]]:
    url = f"{ehr}/fhir/MedicationRequest?patient={SICK}&status=active&code=723"
    return [one["resource"] for one in requests.get(url, timeout=10).json().get("entry", [])]


def test_a_chosen_drug_fires_order_select_with_the_draft_selected(ehr: str, stub: Stub) -> None:
    page = order(ehr, dose=" 1 g by mouth every 8 hours ")
    call = next(one for one in stub.calls if one["hook"] == "order-select")
    drafts = [one["resource"] for one in call["context"]["draftOrders"]["entry"]]
    get_fhir_model_class("Bundle").model_validate(call["context"]["draftOrders"])
    assert call["context"]["selections"] == [f"MedicationRequest/{drafts[0]['id']}"]
    assert call["context"]["encounterId"]
    assert (drafts[0]["status"], drafts[0]["intent"]) == ("draft", "order")
    assert drafts[0]["medicationCodeableConcept"]["coding"][0]["code"] == "723"
    (dosage,) = drafts[0]["dosageInstruction"]
    assert dosage["text"] == "1 g by mouth every 8 hours"
    assert dosage["timing"] == {"repeat": {"frequency": 1, "period": 8, "periodUnit": "h"}}
    assert drafts[0]["subject"] == {"reference": f"Patient/{SICK}"}
    assert drafts[0]["authoredOn"] == INSTANT
    assert "Draft order: does not suit" in text_of(page)
    assert active(ehr) == []  # a draft is in nobody's chart


def test_every_draft_is_sent_and_only_the_new_one_is_selected(ehr: str, stub: Stub) -> None:
    order(ehr, "paracetamol")
    order(ehr, "ibuprofen")
    call = [one for one in stub.calls if one["hook"] == "order-select"][-1]
    names = [one["resource"]["id"] for one in call["context"]["draftOrders"]["entry"]]
    assert call["context"]["selections"] == [f"MedicationRequest/{names[1]}"]


def test_signing_is_held_while_there_is_something_to_read_and_then_goes_through(ehr: str, stub: Stub) -> None:
    order(ehr)
    page = post(ehr, "orders/sign")
    assert stub.calls[-1]["hook"] == "order-sign"
    assert "selections" not in stub.calls[-1]["context"]
    assert "Not signed." in text_of(page)
    assert "Sign all the same" in page.text
    assert active(ehr) == []
    page = post(ehr, "orders/sign", checked="yes")
    (made,) = active(ehr)
    assert (made["status"], made["intent"], made["authoredOn"]) == ("active", "order", INSTANT)
    assert made["id"].startswith("created-")
    assert "amoxicillin , 500 mg by mouth every 8 hours active" in text_of(page)
    assert "Not signed yet" not in page.text


def test_signing_goes_through_at_once_when_nothing_is_said(ehr: str, stub: Stub) -> None:
    stub.warns = False
    order(ehr)
    assert "Sign all the same" not in post(ehr, "orders/sign").text
    assert len(active(ehr)) == 1


def test_a_failing_service_holds_the_signature_and_is_loud(ehr: str, stub: Stub) -> None:
    order(ehr)
    stub.fail = (503, "the store does not answer")
    page = post(ehr, "orders/sign")
    assert "these orders were not checked" in text_of(page)
    assert "HTTP 503" in text_of(page)
    assert active(ehr) == []
    post(ehr, "orders/sign", checked="yes")
    assert len(active(ehr)) == 1


def test_accepting_a_removal_takes_the_draft_away_and_tells_the_service(ehr: str, stub: Stub) -> None:
    order(ehr)
    post(ehr, "orders/sign")
    page = post(ehr, f"cards/{CARD.format(5)}/accept", suggestion=SUGGESTION.format(5))
    assert "Accepted: Remove this draft" in text_of(page)
    assert draft_ids(page) == []
    assert [(one["outcome"], one["service"]) for one in stub.feedback] == [("accepted", "stub-order-sign")]
    assert post(ehr, "orders/sign").status_code == 400


def test_removing_by_hand_takes_its_cards_along_and_leaves_the_others(ehr: str) -> None:
    order(ehr)
    names = draft_ids(order(ehr, "ibuprofen"))
    page = post(ehr, "orders/sign")
    assert page.text.count('<article class="card') == 2
    page = post(ehr, f"orders/{names[0]}/withdraw")
    assert draft_ids(page) == names[1:]
    assert page.text.count('<article class="card') == 1
    assert "Sign all the same" in page.text


def test_a_card_about_orders_can_be_overridden_and_signing_needs_no_more(ehr: str, stub: Stub) -> None:
    order(ehr)
    post(ehr, "orders/sign")
    page = post(ehr, f"cards/{CARD.format(5)}/override", reason="data-wrong")
    assert stub.feedback[0]["service"] == "stub-order-sign"
    assert "Sign all the same" not in page.text
    post(ehr, "orders/sign", checked="yes")
    assert len(active(ehr)) == 1


def test_what_was_checked_at_another_time_is_not_signed(ehr: str) -> None:
    order(ehr)
    post(ehr, "orders/sign")
    requests.post(f"{ehr}/sandbox/clock", json={"hours": 1}, timeout=10)
    assert post(ehr, "orders/sign", checked="yes").status_code == 400
    page = requests.get(f"{ehr}/patients/{SICK}", timeout=10)
    assert len(draft_ids(page)) == 1
    assert "does not suit" not in page.text
    assert active(ehr) == []


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("orders", {"drug": "arsenic"}, 400),
        ("orders", {}, 400),
        ("orders", {"drug": "amoxicillin", "dose": "x" * 201}, 400),
        ("orders/draft-none/withdraw", {}, 404),
        ("orders/sign", {}, 400),
        ("orders/sign", {"checked": "yes"}, 400),
    ],
)
def test_what_cannot_be_ordered_is_refused(ehr: str, path: str, fields: dict[str, str], status: int) -> None:
    assert post(ehr, path, **fields).status_code == status
    assert draft_ids(requests.get(f"{ehr}/patients/{SICK}", timeout=10)) == []


def test_no_more_than_twenty_drafts_wait(ehr: str, stub: Stub) -> None:
    stub.warns = False
    assert [order(ehr).status_code for _ in range(21)] == [200] * 20 + [400]


def test_an_action_that_cannot_be_done_is_refused_and_not_reported(ehr: str, stub: Stub) -> None:
    update = {"label": "Change", "uuid": SUGGESTION.format(1), "actions": [{"type": "update", "resource": {}}]}
    stub.cards = [{"uuid": CARD.format(1), "summary": "x", "indicator": "info", "suggestions": [update]}]
    requests.get(f"{ehr}/patients/{SICK}", timeout=10)
    assert post(ehr, f"cards/{CARD.format(1)}/accept", suggestion=SUGGESTION.format(1)).status_code == 400
    assert stub.feedback == []


def test_the_walk_prints_what_is_said_of_an_order_and_takes_it_back(stub: Stub) -> None:
    out = io.StringIO()
    run_once(stub.url, PATIENTS[:1], out)
    said = out.getvalue()
    assert ">>> Order chosen for synthetic-001: amoxicillin" in said
    assert "Can be accepted:\n    - Remove this draft" in said
    assert ">>> Accepted: Remove this draft. Nothing was signed." in said
    hooks = [one["hook"] for one in stub.calls]
    assert hooks.count("order-select") == hooks.count("order-sign") == 1
    assert [one["service"] for one in stub.feedback] == ["stub-order-sign"]


def test_a_walk_in_which_an_unsuitable_order_goes_through_ends_with_1(stub: Stub) -> None:
    stub.warns = False
    out = io.StringIO()
    assert run_once(stub.url, PATIENTS[:1], out) == 1
    assert "PROBLEM: synthetic-001: amoxicillin was signed, and nothing was said" in out.getvalue()
