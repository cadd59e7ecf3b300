"""Calls with drafts, as an EHR sends them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from flask.testing import FlaskClient

from tests.conformance.rules import violations
from tests.conftest import FROZEN
from tests.patients import QUIET, call, course, observation, patient, stay

SIGN = "/cds-services/twinline-order-sign"


def medication(key: str, text: str, *, status: str = "active", **more: Any) -> dict[str, Any]:
    """An order."""
    return {
        "resourceType": "MedicationRequest",
        "id": key,
        "status": status,
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "authoredOn": (FROZEN - timedelta(hours=30)).isoformat(),
        "medicationCodeableConcept": {"text": text},
        **more,
    }


def drafts(*resources: Mapping[str, Any]) -> dict[str, Any]:
    """A Bundle without a type, as it comes."""
    return {"resourceType": "Bundle", "entry": [{"resource": one} for one in resources]}


def signing(
    *resources: Mapping[str, Any], chart: tuple[Mapping[str, Any], ...] = (), hook: str = "order-sign", **context: Any
) -> dict[str, Any]:
    """A call for a quiet inpatient with drafts."""
    body = call(patient(), stay(FROZEN - timedelta(hours=11)), *course(FROZEN, QUIET, QUIET), *chart, hook=hook)
    body["context"] |= {"draftOrders": drafts(*resources), **context}
    return body


def cards(client: FlaskClient, body: dict[str, Any], url: str = SIGN) -> list[dict[str, Any]]:
    """The cards that a call is answered with, which are valid ones."""
    response = client.post(url, json=body)
    assert response.status_code == 200, response.text
    answer = response.get_json()
    assert violations(answer) == []
    found: list[dict[str, Any]] = answer["cards"]
    return found


def potassium(value: float, now: datetime = FROZEN) -> tuple[dict[str, Any], ...]:
    """A potassium that has changed from 4.6."""
    before, last = now - timedelta(hours=9), now - timedelta(minutes=30)
    return observation("potassium", 4.6, before), observation("potassium", value, last)


def spironolactone(**more: Any) -> dict[str, Any]:
    """The draft that a hyperkalaemic patient on lisinopril should not get."""
    return medication("draft-1", "spironolactone 25 mg oral tablet", status="draft", **more)


LISINOPRIL = medication("m1", "Lisinopril 10 mg tablet")
