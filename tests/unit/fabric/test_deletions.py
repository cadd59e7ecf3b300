"""What a history says was deleted, and what came again without its version in the same message."""

from __future__ import annotations

from typing import Any

import pytest

from cds_app.domain.facts import Measurement
from cds_app.domain.issues import IssueCode
from cds_app.domain.timeline import Timeline
from cds_app.fabric.context import version_of
from tests.unit.fabric.conftest import observation, pressure, reading

_META = {"versionId": "1", "lastUpdated": "2024-03-10T09:00:00Z"}
_DELETE = {"method": "DELETE", "url": "Observation/1"}


def _history(*entries: dict[str, Any], kind: str = "history") -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def _counting(*bundles: dict[str, Any]) -> list[Measurement]:
    return list(Timeline.of(reading(*bundles).facts).facts.measurements)


@pytest.mark.parametrize(
    "gone",
    [
        {"request": _DELETE, "response": {"status": "204", "etag": 'W/"2"', "lastModified": "2024-03-10T10:00:00Z"}},
        {"request": _DELETE, "response": {"status": "204", "etag": 'W/"2"'}},
        {"request": _DELETE, "response": {"status": "204", "lastModified": "2024-03-10T10:00:00Z"}},
        {"request": {"method": "DELETE", "url": "Observation/1/_history/2"}},
        {"request": _DELETE},
        {"fullUrl": "https://ehr.example/r4/Observation/1", "response": {"status": "410"}},
    ],
)
@pytest.mark.parametrize("meta", [_META, {"versionId": "1"}, {"lastUpdated": "2024-03-10T09:00:00Z"}, None])
def test_a_deleted_result_counts_no_more(gone: dict[str, Any], meta: dict[str, str] | None) -> None:
    for resource in (observation(id="1", meta=meta), pressure(id="1", meta=meta)):
        assert _counting(_history({"resource": resource}))
        assert _counting(_history(gone, {"resource": resource})) == []


@pytest.mark.parametrize(
    "gone",
    [
        {"request": _DELETE, "response": {"status": "204", "etag": 'W/"2"'}},
        {"request": {"method": "DELETE", "url": "Observation/1/_history/2"}, "response": {"status": "204"}},
    ],
)
def test_a_deletion_has_its_version_from_the_tag_or_from_the_address(gone: dict[str, Any]) -> None:
    (found,) = reading(_history(gone)).facts
    assert found.version == version_of({"meta": {"versionId": "2"}}) != version_of({})


def test_what_was_made_again_after_it_was_deleted_counts() -> None:
    again = observation(id="1", meta={"versionId": "3", "lastUpdated": "2024-03-10T11:00:00Z"})
    gone = {"request": _DELETE, "response": {"etag": 'W/"2"'}}
    bundle = _history({"resource": again}, gone, {"resource": observation(id="1", meta=_META)})
    assert len(_counting(bundle)) == 1


def test_a_deletion_is_counted_and_one_that_is_none_is_an_issue() -> None:
    found = reading(_history({"request": _DELETE}, {"request": {"method": "DELETE", "url": "Device/1"}}))
    assert {kind: one.used for kind, one in found.tally.items()} == {"Observation": 1, "other": 1}
    assert [fact.ref for fact in found.facts] == ["Observation/1"]
    for kind, entry in (
        ("history", {"request": {"method": "DELETE"}}),
        ("history", {}),
        ("batch", {"request": _DELETE}),
    ):
        found = reading(_history(entry, kind=kind))
        assert [one.code for one in found.issues] == [IssueCode.UNREADABLE]
        assert not found.facts


def test_of_one_result_with_and_without_a_version_in_one_message_the_first_counts() -> None:
    bare, told = observation(id="1", value=80), observation(id="1", value=90, meta=_META)
    for pair in ((bare, told), (told, bare)):
        found = reading(*pair)
        assert [one.value for one in found.facts.measurements] == [90.0]
        assert found.tally["Observation"].used == 2
    assert len(reading(told, {**bare, "id": "2"}, {**bare, "id": None}, 5).facts) == 3
