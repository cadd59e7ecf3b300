"""The sandbox's FHIR endpoint behind tokens, and what can be written there."""

from __future__ import annotations

from functools import reduce
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from cds_app.sandbox.smart.scopes import Reach, granted, reach, scope_of
from tests.unit.sandbox.smart_app import BASE, SICK, WELL, Bench, draft

URN = "urn:uuid:6f1c7b8e-0000-4000-8000-00000000000{}"


@pytest.fixture
def bench() -> Bench:
    return Bench()


def provenance(*targets: str) -> dict[str, Any]:
    return {
        "resourceType": "Provenance",
        "target": [{"reference": one} for one in targets],
        "recorded": "2026-03-03T06:30:00Z",
        "agent": [{"who": {"display": "Twinline"}}],
    }


def task(patient: str = SICK) -> dict[str, Any]:
    about = {"for": {"reference": f"Patient/{patient}"}}
    return {"resourceType": "Task", "status": "draft", "intent": "proposal", "description": "Call the team", **about}


def entry(resource: dict[str, Any], number: int | None = None, **request: str) -> dict[str, Any]:
    made = {"resource": resource, "request": {"method": "POST", "url": resource["resourceType"], **request}}
    return made | ({"fullUrl": URN.format(number)} if number is not None else {})


def transaction(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


def token(bench: Bench, scope: str) -> str:
    return str(bench.tokens(scope=f"launch {scope}")["access_token"])


# --- who may read


def test_nothing_but_the_capabilities_is_there_without_a_token(bench: Bench) -> None:
    assert bench.get("metadata").status_code == 200
    answered = bench.get(f"Patient/{SICK}")
    get_fhir_model_class("OperationOutcome").model_validate(answered.json)
    assert (answered.status_code, answered.headers["WWW-Authenticate"]) == (401, 'Bearer realm="sandbox"')
    assert bench.post("ServiceRequest", draft()).status_code == 401
    assert bench.post("", transaction(entry(draft()))).status_code == 401


def test_an_unknown_or_old_token_opens_nothing_even_where_none_is_needed() -> None:
    bench = Bench(open_fhir=True)
    assert bench.get(f"Patient/{SICK}").status_code == 200
    made = token(bench, "patient/Patient.r")
    bench.wait(601)
    for one in (made, "made-up"):
        answered = bench.get(f"Patient/{SICK}", one)
        assert answered.status_code == 401
        assert 'error="invalid_token"' in answered.headers["WWW-Authenticate"]
    assert bench.http.get(f"/fhir/Patient/{SICK}", headers={"Authorization": "Basic eDp5"}).status_code == 401


@pytest.mark.parametrize(
    ("scope", "path", "status"),
    [
        ("patient/Patient.r", f"Patient/{SICK}", 200),
        ("patient/Patient.read", f"Patient/{SICK}", 200),
        ("patient/*.read", f"Patient/{SICK}", 200),
        ("patient/Observation.rs", f"Patient/{SICK}", 403),
        ("patient/Patient.s", f"Patient/{SICK}", 403),
        ("patient/Patient.r", "Patient", 403),
        ("patient/Patient.s", "Patient", 200),
        ("patient/Observation.r", f"Observation?patient={SICK}", 403),
        ("patient/Observation.rs", f"Observation?patient={SICK}", 200),
        ("patient/Observation.rs", f"Observation?patient=Patient/{WELL}", 403),
        ("patient/Observation.rs", f"Observation?subject=Patient/{SICK},Patient/{WELL}", 403),
        ("patient/*.rs", f"Patient?_id={WELL}", 403),
        ("patient/*.rs", f"Patient/{WELL}", 403),
        ("user/Patient.rs", f"Patient/{WELL}", 200),
        ("patient/*.rs", "Practitioner/synthetic-nurse", 200),
        ("patient/*.rs", "Practitioner", 200),
    ],
)
def test_a_scope_opens_its_type_interaction_and_patient(bench: Bench, scope: str, path: str, status: int) -> None:
    answered = bench.get(path, token(bench, scope))
    assert answered.status_code == status
    if status == 403:
        get_fhir_model_class("OperationOutcome").model_validate(answered.json)
        assert 'error="insufficient_scope"' in answered.headers["WWW-Authenticate"]


def test_a_search_without_a_patient_finds_what_is_this_patient_s(bench: Bench) -> None:
    key = token(bench, "patient/*.rs")
    found = bench.get("Encounter?_count=500", key).json or {}
    assert {one["resource"]["subject"]["reference"] for one in found["entry"]} == {f"Patient/{SICK}"}
    assert (bench.get("Patient", key).json or {})["total"] == 1
    other = next(one for one in bench.desk.store.all("Encounter") if one["subject"]["reference"].endswith(WELL))
    assert bench.get(f"Encounter/{other['id']}", key).status_code == 403


# --- writing


@pytest.mark.parametrize(
    ("scope", "body", "status"),
    [
        ("patient/ServiceRequest.c", draft(), 201),
        ("patient/ServiceRequest.c", draft(patient=WELL), 403),
        ("patient/*.rs", draft(), 403),
        ("patient/ServiceRequest.c", task(), 403),
        ("patient/Task.c", task(), 201),
        ("patient/Task.c", task(WELL), 403),
    ],
)
def test_creating_needs_the_scope_and_the_patient(bench: Bench, scope: str, body: dict[str, Any], status: int) -> None:
    answered = bench.post(body["resourceType"], body, token(bench, scope))
    assert answered.status_code == status


def test_a_provenance_is_about_whom_its_targets_are_about(bench: Bench) -> None:
    key = token(bench, "patient/ServiceRequest.c patient/Provenance.c patient/*.rs")
    made = bench.post("ServiceRequest", draft(), key).json or {}
    kept = bench.post("Provenance", provenance(f"ServiceRequest/{made['id']}"), key)
    assert kept.status_code == 201
    found = bench.get(f"Provenance?target=ServiceRequest/{made['id']}", key).json or {}
    assert [one["resource"]["id"] for one in found["entry"]] == [(kept.json or {})["id"]]
    well = bench.desk.store.create("ServiceRequest", draft(patient=WELL))
    assert bench.post("Provenance", provenance(f"ServiceRequest/{well['id']}"), key).status_code == 403
    assert bench.post("Provenance", provenance("ServiceRequest/nobody"), key).status_code == 400
    both = provenance(f"ServiceRequest/{made['id']}", f"ServiceRequest/{well['id']}")
    assert bench.post("Provenance", both, key).status_code == 400


def test_a_transaction_creates_everything_with_references_resolved(bench: Bench) -> None:
    key = token(bench, "patient/ServiceRequest.c patient/Provenance.c patient/Task.c patient/*.rs")
    focus = {**task(), "focus": {"reference": URN.format(1)}}
    body = transaction(entry(provenance(URN.format(1)), 3), entry(draft(), 1), entry(focus, 2))
    answered = bench.http.post("/fhir", json=body, headers={"Authorization": f"bearer {key}"})
    assert answered.status_code == 200
    said = answered.json or {}
    get_fhir_model_class("Bundle").model_validate(said)
    assert said["type"] == "transaction-response"
    assert [one["response"]["status"] for one in said["entry"]] == ["201 Created"] * 3
    places = [one["response"]["location"].removeprefix(f"{BASE}/").removesuffix("/_history/1") for one in said["entry"]]
    assert [one.partition("/")[0] for one in places] == ["Provenance", "ServiceRequest", "Task"]
    kept = [bench.get(one, key).json or {} for one in places]
    assert kept[0]["target"] == [{"reference": places[1]}]
    assert kept[2]["focus"] == {"reference": places[1]}


def nested(depth: int) -> dict[str, Any]:
    return reduce(lambda inside, _: {"extension": inside}, range(depth), dict[str, Any]())


@pytest.mark.parametrize(
    ("spoilt", "status"),
    [
        (entry(draft(patient=WELL)), 403),
        (entry(draft() | nested(600)), 400),
        (entry(draft(kind="MedicationRequest")), 403),
        (entry({**draft(), "intent": None}), 400),
        (entry(draft(), 1), 400),  # the same fullUrl again
        (entry(draft(), method="PUT"), 400),
        (entry(draft(), ifNoneExist="identifier=x"), 400),
        (entry(draft(), url="Account"), 404),
        (entry(draft(), url="Task"), 400),
        ({"resource": draft()}, 400),
        ({}, 400),
    ],
)
def test_a_transaction_with_one_bad_entry_leaves_nothing(bench: Bench, spoilt: dict[str, Any], status: int) -> None:
    key = token(bench, "patient/ServiceRequest.c patient/Task.c")
    before = len(bench.desk.store.all("ServiceRequest"))
    assert bench.post("", transaction(entry(draft(), 1), spoilt), key).status_code == status
    assert len(bench.desk.store.all("ServiceRequest")) == before


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"resourceType": "Bundle", "type": "batch", "entry": [entry(draft())]},
        transaction(),
        transaction(*[entry(draft())] * 101),
        {"resourceType": "Bundle", "type": "transaction", "entry": ["x"]},
    ],
)
def test_what_is_no_transaction_is_refused(bench: Bench, body: object) -> None:
    assert bench.post("", body, token(bench, "patient/ServiceRequest.c")).status_code == 400


# --- scopes by themselves


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("patient/Observation.read", "rs"),
        ("user/Observation.write", "cud"),
        ("system/*.*", "cruds"),
        ("patient/Observation.cud", "cud"),
        ("patient/Observation.sr", None),
        ("patient/Observation.", None),
        ("patient/observation.r", None),
        ("patient/Observation.rs?category=laboratory", None),
        ("everybody/Observation.rs", None),
        ("launch", None),
    ],
)
def test_both_syntaxes_are_read_and_nothing_else(text: str, letters: str | None) -> None:
    found = scope_of(text)
    assert (found.letters if found else None) == letters


def test_what_is_granted_is_what_is_asked_for_and_allowed() -> None:
    allowed = ("launch", "patient/Observation.rs", "patient/Condition.r", "user/*.s")
    assert granted(["launch", "openid"], allowed) == ("launch",)
    assert granted(["patient/*.rs"], allowed) == ("patient/Observation.rs", "patient/Condition.r")
    assert granted(["patient/Observation.read", "patient/Observation.read"], allowed) == ("patient/Observation.read",)
    assert granted(["user/Patient.rs", "user/Patient.c"], allowed) == ("user/Patient.s",)


def test_how_far_scopes_reach() -> None:
    scopes = ("patient/*.rs", "user/Patient.s", "openid")
    assert reach(scopes, "Patient", "s") is Reach.ALL
    assert reach(scopes, "Patient", "r") is Reach.PATIENT
    assert reach(scopes, "Patient", "c") is Reach.NOTHING
