"""When something was so: the first usable time of a resource, partial dates as intervals, impossible times refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, Literal

from cds_app.domain.issues import IssueCode
from cds_app.domain.time import Interval, time_in
from cds_app.fabric.context import Context, Head
from cds_app.fabric.shapes import MAX_ITEMS, Object, as_object

UNDATED: Final = datetime(1900, 1, 1, tzinfo=UTC)
"""``when`` of what stands without a date (an allergy, an old diagnosis): it has always been so."""

_NO_MARGIN: Final = timedelta(0)
_DAY: Final = timedelta(days=1)
_WIDEST_ZONE: Final = timedelta(hours=14)  # a date has no zone: it may already have begun somewhere

Missing = Literal["drop", "always", "learned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a resource type says when.

    Parameters
    ----------
    fields : tuple of str
        Elements by preference.
    late : tuple of str
        Elements that stand in, with an issue (``issued``).
    at_end : bool
        Whether of a Period its end counts (a result) or its start (a treatment).
    missing : {"drop", "always", "learned"}
        Without any time: left out; held to be so since `UNDATED`; held to be so since it was learned. What has
        always been so is not left out for an onset before birth either; its next element is tried.
    """

    fields: tuple[str, ...]
    late: tuple[str, ...] = ()
    at_end: bool = False
    missing: Missing = "drop"


def find_time(resource: Object, plan: Plan, head: Head, context: Context) -> datetime | None:
    """The resource's time, or None when the resource must be left out (and an issue says why)."""
    for name in plan.fields:
        value = resource.get(name)
        if value is None:
            continue
        interval = interval_of(value, context.zone, at_end=plan.at_end)
        problem = IssueCode.UNREADABLE if interval is None else _problem(interval, context)
        if interval is not None and problem is None:
            if interval.local:
                context.note(IssueCode.NO_OFFSET, head.ref, name, dropped=False)
            if not interval.exact:
                context.note(IssueCode.IMPRECISE_TIME, head.ref, name, dropped=False)
            return interval.end if interval.exact else _moment(interval, plan, resource, context)
        over = problem is IssueCode.FUTURE or (problem is IssueCode.IMPOSSIBLE_TIME and plan.missing != "always")
        context.note(problem or IssueCode.UNREADABLE, head.ref, name, dropped=over)
        if over:
            return None
    return _late(resource, plan, head, context)


def instant_in(text: str, context: Context) -> datetime | None:
    """A dateTime that is whole, exact and possible; None for any other."""
    if text not in context.instants:
        context.instants[text] = _instant(text, context)
    return context.instants[text]


def _instant(text: str, context: Context) -> datetime | None:
    interval = time_in(text, local=context.zone)
    usable = interval is not None and interval.exact and not interval.local and _problem(interval, context) is None
    return interval.end if interval is not None and usable else None


def _late(resource: Object, plan: Plan, head: Head, context: Context) -> datetime | None:
    for name in plan.late:
        interval = interval_of(resource.get(name), context.zone, at_end=plan.at_end)
        if interval is None:
            continue
        problem = _problem(interval, context)
        context.note(problem or IssueCode.IMPRECISE_TIME, head.ref, name, dropped=problem is not None)
        return None if problem is not None else min(interval.end, max(context.learned, interval.start))
    context.note(IssueCode.NO_TIME, head.ref, plan.fields[0], dropped=plan.missing == "drop")
    return {"drop": None, "always": UNDATED, "learned": context.learned}[plan.missing]


def _problem(interval: Interval, context: Context) -> IssueCode | None:
    if interval.end < context.earliest:
        return IssueCode.IMPOSSIBLE_TIME
    if interval.start <= context.latest:
        return None
    margin = _NO_MARGIN if interval.exact else _WIDEST_ZONE
    return IssueCode.FUTURE if interval.start - margin > context.latest else None


def _moment(interval: Interval, plan: Plan, resource: Object, context: Context) -> datetime:
    """Of a partial date the last moment at which the result can have been there.

    A result of some day of a month or a year, of which nobody says when it was issued, counts from the first: what may
    be months old must not pass for current.
    """
    issued = interval_of(resource.get("issued"), context.zone)
    if issued is not None and issued.end >= interval.start:
        return min(interval.end, issued.end)
    if plan.at_end and interval.end - interval.start > _DAY:
        return interval.start
    return min(interval.end, max(context.learned, interval.start))


def interval_of(value: object, zone: tzinfo, *, at_end: bool = False) -> Interval | None:
    """What a date, dateTime, instant, Period or Timing says; None if it says nothing readable."""
    if isinstance(value, str):
        return time_in(value, local=zone)
    found = as_object(value)
    return None if found is None else _interval_in(found, zone, at_end=at_end)


def _interval_in(value: Object, zone: tzinfo, *, at_end: bool) -> Interval | None:
    events = value.get("event")
    if isinstance(events, list) and events:
        dates = [date for event in events[:MAX_ITEMS] if (date := time_in(event, local=zone)) is not None]
        return (max if at_end else min)(dates, key=_end, default=None)
    repeat = as_object(value.get("repeat"))
    period = as_object(repeat.get("boundsPeriod")) if repeat else value
    start, end = (time_in((period or {}).get(side), local=zone) for side in ("start", "end"))
    return (end or start) if at_end else (start or end)


def _end(interval: Interval) -> datetime:
    return interval.end


def end_of(value: object, zone: tzinfo) -> datetime | None:
    """The latest instant of a date, or of a Period's end; in the future too."""
    found = as_object(value)
    interval = time_in(value if found is None else found.get("end"), local=zone)
    return None if interval is None else interval.end
