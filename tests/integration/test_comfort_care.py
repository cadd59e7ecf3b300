"""Comfort care that a record says keeps every other card, estimate and abstention from being told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask.testing import FlaskClient

from tests.conftest import FROZEN
from tests.patients import septic

URL = "/cds-services/twinline-patient-view"


def comfort_care(hours: float) -> dict[str, Any]:
    recorded = (FROZEN - timedelta(hours=hours)).isoformat()
    return {
        "resourceType": "Condition",
        "id": "comfort",
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "133918004"}]},
        "subject": {"reference": "Patient/p1"},
        "recordedDate": recorded,
    }


def summaries(client: FlaskClient, *more: dict[str, Any]) -> list[str]:
    asked = septic(FROZEN)
    asked["prefetch"]["conditions"]["entry"] = [{"resource": one} for one in more]
    return [one["summary"] for one in client.post(URL, json=asked).get_json()["cards"]]


def test_in_comfort_care_that_alone_is_told_and_once(client: FlaskClient) -> None:
    (said,) = summaries(client, comfort_care(20))
    assert said.startswith("Comfort care")
    assert summaries(client, comfort_care(20)) == []


def test_of_the_same_patient_without_it_the_alarm_is_told(client: FlaskClient) -> None:
    said = summaries(client, comfort_care(24 * 20))
    assert said
    assert not any(one.startswith("Comfort care") for one in said)
