"""Prefetch: what a template asks for, and what an EHR really put under its key."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Final

from cds_app.domain.issues import Issue, IssueCode
from cds_app.domain.time import time_in
from cds_app.errors import BadRequest, ContentError
from cds_app.fabric.bundles import entries_of, is_failure, is_outcome, unpack
from cds_app.fabric.references import Item
from cds_app.fabric.shapes import Object, as_object, objects

_TOKEN: Final = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_CONTEXT_FIELD: Final = re.compile(r"context\.([A-Za-z][A-Za-z0-9]*)")
_ID: Final = re.compile(r"(?!\.*\Z)[A-Za-z0-9\-.]{1,256}")  # dots alone would walk up the path
_USERS: Final = {
    "userPractitionerId": "Practitioner",
    "userPractitionerRoleId": "PractitionerRole",
    "userPatientId": "Patient",
    "userRelatedPersonId": "RelatedPerson",
}
_NEWEST_FIRST: Final = "_sort=-"
_DATED: Final = (
    *("effectiveDateTime", "effectiveInstant", "effectivePeriod", "period", "performedDateTime", "performedPeriod"),
    "authoredOn",
)
_UNSORTED: Final = timedelta(days=1)  # dates and zones make less of a difference between two that are sorted


@dataclass(frozen=True, slots=True)
class PrefetchTemplate:
    """A FHIR read or search with tokens in it.

    Parameters
    ----------
    text : str
        ``Observation?patient={{context.patientId}}&category=vital-signs``. Tokens are root-level context fields and
        the four user ids of CDS Hooks 2.0.

    Raises
    ------
    ContentError
        If a token is none of these.
    """

    text: str

    def __post_init__(self) -> None:
        """Refuse a template that nobody could fill."""
        for token in self.tokens:
            if token not in _USERS and _CONTEXT_FIELD.fullmatch(token) is None:
                raise ContentError("unknown token in a prefetch template", field="prefetch")
        if "{" in _TOKEN.sub("", self.text) or "}" in _TOKEN.sub("", self.text):
            raise ContentError("unbalanced braces in a prefetch template", field="prefetch")

    @property
    def tokens(self) -> tuple[str, ...]:
        """What stands between the braces, in order."""
        return tuple(_TOKEN.findall(self.text))

    def expand(self, context: Mapping[str, object]) -> str:
        """The path below the FHIR base.

        Raises
        ------
        BadRequest
            Naming the field of the context that is missing, no string, or no FHIR id. Ids may be longer than FHIR's
            64 characters (Epic's are), up to 256.
        """
        return _TOKEN.sub(partial(_fill, context), self.text)


def _fill(context: Mapping[str, object], token: re.Match[str]) -> str:
    kind = _USERS.get(token[1])
    name = "userId" if kind else token[1].removeprefix("context.")
    value = context.get(name)
    if kind and isinstance(value, str):
        found, _, value = value.partition("/")
        value = value if found == kind else None
    if not isinstance(value, str) or _ID.fullmatch(value) is None:
        raise BadRequest("missing, or not a FHIR id", field=f"context.{name}")
    return value


class State(StrEnum):
    """What an EHR did about one prefetch key."""

    GIVEN = "given"  # data, possibly an empty search set
    NULL = "null"  # it looked, and there is nothing
    ABSENT = "absent"  # it did not say, or said something that is no FHIR
    OUTCOME = "outcome"  # it tried and failed, or gave names without their resources
    PAGED = "paged"  # part of more: the first page, or fewer entries than the search says it found


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Prefetch, sorted out.

    Parameters
    ----------
    states : mapping of str to State
        For every key of the templates.
    items : tuple of Item
        Every resource found, under renamed keys too, and whatever else stood in its place.
    issues : tuple of Issue
        Outcomes, empty entries, and prefetch that is no object.
    following : mapping of str to str
        Paged keys to the URL of the next page, as sent: to be followed below the registered base only.
    """

    states: Mapping[str, State]
    items: tuple[Item, ...]
    issues: tuple[Issue, ...]
    following: Mapping[str, str]

    @property
    def to_fetch(self) -> tuple[str, ...]:
        """Keys whose data must be fetched, or fetched to the end."""
        return tuple(key for key, state in self.states.items() if state not in (State.GIVEN, State.NULL))


def resolve(prefetch: object, templates: Mapping[str, str], *, most: int = sys.maxsize) -> Resolved:
    """Sort what came under each key.

    Parameters
    ----------
    prefetch : object
        ``prefetch`` of the request, any JSON value, None if it was not there.
    templates : mapping of str to str
        The service's prefetch keys and templates.
    most : int
        How many resources and issues are of use; once there are more, nothing further is taken.

    Notes
    -----
    CDS Hooks 2.0, "Prefetch tokens" and "Providing FHIR resources": a key that is not there was not satisfied; null
    means that there is nothing. Epic sends an empty search as a search set with an OperationOutcome in it, which
    therefore counts as given unless the outcome is an error.
    """
    given = as_object(prefetch)
    issues = [] if prefetch is None or given is not None else [Issue(code=IssueCode.UNREADABLE, ref="prefetch")]
    given = given or {}
    items: list[Item] = []
    for at, value in _values(given, templates):
        found, problems = unpack(value, at=at, most=most - len(items) - len(issues))
        items.extend(found)
        issues.extend(problems)
    links = {key: link for key in templates if (link := _next_link(given.get(key)))}
    return Resolved(
        states={key: state_of(given[key]) if key in given else State.ABSENT for key in templates},
        items=tuple(items),
        issues=tuple(issues),
        following=links,
    )


def _values(given: Object, templates: Mapping[str, str]) -> Iterator[tuple[str, object]]:
    """Values with their places. A key that no template has may be anything, so its place says only that."""
    for key, value in given.items():
        yield (f"prefetch.{key}" if key in templates else "prefetch.(other)"), value


def state_of(value: object, held: int = 0) -> State:
    """What a JSON value that stands for the answer to one template says.

    Parameters
    ----------
    held : int
        How many resources of earlier pages are there already.
    """
    if value is None:
        return State.NULL
    if is_outcome(value):
        return State.OUTCOME
    found = as_object(value)
    if found is None or not isinstance(found.get("resourceType"), str):
        return State.ABSENT
    if found["resourceType"] != "Bundle":
        return State.GIVEN
    entries = entries_of(found.get("entry"))
    if _failed(found, entries) or _names_alone(found, entries):
        return State.OUTCOME
    return State.PAGED if _next_link(found) or _is_cut(found, entries, held) else State.GIVEN


def older_alone_is_missing(template: str, items: Sequence[Item]) -> bool:
    """Whether what is missing of a search that was cut short is older than what came.

    Parameters
    ----------
    template : str
        What was asked for; only where it asks for the newest first can that be so.
    items : sequence of Item
        All that came, in its order: not every server sorts.
    """
    if _NEWEST_FIRST not in template:
        return False
    times = [at for item in items if (at := _begun(as_object(item.resource) or {})) is not None]
    return bool(times) and max(times) - times[0] <= _UNSORTED


def _begun(resource: Object) -> datetime | None:
    for name in _DATED:
        value = resource.get(name)
        found = time_in(value.get("start") if isinstance(value, dict) else value)
        if found is not None:
            return found.start
    return None


def _failed(bundle: Object, listed: Sequence[object]) -> bool:
    """Whether the Bundle says that the search went wrong, or holds nothing but an outcome outside a search set."""
    entries = [one for one in listed if isinstance(one, dict)]
    outcomes = [entry["resource"] for entry in entries if is_outcome(entry.get("resource"))]
    if not outcomes or any(map(is_failure, outcomes)):
        return bool(outcomes)
    told = bundle.get("type") == "searchset" or any(_is_search_outcome(entry) for entry in entries)
    return len(outcomes) == len(entries) and not told


def _names_alone(bundle: Object, entries: Sequence[object]) -> bool:
    """Whether a Bundle has entries and in none of them a resource. A history may: what was deleted has none."""
    if not entries or bundle.get("type") == "history":
        return False
    return all(isinstance(entry, dict) and entry.get("resource") is None for entry in entries)


def _is_cut(bundle: Object, entries: Sequence[object], held: int) -> bool:
    """Whether a search set says that it found more than it and the pages before it hold."""
    total = bundle.get("total")
    if bundle.get("type") != "searchset" or not isinstance(total, int) or isinstance(total, bool):
        return False
    beside = [one for one in entries if isinstance(one, dict) and "search" in one and not _is_match(one)]
    return total > held + len(entries) - len(beside)


def _is_match(entry: Object) -> bool:
    """Whether an entry is one of those that a search set counts: neither included nor an outcome."""
    search = as_object(entry.get("search"))
    return search is None or search.get("mode", "match") == "match"


def _is_search_outcome(entry: Object) -> bool:
    search = as_object(entry.get("search"))
    return search is not None and search.get("mode") == "outcome"


def _next_link(value: object) -> str:
    bundle = as_object(value)
    links = objects(bundle.get("link")) if bundle else []
    urls = (link.get("url") for link in links if link.get("relation") == "next")
    return next((url for url in urls if isinstance(url, str) and url), "")
