"""The sandbox over real HTTP, against a CDS service of canned cards."""

from __future__ import annotations

import io
import re
import signal
import subprocess
import sys
import uuid
from datetime import datetime
from typing import Any

import pytest
import requests
from fhir.resources.R4B import get_fhir_model_class

from cds_app.sandbox.once import run_once
from cds_app.sandbox.people.stories import Expected
from cds_app.sandbox.server import create_sandbox, running
from tests.unit.sandbox.stub_service import (
    CARD,
    NOW,
    PATIENTS,
    REASONS,
    SICK,
    SUGGESTION,
    WELL,
    Stub,
    card,
    ehr,
    stub,
    text_of,
)

__all__ = ["ehr", "stub"]


def post(ehr: str, path: str, **fields: str) -> requests.Response:
    return requests.post(ehr + path, data=fields, headers={"Origin": ehr}, timeout=10)


def get(ehr: str, path: str) -> Any:
    return requests.get(ehr + path, timeout=10).json()


# --- FHIR


def test_capabilities_are_valid_and_name_every_type(ehr: str) -> None:
    said = get(ehr, "/fhir/metadata")
    get_fhir_model_class("CapabilityStatement").model_validate(said)
    assert len(said["rest"][0]["resource"]) == 14
    places = {one["url"]: one["valueUri"] for one in said["rest"][0]["security"]["extension"][0]["extension"]}
    discovered = get(ehr, "/fhir/.well-known/smart-configuration")
    assert places["authorize"] == discovered["authorization_endpoint"]
    assert places["token"] == discovered["token_endpoint"]


def test_read_gives_the_resource_and_its_version(ehr: str) -> None:
    response = requests.get(f"{ehr}/fhir/Patient/{SICK}", timeout=10)
    assert response.headers["ETag"] == 'W/"1"'
    assert response.headers["Content-Type"].startswith("application/fhir+json")
    assert response.json()["id"] == SICK


def test_pages_are_linked_and_join_to_the_whole(ehr: str) -> None:
    query = f"/fhir/Observation?patient={SICK}&category=vital-signs&date=ge2026-03-02&_sort=-date&_count=50"
    url: str | None = ehr + query
    bundles = []
    while url:
        bundles.append(requests.get(url, timeout=10).json())
        get_fhir_model_class("Bundle").model_validate(bundles[-1])
        links = {one["relation"]: one["url"] for one in bundles[-1]["link"]}
        url = links.get("next")
    resources = [one["resource"] for bundle in bundles for one in bundle["entry"]]
    times = [one["effectiveDateTime"] for one in resources]
    assert len(bundles) > 2
    assert len(resources) == len({one["id"] for one in resources}) == bundles[0]["total"]
    assert times == sorted(times, reverse=True)


def test_nothing_from_the_future_is_there(ehr: str) -> None:
    bundle = get(ehr, f"/fhir/Observation?patient={SICK}&_count=500")
    issued = [datetime.fromisoformat(one["resource"]["issued"]) for one in bundle["entry"]]
    assert max(issued) <= NOW
    later = next(one for one in PATIENTS[0].resources if one.known_at > NOW)
    path = f"/fhir/{later.resource['resourceType']}/{later.resource['id']}"
    assert requests.get(ehr + path, timeout=10).status_code == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/fhir/Patient/nobody", 404),
        ("/fhir/Account", 404),
        ("/fhir/Observation?colour=red", 400),
        ("/fhir/Observation?date=soon", 400),
        ("/fhir/a/b/c", 404),
    ],
)
def test_failures_are_operation_outcomes(ehr: str, path: str, status: int) -> None:
    response = requests.get(ehr + path, timeout=10)
    assert response.status_code == status
    get_fhir_model_class("OperationOutcome").model_validate(response.json())


def test_a_draft_can_be_created_and_read_back(ehr: str) -> None:
    draft = {
        "resourceType": "MedicationRequest",
        "status": "draft",
        "intent": "proposal",
        "medicationCodeableConcept": {"text": "Example"},
        "subject": {"reference": f"Patient/{SICK}"},
    }
    made = requests.post(f"{ehr}/fhir/MedicationRequest", json=draft, timeout=10)
    assert made.status_code == 201
    found = requests.get(made.headers["Location"].removesuffix("/_history/1"), timeout=10).json()
    assert (found["status"], found["id"]) == ("draft", made.json()["id"])


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"{}", "application/fhir+json", 400),
        (b"<x/>", "application/xml", 415),
        (b"x" * 2_000_000, "application/json", 413),
    ],
)
def test_a_body_that_is_no_resource_is_refused(ehr: str, body: bytes, kind: str, status: int) -> None:
    url = f"{ehr}/fhir/MedicationRequest"
    response = requests.post(url, data=body, headers={"Content-Type": kind}, timeout=10)
    assert response.status_code == status
    assert response.json()["resourceType"] == "OperationOutcome"


# --- hooks


def test_the_first_opening_fires_encounter_start_and_patient_view_and_the_next_only_the_latter(
    ehr: str, stub: Stub
) -> None:
    requests.get(f"{ehr}/patients/{SICK}", timeout=10)
    assert [one["hook"] for one in stub.calls] == ["encounter-start", "patient-view"]
    requests.get(f"{ehr}/patients/{SICK}", timeout=10)
    assert len(stub.calls) == 2  # the same time: the same chart
    post(ehr, "/sandbox/clock", hours="1", patient=SICK)
    assert [one["hook"] for one in stub.calls[2:]] == ["patient-view"]


def test_a_call_is_what_cds_hooks_asks_for(ehr: str, stub: Stub) -> None:
    requests.get(f"{ehr}/patients/{SICK}", timeout=10)
    call = stub.calls[-1]
    uuid.UUID(call["hookInstance"])
    assert call["fhirServer"] == f"{ehr}/fhir"
    assert call["context"]["userId"] == "Practitioner/synthetic-clinician"
    assert call["context"]["patientId"] == SICK
    encounter = get(ehr, f"/fhir/Encounter/{call['context']['encounterId']}")
    assert encounter["type"][0]["text"] == "Intensive care unit"
    assert call["prefetch"]["patient"]["id"] == SICK
    assert call["prefetch"]["nobody"] is None
    vitals = call["prefetch"]["vitals"]
    assert len(vitals["entry"]) == 5
    following = next(one["url"] for one in vitals["link"] if one["relation"] == "next")
    assert requests.get(following, timeout=10).json()["total"] == vitals["total"]
    assert call["extension"]["com.twinline.simulated-time"] == NOW.isoformat().replace("+00:00", "Z")


def test_a_call_brings_a_token_that_opens_the_patient_it_is_about(ehr: str, stub: Stub) -> None:
    requests.get(f"{ehr}/patients/{SICK}", timeout=10)
    opening = stub.calls[-1]["fhirAuthorization"]
    assert (opening["token_type"], opening["expires_in"], opening["patient"]) == ("Bearer", 300, SICK)
    headers = {"Authorization": f"Bearer {opening['access_token']}"}
    for path, status in ((f"Observation?patient={SICK}", 200), (f"Observation?patient={WELL}", 403)):
        assert requests.get(f"{ehr}/fhir/{path}", headers=headers, timeout=10).status_code == status
    made = requests.post(f"{ehr}/fhir/ServiceRequest", json={}, headers=headers, timeout=10)
    assert made.status_code == 403


def test_cards_are_shown_most_urgent_first_with_the_word(ehr: str, stub: Stub) -> None:
    stub.cards = [card(1, "info", "Third"), card(2, "critical", "First"), card(3, "warning", "Second")]
    page = requests.get(f"{ehr}/patients/{SICK}", timeout=10)
    headings = re.findall(r'<span class="tier">(\w+)</span> (\w+)', page.text)
    assert headings == [("Critical", "First"), ("Warning", "Second"), ("Info", "Third")]
    assert "<img" not in page.text
    assert "Heart rate 120 /min" in page.text


def test_the_first_screen_says_where_to_click_until_the_case_unfolds(stub: Stub) -> None:
    with running(create_sandbox(stub.url, PATIENTS, now=PATIENTS[0].opens[0], open_fhir=True)) as ehr:
        first = requests.get(ehr, timeout=10)
        assert "Begin here Open Avery's chart at the first warning" in text_of(first)
        to = re.search(r'name="to" value="([^"]+)"', first.text)
        assert to is not None
        chart = post(ehr, "/sandbox/clock", patient=SICK, to=to[1])
        assert chart.url == f"{ehr}/patients/{SICK}"
        assert "Chart of Synthetic-001, Avery" in text_of(chart)
        assert "Begin here" not in text_of(requests.get(ehr, timeout=10))


def test_no_card_is_said(ehr: str) -> None:
    assert "No recommendations to display" in requests.get(f"{ehr}/patients/{WELL}", timeout=10).text


def test_a_failing_service_is_loud_and_never_no_card(ehr: str, stub: Stub) -> None:
    stub.fail = (412, "no vital signs")
    page = requests.get(f"{ehr}/patients/{SICK}", timeout=10)
    assert "HTTP 412" in text_of(page)
    assert "no vital signs" in text_of(page)
    assert "No recommendations to display" not in page.text
    stub.fail = None
    assert "No recommendations to display" in post(ehr, f"/patients/{SICK}/reopen").text
    assert [one["hook"] for one in stub.calls[-2:]] == ["encounter-start", "patient-view"]  # it never got through


def test_a_service_that_is_not_there_is_loud() -> None:
    with running(create_sandbox("http://127.0.0.1:9", PATIENTS, now=NOW)) as ehr:
        page = requests.get(f"{ehr}/patients/{SICK}", timeout=10)
    assert page.status_code == 200
    assert "does not answer" in text_of(page)


# --- what clinicians do


def test_accepting_creates_a_draft_and_sends_feedback(ehr: str, stub: Stub) -> None:
    stub.cards = [card(1, "critical", "First", patient=SICK)]
    requests.get(f"{ehr}/patients/{SICK}", timeout=10)
    before = get(ehr, f"/fhir/ServiceRequest?patient={SICK}")["total"]
    page = post(ehr, f"/patients/{SICK}/cards/{CARD.format(1)}/accept", suggestion=SUGGESTION.format(1))
    assert re.search(r"Accepted: Consider measuring lactate(?!\.\.)", text_of(page))
    drafts = get(ehr, f"/fhir/ServiceRequest?patient={SICK}&status=draft")
    assert (drafts["total"], get(ehr, f"/fhir/ServiceRequest?patient={SICK}")["total"]) == (1, before + 1)
    assert stub.feedback == [
        {
            "card": CARD.format(1),
            "outcome": "accepted",
            "acceptedSuggestions": [{"id": SUGGESTION.format(1)}],
            "outcomeTimestamp": NOW.isoformat().replace("+00:00", "Z"),
            "service": "stub-patient-view",
        }
    ]
    again = post(ehr, f"/patients/{SICK}/cards/{CARD.format(1)}/accept", suggestion=SUGGESTION.format(1))
    assert again.status_code == 400
    assert get(ehr, f"/fhir/ServiceRequest?patient={SICK}&status=draft")["total"] == 1


def test_overriding_sends_the_coded_reason_and_the_comment(ehr: str, stub: Stub) -> None:
    stub.cards = [card(1, "warning", "First")]
    requests.get(f"{ehr}/patients/{SICK}", timeout=10)
    page = post(ehr, f"/patients/{SICK}/cards/{CARD.format(1)}/override", reason="data-wrong", comment=" probe off ")
    assert "Overridden: The data behind it are wrong" in text_of(page)
    assert stub.feedback[0]["overrideReason"] == {"reason": REASONS[1], "userComment": "probe off"}
    assert post(ehr, f"/patients/{SICK}/cards/{CARD.format(1)}/dismiss").status_code == 400


def test_dismissing_sends_an_override_without_a_reason(ehr: str, stub: Stub) -> None:
    stub.cards = [card(1, "warning", "First")]
    requests.get(f"{ehr}/patients/{SICK}", timeout=10)
    post(ehr, f"/patients/{SICK}/cards/{CARD.format(1)}/dismiss")
    assert stub.feedback[0]["outcome"] == "overridden"
    assert "overrideReason" not in stub.feedback[0]


def test_feedback_that_is_not_taken_is_loud(ehr: str, stub: Stub) -> None:
    stub.cards, stub.fail_feedback = [card(1, "warning", "First")], True
    requests.get(f"{ehr}/patients/{SICK}", timeout=10)
    page = post(ehr, f"/patients/{SICK}/cards/{CARD.format(1)}/dismiss")
    assert "did not take the feedback: HTTP 503" in text_of(page)


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("accept", {"suggestion": "unknown"}, 404),
        ("override", {"reason": "unknown"}, 400),
        ("override", {}, 400),
        ("override", {"reason": "data-wrong", "comment": "x" * 501}, 400),
    ],
)
def test_what_the_card_does_not_offer_is_refused(
    ehr: str, stub: Stub, path: str, fields: dict[str, str], status: int
) -> None:
    stub.cards = [card(1, "warning", "First", patient=SICK)]
    requests.get(f"{ehr}/patients/{SICK}", timeout=10)
    assert post(ehr, f"/patients/{SICK}/cards/{CARD.format(1)}/{path}", **fields).status_code == status
    assert post(ehr, f"/patients/{WELL}/cards/{CARD.format(1)}/dismiss").status_code == 404  # another patient's card
    assert stub.feedback == []


def test_hooks_name_who_is_signed_in(ehr: str, stub: Stub) -> None:
    for name, status in (("synthetic-pharmacist", 200), ("stranger", 404)):
        said = requests.post(f"{ehr}/sandbox/user", data={"practitioner": name}, headers={"Origin": ehr}, timeout=10)
        assert said.status_code == status
    requests.get(f"{ehr}/patients/{SICK}", timeout=10)
    assert stub.calls[-1]["context"]["userId"] == "Practitioner/synthetic-pharmacist"
    assert get(ehr, "/fhir/Practitioner/synthetic-pharmacist")["qualification"][0]["code"]["text"] == "Pharmacist"


# --- the clock and the door


def test_the_clock_steps_by_hours_and_to_a_time(ehr: str) -> None:
    said = requests.post(f"{ehr}/sandbox/clock", json={"hours": 1.5}, timeout=10).json()
    assert said == {"now": "2026-03-03T08:00:00Z"}
    said = requests.post(f"{ehr}/sandbox/clock", json={"to": "2026-03-03T09:00:00Z"}, timeout=10).json()
    assert said == {"now": "2026-03-03T09:00:00Z"}


@pytest.mark.parametrize("body", [{"hours": -1}, {"hours": "x"}, {"to": "2020-01-01"}, {"to": "soon"}, {}, [1]])
def test_a_time_that_cannot_be_stepped_to_is_refused(ehr: str, body: object) -> None:
    response = requests.post(f"{ehr}/sandbox/clock", json=body, timeout=10)
    assert response.status_code == 400
    assert response.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "http://127.0.0.1:1"])
def test_a_form_of_another_site_is_refused(ehr: str, origin: str | None) -> None:
    headers = {"Origin": origin} if origin else {}
    response = requests.post(f"{ehr}/sandbox/clock", data={"hours": "1"}, headers=headers, timeout=10)
    assert response.status_code == 403


def test_another_host_name_is_refused(ehr: str) -> None:
    assert requests.get(ehr, headers={"Host": "evil.example"}, timeout=10).status_code == 400


def test_pages_run_nothing_inline_and_are_not_kept(ehr: str) -> None:
    page = requests.get(f"{ehr}/patients/{SICK}", timeout=10)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"
    assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son\w+=", page.text)


@pytest.mark.parametrize("path", ["/patients/nobody", "/nowhere"])
def test_a_page_that_is_not_there_says_so(ehr: str, path: str) -> None:
    page = requests.get(ehr + path, timeout=10)
    assert page.status_code == 404
    assert "This did not work" in page.text


# --- without a browser


def test_one_walk_prints_cards_and_quiet_patients_and_sends_feedback(stub: Stub) -> None:
    out = io.StringIO()
    refused = [{"id": "c-x", "text": "Oxygen titrated", "gate": "already", "reason": "In the target already."}] * 2
    held = {"extension": {"com.twinline.explanation": {"refused": refused}}}
    stub.starting = [card(1, "warning", "Getting worse", patient=SICK, **held)]
    assert run_once(stub.url, PATIENTS[:1], out) == 0  # two encounters begin: one card accepted, one overridden
    stub.starting = []
    stub.cards = [card(2, "critical", "Everybody is ill", patient=SICK)]
    assert run_once(stub.url, PATIENTS, out) == 1
    said = out.getvalue()
    assert "[WARNING] Getting worse" in said
    assert "- Heart rate 120 /min" in said
    assert "Can be accepted as a draft:" in said
    assert re.search(r"Held back by a safety gate:\n +- Oxygen titrated: In the target already.\n\n", said)
    assert ">>> Accepted: Consider measuring lactate" in said
    assert ">>> Overridden: Already done" in said
    assert "PROBLEM: synthetic-007: is stable" in said
    assert "came back at once" in said
    assert {one["outcome"] for one in stub.feedback} == {"accepted", "overridden"}


def test_a_walk_that_meets_a_failure_ends_with_1(stub: Stub) -> None:
    stub.fail = (503, "the store does not answer")
    out = io.StringIO()
    assert run_once(stub.url, PATIENTS, out) == 1
    assert "FAILED: HTTP 503: the store does not answer" in out.getvalue()
    assert PATIENTS[1].expected is Expected.QUIET


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_serves_until_it_is_told_to_end(number: signal.Signals) -> None:
    code = "from cds_app.sandbox.demo import run_demo; raise SystemExit(run_demo('http://127.0.0.1:9', 0, 7))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as demo:
        assert demo.stdout is not None
        url = demo.stdout.readline().decode().split()[-1]
        assert "Synthetic-001" in requests.get(url, timeout=10).text
        demo.send_signal(number)
        assert demo.wait(10) == 0
