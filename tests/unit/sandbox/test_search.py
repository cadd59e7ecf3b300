from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cds_app.errors import BadRequest
from cds_app.sandbox.records.search import interval, search


def seen(
    name: str, at: str | None, code: str = "8867-4", *, patient: str = "p1", status: str = "final"
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "Observation",
        "id": name,
        "meta": {"versionId": "1", "lastUpdated": "2026-03-02T00:00:00Z"},
        "status": status,
        "category": [{"coding": [{"system": "http://hl7.org/cat", "code": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
    }
    return made | ({"effectiveDateTime": at} if at else {})


RESOURCES = [
    seen("a", "2026-03-01T10:00:00Z"),
    seen("b", "2026-03-02T10:00:00+02:00", "9279-1"),
    seen("c", "2026-03-03", "8310-5", status="amended"),
    seen("d", "2026-03-04T00:00:00.500Z", patient="p2"),
    seen("e", None),
]


def found(*query: tuple[str, str]) -> list[str]:
    return [one["id"] for one in search(RESOURCES, "Observation", query).resources]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("patient", "p1", "abce"),
        ("patient", "Patient/p2", "d"),
        ("subject", "Patient/p1", "abce"),
        ("subject", "http://ehr.example/fhir/Patient/p2", "d"),
        ("_id", "a,c", "ac"),
        ("code", "8867-4", "ade"),
        ("code", "http://loinc.org|8867-4,http://loinc.org|9279-1", "abde"),
        ("code", "http://other.example|8867-4", ""),
        ("code", "|8867-4", ""),
        ("code", "http://loinc.org|", "abcde"),
        ("category", "vital-signs", "abcde"),
        ("category", "laboratory", ""),
        ("status", "amended", "c"),
        ("date", "2026-03-02", "b"),
        ("date", "eq2026-03", "abcd"),
        ("date", "ge2026-03-02", "bcd"),
        ("date", "gt2026-03-02", "cd"),
        ("date", "lt2026-03-02T08:00:00Z", "a"),
        ("date", "le2026-03-02T08:00:00Z", "ab"),
        ("date", "le2026-03-02T10:00:00 02:00", "ab"),
        ("_lastUpdated", "2026-03-02", "abcde"),
    ],
)
def test_a_parameter_selects(name: str, value: str, expected: str) -> None:
    assert "".join(found((name, value))) == expected


def test_repeated_parameters_must_all_hold() -> None:
    assert found(("date", "ge2026-03-02"), ("date", "lt2026-03-03")) == ["b"]


def test_dated_resources_come_first_whichever_way_is_sorted() -> None:
    assert found(("_sort", "-date")) == ["d", "c", "b", "a", "e"]
    assert found(("_sort", "date")) == ["a", "b", "c", "d", "e"]
    assert found(("_sort", "-_id")) == ["e", "d", "c", "b", "a"]


def test_pages_join_to_the_whole() -> None:
    first = search(RESOURCES, "Observation", [("_count", "2")])
    second = search(RESOURCES, "Observation", [("_count", "2"), ("_offset", "2")])
    third = search(RESOURCES, "Observation", [("_count", "2"), ("_offset", "4")])
    assert (first.total, first.next_offset, second.next_offset, third.next_offset) == (5, 2, 4, None)
    assert [*first.resources, *second.resources, *third.resources] == RESOURCES


def test_a_count_of_zero_asks_for_the_total_alone() -> None:
    page = search(RESOURCES, "Observation", [("_count", "0")])
    assert (page.total, page.resources, page.next_offset) == (5, (), None)


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("colour", "red", "colour"),
        ("code:in", "x", "code:in"),
        ("date", "yesterday", "date"),
        ("date", "ne2026-03-02", "date"),
        ("date", "2026-13", "date"),
        ("_count", "many", "_count"),
        ("_sort", "colour", "_sort"),
        ("subject", "Group/1", "subject"),
    ],
)
def test_what_is_unknown_or_malformed_is_refused_by_name(name: str, value: str, field: str) -> None:
    with pytest.raises(BadRequest) as refused:
        found((name, value))
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026", (2026, 1, 1), (2027, 1, 1)),
        ("2024-02", (2024, 2, 1), (2024, 3, 1)),
        ("2026-02-28", (2026, 2, 28), (2026, 3, 1)),
    ],
)
def test_a_partial_date_stands_for_an_interval(
    text: str, start: tuple[int, int, int], end: tuple[int, int, int]
) -> None:
    assert interval(text) == (datetime(*start, tzinfo=UTC), datetime(*end, tzinfo=UTC))


def test_periods_match_as_intervals() -> None:
    stay = {"resourceType": "Encounter", "id": "s", "meta": {}, "period": {"start": "2026-03-01T10:00:00Z"}}
    over = {"resourceType": "Encounter", "id": "o", "meta": {}, "period": {"end": "2026-02-01"}}
    page = search([stay, over], "Encounter", [("date", "ge2026-06-01")])
    assert [one["id"] for one in page.resources] == ["s"]
