"""Requests are checked field by field before anything is computed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cds_app.cards.definition import ServiceDefinition, parse_service
from cds_app.content import content_root
from cds_app.errors import BadRequest
from cds_app.web.requests import SIMULATED_TIME, read_call

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def service(name: str) -> ServiceDefinition:
    file: Path = content_root() / "hooks" / name / "service.json"
    return parse_service(json.loads(file.read_text("utf-8")), folder=name)


def body(**change: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "hook": "patient-view",
        "hookInstance": "3f1dde72-162b-11ec-82a8-0242ac130003",
        "context": {"userId": "PractitionerRole/a.b-c", "patientId": "e." + "x" * 90},
        **change,
    }
    return {key: value for key, value in made.items() if value is not ...}


def read(request: dict[str, Any], name: str = "twinline-patient-view", *, simulated: bool = False) -> Any:
    return read_call(request, service(name), received=NOW, simulated=simulated)


def test_a_plain_call_is_read() -> None:
    call = read(body(extension={"com.epic.cdshooks.request.bpa-trigger-action": "23"}, prefetch=None))
    assert (call.event.tenant, call.event.encounter, call.event.received) == ("local", None, NOW)
    assert (call.prefetch, call.fhir_server, call.token) == ({}, None, None)


@pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER"])
def test_the_fhir_server_is_the_tenant(kind: str) -> None:
    authorization = {"access_token": "t", "token_type": kind, "expires_in": 300, "scope": "Observation.Read (R4)"}
    call = read(body(fhirServer="https://ehr.example/r4/", fhirAuthorization=authorization))
    assert (call.event.tenant, call.token) == ("https://ehr.example/r4", "t")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"hook": "order-sign"}, "hook"),
        ({"hook": ...}, "hook"),
        ({"hookInstance": "x"}, "hookInstance"),
        ({"hookInstance": ...}, "hookInstance"),
        ({"context": ...}, "context"),
        ({"context": []}, "context"),
        ({"context": {"userId": "Practitioner/1"}}, "context.patientId"),
        ({"context": {"userId": "Practitioner/1", "patientId": "../Patient?_count=10000"}}, "context.patientId"),
        ({"context": {"userId": "Practitioner/1", "patientId": "A&_include=*"}}, "context.patientId"),
        ({"context": {"userId": "Practitioner/1", "patientId": "x\n"}}, "context.patientId"),
        ({"context": {"userId": "Practitioner/1", "patientId": 7}}, "context.patientId"),
        ({"context": {"patientId": "1"}}, "context.userId"),
        ({"context": {"userId": "Robot/1", "patientId": "1"}}, "context.userId"),
        ({"context": {"userId": "Practitioner/1", "patientId": "1", "encounterId": "a b"}}, "context.encounterId"),
        ({"prefetch": []}, "prefetch"),
        ({"fhirServer": 3}, "fhirServer"),
        ({"fhirAuthorization": {"access_token": "t"}}, "fhirServer"),
        ({"fhirServer": "https://a.example", "fhirAuthorization": {}}, "fhirAuthorization.access_token"),
        (
            {"fhirServer": "https://a.example", "fhirAuthorization": {"access_token": "t", "token_type": "MAC"}},
            "fhirAuthorization.token_type",
        ),
        (
            {"fhirServer": "https://a.example", "fhirAuthorization": {"access_token": "t", "token_type": ["Bearer"]}},
            "fhirAuthorization.token_type",
        ),
    ],
)
def test_what_is_missing_or_wrong_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read(body(**change))
    assert caught.value.field == field


def test_encounter_start_needs_an_encounter() -> None:
    with pytest.raises(BadRequest) as caught:
        read(body(hook="encounter-start"), "twinline-encounter-start")
    assert caught.value.field == "context.encounterId"


def test_a_stated_time_is_refused_unless_simulated() -> None:
    stated = body(extension={SIMULATED_TIME: "2180-05-06T22:23:00-05:00"})
    with pytest.raises(BadRequest) as caught:
        read(stated)
    assert caught.value.field == f"extension.{SIMULATED_TIME}"
    assert read(stated, simulated=True).event.received == datetime(2180, 5, 7, 3, 23, tzinfo=UTC)


@pytest.mark.parametrize("value", ["2180", "soon", 5, None])
def test_a_stated_time_must_be_an_instant(value: object) -> None:
    request = body(extension={SIMULATED_TIME: value})
    if value is None:
        assert read(request, simulated=True).event.received == NOW
        return
    with pytest.raises(BadRequest):
        read(request, simulated=True)


@pytest.mark.parametrize(
    "at", ["0001-01-01T00:00:00Z", "1899-12-31T23:59:59Z", "2300-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
)
def test_a_stated_time_at_an_end_of_the_calendar_is_refused(at: str) -> None:
    with pytest.raises(BadRequest) as told:
        read(body(extension={SIMULATED_TIME: at}), simulated=True)
    assert told.value.field == f"extension.{SIMULATED_TIME}"
