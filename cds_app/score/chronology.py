"""Facts in order of time and by concept: what the indices of a `Situation` are made with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from math import inf
from operator import attrgetter, lt
from typing import TypeVar

import msgspec

from cds_app.domain.facts import Condition, Fact, Measurement, Medication, Procedure, Report
from cds_app.domain.precedence import by_cuff, by_line, repeated

FactT = TypeVar("FactT", bound=Fact)
ConceptFactT = TypeVar("ConceptFactT", Condition, Medication, Procedure, Report)
DoneT = TypeVar("DoneT", Medication, Procedure)
MadeT = TypeVar("MadeT")
_WHEN = attrgetter("when")
_NOT_AN_ORDER = frozenset({"proposal", "option"})
_STANDING = frozenset({"active", "on-hold"})
ORDERED = _STANDING | {"completed"}
HAPPENED = frozenset({"completed", "in-progress", ""})


class Course(msgspec.Struct, frozen=True):
    """One quantity up to now: its values, oldest first, the newest, how old that is and until when it is current."""

    rows: tuple[Measurement, ...] = ()
    newest: Measurement | None = None
    age_h: float = inf
    fresh_h: float = 0.0


class Asked(dict[str, MadeT]):
    """By name, each worked out when it is first asked for."""

    def __init__(self, make: Callable[[str], MadeT]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, name: str) -> MadeT:
        found = self[name] = self._make(name)
        return found


def in_time(rows: Sequence[FactT]) -> Sequence[FactT]:
    """Sorted by time; `Timeline.facts` is so already, and then this costs one pass."""
    return sorted(rows, key=_WHEN)


def once(rows: Sequence[Measurement], unusual: Callable[[Measurement], float]) -> tuple[Measurement, ...]:
    """Of one quantity, in order of time: what two resources say alike of one instant, counts once.

    Of what they say otherwise the most unusual comes last, and so is the newest: which of them is right nobody knows,
    and what the resources are called does not say it. What a cuff says beside an arterial line is left out.
    """
    times = [one.when for one in rows]
    if all(map(lt, times, times[1:])):
        return tuple(rows)
    lines = {one.when for one in rows if by_line(one)}
    rows = [one for one in rows if one.when not in lines or not by_cuff(one)]
    again = repeated(((one.when, one.value, one.bound), one.ref) for one in rows)
    return tuple(sorted((one for one in rows if one.ref not in again), key=lambda one: (one.when, unusual(one))))


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


def stands(one: Medication, now: datetime) -> bool:
    """Whether an order is active or on hold, is one, and is not over."""
    open_end = one.end is None or one.end > now
    return one.source == "request" and one.status in _STANDING and one.intent not in _NOT_AN_ORDER and open_end


def taken(one: Medication, since: datetime, now: datetime) -> bool:
    """Whether the patient takes it, or had it since.

    An order of a single dose counts as long as that dose would, whether or not anybody closed it.
    """
    if one.source == "administration":
        return one.status in HAPPENED and last_time(one, now) >= since
    if one.source == "request":
        return one.status == "active" and stands(one, now) and (not is_single(one) or _begins(one) >= since)
    return one.status == "active" and (one.end is None or one.end > now)


def is_single(one: Medication) -> bool:
    """Whether it is one dose and no more."""
    return one.dosing is not None and one.dosing.once


def _begins(one: Medication) -> datetime:
    """When an order takes effect, by its dosage or else when it was written."""
    start = one.dosing.start if one.dosing is not None else None
    return one.when if start is None else max(start, one.when)


def years(born: datetime, at: datetime) -> int:
    """Completed years; negative before birth."""
    before_birthday = (at.month, at.day) < (born.month, born.day)
    return at.year - born.year - before_birthday
