"""Notifications of topic-based subscriptions: the R5 backport on R4B (SubscriptionStatus) and R4 (Parameters)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal, cast

import msgspec

from cds_app.errors import BadRequest
from cds_app.fabric.references import local_reference, reference_text, typed
from cds_app.fabric.shapes import Object, as_object, objects, word

MOST: Final = 10_000
"""Events, and resources, of one notification."""
Kind = Literal["handshake", "heartbeat", "event-notification", "query-status", "query-event"]
_KINDS: Final = frozenset({"handshake", "heartbeat", "event-notification", "query-status", "query-event"})
_MOST_DIGITS: Final = 15


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """One notification.

    Parameters
    ----------
    kind : str
    subscription : str
        As referenced.
    status : str
        As the server says the subscription is: ``active``, ``error``, ``off`` ...; "" if it does not say.
    total : int
        Events since the subscription began.
    events : tuple of int
        Numbers of those that are told of here: by what they are about, a resource or a deletion.
    focus : tuple of str
        ``Type/id`` of what they are about, where that is told by reference only.
    gone : tuple of str
        ``Type/id`` of what was deleted.
    resources : tuple
        What came along.
    """

    kind: Kind
    subscription: str
    status: str
    total: int
    events: tuple[int, ...] = ()
    focus: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    resources: tuple[object, ...] = ()


def read_notification(value: object) -> Notification:
    """Read a notification Bundle.

    Raises
    ------
    BadRequest
        Naming the first field that is not as the guide has it.
    """
    bundle = as_object(value)
    if bundle is None or bundle.get("resourceType") != "Bundle":
        raise BadRequest("must be a Bundle", field="resourceType")
    entries = bundle.get("entry")
    if not isinstance(entries, list) or not entries or len(entries) > MOST:
        raise BadRequest(f"must hold 1 to {MOST} entries", field="Bundle.entry")
    status = _status((as_object(entries[0]) or {}).get("resource"))
    resources: list[object] = []
    gone: dict[str, None] = {}
    for entry in (as_object(one) or {} for one in entries[1:]):
        if entry.get("resource") is not None:
            resources.append(entry["resource"])
            gone.pop(local_reference(as_object(entry["resource"]) or {}), None)  # made again
        else:
            gone.update(dict.fromkeys(_deleted(entry)))
    told = {local_reference(one) for one in map(as_object, resources) if one}
    numbers = {_number(one.get("eventNumber"), "eventNumber"): one for one in _events(status)}
    empty = not resources and not gone
    focus = (name for event in _events(status) for name in _focus(event))
    return Notification(
        kind=_kind(status),
        subscription=reference_text(status.get("subscription")),
        status=word(status.get("status")),
        total=max(_number(status.get("eventsSinceSubscriptionStart", 0), "eventsSinceSubscriptionStart"), *numbers, 0),
        events=tuple(sorted(at for at, one in numbers.items() if not empty or any(_focus(one)))),
        focus=tuple(dict.fromkeys(one for one in focus if one not in told and one not in gone)),
        gone=tuple(gone),
        resources=tuple(resources),
    )


def _status(value: object) -> Object:
    """The status as R4B has it, whichever of the two it came as."""
    found = as_object(value) or {}
    if found.get("resourceType") == "SubscriptionStatus":
        return found
    if found.get("resourceType") == "Parameters":
        return _from_parameters(found)
    raise BadRequest("must be a SubscriptionStatus, or Parameters", field="Bundle.entry[0].resource")


def _from_parameters(parameters: Object) -> Object:
    plain: Object = {"notificationEvent": []}
    for one in _list(parameters.get("parameter"), "parameter"):
        name, value = word(one.get("name")), _value(one)
        if name == "notification-event":
            told = [(word(part.get("name")), _value(part)) for part in objects(one.get("part"))]
            parts, beside = dict(told), [found for part, found in told if part == "additional-context"]
            event = {"eventNumber": parts.get("event-number"), "focus": parts.get("focus"), "additionalContext": beside}
            plain["notificationEvent"].append(event)
        elif name == "events-since-subscription-start":
            plain["eventsSinceSubscriptionStart"] = value
        else:
            plain[name] = value
    return plain


def _value(parameter: Object) -> Any:
    return next((one for name, one in parameter.items() if name.startswith("value")), None)


def _kind(status: Object) -> Kind:
    found = word(status.get("type"))
    if found not in _KINDS:
        raise BadRequest("is none of the guide's", field="type")
    return cast("Kind", found)


def _events(status: Object) -> list[Object]:
    return _list(status.get("notificationEvent", []), "notificationEvent")


def _focus(event: Object) -> Iterator[str]:
    for reference in (event.get("focus"), *objects(event.get("additionalContext"))):
        if name := typed(reference_text(reference)):
            yield name


def _deleted(entry: Object) -> Iterator[str]:
    request = as_object(entry.get("request")) or {}
    name = typed(word(request.get("url")))
    if request.get("method") == "DELETE" and name:
        yield name


def _list(value: object, field: str) -> list[Object]:
    if not isinstance(value, list) or len(value) > MOST:
        raise BadRequest(f"must be an array of at most {MOST}", field=field)
    return [one for one in value if isinstance(one, dict)]


def _number(value: object, field: str) -> int:
    """A count; R4 writes it as a text, R5 as a 64-bit integer, which JSON has as a text too."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**_MOST_DIGITS:
        raise BadRequest("must be a count", field=field)
    return value
