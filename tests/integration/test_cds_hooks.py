"""The service over HTTP semantics: discovery, cards, memory, feedback, and everything that is refused."""

from __future__ import annotations

import io
import json
import re
import threading
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_app.bootstrap import app_of
from cds_app.deps import Deps
from cds_app.domain.decisions import Suppression
from tests import patients
from tests.answers import cards_in
from tests.conftest import FROZEN, FrozenClock
from tests.patients import QUIET, bundle, call, course, observation, patient, stay

URL = "/cds-services/twinline-patient-view"
HOOKS = (
    *("patient-view", "order-select", "order-sign", "order-dispatch", "appointment-book", "encounter-start"),
    *("encounter-discharge", "problem-list-item-create", "allergyintolerance-create", "medication-refill"),
)


def septic() -> dict[str, Any]:
    return patients.septic(FROZEN)


def quiet() -> dict[str, Any]:
    return call(patient(), stay(FROZEN - timedelta(hours=11)), *course(FROZEN, QUIET, QUIET))


def hyperkalaemic(value: float = 6.8) -> dict[str, Any]:
    return patients.hyperkalaemic(FROZEN, value)


def issue(response: TestResponse, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    outcome = response.get_json(force=True)
    assert outcome["resourceType"] == "OperationOutcome"
    found: dict[str, Any] = outcome["issue"][0]
    return found


def test_discovery_lists_one_service_for_each_hook(client: FlaskClient) -> None:
    services = client.get("/cds-services").get_json()["services"]
    assert {(one["id"], one["hook"]) for one in services} == {(f"twinline-{hook}", hook) for hook in HOOKS}
    assert all(one["description"] and "{{context.patientId}}" in one["prefetch"]["vitals"] for one in services)


def test_a_quiet_patient_gets_no_card(client: FlaskClient) -> None:
    assert cards_in(client.post(URL, json=quiet())) == []


def test_a_septic_patient_gets_an_explained_card(client: FlaskClient) -> None:
    found = cards_in(client.post(URL, json=septic()))
    assert 1 <= len(found) <= 2
    card = next(one for one in found if one["source"]["topic"]["code"].startswith("sepsis"))
    assert len(card["summary"]) <= 139
    assert " in 100 in next 6 h" in card["summary"]
    assert all(
        block in card["detail"] for block in ("**Why now**", "**Options to consider**", "**How sure**", "**Not seen**")
    )
    assert len(card["detail"]) <= 900
    risk = card["extension"]["com.twinline.explanation"]["risk"]
    assert sum(one["points"] for one in risk["reasons"]) == pytest.approx(risk["points"] - risk["base"], abs=0.5)


def test_a_card_names_what_was_not_measured_and_would_help(client: FlaskClient) -> None:
    sepsis, *_ = (one for one in cards_in(client.post(URL, json=septic())) if "epsis" in one["summary"])
    helps = re.search(r"Would help: (.+?)\.", sepsis["detail"])
    assert helps is not None
    assert "Lactate" not in helps[1]  # it was measured an hour ago


def test_hyperkalaemia_is_told_with_value_unit_time_and_range(client: FlaskClient) -> None:
    card = cards_in(client.post(URL, json=hyperkalaemic()))[0]
    assert "6.8 mmol/L" in card["summary"]
    assert "up from 4.6" in card["summary"]
    drafts = [action["resource"] for one in card["suggestions"] for action in one["actions"]]
    assert drafts
    assert {(one["status"], one["intent"]) for one in drafts} == {("draft", "proposal")}


def test_the_same_call_again_is_silent_and_says_why(client: FlaskClient, deps: Deps) -> None:
    assert cards_in(client.post(URL, json=hyperkalaemic()))
    assert cards_in(client.post(URL, json=hyperkalaemic())) == []
    decisions = [one.decision for one in deps.store.journal() if one.decision]
    assert decisions[-1].suppression is Suppression.LOCKOUT


def test_an_override_is_honoured_and_a_rise_breaks_it(client: FlaskClient, clock: FrozenClock) -> None:
    card = cards_in(client.post(URL, json=hyperkalaemic(5.8)))[0]
    item = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": FROZEN.isoformat(),
            "overrideReasons": {"reason": {"code": "patient-contraindication"}}}  # fmt: skip
    assert client.post(f"{URL}/feedback", json={"feedback": [item, item]}).status_code == 200
    clock.forward(hours=9)
    later = observation("potassium", 5.8, clock.at - timedelta(minutes=5), key="k-later")
    assert not [one for one in cards_in(client.post(URL, json=call(patient(), later))) if "otass" in one["summary"]]
    worse = observation("potassium", 7.1, clock.at - timedelta(minutes=1), key="k-worse")
    assert "7.1 mmol/L" in cards_in(client.post(URL, json=call(patient(), worse)))[0]["summary"]


def test_what_was_critical_when_overridden_is_told_again_when_much_worse(
    client: FlaskClient, clock: FrozenClock
) -> None:
    card = cards_in(client.post(URL, json=hyperkalaemic(6.8)))[0]
    item = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": FROZEN.isoformat(),
            "overrideReason": {"reason": {"code": "patient-refuses", "system": "urn:x"}}}  # fmt: skip
    assert client.post(f"{URL}/feedback", json={"feedback": [item]}).status_code == 200
    told = {}
    for value in (7.1, 7.9, 8.2):
        clock.forward(hours=1)
        later = observation("potassium", value, clock.at - timedelta(minutes=5), key=f"k-{value}")
        found = [one["summary"] for one in cards_in(client.post(URL, json=call(patient(), later)))]
        told[value] = any(f"{value} mmol/L" in one for one in found)
    assert told == {7.1: False, 7.9: True, 8.2: False}


@pytest.mark.parametrize("panel", [False, True])
def test_pressures_that_contradict_each_other_are_used_by_nothing(client: FlaskClient, deps: Deps, panel: bool) -> None:
    at = FROZEN - timedelta(minutes=10)
    systolic, diastolic = (
        observation(name, value, at, meta={"versionId": "1"}) for name, value in (("sbp", 84), ("dbp", 121))
    )
    sent = [systolic, diastolic]
    if panel:
        parts = [{"code": one["code"], "valueQuantity": one["valueQuantity"]} for one in sent]
        sent = [{**systolic, "component": parts, "code": {"text": "BP"}}]
        del sent[0]["valueQuantity"]
    for _ in range(2):
        found = cards_in(client.post(URL, json=call(patient(), stay(FROZEN - timedelta(hours=11)), *sent)))
        assert not [one for one in found if "pressure" in one["summary"]]
    segments = deps.store.segments(deps.store.pseudonym("local", "p1"))
    assert [one.implausible for segment in segments for one in segment.facts.measurements] == [True, True]
    lower = observation("dbp", 50, at + timedelta(minutes=1), key="lower")
    right = observation("sbp", 84, at + timedelta(minutes=1), key="right")
    found = cards_in(client.post(URL, json=call(patient(), *sent, lower, right)))
    assert [one for one in found if "84 mmHg" in one["summary"]]
    assert "2 resources could not be used" in found[0]["detail"]


def test_feedback_is_stored_once_and_linked(client: FlaskClient, deps: Deps) -> None:
    card = cards_in(client.post(URL, json=hyperkalaemic()))[0]
    item = {"card": card["uuid"], "outcome": "accepted", "outcomeTimestamp": FROZEN.isoformat(),
            "acceptedSuggestions": [{"id": card["suggestions"][0]["uuid"]}]}  # fmt: skip
    for name in (card["uuid"], card["uuid"].upper(), card["uuid"]):
        assert client.post(f"{URL}/feedback", json={"feedback": [{**item, "card": name}]}).status_code == 200
    unknown = {**item, "card": "123456"}
    assert client.post(f"{URL}/feedback", json={"feedback": [unknown]}).status_code == 200
    stored = [one for one in deps.store.journal() if one.feedback]
    assert len(stored) == 2
    assert stored[0].feedback is not None
    assert stored[0].feedback.topic == "hyperkalaemia"
    assert stored[1].patient == ""


def test_an_answer_says_what_it_changes_and_can_be_taken_back(client: FlaskClient, clock: FrozenClock) -> None:
    card = cards_in(client.post(URL, json=hyperkalaemic(5.8)))[0]
    item = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": FROZEN.isoformat(),
            "overrideReason": {"reason": {"code": "patient-refuses", "system": "urn:x"}}}  # fmt: skip
    told = client.post(f"{URL}/feedback", json={"feedback": [item, {**item, "card": "123456"}]}).get_json()
    (effect,) = told["extension"]["com.twinline.effects"]
    assert effect["text"] == "Hidden for 24 h unless it becomes more urgent"
    assert (effect["card"], effect["topic"], effect["quietHours"]) == (card["uuid"], "hyperkalaemia", 24.0)
    assert effect["quietUntil"] == (FROZEN + timedelta(hours=24)).isoformat()
    clock.forward(hours=9)
    back = {**item, "outcomeTimestamp": clock.at.isoformat(), "extension": {"com.twinline.undo": True}}
    told = client.post(f"{URL}/feedback", json={"feedback": [back]}).get_json()
    assert told["extension"]["com.twinline.effects"][0]["text"] == "Shown again when it is due"
    newer = observation("potassium", 5.8, clock.at - timedelta(minutes=5), key="k-newer")
    assert "otass" in cards_in(client.post(URL, json=call(patient(), newer)))[0]["summary"]


def test_feedback_on_unknown_cards_changes_nothing_and_says_so(client: FlaskClient) -> None:
    item = {"card": "123456", "outcome": "overridden", "outcomeTimestamp": FROZEN.isoformat()}
    assert client.post(f"{URL}/feedback", json={"feedback": [item]}).get_json() == {}


def test_only_reasons_that_the_service_offers_count_as_listed(client: FlaskClient, deps: Deps) -> None:
    for minute, code in enumerate(("data-wrong", "ZQX-555-1234", "too-costly-uncovered")):
        item = {"card": "1", "outcome": "overridden", "outcomeTimestamp": f"2026-03-01T09:0{minute}:00Z",
                "overrideReason": {"reason": {"code": code, "system": "urn:x"}}}  # fmt: skip
        assert client.post(f"{URL}/feedback", json={"feedback": [item]}).status_code == 200
    stored = [one.feedback for one in deps.store.journal() if one.feedback]
    assert [(one.reason_code, one.reason_listed) for one in stored] == [
        ("data-wrong", True), ("ZQX-555-1234", False), ("too-costly-uncovered", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "server", ["ehr.example", "https://ehr.example/\u0000", "https://ehr example/r4", "ftp://x", "https://"]
)
def test_a_server_that_is_no_url_is_refused(client: FlaskClient, server: str) -> None:
    assert issue(client.post(URL, json={**quiet(), "fhirServer": server}), 400)["expression"] == ["fhirServer"]


def test_a_malformed_item_stores_nothing_of_its_batch(client: FlaskClient, deps: Deps) -> None:
    good = {"card": "1", "outcome": "overridden", "outcomeTimestamp": FROZEN.isoformat()}
    response = client.post(f"{URL}/feedback", json={"feedback": [good, {**good, "outcome": "maybe"}]})
    assert issue(response, 400)["expression"] == ["feedback[1].outcome"]
    assert list(deps.store.journal()) == []


def test_nothing_known_of_a_patient_is_said_so(client: FlaskClient) -> None:
    old = observation("heart_rate", 80.0, FROZEN - timedelta(hours=30))
    found = cards_in(client.post(URL, json=call(patient(), stay(FROZEN - timedelta(hours=40)), old)))
    assert [one["indicator"] for one in found] == ["info"]
    assert "not estimated" in found[0]["summary"]
    nobody = patient("p3")
    (found[0],) = cards_in(client.post(URL, json=call(nobody, patient_id="p3")))
    assert "No measurements." in found[0]["detail"]
    assert "Data to" not in found[0]["detail"]
    assert found[0]["summary"] == "Risks not estimated: no current hospital stay on record, no recent vital sign"


def test_other_patients_data_do_not_count(client: FlaskClient, deps: Deps) -> None:
    foreign = observation("potassium", 6.9, FROZEN - timedelta(minutes=30), "p2")
    assert not [one for one in cards_in(client.post(URL, json=call(patient(), foreign))) if "otass" in one["summary"]]


@pytest.mark.parametrize("key", ["patient", "-patient"])
def test_the_record_of_another_patient_is_412_and_never_silence(client: FlaskClient, deps: Deps, key: str) -> None:
    request = hyperkalaemic()
    request["prefetch"][key] = {**request["prefetch"].pop("patient"), "id": "p2"}
    if key != "patient":
        request["prefetch"]["patient"] = {"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]}
    found = issue(client.post(URL, json=request), 412)
    assert found["expression"] == ["prefetch.patient"]
    assert "is not the patient of the context" in found["details"]["text"]
    assert list(deps.store.journal()) == []


def test_needed_data_that_cannot_be_had_is_412(client: FlaskClient) -> None:
    request = quiet()
    del request["prefetch"]["vitals"]
    assert issue(client.post(URL, json=request), 412)["expression"] == ["prefetch.vitals"]


def test_renamed_prefetch_keys_are_read(client: FlaskClient) -> None:
    request = hyperkalaemic()
    request["prefetch"] = {f"-{key}": value for key, value in request["prefetch"].items()}
    assert "6.8 mmol/L" in cards_in(client.post(URL, json=request))[0]["summary"]


def test_a_number_that_no_double_can_hold_costs_its_resource_and_no_other(client: FlaskClient) -> None:
    request = hyperkalaemic()
    other = observation("creatinine", 1.125, FROZEN, key="crea")
    request["prefetch"]["labs"]["entry"].append({"resource": other})
    content = json.dumps(request).replace("1.125", "1e400")
    assert "6.8 mmol/L" in cards_in(client.post(URL, data=content, content_type="application/json"))[0]["summary"]
    elsewhere = content.replace('"context": {', '"context": {"x": 1e400, ')
    assert issue(client.post(URL, data=elsewhere, content_type="application/json"), 400)["expression"] == ["body"]


MALFORMED: list[tuple[bytes, str, int]] = [
    (b"", "application/json", 400),
    (b"{", "application/json", 400),
    (b"[]", "application/json", 400),
    (b"null", "application/json", 400),
    (b'{"hook": NaN}', "application/json", 400),
    (b'{"hook": 1e400}', "application/json", 400),
    (b'{"hook": "a", "hook": "b"}', "application/json", 400),
    (b'{"hook": "\\ud800"}', "application/json", 400),
    ('{"hook": "é"}'.encode("utf-16"), "application/json", 400),
    (b"[" * 100_000 + b"]" * 100_000, "application/json", 400),
    (b'{"hook": ' + b"9" * 5000 + b"}", "application/json", 400),
    (b"{}", "text/plain", 415),
    (b"{}", "application/x-www-form-urlencoded", 415),
    (b"{}", "", 415),
]


@pytest.mark.parametrize(("content", "media", "status"), MALFORMED)
def test_malformed_bodies_are_refused_and_change_nothing(
    client: FlaskClient, deps: Deps, content: bytes, media: str, status: int
) -> None:
    for url in (URL, f"{URL}/feedback"):
        response = client.post(url, data=content, content_type=media)
        assert response.status_code in ({status} if status == 415 else {400, 413})
        assert response.get_json(force=True)["resourceType"] == "OperationOutcome"
    assert list(deps.store.journal()) == []


def test_a_body_over_the_limit_is_413(client: FlaskClient, deps: Deps) -> None:
    body = b" " * (deps.settings.max_body_bytes + 1)
    assert issue(client.post(URL, data=body, content_type="application/json"), 413)


@pytest.mark.parametrize(("more", "status"), [(-1, 200), (0, 413), (1000, 413)])
def test_a_body_in_chunks_over_the_limit_is_413_and_never_cut(
    client: FlaskClient, deps: Deps, more: int, status: int
) -> None:
    body = json.dumps(quiet()).encode()
    body += b" " * (deps.settings.max_body_bytes + more - len(body))  # what is left of it at the limit would be whole
    sent: dict[str, Any] = {"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True}
    chunked = {"Transfer-Encoding": "chunked"}
    answer = client.post(URL, content_type="application/json", headers=chunked, environ_overrides=sent)
    assert answer.status_code == status
    assert (list(deps.store.journal()) == []) or status == 200


def test_a_hundred_thousand_entries_are_413(client: FlaskClient, deps: Deps) -> None:
    request = quiet()
    request["prefetch"]["vitals"]["entry"] = [{"resource": {"resourceType": "Basic"}}] * 100_000
    assert issue(client.post(URL, json=request), 413)["expression"] == ["prefetch"]
    assert list(deps.store.journal()) == []


def test_unknown_services_and_methods_are_refused(client: FlaskClient) -> None:
    assert issue(client.post("/cds-services/nobody", json=quiet()), 404)
    assert issue(client.post("/cds-services/nobody/feedback", json={"feedback": []}), 404)
    response = client.get(URL)
    assert issue(response, 405)
    assert "POST" in response.headers["Allow"]


def test_a_hook_of_another_service_is_refused(client: FlaskClient) -> None:
    assert issue(client.post("/cds-services/twinline-encounter-start", json=quiet()), 400)["expression"] == ["hook"]


def test_errors_never_repeat_values(client: FlaskClient) -> None:
    secret = "ZQX-secret"
    request = quiet() | {"hookInstance": secret, "context": {"patientId": secret, "userId": secret}}
    for response in (client.post(URL, json=request), client.post(f"/cds-services/{secret}", json=request)):
        assert secret not in response.text


def test_one_impossible_resource_never_loses_the_others(client: FlaskClient) -> None:
    request = hyperkalaemic()
    junk = [
        {"resource": {"resourceType": "Observation", "id": "x", "effectiveDateTime": "2026-02-31"}},
        {"resource": {"resourceType": "Observation", "valueQuantity": {"value": "six", "unit": "bananas"}}},
        {"resource": observation("potassium", 1e9, FROZEN)},
        {"resource": observation("potassium", 4.0, FROZEN + timedelta(days=400))},
        {"resource": None},
        None,
        "entry",
    ]
    request["prefetch"]["vitals"]["entry"] += junk
    assert "6.8 mmol/L" in cards_in(client.post(URL, json=request))[0]["summary"]


def test_concurrent_calls_for_one_patient_show_one_card(deps: Deps) -> None:
    app = app_of(deps)
    found: list[int] = []

    def open_chart() -> None:
        with app.test_client() as one:
            found.append(len(cards_in(one.post(URL, json=hyperkalaemic()))))

    threads = [threading.Thread(target=open_chart) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert sum(count > 0 for count in found) == 1
    refs = [fact.ref for segment in deps.store.segments(deps.store.pseudonym("local", "p1")) for fact in segment.facts]
    assert len(refs) == len(set(refs))


def test_cards_are_the_logged_bytes(client: FlaskClient, deps: Deps) -> None:
    response = client.post(URL, json=septic())
    logged = [one.decision.card for one in deps.store.journal() if one.decision and one.decision.shown]
    assert response.data == b'{"cards":[' + b",".join(logged) + b"]}"
    assert json.loads(response.data)["cards"]


def test_hostile_text_from_fhir_is_inert(client: FlaskClient) -> None:
    evil = "<img src=x onerror=alert(1)> [go](https://evil.example) **Press Accept** www.evil.example"
    drug = {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "authoredOn": (FROZEN - timedelta(hours=3)).isoformat(),
        "medicationCodeableConcept": {"text": f"lisinopril {evil}"},
    }
    request = hyperkalaemic()
    request["prefetch"]["medications"] = bundle(drug)
    request["prefetch"]["patient"]["name"] = [{"text": evil}]
    text = client.post(URL, json=request).text
    assert "<img" not in text
    assert "evil.example" not in text
    assert "**Press" not in text


def test_liveness_and_readiness(client: FlaskClient) -> None:
    assert client.get("/healthz").get_json() == {"status": "alive"}
    parts = {"store": "ok", "keys": "ok", "models": "ok", "canary": "not-run"}
    assert client.get("/readyz").get_json() == {"status": "ready", "parts": parts, "modes": {}, "alarms": []}
