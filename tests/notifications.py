"""Notifications as EHRs send them."""

from __future__ import annotations

from typing import Any

from cds_app.services.sources.subscriptions import (
    Subscription,
    digest,
)

BASE = "https://ehr.example/fhir"


def status(kind: str = "event-notification", total: object = 1, *events: object, **more: Any) -> dict[str, Any]:
    told = [one if isinstance(one, dict) else {"eventNumber": str(one)} for one in events]
    return {
        "resourceType": "SubscriptionStatus",
        "status": "active",
        "type": kind,
        "eventsSinceSubscriptionStart": total,
        **({"notificationEvent": told} if told else {}),
        "subscription": {"reference": f"{BASE}/Subscription/12"},
        "topic": "https://ehr.example/topics/results",
        **more,
    }


def bundle(first: object, *resources: object, deleted: tuple[str, ...] = ()) -> dict[str, Any]:
    entries: list[dict[str, Any]] = [{"resource": one} for one in (first, *resources)]
    entries += [{"request": {"method": "DELETE", "url": one}} for one in deleted]
    return {"resourceType": "Bundle", "type": "history", "entry": entries}


SECRET = "known-to-the-ehr-and-to-us"


def subscription(**change: Any) -> Subscription:
    usual: dict[str, Any] = {
        "issuer": "north",
        "iss": BASE,
        "realm": BASE,
        "reference": "Subscription/12",
        "topic": "https://ehr.example/topics/results",
        "secret_sha256": digest(SECRET),
        "heartbeat_s": 60,
        "types": ("Observation",),
    }
    return Subscription(**{**usual, **change})
