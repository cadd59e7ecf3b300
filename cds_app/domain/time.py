"""Instants, FHIR partial dates as intervals, and hours as the twin's unit of time.

Everything inside Twinline is an aware datetime in UTC. The twin counts in hours since 1970-01-01T00:00Z.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

from cds_app.errors import BadRequest

_PARTIAL = re.compile(r"(?P<year>\d{4})(-(?P<month>\d{2})(-(?P<day>\d{2}))?)?\Z", re.ASCII)
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:?\d{2})?\Z", re.ASCII)
_SECONDS_PER_HOUR = 3600.0
_SECOND = timedelta(seconds=1)
_END_OF_DAY = time.max
_LONGEST = 40
_DATE = len("2024-03-10")
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Interval:
    """What is known of a time: it lies in ``[start, end]``; equal for an exact instant.

    Parameters
    ----------
    start, end : datetime
        Aware, UTC, ``start <= end``.
    local : bool
        Whether a time of day came without an offset, so that a zone had to be taken for it.
    """

    start: datetime
    end: datetime
    local: bool = False

    @property
    def exact(self) -> bool:
        """Whether the time is known to the second."""
        return self.end - self.start < _SECOND


def parse_fhir_time(text: object, *, field: str, local: tzinfo = UTC) -> Interval:
    """Read a FHIR date, dateTime or instant.

    Parameters
    ----------
    text : object
        What stood in the resource; anything but a string is refused.
    field : str
        Path of the element, for the error.
    local : tzinfo
        Zone of dates and of times that came without an offset.

    Returns
    -------
    Interval
        One instant for a full dateTime; the whole day, month or year for a partial date; both possible instants for
        a local time at which clocks are changed.

    Raises
    ------
    BadRequest
        If the text is no FHIR date or names a day that does not exist.

    Notes
    -----
    FHIR R4, "Date/time datatypes": partial dates are legal and mean the whole period. A time without an
    offset is not legal but is sent in the field; it is read in ``local``.
    """
    found = time_in(text, local=local)
    if found is None:
        raise BadRequest("not a FHIR date", field=field)
    return found


def time_in(text: object, *, local: tzinfo = UTC) -> Interval | None:
    """What `parse_fhir_time` reads, or None where it would refuse."""
    if not isinstance(text, str) or len(text) > _LONGEST:
        return None
    return _read_instant(text, local) if len(text) > _DATE else _read(text, local)


def _read(text: str, local: tzinfo) -> Interval | None:
    try:
        return _instant(text, local) if len(text) > _DATE else _partial(text, local)
    except (ValueError, OverflowError):
        return None


# The results of one round bear one time, and every call brings the same again. Dates, a birth date among them, are
# not remembered.
_read_instant = lru_cache(maxsize=_REMEMBERED)(_read)


def _instant(text: str, local: tzinfo) -> Interval:
    if _DATE_TIME.match(text) is None:  # fromisoformat reads week dates and basic format too
        raise ValueError("not a dateTime")
    text = text.upper()  # RFC 3339, 5.6: T and Z may be small
    leap = text[16:19] == ":60"  # FHIR allows it, Python has no such second: it is the first of the next minute
    at = datetime.fromisoformat(f"{text[:17]}59{text[19:]}") + _SECOND if leap else datetime.fromisoformat(text)
    if at.tzinfo is None:
        return _local(at, local)
    at = at.astimezone(UTC)
    return Interval(at, at)


def _local(at: datetime, local: tzinfo) -> Interval:
    """One instant, but for the hours in which clocks are put back or forward: then either side of the change."""
    start, end = sorted(at.replace(tzinfo=local, fold=fold).astimezone(UTC) for fold in (0, 1))
    return Interval(start, end, local=True)


def _partial(text: str, local: tzinfo) -> Interval:
    found = _PARTIAL.match(text)
    if found is None:
        raise ValueError("not a date")
    year, month, day = int(found["year"]), found["month"], found["day"]
    last_month = int(month) if month else 12
    last_day = int(day) if day else calendar.monthrange(year, last_month)[1]
    start = datetime(year, int(month or 1), int(day or 1), tzinfo=local)
    end = datetime.combine(date(year, last_month, last_day), _END_OF_DAY, tzinfo=local)
    return Interval(start.astimezone(UTC), end.astimezone(UTC))


def is_end_of_day(at: datetime, zone: tzinfo) -> bool:
    """Whether an instant is the end of an `Interval` of days: of what it is the time of, no time of day was said."""
    return at.microsecond == _END_OF_DAY.microsecond and at.astimezone(zone).time() == _END_OF_DAY


def to_hours(at: datetime) -> float:
    """Hours since 1970-01-01T00:00Z."""
    return at.timestamp() / _SECONDS_PER_HOUR
