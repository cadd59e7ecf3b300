"""What was read once need not be read again, and nothing else is passed over."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from cds_app.fabric.context import version_of
from cds_app.fabric.reading import Reading, fingerprint, read
from tests.unit.fabric.conftest import LEARNED, NOW, ONTOLOGY, FewUnits, observation

VERSION = {"versionId": "1"}


def again(resource: dict[str, Any], seen: frozenset[bytes]) -> Reading:
    return read(
        [resource], patient="1", ontology=ONTOLOGY, units=FewUnits(), zone=UTC, learned=LEARNED, now=NOW, seen=seen
    )


def test_the_same_version_is_passed_over_and_counted() -> None:
    first = again(observation(meta=VERSION), frozenset())
    second = again(observation(meta=VERSION), first.clean)
    assert (len(first.facts), len(second.facts)) == (1, 0)
    assert second.tally["Observation"].used == 1
    assert second.clean == first.clean


@pytest.mark.parametrize("change", [{"value": 81}, {"meta": {"versionId": "2"}}, {"status": "entered-in-error"}])
def test_whatever_is_said_differently_is_read(change: dict[str, Any]) -> None:
    first = again(observation(meta=VERSION), frozenset())
    assert len(again(observation(**{"meta": VERSION, **change}), first.clean).facts) == 1


@pytest.mark.parametrize("meta", [None, {}, {"profile": ["x"]}, {"versionId": "W/a"}, {"lastUpdated": "today"}, "1"])
def test_without_a_version_everything_is_read_again(meta: object) -> None:
    first = again(observation(meta=meta), frozenset())
    assert first.clean == frozenset()
    assert len(again(observation(meta=meta), first.clean).facts) == 1


def test_what_left_an_issue_is_looked_at_again() -> None:
    implausible = observation(value=900, meta=VERSION)
    assert again(implausible, frozenset()).clean == frozenset()


def test_no_resource_and_no_json_have_no_fingerprint() -> None:
    deep: list[object] = []
    for _ in range(200_000):  # how deep is too deep differs between versions of Python
        deep = [deep]
    unsaid: list[object] = [{"meta": VERSION, "x": x} for x in (deep, 10**400, "\ud800")]
    nothing: list[object] = [None, 3, [], {}, *unsaid]
    assert [fingerprint(one, version_of(one)) for one in nothing] == [b""] * 7
