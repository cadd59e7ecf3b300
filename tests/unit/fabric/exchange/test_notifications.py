from __future__ import annotations

from typing import Any

import pytest

from cds_app.errors import BadRequest
from cds_app.fabric.exchange.notifications import Notification, read_notification
from tests.notifications import BASE, bundle, status

RESULT = {"resourceType": "Observation", "id": "a"}


def test_events_come_with_what_they_are_about() -> None:
    known, other = {"reference": "Observation/a"}, {"reference": f"{BASE}/Encounter/e/_history/2"}
    events = [{"eventNumber": 7, "focus": known}, {"eventNumber": "8", "focus": other, "additionalContext": [known]}]
    found = read_notification(bundle(status("event-notification", "8", *events), RESULT, deleted=("Condition/c",)))
    assert found == Notification(
        kind="event-notification",
        subscription=f"{BASE}/Subscription/12",
        status="active",
        total=8,
        events=(7, 8),
        focus=("Encounter/e",),
        gone=("Condition/c",),
        resources=(RESULT,),
    )


@pytest.mark.parametrize("kind", ["handshake", "heartbeat", "query-status"])
def test_what_tells_of_no_event_counts_them(kind: str) -> None:
    found = read_notification(bundle(status(kind, "3")))
    assert (found.kind, found.total, found.events) == (kind, 3, ())


def test_the_status_of_r4_comes_as_parameters() -> None:
    parts = [
        {"name": "event-number", "valueString": "4"},
        {"name": "focus", "valueReference": {"reference": "Observation/x"}},
    ]
    parameters = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "subscription", "valueReference": {"reference": "Subscription/12"}},
            {"name": "status", "valueCode": "active"},
            {"name": "type", "valueCode": "event-notification"},
            {"name": "events-since-subscription-start", "valueString": "4"},
            {"name": "notification-event", "part": parts},
        ],
    }
    found = read_notification(bundle(parameters))
    assert (found.subscription, found.total, found.events, found.focus) == (
        "Subscription/12",
        4,
        (4,),
        ("Observation/x",),
    )


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (None, "resourceType"),
        ({"resourceType": "Observation"}, "resourceType"),
        ({"resourceType": "Bundle"}, "Bundle.entry"),
        ({"resourceType": "Bundle", "entry": []}, "Bundle.entry"),
        ({"resourceType": "Bundle", "entry": [{}] * 10_001}, "Bundle.entry"),
        (bundle(RESULT), "Bundle.entry[0].resource"),
        (bundle({"resourceType": "Parameters", "parameter": 7}), "parameter"),
        (bundle(status("birthday")), "type"),
        (bundle(status("heartbeat", -1)), "eventsSinceSubscriptionStart"),
        (bundle(status("heartbeat", "many")), "eventsSinceSubscriptionStart"),
        (bundle(status("heartbeat", True)), "eventsSinceSubscriptionStart"),
        (bundle(status("event-notification", 1, notificationEvent="x")), "notificationEvent"),
        (bundle(status("event-notification", 1, {"eventNumber": 10**40})), "eventNumber"),
    ],
)
def test_what_is_none_is_refused_by_field(value: Any, field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read_notification(value)
    assert caught.value.field == field
