from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cds_app.domain.issues import IssueCode
from cds_app.fabric.times import UNDATED
from tests.unit.fabric.conftest import LEARNED, NOW, observation, reading, resource

_CODE = {"text": "x"}


def _time(**elements: Any) -> tuple[datetime, list[IssueCode]]:
    found = reading(observation(**{"effectiveDateTime": None, **elements}))
    (fact,) = found.facts
    return fact.when, [issue.code for issue in found.issues]


def _why(*more: dict[str, Any], **elements: Any) -> tuple[IssueCode, str]:
    found = reading(observation(**{"effectiveDateTime": None, **elements}), *more)
    assert found.tally["Observation"].dropped == 1
    issue = next(issue for issue in found.issues if issue.dropped)
    return issue.code, issue.field


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"effectiveInstant": "2024-03-10T08:00:00.5Z"}, "2024-03-10T08:00:00.5Z"),
        ({"effectivePeriod": {"start": "2024-03-09T08:00:00Z", "end": "2024-03-10T08:00:00Z"}}, "2024-03-10T08:00:00Z"),
        ({"effectivePeriod": {"start": "2024-03-09T08:00:00Z"}}, "2024-03-09T08:00:00Z"),
        ({"effectiveTiming": {"event": ["2024-03-09T08:00:00Z", "2024-03-09T09:00:00Z"]}}, "2024-03-09T09:00:00Z"),
        ({"effectiveTiming": {"event": ["2024-03-09T09:00:00Z", 3, "2024-03-09T08:00Z"]}}, "2024-03-09T09:00:00Z"),
        ({"effectiveTiming": {"repeat": {"boundsPeriod": {"end": "2024-03-09T08:00:00Z"}}}}, "2024-03-09T08:00:00Z"),
    ],
)
def test_every_form_of_effective_time_is_read(elements: dict[str, Any], expected: str) -> None:
    assert _time(**elements) == (_at(expected), [])


@pytest.mark.parametrize(
    ("zone", "when"),
    [
        ("America/New_York", "2024-03-10T08:30:00Z"),
        ("Asia/Kathmandu", "2024-03-09T22:45:00Z"),
        ("Europe/Vienna", "2024-03-10T03:30:00Z"),
    ],
)
def test_a_time_without_offset_is_the_sites_and_said_to_be_so(zone: str, when: str) -> None:
    sent = observation(effectiveDateTime="2024-03-10T04:30:00")
    found = reading(sent, zone=ZoneInfo(zone))
    assert [one.when for one in found.facts] == [_at(when)]
    assert [(one.code, one.field, one.dropped) for one in found.issues] == [
        (IssueCode.NO_OFFSET, "effectiveDateTime", False)
    ]
    assert reading(sent | {"effectiveDateTime": when}, zone=ZoneInfo(zone)).issues == ()


def test_dates_are_days_of_the_site() -> None:
    west = ZoneInfo("America/Los_Angeles")
    born = reading(resource("Patient", id="1", birthDate="1950-06-01"), zone=west).facts.demographics[0]
    assert born.birth_start == _at("1950-06-01T07:00:00Z")
    order = resource("MedicationRequest", medicationCodeableConcept=_CODE, status="active", authoredOn="2024-03-09")
    assert reading(order, zone=west).facts.medications[0].when == _at("2024-03-10T07:59:59.999999Z")


def test_issued_stands_in_with_an_issue() -> None:
    assert _time(issued="2024-03-10T08:00:00Z") == (_at("2024-03-10T08:00:00Z"), [IssueCode.IMPRECISE_TIME])
    when, issues = _time(effectiveDateTime="yesterday", issued="2024-03-10T08:00:00Z")
    assert (when, issues) == (_at("2024-03-10T08:00:00Z"), [IssueCode.UNREADABLE, IssueCode.IMPRECISE_TIME])


def test_issued_before_effective_is_fine() -> None:
    assert _time(effectiveDateTime="2024-03-10T08:00:00Z", issued="2024-03-10T07:00:00Z")[1] == []


def test_a_partial_date_ends_no_later_than_its_result_was_there() -> None:
    early = _at("2024-03-08T06:00:00Z")
    assert _time(effectiveDateTime="2024-03-08") == (_at("2024-03-08T23:59:59.999999Z"), [IssueCode.IMPRECISE_TIME])
    assert _time(effectiveDateTime="2024-03-08", issued=early.isoformat())[0] == early
    assert _time(effectiveDateTime="2024-03", issued=early.isoformat())[0] == early
    assert _time(effectiveDateTime="2024-03-08", issued="2024-03-07T06:00:00Z")[0].day == 8


@pytest.mark.parametrize(("date", "first"), [("2024-03", "2024-03-01T00:00:00Z"), ("2024", "2024-01-01T00:00:00Z")])
def test_a_result_of_some_day_of_a_month_or_year_does_not_pass_for_current(date: str, first: str) -> None:
    assert _time(effectiveDateTime=date) == (_at(first), [IssueCode.IMPRECISE_TIME])
    problem = reading(resource("Condition", code=_CODE, onsetDateTime=date)).facts.conditions[0]
    assert problem.when == LEARNED  # it holds by now


def test_a_leap_second_is_a_time() -> None:
    assert _time(effectiveDateTime="2016-12-31T23:59:60.5Z")[0] == _at("2017-01-01T00:00:00.5Z")


def test_a_day_may_have_begun_elsewhere_already() -> None:
    late = datetime(2024, 3, 10, 20, tzinfo=UTC)
    found = reading(observation(effectiveDateTime="2024-03-11"), now=late, learned=late)
    assert found.facts.measurements[0].when == _at("2024-03-11T00:00:00Z")


def test_the_future_begins_ten_minutes_from_now() -> None:
    inside, outside = NOW + timedelta(minutes=9), NOW + timedelta(minutes=11)
    assert _time(effectiveDateTime=inside.isoformat())[0] == inside
    assert _why(effectiveDateTime=outside.isoformat()) == (IssueCode.FUTURE, "effectiveDateTime")
    assert _why(effectiveDateTime=outside.isoformat(), issued=NOW.isoformat())[0] is IssueCode.FUTURE
    assert _why(issued=outside.isoformat()) == (IssueCode.FUTURE, "issued")


def test_nothing_was_measured_before_birth_or_1900() -> None:
    patient = {"resourceType": "Patient", "id": "1", "birthDate": "1980-05-05"}
    assert _why(effectiveDateTime="1899-12-30T00:00:00Z")[0] is IssueCode.IMPOSSIBLE_TIME
    assert _why(patient, effectiveDateTime="1979-05-05T00:00:00Z")[0] is IssueCode.IMPOSSIBLE_TIME
    assert len(reading(observation(effectiveDateTime="1980-05-05T00:00:00Z"), patient).facts.measurements) == 1


@pytest.mark.parametrize("birth", ["2999-01-01", "0001-01-01", "then", 3, None])
def test_a_birth_date_that_does_not_help_is_not_used(birth: object) -> None:
    patient = {"resourceType": "Patient", "id": "1", "birthDate": birth}
    assert len(reading(patient, observation()).facts.measurements) == 1


def test_no_time_is_no_result() -> None:
    assert _why() == (IssueCode.NO_TIME, "effectiveDateTime")
    assert _why(effectiveTiming={"event": [3]}, effectivePeriod=[])[0] is IssueCode.NO_TIME


def test_what_stands_without_a_date_has_always_been_so() -> None:
    found = reading(resource("AllergyIntolerance", code=_CODE), resource("Condition", code=_CODE))
    assert {fact.when for fact in found.facts} == {UNDATED}
    assert {(issue.code, issue.dropped) for issue in found.issues} == {(IssueCode.NO_TIME, False)}


def test_a_diagnosis_is_not_lost_for_an_impossible_onset_but_is_for_a_future_one() -> None:
    kept = reading(resource("Condition", code=_CODE, onsetDateTime="1066", recordedDate="2020-01-01T10:00:00Z"))
    assert kept.facts.conditions[0].when == _at("2020-01-01T10:00:00Z")
    assert [(issue.code, issue.dropped) for issue in kept.issues] == [(IssueCode.IMPOSSIBLE_TIME, False)]
    lost = reading(resource("Condition", code=_CODE, recordedDate="2030-01-01"))
    assert [(issue.code, issue.dropped) for issue in lost.issues] == [(IssueCode.FUTURE, True)]


def test_an_order_without_a_date_is_as_old_as_what_we_know_of_it() -> None:
    found = reading(resource("ServiceRequest", code=_CODE))
    assert found.facts.procedures[0].when == LEARNED
