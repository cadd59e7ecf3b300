"""Facts in order of time and by concept: what the indices of a `Situation` are made with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import TypeVar

from cds_app.domain.facts import Condition, Fact, Medication, Procedure, Report

FactT = TypeVar("FactT", bound=Fact)
ConceptFactT = TypeVar("ConceptFactT", Condition, Medication, Procedure, Report)


def in_time(rows: Sequence[FactT]) -> Sequence[FactT]:
    """Sorted by time; `Timeline.facts` is so already, and then this costs one pass."""
    if all(one.when <= other.when for one, other in pairwise(rows)):
        return rows
    return sorted(rows, key=lambda one: one.when)


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
