"""A finished record told again as it became known: what an EHR would have shown at each moment.

A resource in a finished record carries what was learned later: an Encounter its end and diagnoses, an order its
completion, a Patient the date of death. Each such resource is told twice, first without, then with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from cds_app.domain.time import parse_fhir_time
from cds_app.errors import BadRequest

Resource = Mapping[str, Any]

_LATER_OF_ENCOUNTER = ("diagnosis", "hospitalization", "length", "statusHistory", "reasonCode")
_KNOWN_BY: Mapping[str, tuple[str, ...]] = {
    "Observation": ("issued", "effectivePeriod.end", "effectiveDateTime", "effectiveInstant"),
    "DiagnosticReport": ("issued", "effectivePeriod.end", "effectiveDateTime"),
    "Condition": ("recordedDate", "onsetDateTime", "onsetPeriod.start"),
    "Procedure": ("performedPeriod.end", "performedDateTime"),
    "AllergyIntolerance": ("recordedDate", "onsetDateTime"),
    "ServiceRequest": ("authoredOn",),
    "MedicationRequest": ("authoredOn",),
    "MedicationStatement": ("dateAsserted", "effectivePeriod.start", "effectiveDateTime"),
    "MedicationAdministration": ("effectivePeriod.start", "effectiveDateTime"),
    "Encounter": ("period.start",),
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


def tell(entries: Sequence[tuple[str, Resource]]) -> tuple[Told, ...]:
    """Every resource in the order of becoming known.

    Parameters
    ----------
    entries : sequence of (fullUrl, resource)
        Of one patient.
    """
    told = [one for full_url, resource in entries for one in _tell(full_url, resource)]
    return tuple(sorted(told, key=lambda one: one.at.timestamp() if one.at else float("-inf")))


def steps(told: Sequence[Told], every: timedelta) -> Iterator[Step]:
    """Moments on a grid of ``every`` from the first news on; those without news are left out."""
    timed = [one for one in told if one.at is not None]
    if not timed or timed[0].at is None:
        return
    start, news = timed[0].at, [one for one in told if one.at is None]
    number = 0
    for one in timed:
        due = -((start - one.at) // every) if one.at else 0  # ceiling
        if due > number and any(before.at is not None for before in news):
            yield Step(at=start + number * every, news=tuple(news))
            news = []
        number = max(number, due)
        news.append(one)
    yield Step(at=start + number * every, news=tuple(news))


def monitored_days(moments: Sequence[datetime], gap: timedelta = timedelta(hours=24)) -> float:
    """Days covered by moments, gaps longer than ``gap`` left out."""
    return sum((b - a).total_seconds() for a, b in pairwise(moments) if b - a <= gap) / 86_400.0


def _tell(full_url: str, resource: Resource) -> Iterator[Told]:
    kind = resource.get("resourceType")
    at = _first_time(resource, _KNOWN_BY.get(str(kind), ()))
    later = _later(resource)
    if later is None:
        yield Told(at=at, full_url=full_url, resource=resource)
        return
    then, before = later
    yield Told(at=at, full_url=full_url, resource=before)
    yield Told(at=max(then, at) if at else then, full_url=full_url, resource=resource)


def _later(resource: Resource) -> tuple[datetime, Resource] | None:
    """When the rest became known, and the resource without it; None if all was known at once."""
    kind = resource.get("resourceType")
    if kind == "Patient":
        return _split(resource, "deceasedDateTime", ("deceasedDateTime", "deceasedBoolean"), {})
    if kind == "Encounter":
        without = {"status": "in-progress", "period": _without_end(resource.get("period"))}
        return _split(resource, "period.end", _LATER_OF_ENCOUNTER, without)
    if kind == "MedicationAdministration":
        without = {"status": "in-progress", "effectivePeriod": _without_end(resource.get("effectivePeriod"))}
        return _split(resource, "effectivePeriod.end", (), without)
    if kind == "MedicationRequest" and resource.get("status") in ("completed", "stopped"):
        return _split(resource, "dosageInstruction.0.timing.repeat.boundsPeriod.end", (), {"status": "active"})
    return None


def _split(
    resource: Resource, path: str, gone: Sequence[str], changed: Mapping[str, Any]
) -> tuple[datetime, Resource] | None:
    then = _first_time(resource, (path,))
    if then is None:
        return None
    kept = {key: value for key, value in resource.items() if key not in gone}
    return then, {**kept, **changed}


def _without_end(period: object) -> object:
    return {key: value for key, value in period.items() if key != "end"} if isinstance(period, dict) else period


def _first_time(resource: Resource, paths: Sequence[str]) -> datetime | None:
    """The first readable time among elements; of a partial date its end: it was not known before."""
    for path in paths:
        value: Any = resource
        for name in path.split("."):
            value = _child(value, name)
        try:
            return parse_fhir_time(value, field=path).end
        except BadRequest:
            continue
    return None


def _child(value: object, name: str) -> object:
    if isinstance(value, dict):
        return value.get(name)
    if isinstance(value, list) and name.isdigit() and int(name) < len(value):
        return value[int(name)]
    return None
