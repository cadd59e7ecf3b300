"""Every field that the guides allow in what servers send: Bulk Data Access (BD), Subscriptions R5 Backport (SB)."""

from __future__ import annotations

from typing import Any

import pytest

from cds_app.fabric.exchange.exports import deletions_of, problems_of, read_manifest
from cds_app.fabric.exchange.notifications import Notification, read_notification

EHR = "https://example.org/fhir"
OBSERVATION = {"resourceType": "Observation", "id": "o1", "subject": {"reference": "Patient/p1"}}
NEW = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "x"}]}


def test_bd_1_a_complete_status_of_release_2_with_all_optional_fields() -> None:
    found = read_manifest(
        {
            "transactionTime": "2026-01-01T02:00:00.123+02:00",
            "request": f"{EHR}/Patient/$export?_type=Patient,Observation",
            "requiresAccessToken": True,
            "output": [
                {"type": "Observation", "url": f"{EHR}/o_1.ndjson", "count": 1000, "extension": {"x": 1}},
                {"type": "Patient", "url": f"{EHR}/p_1.ndjson", "count": 2},
            ],
            "deleted": [{"type": "Bundle", "url": f"{EHR}/d_1.ndjson", "count": 1}],
            "error": [{"type": "OperationOutcome", "url": f"{EHR}/e_1.ndjson", "count": 1}],
            "extension": {f"{EHR}/extra": True},
        }
    )
    assert [(one.kind, one.type) for one in found.files] == [
        ("output", "Patient"),
        ("output", "Observation"),
        ("deleted", "Bundle"),
        ("error", "OperationOutcome"),
    ]
    assert (found.transaction_time, found.requires_token) == ("2026-01-01T02:00:00.123+02:00", True)


def test_bd_2_a_complete_status_of_release_3_that_is_in_one_part() -> None:
    told = {"transactionTime": "2026-01-01T00:00:00Z", "request": f"{EHR}/$export", "requiresAccessToken": False}
    output = [{"type": "Patient", "url": f"{EHR}/p.ndjson", "continuesInFile": f"{EHR}/p2.ndjson"}]
    more = {"outputFormat": "application/fhir+ndjson", "link": [{"relation": "self", "url": EHR}], "error": []}
    assert [one.url for one in read_manifest({**told, **more, "output": output}).files] == [f"{EHR}/p.ndjson"]


def test_bd_3_deletions_are_entries_of_transactions() -> None:
    entries = [
        {"request": {"method": "DELETE", "url": "Patient/123"}},
        {"fullUrl": f"{EHR}/Observation/o1", "request": {"method": "DELETE", "url": f"{EHR}/Observation/o1"}},
        {"request": {"method": "DELETE", "url": "Observation?code=1"}},
        {"request": {"method": "PUT", "url": "Patient/9"}, "resource": {"resourceType": "Patient", "id": "9"}},
    ]
    meta = {"lastUpdated": "2026-01-01T00:00:00Z"}
    bundle = {"resourceType": "Bundle", "id": "b", "meta": meta, "type": "transaction", "entry": entries}
    assert list(deletions_of(bundle)) == ["Patient/123", "Observation/o1"]


def test_bd_4_what_was_left_out_is_told_by_severity_and_code() -> None:
    issues = [{"severity": "warning", "code": "not-found", "details": {"text": "Patient/123"}, "diagnostics": "x"}]
    assert list(problems_of({"resourceType": "OperationOutcome", "issue": issues})) == ["warning not-found"]


def r4b(kind: str, total: object, *events: dict[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "SubscriptionStatus",
        "id": "s",
        "status": "active",
        "type": kind,
        "eventsSinceSubscriptionStart": total,
        **({"notificationEvent": list(events)} if events else {}),
        "subscription": {"reference": f"{EHR}/Subscription/admission"},
        "topic": "http://example.org/topics/admission",
        "error": [NEW],
    }


def r4(kind: str, total: object, *events: dict[str, Any]) -> dict[str, Any]:
    """The same as Parameters, as servers of R4 have it."""

    def parts(event: dict[str, Any]) -> list[dict[str, Any]]:
        told = [{"name": "event-number", "valueString": str(event["eventNumber"])}]
        told += [{"name": "timestamp", "valueInstant": event["timestamp"]}]
        told += [{"name": "focus", "valueReference": event["focus"]}] if "focus" in event else []
        beside = event.get("additionalContext", [])
        return [*told, *({"name": "additional-context", "valueReference": one} for one in beside)]

    parameters = [
        {"name": "subscription", "valueReference": {"reference": f"{EHR}/Subscription/admission"}},
        {"name": "topic", "valueCanonical": "http://example.org/topics/admission"},
        {"name": "status", "valueCode": "active"},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(total)},
        *({"name": "notification-event", "part": parts(event)} for event in events),
        {"name": "error", "valueCodeableConcept": NEW},
    ]
    return {"resourceType": "Parameters", "id": "s", "parameter": parameters}


def event(number: int, *named: str) -> dict[str, Any]:
    told = {"eventNumber": number, "timestamp": "2026-01-01T00:00:00Z"}
    found = [{"reference": f"{EHR}/{one}"} for one in named]
    return {**told, **({"focus": found[0]} if found else {}), **({"additionalContext": found[1:]} if found[1:] else {})}


def heard(first: dict[str, Any], *resources: dict[str, Any], kind: str = "history") -> Notification:
    done = {"request": {"method": "GET", "url": f"{EHR}/Subscription/admission/$status"}, "response": {"status": "200"}}
    entries = [{"fullUrl": "urn:uuid:1", "resource": first, **done}]
    for one in resources:
        name = f"{one['resourceType']}/{one['id']}"
        entries += [{"fullUrl": f"{EHR}/{name}", "resource": one, "request": {"method": "PUT", "url": name}}]
    return read_notification({"resourceType": "Bundle", "id": "b", "type": kind, "timestamp": "x", "entry": entries})


@pytest.mark.parametrize("status", [r4b, r4])
def test_sb_1_to_6_each_kind_of_notification(status: Any) -> None:
    shaken = heard(status("handshake", 0))
    assert (shaken.kind, shaken.total, shaken.events) == ("handshake", 0, ()), "SB-1"
    assert shaken.subscription == f"{EHR}/Subscription/admission"
    assert (heard(status("heartbeat", 7)).kind, heard(status("heartbeat", 7)).total) == ("heartbeat", 7), "SB-2"
    empty = heard(status("event-notification", 8, event(8)))
    assert (empty.total, empty.events, empty.focus) == (8, (), ()), "SB-3: nothing is told, so the event is missing"
    named = heard(status("event-notification", 9, event(8, "Encounter/e1", "Patient/p1"), event(9, "Encounter/e2")))
    assert (named.events, named.focus) == ((8, 9), ("Encounter/e1", "Patient/p1", "Encounter/e2")), "SB-4: id-only"
    whole = heard(status("event-notification", 10, event(10, "Observation/o1", "Patient/p1")), OBSERVATION)
    assert (whole.events, whole.resources) == ((10,), (OBSERVATION,)), "SB-5: full-resource"
    assert whole.focus == ("Patient/p1",), "SB-5: what did not come along is wanted"
    asked = heard(status("query-status", 10), kind="searchset")
    assert (asked.kind, asked.total) == ("query-status", 10), "SB-6: $status"
