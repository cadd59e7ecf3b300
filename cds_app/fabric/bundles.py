"""Resources out of whatever holds them: Bundles of any type, nested ones, lists, or nothing at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cds_app.domain.issues import Issue, IssueCode
from cds_app.fabric.references import Item
from cds_app.fabric.shapes import Object, as_object, objects

MAX_NESTING: Final = 8
_FAILED: Final = frozenset({"error", "fatal"})


def unpack(document: object, *, at: str) -> tuple[tuple[Item, ...], tuple[Issue, ...]]:
    """Take the resources out of a JSON value.

    Parameters
    ----------
    document : object
        A resource, a Bundle of any or no type, a list of either (NDJSON), or None.
    at : str
        Where it stood, for issues.

    Returns
    -------
    tuple of (tuple of Item, tuple of Issue)
        Every resource with its place and fullUrl. Anything that stands where a resource should is an item too, so
        that it is counted. OperationOutcomes, entries without a resource and Bundles nested too deeply are issues.
    """
    items: list[Item] = []
    issues: list[Issue] = []
    for found in _walk(Item(document, at), 0):
        if isinstance(found, Issue):
            issues.append(found)
        else:
            items.append(found)
    return tuple(items), tuple(issues)


def is_outcome(value: object) -> bool:
    """Whether the value is an OperationOutcome."""
    return isinstance(value, dict) and value.get("resourceType") == "OperationOutcome"


def is_failure(outcome: object) -> bool:
    """Whether an OperationOutcome says that something went wrong, and not only that nothing was found."""
    found = as_object(outcome) or {}
    severities = [issue.get("severity") for issue in objects(found.get("issue"))]
    return any(isinstance(one, str) and one in _FAILED for one in severities)


def _walk(item: Item, depth: int) -> Iterator[Item | Issue]:
    value = item.resource
    if value is None:
        return
    if isinstance(value, list) or (isinstance(value, dict) and value.get("resourceType") == "Bundle"):
        if depth == MAX_NESTING:
            yield Issue(code=IssueCode.UNREADABLE, ref=item.at)
            return
        for inner in _members(value, item.at):
            yield from (inner,) if isinstance(inner, Issue) else _walk(inner, depth + 1)
    elif is_outcome(value):
        yield Issue(code=IssueCode.SERVER_OUTCOME, ref=item.at, dropped=False)
    else:
        yield item


def _members(value: list[object] | Object, at: str) -> Iterator[Item | Issue]:
    if isinstance(value, list):
        yield from (Item(one, f"{at}[{i}]") for i, one in enumerate(value))
        return
    entries = value.get("entry", [])
    if not isinstance(entries, list):
        yield Issue(code=IssueCode.UNREADABLE, ref=at, field="entry")
        return
    for i, entry in enumerate(entries):
        yield _member(entry, f"{at}.entry[{i}]")


def _member(entry: object, at: str) -> Item | Issue:
    resource = entry.get("resource") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or resource is None:
        return Issue(code=IssueCode.UNREADABLE, ref=at, field="resource")
    full_url = entry.get("fullUrl")
    return Item(resource, at, full_url if isinstance(full_url, str) else "")
