from __future__ import annotations

from typing import Any

import pytest

from cds_app.domain.issues import IssueCode
from cds_app.fabric.merging import merged_into
from tests.unit.fabric.conftest import observation, reading


def person(key: str, *links: tuple[str, str], **more: Any) -> dict[str, Any]:
    said = [{"type": kind, "other": {"reference": f"Patient/{other}"}} for kind, other in links]
    return {"resourceType": "Patient", "id": key, "birthDate": "1980", "link": said, **more}


def of(key: str) -> dict[str, Any]:
    return observation(id=f"of-{key}", subject={"reference": f"Patient/{key}"})


@pytest.mark.parametrize(
    "people",
    [
        [person("1", ("replaces", "old"))],
        [person("1"), person("old", ("replaced-by", "1"))],
        [person("1", ("replaces", "old"), active=True), person("old", ("replaced-by", "1"), active=False)],
        [person("1", ("replaces", "old")), person("old", active=False)],
        [person("1", ("replaces", "between")), person("between", ("replaces", "old"), active=False)],
    ],
)
def test_results_of_a_merged_patient_are_theirs_who_goes_on(people: list[dict[str, Any]]) -> None:
    found = reading(*people, of("1"), of("old"))
    assert [one.ref for one in found.facts.measurements] == ["Observation/of-1", "Observation/of-old"]
    assert [one.ref for one in found.facts.demographics] == ["Patient/1"], "who it is, its own record says"


@pytest.mark.parametrize(
    "people",
    [
        [person("1", ("seealso", "old"), ("refer", "old"))],
        [person("1", ("replaced-by", "old"))],
        [person("1", ("replaced-by", "old")), person("old", ("replaces", "1"))],
        [person("1", ("replaces", "old")), person("old", active=True)],
        [person("1", ("replaces", "old")), person("old", ("replaced-by", "other"))],
        [person("1", ("replaces", "old")), person("other", ("replaces", "old"))],
        [person("1", ("replaces", "old"), ("replaced-by", "old"))],
        [person("other", ("replaces", "old"))],
        [person("1", link=[{"type": "replaces", "other": {"reference": "RelatedPerson/old"}}, "x", {"type": 5}])],
        [person("1", link="replaces")],
    ],
)
def test_results_of_whom_the_records_do_not_surely_join_are_left_out(people: list[dict[str, Any]]) -> None:
    found = reading(*people, of("1"), of("old"))
    assert [one.ref for one in found.facts.measurements] == ["Observation/of-1"]
    assert (IssueCode.OTHER_PATIENT, "Observation/of-old") in [(one.code, one.ref) for one in found.issues]


def test_the_newest_statement_of_a_patient_counts_in_whatever_order() -> None:
    joined = person("1", ("replaces", "old"), meta={"versionId": "2"})
    apart = person("1", meta={"versionId": "3"})
    for people in ([joined, apart], [apart, joined]):
        assert len(reading(*people, of("old")).facts.measurements) == 0


def test_a_circle_of_merges_joins_nobody() -> None:
    circle = [person("1", ("replaces", "2")), person("2", ("replaces", "3")), person("3", ("replaces", "1"))]
    assert merged_into(circle, "1") == frozenset()
