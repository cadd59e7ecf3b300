"""Facts in order of time and by concept: what the indices of a `Situation` are made with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import inf
from operator import attrgetter, lt
from typing import TypeVar

import msgspec

from cds_app.domain.facts import Condition, Fact, Measurement, Medication, Procedure, Report
from cds_app.domain.precedence import repeated

FactT = TypeVar("FactT", bound=Fact)
ConceptFactT = TypeVar("ConceptFactT", Condition, Medication, Procedure, Report)
DoneT = TypeVar("DoneT", Medication, Procedure)
_WHEN = attrgetter("when")


class Course(msgspec.Struct, frozen=True):
    """One quantity up to now: its values, oldest first, the newest, how old that is and until when it is current."""

    rows: tuple[Measurement, ...] = ()
    newest: Measurement | None = None
    age_h: float = inf
    fresh_h: float = 0.0


def in_time(rows: Sequence[FactT]) -> Sequence[FactT]:
    """Sorted by time; `Timeline.facts` is so already, and then this costs one pass."""
    return sorted(rows, key=_WHEN)


def once(rows: Sequence[Measurement]) -> tuple[Measurement, ...]:
    """Of one quantity, in order of time: what two resources say alike of one instant, counts once."""
    times = [one.when for one in rows]
    if all(map(lt, times, times[1:])):
        return tuple(rows)
    again = repeated(((one.when, one.value, one.bound), one.ref) for one in rows)
    return tuple(one for one in rows if one.ref not in again)


def newest(rows: Sequence[FactT], since: datetime) -> FactT | None:
    """The last of rows in order of time, unless it is too old."""
    return rows[-1] if rows and rows[-1].when >= since else None


def by_concept(rows: Sequence[ConceptFactT]) -> Mapping[str, tuple[ConceptFactT, ...]]:
    """Index rows by every concept that they carry, their order kept."""
    found: dict[str, list[ConceptFactT]] = {}
    for one in rows:
        for concept in one.concepts:
            found.setdefault(concept, []).append(one)
    return {concept: tuple(ones) for concept, ones in found.items()}


def last_time(one: Medication | Procedure, now: datetime) -> datetime:
    """When it last went on: its end if that is past, now if it still runs, else when it happened."""
    if one.end is not None:
        return min(one.end, now)
    return now if one.status == "in-progress" else one.when


def years(born: datetime, at: datetime) -> int:
    """Completed years; negative before birth."""
    before_birthday = (at.month, at.day) < (born.month, born.day)
    return at.year - born.year - before_birthday
