"""A finished record told again as it became known: what an EHR would have shown at each moment.

A resource in a finished record carries what was learned later: an Encounter its end and diagnoses, an order its
completion, a problem its resolution, a Patient the date of death. Each such resource is told twice: first as it stood
when it became known, then as it ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Any

from cds_app.domain.time import Interval, time_in

Resource = Mapping[str, Any]

_KNOWN_BY: Mapping[str, tuple[str, ...]] = {
    "Observation": ("issued", "effectivePeriod.end", "effectiveDateTime", "effectiveInstant"),
    "DiagnosticReport": ("issued", "effectivePeriod.end", "effectiveDateTime"),
    "Condition": ("recordedDate", "onsetDateTime", "onsetPeriod.start"),
    "Procedure": ("performedPeriod.start", "performedDateTime"),
    "AllergyIntolerance": ("recordedDate", "onsetDateTime"),
    "ServiceRequest": ("authoredOn", "occurrencePeriod.start", "occurrenceDateTime"),
    "MedicationRequest": ("authoredOn",),
    "MedicationStatement": ("dateAsserted", "effectivePeriod.start", "effectiveDateTime"),
    "MedicationAdministration": ("effectivePeriod.start", "effectiveDateTime"),
    "Encounter": ("period.start",),
}
_DAY = timedelta(hours=24)
_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_SO_AT = ("effectivePeriod.end", "effectiveDateTime", "effectiveInstant")  # no result is known before it is so
_AT_LAST = datetime.max.replace(tzinfo=UTC)  # at a time that nobody wrote down: when the record ends


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ending:
    """What a resource says only when the thing is over.

    Parameters
    ----------
    when : tuple of str
        Elements that date the end; the first readable one counts.
    gone : tuple of str
        Elements that were not there before.
    statuses : tuple of str
        Statuses of something that is over.
    signs : tuple of str
        Elements that stand only in something that is over, where no status says so.
    before : str
        The status until then.
    with_stay : bool
        Where ``when`` does not say, it ended with its Encounter.
    undated : datetime or None
        When it ended where nothing says so. None: what is told is what is written.
    """

    when: tuple[str, ...]
    gone: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    signs: tuple[str, ...] = ()
    before: str = ""
    with_stay: bool = False
    undated: datetime | None = None


_ENDINGS: Mapping[str, _Ending] = {
    "Patient": _Ending(
        when=("deceasedDateTime",),
        gone=("deceasedDateTime", "deceasedBoolean"),
        signs=("deceasedDateTime", "deceasedBoolean"),
        undated=_AT_LAST,
    ),
    "Encounter": _Ending(
        when=("period.end",),
        gone=("period.end", "diagnosis", "hospitalization", "length", "location", "statusHistory", "reasonCode"),
        statuses=("finished",),
        before="in-progress",
        undated=_AT_LAST,
    ),
    "Condition": _Ending(
        when=("abatementDateTime", "abatementPeriod.end"),
        gone=("abatementDateTime", "abatementPeriod", "clinicalStatus"),
        signs=("abatementDateTime", "abatementPeriod.end"),
    ),
    "Procedure": _Ending(
        when=("performedPeriod.end",),
        gone=("performedPeriod.end", "outcome", "complication"),
        statuses=("completed", "stopped"),
        before="in-progress",
    ),
    "MedicationAdministration": _Ending(
        when=("effectivePeriod.end",),
        gone=("effectivePeriod.end",),
        statuses=("completed", "stopped"),
        before="in-progress",
    ),
    "MedicationRequest": _Ending(
        when=("dosageInstruction.0.timing.repeat.boundsPeriod.end", "dispenseRequest.validityPeriod.end"),
        gone=("statusReason",),
        statuses=("completed", "stopped"),
        before="active",
        with_stay=True,
    ),
    "ServiceRequest": _Ending(
        when=("occurrencePeriod.end", "occurrenceDateTime"),
        statuses=("completed", "revoked"),
        before="active",
        with_stay=True,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One resource as it stood when it became known.

    Parameters
    ----------
    at : datetime or None
        When; None for a resource without a time, which was known all along.
    full_url : str
        Of its Bundle entry, "" if it had none.
    """

    at: datetime | None
    full_url: str
    resource: Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One moment at which a clinician opens the chart, and what became known since the one before."""

    at: datetime
    news: tuple[Told, ...]


def tell(entries: Sequence[tuple[str, Resource]], zone: tzinfo) -> tuple[Told, ...]:
    """Every resource in the order of becoming known, those without a time first.

    Parameters
    ----------
    entries : sequence of (fullUrl, resource)
        Of one patient.
    zone : tzinfo
        Of dates, and of times without an offset.
    """
    stays = _ends_of_stays(entries, zone)
    told = [one for full_url, resource in entries for one in _tell(full_url, resource, stays, zone)]
    last = max((one.at for one in told if one.at is not None and one.at != _AT_LAST), default=None)
    found = [(last if one.at == _AT_LAST else one.at, one) for one in told]
    ordered = sorted(found, key=lambda pair: pair[0].timestamp() if pair[0] else float("-inf"))
    return tuple(Told(at=at, full_url=one.full_url, resource=one.resource) for at, one in ordered)


def steps(told: Sequence[Told], every: timedelta) -> Iterator[Step]:
    """Moments on a grid of ``every`` from midnight (UTC) before the first news; those without news are left out."""
    timed = [(one.at, one) for one in told if one.at is not None]
    if not timed:
        return
    origin = timed[0][0].astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    news = [one for one in told if one.at is None]
    number = _ceiling(timed[0][0] - origin, every)
    for at, one in timed:
        due = _ceiling(at - origin, every)
        if due > number:
            yield Step(at=origin + number * every, news=_newest(news))
            news, number = [], due
        news.append(one)
    yield Step(at=origin + number * every, news=_newest(news))


def _newest(news: Sequence[Told]) -> tuple[Told, ...]:
    """Of a resource that was told twice since the last step, how it stands now: a server has one current version."""
    names = [(one.resource.get("resourceType"), str(one.resource.get("id") or one.full_url)) for one in news]
    last = {name: index for index, name in enumerate(names)}
    return tuple(one for index, one in enumerate(news) if not names[index][1] or last[names[index]] == index)


def _ceiling(span: timedelta, every: timedelta) -> int:
    return -(-span // every)


def monitored_days(moments: Sequence[datetime]) -> float:
    """Days covered by moments, gaps of more than a day left out."""
    return sum((b - a).total_seconds() for a, b in pairwise(moments) if b - a <= _DAY) / 86_400.0


def _tell(full_url: str, resource: Resource, stays: Mapping[str, datetime], zone: tzinfo) -> Iterator[Told]:
    at, ended = _known(resource, zone), _ended(resource, stays, zone)
    if ended is None or (at is not None and ended <= at):
        yield Told(at=at, full_url=full_url, resource=resource)
        return
    yield Told(at=at, full_url=full_url, resource=_before(resource))
    yield Told(at=ended, full_url=full_url, resource=resource)


def _known(resource: Resource, zone: tzinfo) -> datetime | None:
    """When a resource became known; of a partial date its end."""
    kind = str(resource.get("resourceType"))
    at = _first_time(resource, _KNOWN_BY.get(kind, ()), zone)
    so = _first_time(resource, _SO_AT, zone) if kind in {"Observation", "DiagnosticReport"} else None
    if at is None:
        return None
    return max(at.end, so.start) if so is not None else at.end


def _ended(resource: Resource, stays: Mapping[str, datetime], zone: tzinfo) -> datetime | None:
    """When the thing was over, as far as its resource says that it is; None: it is told as it stands."""
    ending = _ENDINGS.get(str(resource.get("resourceType")))
    if ending is None or not _is_over(resource, ending):
        return None
    stated = _first_time(resource, ending.when, zone)
    if stated is not None:
        return stated.end
    stay = stays.get(str(_at(resource, "encounter.reference"))) if ending.with_stay else None
    return stay or ending.undated


def _is_over(resource: Resource, ending: _Ending) -> bool:
    if ending.statuses:
        return resource.get("status") in ending.statuses
    return any(_at(resource, path) not in (None, False) for path in ending.signs)


def _before(resource: Resource) -> Resource:
    """The resource as it stood until the thing was over."""
    ending = _ENDINGS[str(resource["resourceType"])]
    changed = dict(resource)
    for path in ending.gone:
        name, _, inner = path.partition(".")
        if not inner:
            changed.pop(name, None)
        elif isinstance(changed.get(name), dict):
            changed[name] = {key: value for key, value in changed[name].items() if key != inner}
    return {**changed, "status": ending.before} if ending.before else changed


def _ends_of_stays(entries: Sequence[tuple[str, Resource]], zone: tzinfo) -> Mapping[str, datetime]:
    """When each Encounter ended, by every name that references may use."""
    found: dict[str, datetime] = {}
    for full_url, resource in entries:
        end = _first_time(resource, ("period.end",), zone) if resource.get("resourceType") == "Encounter" else None
        if end is not None:
            found |= {name: end.end for name in (full_url, f"Encounter/{resource.get('id')}") if name}
    return found


def _first_time(resource: Resource, paths: Sequence[str], zone: tzinfo) -> Interval | None:
    """The first readable time among elements at which anything can have been so."""
    found = (time_in(_at(resource, path), local=zone) for path in paths)
    return next((one for one in found if one is not None and one.start >= _FIRST and one.end < _LAST), None)


def _at(value: Any, path: str) -> Any:
    """An element by its path; None if it is not there."""
    for name in path.split("."):
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value
