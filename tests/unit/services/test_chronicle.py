"""A finished record is told as it became known: nothing early, nothing lost, no empty steps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cds_app.services.chronicle import Told, monitored_days, steps, tell

HOUR = timedelta(hours=1)
DAY = {"resourceType": "Observation", "id": "last", "effectiveDateTime": "2026-03-09T00:00:00Z"}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def told(*resources: dict[str, Any]) -> list[Told]:
    return list(tell([(f"urn:{index}", one) for index, one in enumerate(resources)], UTC))


def timed(resource: dict[str, Any], *others: dict[str, Any]) -> list[tuple[datetime | None, dict[str, Any]]]:
    """When each version of one resource was told, without its constant elements."""
    kind = resource["resourceType"]
    found = [one for one in told(resource, *others) if one.resource["resourceType"] == kind]
    return [(one.at, {k: v for k, v in one.resource.items() if k not in ("resourceType", "id")}) for one in found]


def test_an_encounter_has_neither_end_nor_diagnoses_until_it_ends() -> None:
    stay = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"code": "IMP"},
        "period": {"start": "2026-03-01T08:00:00Z", "end": "2026-03-04T10:00:00Z"},
        "reasonCode": [{"text": "Sepsis"}],
        "diagnosis": [{"condition": {"reference": "Condition/1"}}],
        "hospitalization": {"dischargeDisposition": {"text": "Died"}},
    }
    first, last = timed(stay)
    assert first == (
        at("2026-03-01T08:00:00"),
        {"status": "in-progress", "class": {"code": "IMP"}, "period": {"start": "2026-03-01T08:00:00Z"}},
    )
    assert last[0] == at("2026-03-04T10:00:00")
    assert last[1]["diagnosis"]


def test_a_finished_encounter_without_an_end_keeps_its_diagnoses_to_the_end_of_the_record() -> None:
    stay = {
        "resourceType": "Encounter",
        "status": "finished",
        "period": {"start": "2026-03-01T08:00:00Z"},
        "diagnosis": [{}],
    }
    first, last = timed(stay, DAY)
    assert "diagnosis" not in first[1]
    assert last[0] == at("2026-03-09T00:00:00")


@pytest.mark.parametrize(
    ("death", "when"),
    [
        ({"deceasedDateTime": "2026-03-05T03:00:00Z"}, "2026-03-05T03:00:00"),
        ({"deceasedDateTime": "2026-03-05"}, "2026-03-05T23:59:59.999999"),
        ({"deceasedBoolean": True}, "2026-03-09T00:00:00"),
    ],
)
def test_nobody_is_dead_before_the_time(death: dict[str, Any], when: str) -> None:
    first, last = timed({"resourceType": "Patient", "birthDate": "1950", **death}, DAY)
    assert first == (None, {"birthDate": "1950"})
    assert last == (at(when), {"birthDate": "1950", **death})


def test_who_is_alive_is_told_once() -> None:
    assert timed({"resourceType": "Patient", "deceasedBoolean": False}, DAY) == [(None, {"deceasedBoolean": False})]


def test_a_result_is_known_when_it_is_issued_and_never_before_it_was_so() -> None:
    sample = {"resourceType": "Observation", "effectiveDateTime": "2026-03-01T08:00:00Z"}
    assert timed({**sample, "issued": "2026-03-03T10:00:00Z"})[0][0] == at("2026-03-03T10:00:00")
    assert timed({**sample, "issued": "2026-03-01T07:00:00Z"})[0][0] == at("2026-03-01T08:00:00")
    day = {"resourceType": "DiagnosticReport", "effectiveDateTime": "2026-03-01", "issued": "2026-03-01T11:00:00Z"}
    assert timed(day)[0][0] == at("2026-03-01T11:00:00")


def test_a_discharge_diagnosis_is_known_when_it_is_recorded_not_from_its_onset() -> None:
    found = {
        "resourceType": "Condition",
        "onsetDateTime": "2026-03-01",
        "recordedDate": "2026-03-04T10:00:00Z",
        "clinicalStatus": {"coding": [{"code": "active"}]},
    }
    assert [when for when, _ in timed(found)] == [at("2026-03-04T10:00:00")]


def test_a_resolved_problem_holds_until_it_is_resolved() -> None:
    first, last = timed(
        {
            "resourceType": "Condition",
            "recordedDate": "2026-03-01T08:00:00Z",
            "abatementDateTime": "2026-03-04T10:00:00Z",
            "clinicalStatus": {"coding": [{"code": "resolved"}]},
        }
    )
    assert first == (at("2026-03-01T08:00:00"), {"recordedDate": "2026-03-01T08:00:00Z"})
    assert last[0] == at("2026-03-04T10:00:00")
    assert "clinicalStatus" in last[1]


def test_an_order_is_active_until_it_ends_by_itself_or_with_its_encounter() -> None:
    order = {"resourceType": "MedicationRequest", "status": "stopped", "authoredOn": "2026-03-01T08:00:00Z"}
    bounds = {"timing": {"repeat": {"boundsPeriod": {"end": "2026-03-02T08:00:00Z"}}}}
    first, last = timed({**order, "dosageInstruction": [bounds]})
    assert (first[1]["status"], last[1]["status"], last[0]) == ("active", "stopped", at("2026-03-02T08:00:00"))
    stay = {"resourceType": "Encounter", "id": "e", "status": "finished", "period": {"end": "2026-03-03T08:00:00Z"}}
    inside = {**order, "encounter": {"reference": "Encounter/e"}}
    assert [when for when, _ in timed(inside, stay)] == [at("2026-03-01T08:00:00"), at("2026-03-03T08:00:00")]
    assert [one["status"] for _, one in timed(order)] == ["stopped"]


def test_a_service_request_is_completed_when_its_time_has_come() -> None:
    order = {"resourceType": "ServiceRequest", "status": "completed", "authoredOn": "2026-03-01T08:00:00Z"}
    found = timed({**order, "occurrenceDateTime": "2026-03-01T12:00:00Z"})
    assert [(when, one["status"]) for when, one in found] == [
        (at("2026-03-01T08:00:00"), "active"),
        (at("2026-03-01T12:00:00"), "completed"),
    ]


@pytest.mark.parametrize("kind", ["Procedure", "MedicationAdministration"])
def test_what_takes_time_runs_until_its_end(kind: str) -> None:
    span = "performedPeriod" if kind == "Procedure" else "effectivePeriod"
    period = {"start": "2026-03-01T08:00:00Z", "end": "2026-03-02T09:00:00Z"}
    first, last = timed({"resourceType": kind, "status": "completed", span: period})
    assert first == (at("2026-03-01T08:00:00"), {"status": "in-progress", span: {"start": "2026-03-01T08:00:00Z"}})
    assert last == (at("2026-03-02T09:00:00"), {"status": "completed", span: period})


def test_what_happened_at_one_instant_is_told_once_even_within_a_stay() -> None:
    stay = {"resourceType": "Encounter", "id": "e", "status": "finished", "period": {"end": "2026-03-09T08:00:00Z"}}
    done = {
        "resourceType": "Procedure",
        "status": "completed",
        "performedDateTime": "2026-03-01T08:00:00Z",
        "encounter": {"reference": "Encounter/e"},
    }
    assert [one["status"] for _, one in timed(done, stay)] == ["completed"]
    not_done = {**done, "status": "not-done", "performedPeriod": {"end": "2026-03-02"}}
    assert [one["status"] for _, one in timed(not_done, stay)] == ["not-done"]


def test_unreadable_times_count_as_none() -> None:
    assert timed({"resourceType": "Observation", "effectiveDateTime": "yesterday", "issued": 7})[0][0] is None


# --- steps


def seen(*times: str | None) -> list[Told]:
    return told(*({"resourceType": "Observation", "id": str(n), "effectiveDateTime": t} for n, t in enumerate(times)))


def test_steps_stand_on_the_grid_hold_everything_once_and_never_what_comes_later() -> None:
    times = [None, "2026-03-01T08:10:00Z", "2026-03-01T09:00:00Z", "2026-03-01T09:00:01Z", "2026-03-01T12:30:00Z"]
    found = list(steps(seen(*times), HOUR))
    assert [one.at.hour for one in found] == [9, 10, 13]
    assert [[one.resource["id"] for one in step.news] for step in found] == [["0", "1", "2"], ["3"], ["4"]]
    assert all(one.at is None or step.at - HOUR < one.at <= step.at for step in found for one in step.news)


def test_decades_without_news_take_no_steps() -> None:
    found = list(steps(seen("1950-01-01T00:00:00Z", "2026-01-01T00:00:00Z"), timedelta(minutes=1)))
    assert len(found) == 2


def test_a_record_without_any_time_has_no_steps() -> None:
    assert list(steps(seen(None, None), HOUR)) == []


def test_monitored_days_leave_long_gaps_out() -> None:
    moments = [
        at("2026-03-01T00:00:00"),
        at("2026-03-01T12:00:00"),
        at("2026-03-05T00:00:00"),
        at("2026-03-06T00:00:00"),
    ]
    assert monitored_days(moments) == pytest.approx(1.5)
    assert monitored_days(moments[:1]) == 0.0


def test_of_a_resource_told_twice_within_a_step_only_the_last_version_is_news() -> None:
    bolus = {
        "resourceType": "MedicationAdministration",
        "id": "m",
        "status": "completed",
        "effectivePeriod": {"start": "2026-03-01T08:10:00Z", "end": "2026-03-01T08:20:00Z"},
    }
    (step,) = steps(told(bolus), HOUR)
    assert [one.resource["status"] for one in step.news] == ["completed"]
    two = list(steps(told(bolus), timedelta(minutes=5)))
    assert [[one.resource["status"] for one in step.news] for step in two] == [["in-progress"], ["completed"]]
