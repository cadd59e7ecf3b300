"""Resources out of whatever holds them: Bundles of any type, nested ones, lists, or nothing at all."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Final

from cds_app.domain.issues import Issue, IssueCode
from cds_app.fabric.deletions import deletion_in
from cds_app.fabric.references import Item
from cds_app.fabric.shapes import Object, as_object, objects

MAX_NESTING: Final = 8
_HOLDERS: Final = ("DiagnosticReport", "Observation")
_SHARED: Final = ("subject", "encounter", "meta", "issued", "modifierExtension", "implicitRules")
_WHEN: Final = ("effectiveDateTime", "effectivePeriod")
_TAKEN_BACK: Final = ("entered-in-error", "cancelled")
_URN: Final = "urn:uuid:"
_FAILED: Final = frozenset({"error", "fatal"})


@dataclass(slots=True)
class _Found:
    most: int
    items: list[Item] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)

    @property
    def enough(self) -> bool:
        return len(self.items) + len(self.issues) > self.most


def unpack(document: object, *, at: str, most: int = sys.maxsize) -> tuple[tuple[Item, ...], tuple[Issue, ...]]:
    """Take the resources out of a JSON value.

    Parameters
    ----------
    document : object
        A resource, a Bundle of any or no type, a list of either (NDJSON), or None.
    at : str
        Where it stood, for issues.
    most : int
        How many items and issues are of use; once there are more, nothing further is taken.

    Returns
    -------
    tuple of (tuple of Item, tuple of Issue)
        Every resource with its place and fullUrl. Anything that stands where a resource should is an item too, so
        that it is counted, and so is what a history says was deleted. OperationOutcomes, entries without a resource
        and Bundles nested too deeply are issues.
    """
    found = _Found(most)
    _collect(Item(document, at), 0, found)
    return tuple(found.items), tuple(found.issues)


def is_outcome(value: object) -> bool:
    """Whether the value is an OperationOutcome."""
    return isinstance(value, dict) and value.get("resourceType") == "OperationOutcome"


def is_failure(outcome: object) -> bool:
    """Whether an OperationOutcome says that something went wrong, and not only that nothing was found."""
    found = as_object(outcome) or {}
    severities = [issue.get("severity") for issue in objects(found.get("issue"))]
    return any(isinstance(one, str) and one in _FAILED for one in severities)


def _collect(item: Item, depth: int, found: _Found) -> None:
    value: Any = item.resource
    kind = value.get("resourceType") if isinstance(value, dict) else None
    if kind == "Bundle" or isinstance(value, list):
        if depth == MAX_NESTING or (depth and value == []):
            found.issues.append(Issue(code=IssueCode.UNREADABLE, ref=item.at))
            return
        for inner in _members(value, item.at, found):
            _collect(inner, depth + 1, found)
    elif kind == "OperationOutcome":
        found.issues.append(Issue(code=IssueCode.SERVER_OUTCOME, ref=item.at, dropped=False))
    elif value is not None:
        found.items.append(item)
        if kind in _HOLDERS and "contained" in value:
            found.items.extend(_contained(value, item.at))


def _contained(outer: Object, at: str) -> Iterator[Item]:
    """Observations inside a report or a panel, completed by what it says of all: of whom, when, in which version."""
    for i, one in enumerate(objects(outer["contained"])):
        if one.get("resourceType") == "Observation":
            yield Item(_completed(one, outer), f"{at}.contained[{i}]")


def _completed(inner: Object, outer: Object) -> Object:
    when = () if any(name.startswith("effective") for name in inner) else _WHEN
    found: Object = {name: outer[name] for name in (*_SHARED, *when) if name in outer} | inner
    if outer.get("status") in _TAKEN_BACK:
        found["status"] = outer["status"]
    outside, inside = outer.get("id"), inner.get("id")
    known = isinstance(outside, str) and isinstance(inside, str)
    return {**found, "id": f"{outside}.{inside.lstrip('#')}" if known and inside else None}


def _members(value: Any, at: str, found: _Found) -> Iterator[Item]:
    """What a list or a Bundle holds."""
    if isinstance(value, list):
        yield from takewhile(lambda _: not found.enough, (Item(one, f"{at}[{i}]") for i, one in enumerate(value)))
        return
    stated = value.get("entry", [])
    if not isinstance(stated, (list, dict)):
        found.issues.append(Issue(code=IssueCode.UNREADABLE, ref=at, field="entry"))
        return
    told = entries_of(stated) if value.get("type") == "history" else []
    for i, (entry, place) in enumerate(_entries(stated, f"{at}.entry")):
        if found.enough:
            return
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if resource is None and told and (gone := deletion_in(entry, told[i + 1 :])):
            yield Item(gone, place)
            continue
        if resource is None:
            found.issues.append(Issue(code=IssueCode.UNREADABLE, ref=place, field="resource"))
            continue
        full_url = entry.get("fullUrl")
        url = full_url if isinstance(full_url, str) else ""
        yield Item(_called(resource, url) if url.startswith(_URN) else resource, place, url)


def entries_of(stated: object) -> list[Any]:
    """Each entry of a Bundle; lists within the list are part of it, and one alone counts as a list of it."""
    if not isinstance(stated, list):
        return [] if stated is None else [stated]
    if not any(isinstance(one, list) for one in stated):  # as in nearly all
        return stated
    return [entry for one in stated for entry in (entries_of(one) if isinstance(one, list) and one else [one])]


def _entries(stated: Any, at: str) -> Iterator[tuple[Any, str]]:
    """Each of `entries_of` with its place, as far as they are asked for."""
    for i, one in enumerate(stated if isinstance(stated, list) else [stated]):
        if isinstance(one, list) and one:
            yield from _entries(one, f"{at}[{i}]")
        else:
            yield one, f"{at}[{i}]"


def _called(resource: Any, url: str) -> Any:
    """A Patient who is to be created, as transactions have it, under the only name that others of the Bundle know."""
    if not isinstance(resource, dict) or resource.get("resourceType") != "Patient" or resource.get("id") is not None:
        return resource
    return {**resource, "id": url.removeprefix(_URN)}
