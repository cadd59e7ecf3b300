from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_app.domain.time import parse_fhir_time, to_hours
from cds_app.errors import BadRequest

NEPAL = timezone(timedelta(hours=5, minutes=45))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INSTANTS = st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-10T11:30:00Z", datetime(2024, 3, 10, 11, 30, tzinfo=UTC)),
        ("2024-03-10T11:30:00.1234567+05:45", datetime(2024, 3, 10, 5, 45, 0, 123456, tzinfo=UTC)),
        ("2155-07-14T19:15:00-05:00", datetime(2155, 7, 15, 0, 15, tzinfo=UTC)),
        ("2024-03-10T11:30Z", datetime(2024, 3, 10, 11, 30, tzinfo=UTC)),
    ],
)
def test_full_date_time_is_an_instant(text: str, expected: datetime) -> None:
    found = parse_fhir_time(text, field="x")
    assert found.start == found.end == expected
    assert found.exact
    assert found.start.tzinfo is UTC


def test_time_without_offset_is_read_in_the_local_zone() -> None:
    assert parse_fhir_time("2024-03-10T05:45:00", field="x", local=NEPAL).start == datetime(2024, 3, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "earlier", "later"),
    [
        ("2026-07-01T12:00:00", "2026-07-01T10:00:00Z", "2026-07-01T10:00:00Z"),
        ("2026-10-25T02:30:00", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),  # shown twice by clocks
        ("2026-03-29T02:30:00", "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"),  # shown by none
    ],
)
def test_a_local_time_when_clocks_change_is_either_of_two(text: str, earlier: str, later: str) -> None:
    found = parse_fhir_time(text, field="x", local=ZoneInfo("Europe/Vienna"))
    assert (found.start, found.end) == (datetime.fromisoformat(earlier), datetime.fromisoformat(later))
    assert (found.exact, found.local) == (earlier == later, True)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2024", datetime(2024, 1, 1), datetime(2025, 1, 1)),  # noqa: DTZ001 - put into a zone below
        ("2024-02", datetime(2024, 2, 1), datetime(2024, 3, 1)),  # noqa: DTZ001
        ("2023-02", datetime(2023, 2, 1), datetime(2023, 3, 1)),  # noqa: DTZ001
        ("2024-02-29", datetime(2024, 2, 29), datetime(2024, 3, 1)),  # noqa: DTZ001
        ("2024-12", datetime(2024, 12, 1), datetime(2025, 1, 1)),  # noqa: DTZ001
    ],
)
def test_partial_date_is_the_whole_local_period(text: str, start: datetime, end: datetime) -> None:
    found = parse_fhir_time(text, field="x", local=NEPAL)
    assert found.start == start.replace(tzinfo=NEPAL)
    assert found.end == end.replace(tzinfo=NEPAL) - timedelta(microseconds=1)
    assert not found.exact


@pytest.mark.parametrize(
    "text",
    [
        "", "24", "2024-13", "2024-00", "2023-02-29", "2024-02-30", "0000", "0000-01-01", "2024-1-1", "20240310",
        "2024-W10-7T10:00:00Z", "20240310T101010Z", "2024-03-10T25:00:00Z", "2024-03-10T23:59:61Z",
        "2024-03-10T10:00:00+99:00", "\uff12\uff10\uff12\uff14", "2024-03-10T1\uff10:00:00Z", "2024-03-10T",
        "yesterday at noon",
        "2024-03-10T10:00:00Z" + " " * 30, "2024\n", None, 2024, True, ["2024"], {"value": "2024"},
    ],
)  # fmt: skip
def test_anything_else_is_refused_by_field_without_its_value(text: object) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_fhir_time(text, field="birthDate")
    assert caught.value.field == "birthDate"
    assert caught.value.message == "not a FHIR date"


@pytest.mark.parametrize(("text", "hours"), [("0001-01-01", 14), ("9999-12-31", -12), ("0001-01-01T00:00:00+14:00", 0)])
def test_ends_of_the_calendar_do_not_overflow(text: str, hours: int) -> None:
    with pytest.raises(BadRequest):
        parse_fhir_time(text, field="x", local=timezone(timedelta(hours=hours)))


@given(INSTANTS)
def test_text_of_an_instant_reads_back(at: datetime) -> None:
    assert parse_fhir_time(at.isoformat(), field="x").start == at


@given(INSTANTS)
def test_hours_keep_a_microsecond(at: datetime) -> None:
    # 2e6 hours in a double resolve to 2.3e-10 h, under a microsecond
    assert abs(EPOCH + timedelta(hours=to_hours(at)) - at) <= timedelta(microseconds=1)


def test_hours_count_from_the_epoch() -> None:
    assert to_hours(datetime(1970, 1, 2, 1, tzinfo=UTC)) == 25.0
    assert to_hours(datetime(1969, 12, 31, 23, tzinfo=UTC)) == -1.0


@pytest.mark.parametrize("text", ["2024-03-10T08:00:00z", "2024-03-10t08:00:00Z", "2024-03-10t08:00:00.000z"])
def test_the_letters_of_a_time_may_be_small(text: str) -> None:
    assert parse_fhir_time(text, field="x") == parse_fhir_time("2024-03-10T08:00:00Z", field="x")
