"""FHIR R4 search over dictionaries: the parameters that the CDS services and charts use. Unknown ones are refused.

FHIR R4 "Search": values of one parameter separated by commas are alternatives, repeated parameters must all hold.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cds_app.errors import BadRequest
from cds_app.sandbox.people.resources import Resource

Test = Callable[[Resource], bool]

DEFAULT_COUNT: Final = 50
MAX_COUNT: Final = 500

_TOKENS: Final[Mapping[str, Mapping[str, str]]] = {
    "Patient": {"identifier": "identifier", "gender": "gender"},
    "Encounter": {"status": "status", "class": "class", "type": "type"},
    "Observation": {"code": "code", "category": "category", "status": "status"},
    "Condition": {"code": "code", "category": "category", "clinical-status": "clinicalStatus"},
    "MedicationRequest": {"code": "medicationCodeableConcept", "status": "status", "intent": "intent"},
    "MedicationAdministration": {"code": "medicationCodeableConcept", "status": "status"},
    "MedicationStatement": {"code": "medicationCodeableConcept", "status": "status"},
    "Procedure": {"code": "code", "status": "status"},
    "ServiceRequest": {"code": "code", "status": "status", "intent": "intent"},
    "AllergyIntolerance": {"code": "code", "clinical-status": "clinicalStatus"},
    "DiagnosticReport": {"code": "code", "category": "category", "status": "status"},
    "Task": {"code": "code", "status": "status", "intent": "intent"},
    "Provenance": {},
    "Practitioner": {},
}
_DATES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "Patient": {"birthdate": ("birthDate",)},
    "Encounter": {"date": ("period",)},
    "Observation": {"date": ("effectiveDateTime", "effectivePeriod")},
    "Condition": {"onset-date": ("onsetDateTime",), "recorded-date": ("recordedDate",)},
    "MedicationRequest": {"authoredon": ("authoredOn",)},
    "MedicationAdministration": {"effective-time": ("effectiveDateTime", "effectivePeriod")},
    "MedicationStatement": {"effective": ("effectiveDateTime", "effectivePeriod")},
    "Procedure": {"date": ("performedDateTime", "performedPeriod")},
    "ServiceRequest": {"authored": ("authoredOn",)},
    "AllergyIntolerance": {"date": ("recordedDate",)},
    "DiagnosticReport": {"date": ("effectiveDateTime", "effectivePeriod")},
    "Task": {"authored-on": ("authoredOn",)},
    "Provenance": {"recorded": ("recorded",)},
    "Practitioner": {},
}
_REFERENCES: Final = {"encounter": ("encounter", "context"), "owner": ("owner",), "requester": ("requester",)}
_PATIENTLESS: Final = frozenset({"Patient", "Practitioner", "Provenance"})
_CONTROLS: Final = frozenset({"_sort", "_count", "_offset", "_format"})
_PREFIXED: Final = re.compile(r"(eq|lt|le|gt|ge)?(\d{4}.*)")
_PARTIAL: Final = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?")
_LATEST: Final = datetime.max.replace(tzinfo=UTC)
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Part of what a search found.

    Parameters
    ----------
    total : int
        All that matches.
    resources : tuple of Resource
        On this page.
    next_offset : int or None
        Where the next page begins; None on the last.
    """

    total: int
    resources: tuple[Resource, ...]
    next_offset: int | None


def search(resources: Sequence[Resource], kind: str, query: Sequence[tuple[str, str]]) -> Page:
    """Filter, sort and cut.

    Parameters
    ----------
    resources : sequence of Resource
        All of one type.
    kind : str
        That type.
    query : sequence of (name, value)
        In the order of the URL.

    Raises
    ------
    BadRequest
        Naming the parameter that is unknown or malformed.
    """
    tests = [_test(kind, name, value) for name, value in query if name not in _CONTROLS]
    found = [one for one in resources if all(test(one) for test in tests)]
    controls = dict(query)
    for key in reversed(_split(controls.get("_sort", ""))):
        found = _sorted(found, kind, key)
    count = _whole(controls, "_count", DEFAULT_COUNT, most=MAX_COUNT)
    offset = _whole(controls, "_offset", 0)
    end = offset + count
    more = end if count and end < len(found) else None
    return Page(total=len(found), resources=tuple(found[offset:end]), next_offset=more)


def _test(kind: str, name: str, value: str) -> Test:
    if name == "target" and kind == "Provenance":
        return lambda one: any(_referred(target) in _names(_split(value)) for target in one["target"])
    if name in ("patient", "subject") and kind not in _PATIENTLESS:
        return _of_patient(name, _split(value))
    if name == "_id":
        return lambda one: one["id"] in _split(value)
    if name in _REFERENCES and (name == "encounter" or kind == "Task"):
        return lambda one: any(_referred(one.get(field)) in _names(_split(value)) for field in _REFERENCES[name])
    if name in _TOKENS[kind]:
        return _coded(_TOKENS[kind][name], _split(value))
    if name in _DATES[kind] or name == "_lastUpdated":
        return _dated(_date_fields(kind, name), name, value)
    raise BadRequest("this server does not know the search parameter", field=_safe(name))


def _safe(name: str) -> str:
    return name if re.fullmatch(r"[\w:.\-]{1,40}", name) else "query"


def _split(value: str) -> list[str]:
    return [part for part in value.split(",") if part]


def _of_patient(name: str, wanted: Sequence[str]) -> Test:
    ids = _names(wanted)
    if name == "subject" and any("/" in one and "Patient/" not in one for one in wanted):
        raise BadRequest("only patients are subjects here", field=name)
    return lambda one: _referred(one.get("subject") or one.get("patient") or one.get("for")) in ids


def _names(references: Sequence[str]) -> set[str]:
    return {one.rpartition("/")[2] for one in references}


def _referred(value: object) -> str:
    return str(value.get("reference", "")).rpartition("/")[2] if isinstance(value, dict) else ""


# --- tokens


def _coded(field: str, wanted: Sequence[str]) -> Test:
    def test(one: Resource) -> bool:
        return any(_token_matches(token, system, code) for token in wanted for system, code in _codes(one.get(field)))

    return test


def _codes(value: object) -> Iterator[tuple[str, str]]:
    """The (system, code) pairs of a code, Coding, CodeableConcept, Identifier or a list of these."""
    if isinstance(value, str):
        yield "", value
    elif isinstance(value, list):
        for one in value:
            yield from _codes(one)
    elif isinstance(value, dict) and "coding" in value:
        yield from _codes(value["coding"])
    elif isinstance(value, dict):
        yield str(value.get("system", "")), str(value.get("code", value.get("value", "")))


def _token_matches(token: str, system: str, code: str) -> bool:
    asked, bar, name = token.rpartition("|")
    return (not bar or asked == system) and (not name or name == code)


# --- dates


def _date_fields(kind: str, name: str) -> tuple[str, ...]:
    return ("lastUpdated",) if name == "_lastUpdated" else _DATES[kind][name]


def _dated(fields: Sequence[str], name: str, value: str) -> Test:
    # In a query string a bare plus sign means a space.
    matched = _PREFIXED.fullmatch(value.replace(" ", "+"))
    if matched is None:
        raise BadRequest("not a date with one of eq, lt, le, gt, ge before it", field=name)
    start, end = interval(matched[2], field=name)
    holds = _COMPARISONS[matched[1] or "eq"]

    def test(one: Resource) -> bool:
        own = _when(one, fields)
        return own is not None and holds(own, (start, end))

    return test


Interval = tuple[datetime, datetime]
_COMPARISONS: Final[Mapping[str, Callable[[Interval, Interval], bool]]] = {
    "eq": lambda own, asked: asked[0] <= own[0] and own[1] <= asked[1],
    "lt": lambda own, asked: own[0] < asked[0],
    "le": lambda own, asked: own[0] < asked[1],
    "gt": lambda own, asked: own[1] > asked[1],
    "ge": lambda own, asked: own[1] > asked[0],
}


def _when(one: Resource, fields: Sequence[str]) -> Interval | None:
    holder = one["meta"] if fields == ("lastUpdated",) else one
    value: Any = next((holder[field] for field in fields if holder.get(field)), None)
    if isinstance(value, dict):
        begin = interval(value["start"])[0] if "start" in value else _EARLIEST
        return begin, interval(value["end"])[1] if "end" in value else _LATEST
    return interval(value) if value else None


def interval(text: str, *, field: str = "date") -> Interval:
    """The instants that a FHIR date, dateTime or instant stands for: from, and to but not including.

    Raises
    ------
    BadRequest
        If it is none.
    """
    try:
        partial = _PARTIAL.fullmatch(text)
        return _span_of_date(partial) if partial else _span_of_time(text)
    except (ValueError, OverflowError) as error:
        raise BadRequest("not a FHIR date or time", field=field) from error


def _span_of_date(found: re.Match[str]) -> Interval:
    year, month, day = int(found[1]), int(found[2] or 1), int(found[3] or 1)
    start = datetime(year, month, day, tzinfo=UTC)
    if found[3]:
        return start, start + timedelta(days=1)
    months = range(month, month + 1) if found[2] else range(1, 13)
    days = sum(calendar.monthrange(year, one)[1] for one in months)
    return start, start + timedelta(days=days)


def _span_of_time(text: str) -> Interval:
    at = datetime.fromisoformat(text)
    start = at if at.tzinfo else at.replace(tzinfo=UTC)
    width = timedelta(microseconds=1) if "." in text else timedelta(seconds=1)
    return start.astimezone(UTC), start.astimezone(UTC) + width


# --- order and size


def _sorted(found: list[Resource], kind: str, key: str) -> list[Resource]:
    """Stable; resources without a date come last either way."""
    name = key.removeprefix("-")
    if name not in _DATES[kind] and name not in ("_lastUpdated", "_id"):
        raise BadRequest("this server cannot sort by the parameter", field="_sort")
    fields = () if name == "_id" else _date_fields(kind, name)

    def place(one: Resource) -> Any:
        if name == "_id":
            return one["id"]
        when = _when(one, fields)
        return when[0] if when else None

    placed = [(place(one), one) for one in found]
    dated = sorted((pair for pair in placed if pair[0] is not None), key=_first, reverse=key.startswith("-"))
    return [one for _, one in dated] + [one for at, one in placed if at is None]


def _first(pair: tuple[Any, Resource]) -> Any:
    return pair[0]


def _whole(controls: Mapping[str, str], name: str, default: int, *, most: int = 1_000_000) -> int:
    text = controls.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"\d{1,7}", text):
        raise BadRequest("must be a whole number", field=name)
    return min(int(text), most)
