from __future__ import annotations

import pytest

from cds_app.errors import BadRequest
from cds_app.sandbox import ehr_client
from tests.unit.sandbox.stub_service import START

CONTEXT = {"userId": "Practitioner/u", "patientId": "p 1", "encounterId": "e"}


def test_templates_are_filled_with_escaped_values() -> None:
    assert ehr_client.fill("Observation?patient={{context.patientId}}", CONTEXT) == "Observation?patient=p%201"
    assert ehr_client.fill("Practitioner/{{userPractitionerId}}", CONTEXT) == "Practitioner/u"


@pytest.mark.parametrize("token", ["context.orderId", "userPatientId"])
def test_a_token_without_a_value_is_refused(token: str) -> None:
    with pytest.raises(BadRequest) as refused:
        ehr_client.fill(f"Patient/{{{{{token}}}}}", CONTEXT)
    assert refused.value.field == token


@pytest.mark.parametrize("url", ["http://example.com", "ftp://127.0.0.1", "http://127.0.0.1.example.com:80"])
def test_no_service_beyond_this_machine_is_called(url: str) -> None:
    with pytest.raises(BadRequest):
        ehr_client.discover(url)


def test_feedback_has_the_form_that_cds_hooks_asks_for() -> None:
    assert ehr_client.accepted("c", "s", START) == {
        "card": "c",
        "outcome": "accepted",
        "acceptedSuggestions": [{"id": "s"}],
        "outcomeTimestamp": "2026-03-02T06:00:00Z",
    }
    reason = {"code": "x", "system": "urn:y"}
    assert ehr_client.overridden("c", START, reason=reason, comment="why")["overrideReason"] == {
        "reason": reason,
        "userComment": "why",
    }
    assert "overrideReason" not in ehr_client.overridden("c", START)


def test_a_service_that_is_not_there_is_a_failure_without_status() -> None:
    with pytest.raises(ehr_client.ServiceFailure) as failed:
        ehr_client.discover("http://127.0.0.1:9")
    assert failed.value.status is None
