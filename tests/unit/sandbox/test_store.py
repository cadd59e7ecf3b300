from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from cds_app.errors import BadRequest, NotFound
from cds_app.sandbox.people.resources import TimedResource
from cds_app.sandbox.records.store import Store
from tests.unit.sandbox.stub_service import START

HOUR = timedelta(hours=1)


def version(number: int, known_at: datetime, **more: Any) -> TimedResource:
    made = {"resourceType": "Observation", "id": "o", "meta": {"versionId": str(number)}, **more}
    return TimedResource(known_at=known_at, resource=made)


def patient() -> TimedResource:
    made = {"resourceType": "Patient", "id": "p", "meta": {"versionId": "1"}}
    return TimedResource(known_at=START, resource=made)


@pytest.fixture
def store() -> Store:
    return Store([version(2, START + 3 * HOUR), patient(), version(1, START + HOUR)], START)


def draft(**more: Any) -> dict[str, Any]:
    made = {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "proposal",
        "code": {"text": "Lactate"},
        "subject": {"reference": "Patient/p"},
    }
    return made | more


def test_a_resource_exists_once_it_is_known_and_then_as_its_newest_version(store: Store) -> None:
    with pytest.raises(NotFound):
        store.read("Observation", "o")
    assert store.all("Observation") == []
    store.step_to(START + HOUR)
    assert store.read("Observation", "o")["meta"]["versionId"] == "1"
    store.step_to(START + 4 * HOUR)
    assert [one["meta"]["versionId"] for one in store.all("Observation")] == ["2"]


def test_the_clock_runs_forwards_only(store: Store) -> None:
    with pytest.raises(BadRequest):
        store.step_to(START - HOUR)
    assert store.now == START


def test_what_is_created_gets_an_id_a_version_and_the_simulated_time(store: Store) -> None:
    store.step_to(START + HOUR)
    made = store.create("ServiceRequest", draft(id="mine"))
    assert made["id"].startswith("created-")
    assert made["meta"] == {"versionId": "1", "lastUpdated": "2026-03-02T07:00:00Z"}
    assert store.read("ServiceRequest", made["id"]) == made


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        ("ServiceRequest", draft(intent=None), "ServiceRequest.intent"),
        ("ServiceRequest", draft(subject={"reference": "Patient/somebody"}), "ServiceRequest.subject"),
        ("ServiceRequest", draft(resourceType="Observation"), "resourceType"),
        ("ServiceRequest", [], "resourceType"),
        ("Patient", {"resourceType": "Patient"}, "Patient"),
    ],
)
def test_what_is_no_proper_resource_is_not_kept(store: Store, kind: str, body: object, field: str) -> None:
    with pytest.raises(BadRequest) as refused:
        store.create(kind, body)
    assert field in str(refused.value.field)
    assert store.all("ServiceRequest") == []


def test_other_types_are_not_held(store: Store) -> None:
    with pytest.raises(NotFound):
        store.all("Account")
