"""Opening apps from a chart, and what they write there."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from werkzeug.test import TestResponse

from cds_app.sandbox.desk import Desk
from cds_app.sandbox.server import create_sandbox, new_store, under_one_name
from cds_app.sandbox.smart.endpoints import SmartServer
from tests.unit.sandbox.smart_app import BASE, LAUNCH, NOW, ORIGIN, PATIENTS, SICK, WELL, Bench, clients, draft, sent
from tests.unit.sandbox.stub_service import CARD, SUGGESTION, Stub, card, running_stub, text_of

SANDBOX = (
    "allow-forms allow-modals allow-pointer-lock allow-popups allow-popups-to-escape-sandbox allow-same-origin "
    "allow-scripts allow-downloads"
)
APP_CONTEXT = json.dumps({"card": "c1"})


@pytest.fixture
def stub() -> Iterator[Stub]:
    with running_stub() as made:
        made.cards = [card(1, "critical", "First", links=links(), patient=SICK)]
        yield made


@pytest.fixture
def bench(stub: Stub) -> Bench:
    """With a service that answers."""
    made = Bench()
    made.server = SmartServer(clients(), clock=lambda: made.at[0])
    made.desk = Desk(stub.url, new_store(PATIENTS, NOW), smart=made.server)
    made.http = create_sandbox(stub.url, PATIENTS, desk=made.desk).test_client()
    return made


def links() -> list[dict[str, str]]:
    return [
        {"label": "Guideline", "type": "absolute", "url": "https://guideline.example/x"},
        {"label": "Open twin", "type": "smart", "url": LAUNCH, "appContext": APP_CONTEXT},
        {"label": "Unknown app", "type": "smart", "url": "https://unknown.example/launch"},
    ]


def page(bench: Bench, query: str = "", patient: str = SICK) -> TestResponse:
    return bench.http.get(f"/patients/{patient}{query}")


def post(bench: Bench, path: str, **fields: str) -> TestResponse:
    headers = {"Origin": ORIGIN}
    return bench.http.post(f"/patients/{SICK}/{path}", data=fields, headers=headers, follow_redirects=True)


def frame(response: TestResponse) -> dict[str, str]:
    """The attributes of the page's only frame."""
    (found,) = re.findall(r"<iframe([^>]*)>", response.text)
    return {key: html.unescape(value) for key, value in re.findall(r'([\w-]+)="([^"]*)"', found)}


def launched(bench: Bench, url: str) -> dict[str, Any]:
    """What the app is told that is opened at this address."""
    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == LAUNCH
    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    assert query["iss"] == BASE
    code = sent(bench.authorise(**bench.query(launch=query["launch"])))["code"]
    return dict(bench.redeem(code).json or {})


# --- opening


def test_no_app_is_open_until_somebody_asks(bench: Bench) -> None:
    closed = page(bench)
    assert "<iframe" not in closed.text
    assert "frame-src 'none'" in closed.headers["Content-Security-Policy"]
    assert f"/patients/{SICK}?app=signs#app" in closed.text


def test_an_app_is_launched_in_a_frame_that_may_do_what_ehrs_allow(bench: Bench) -> None:
    opened = page(bench, "?app=signs")
    assert "frame-src 'self' http://127.0.0.1:8717;" in opened.headers["Content-Security-Policy"]
    assert frame(opened)["sandbox"] == SANDBOX
    said = launched(bench, frame(opened)["src"])
    assert (said["patient"], said["need_patient_banner"]) == (SICK, False)
    assert "appContext" not in said
    assert frame(page(bench, "?app=signs"))["src"] != frame(opened)["src"]


def test_an_app_in_its_own_tab_must_say_who_the_patient_is(bench: Bench) -> None:
    away = bench.http.get(f"/patients/{SICK}/apps/signs")
    assert away.status_code == 303
    assert launched(bench, away.headers["Location"])["need_patient_banner"] is True


def test_a_card_s_link_opens_the_app_with_what_the_card_hands_over(bench: Bench) -> None:
    shown = page(bench)
    places = re.findall(r'href="([^"]+)"[^>]*>(?:Open twin|Guideline|Unknown app)<', shown.text)
    assert [html.unescape(one).partition("#")[0] for one in places] == [
        "https://guideline.example/x",
        f"/patients/{SICK}?app=signs&card={CARD.format(1)}&link=1",
    ]
    opened = bench.http.get(html.unescape(places[1]).partition("#")[0])
    assert APP_CONTEXT not in opened.text
    assert launched(bench, frame(opened)["src"])["appContext"] == APP_CONTEXT


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?app=stranger", 404),
        (f"?app=signs&card={CARD.format(1)}&link=9", 404),
        (f"?app=signs&card={CARD.format(1)}&link=x", 404),
        (f"?app=signs&card={CARD.format(1)}", 404),
        ("?app=signs&card=none&link=1", 404),
        (f"?app=signs&card={CARD.format(1)}&link=0", 400),
        (f"?app=signs&card={CARD.format(1)}&link=2", 400),
        (f"?app=knows&card={CARD.format(1)}&link=1", 400),
    ],
)
def test_an_app_that_cannot_be_opened_is_refused(bench: Bench, query: str, status: int) -> None:
    page(bench)
    answered = page(bench, query)
    assert answered.status_code == status
    assert "<iframe" not in answered.text


@pytest.mark.parametrize(
    ("came_from", "goes_to"),
    [
        (f"{ORIGIN}/patients/{SICK}?app=signs&card=x&link=0", f"/patients/{SICK}?app=signs#drafts-title"),
        (f"{ORIGIN}/patients/{WELL}?app=signs", f"/patients/{SICK}#drafts-title"),
        (f"https://evil.example/patients/{SICK}?app=signs", f"/patients/{SICK}#drafts-title"),
        (f"{ORIGIN}/patients/{SICK}", f"/patients/{SICK}#drafts-title"),
    ],
)
def test_an_app_stays_beside_the_chart_it_was_opened_in(bench: Bench, came_from: str, goes_to: str) -> None:
    made = bench.desk.store.create("ServiceRequest", draft())
    path = f"/patients/{SICK}/drafts/ServiceRequest/{made['id']}/approve"
    answered = bench.http.post(path, headers={"Origin": ORIGIN, "Referer": came_from})
    assert answered.headers["Location"] == goes_to


def test_a_browser_that_says_localhost_is_sent_to_the_name_that_apps_know() -> None:
    app = create_sandbox("http://127.0.0.1:9", PATIENTS, now=NOW)
    under_one_name(app)
    sent_on = app.test_client().get("/patients/x?app=signs", base_url="http://localhost:8718")
    assert (sent_on.status_code, sent_on.headers["Location"]) == (307, "http://127.0.0.1:8718/patients/x?app=signs")
    assert app.test_client().get("/", base_url="http://127.0.0.1:8718").status_code == 200


# --- drafts


def test_what_an_app_writes_waits_for_approval_with_who_wrote_it(bench: Bench) -> None:
    key = bench.tokens(scope="launch patient/ServiceRequest.c patient/Provenance.c patient/Task.c")["access_token"]
    made = bench.post("ServiceRequest", draft(), key).json or {}
    about = {"target": [{"reference": f"{BASE}/ServiceRequest/{made['id']}"}], "recorded": "2026-03-03T06:30:00Z"}
    agents = [{"who": {"reference": one}} for one in ("Practitioner/synthetic-nurse", "Practitioner/x", "Device/x")]
    signed = {"resourceType": "Provenance", "agent": [*agents, {"who": {"display": "Twinline 1.0"}}], **about}
    assert bench.post("Provenance", signed, key).status_code == 201
    task = {"resourceType": "Task", "status": "requested", "intent": "proposal", "description": "Call outreach."}
    assert bench.post("Task", {**task, "for": {"reference": f"Patient/{SICK}"}}, key).status_code == 201
    said = text_of(page(bench))
    waiting = said.partition("Drafts for approval")[2].partition("Vital signs")[0]
    assert "Lactate draft by Synthetic, Sasha; Twinline 1.0" in waiting
    assert "Call outreach , task requested" in waiting
    assert "Drafts for approval None" in text_of(page(bench, patient=WELL))


def test_a_draft_is_approved_into_the_orders(bench: Bench) -> None:
    made = bench.desk.store.create("ServiceRequest", draft())
    said = text_of(post(bench, f"drafts/ServiceRequest/{made['id']}/approve"))
    assert "Drafts for approval None" in said
    assert "Lactate active" in said
    now = bench.desk.store.read("ServiceRequest", made["id"])
    assert (now["status"], now["intent"], now["meta"]["versionId"]) == ("active", "order", "2")
    assert post(bench, f"drafts/ServiceRequest/{made['id']}/approve").status_code == 400


@pytest.mark.parametrize(("kind", "state"), [("ServiceRequest", "revoked"), ("MedicationRequest", "cancelled")])
def test_a_draft_is_discarded_and_stays_in_the_record(bench: Bench, kind: str, state: str) -> None:
    made = bench.desk.store.create(kind, draft(kind))
    assert "Drafts for approval None" in text_of(post(bench, f"drafts/{kind}/{made['id']}/discard"))
    assert bench.desk.store.read(kind, made["id"])["status"] == state


def test_a_medicine_is_checked_and_signed_before_it_stands(bench: Bench, stub: Stub) -> None:
    made = bench.desk.store.create("MedicationRequest", draft("MedicationRequest"))
    said = text_of(post(bench, f"drafts/MedicationRequest/{made['id']}/approve"))
    (call,) = (one for one in stub.calls if one["hook"] == "order-select")
    assert call["context"]["selections"] == [f"MedicationRequest/{made['id']}"]
    assert "Drafts for approval None" in said
    assert bench.desk.store.read("MedicationRequest", made["id"])["status"] == "draft"
    assert post(bench, f"drafts/MedicationRequest/{made['id']}/approve").status_code == 400  # it is on the pad
    post(bench, "orders/sign")
    post(bench, "orders/sign", checked="yes")
    now = bench.desk.store.read("MedicationRequest", made["id"])
    assert (now["status"], now["intent"], now["meta"]["versionId"]) == ("active", "order", "2")


def test_a_medicine_that_is_discarded_leaves_the_unsigned_orders(bench: Bench) -> None:
    made = bench.desk.store.create("MedicationRequest", draft("MedicationRequest"))
    post(bench, f"drafts/MedicationRequest/{made['id']}/approve")
    post(bench, f"drafts/MedicationRequest/{made['id']}/discard")
    assert bench.desk.orders.pad(SICK).drafts == ()


@pytest.mark.parametrize("kind", ["ServiceRequest", "Patient", "Account"])
@pytest.mark.parametrize("what", ["approve", "discard"])
def test_only_drafts_of_this_patient_can_be_dealt_with(bench: Bench, kind: str, what: str) -> None:
    made = bench.desk.store.create("ServiceRequest", draft(patient=WELL))
    name = made["id"] if kind == "ServiceRequest" else SICK
    assert post(bench, f"drafts/{kind}/{name}/{what}").status_code == 404
    assert bench.desk.store.read("ServiceRequest", made["id"])["status"] == "draft"


def test_an_accepted_suggestion_waits_like_what_an_app_writes(bench: Bench) -> None:
    page(bench)
    said = text_of(post(bench, f"cards/{CARD.format(1)}/accept", suggestion=SUGGESTION.format(1)))
    assert "Drafts for approval Lactate draft" in said
