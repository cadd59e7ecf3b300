"""Subscriptions at FHIR servers: who may notify us, what was told, and what was missed.

Notifications are numbered. A number that is left out, a heartbeat that counts more than came, and a server that counts
from the beginning again are gaps: written down here, and filled by `cds_app.services.sources.catching_up`.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import msgspec
from msgspec.structs import replace

from cds_app.errors import Conflict, IntegrityError, NotFound, SettingsError, Unauthorised
from cds_app.fabric.exchange.notifications import Notification, read_notification
from cds_app.fabric.references import local_reference
from cds_app.fabric.shapes import as_object
from cds_app.ports import Cabinet, Clock, Document
from cds_app.services.sources.populating import drug_of

KIND: Final = "subscription"
HEARD: Final = "subscription-heard"
EVERYTHING: Final = (0, 0)
"""A gap of which is not known which events were in it: everything is read anew."""
ASLEEP: Final = frozenset({"error", "off"})
"""Status of a subscription whose EHR sends nothing any more, and perhaps counts nothing."""
MOST_GAPS: Final = 100
MOST_WANTED: Final = 2_000
_TRIES: Final = 20
_BEARER: Final = "Bearer "

_S = TypeVar("_S", bound=msgspec.Struct)
Gap = tuple[int, int]  # first and last event number, both missing


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """One subscription as it was made.

    Parameters
    ----------
    issuer, iss : str
        Name and FHIR base of the EHR.
    realm : str
        Within which its patients' ids name one person.
    reference : str
        ``Subscription/12`` there; "" until the EHR has said what it is called.
    secret_sha256 : str
        Of what the EHR shows with each notification.
    types : tuple of str
        Resource types that are read anew where events were missed and cannot be had.
    """

    issuer: str
    iss: str
    realm: str
    reference: str
    topic: str
    secret_sha256: str
    heartbeat_s: int
    types: tuple[str, ...]


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What was heard of a subscription.

    Parameters
    ----------
    number : int
        Newest event that there is, as far as we know.
    gaps : tuple of (int, int)
        Events before it that did not come.
    wanted : tuple of str
        ``Type/id`` of what was told of without its content.
    deleted : mapping of str to datetime
        ``Type/id`` of what was deleted, and when that was told, UTC.
    status : str
        As the EHR says.
    shaken : bool
        Whether the handshake came.
    at : datetime or None
        When anything came last, UTC.
    whole : datetime or None
        Until when nothing is missing, UTC.
    """

    number: int = 0
    gaps: tuple[Gap, ...] = ()
    wanted: tuple[str, ...] = ()
    deleted: Mapping[str, datetime] = {}
    status: str = ""
    shaken: bool = False
    at: datetime | None = None
    whole: datetime | None = None

    @property
    def behind(self) -> bool:
        """Whether there is something to catch up with."""
        return bool(self.gaps or self.wanted or self.deleted)


def told(heard: Heard, notification: Notification, at: datetime) -> Heard:
    """What is known after a notification, whose content is durable."""
    newest = notification.total
    began_anew = newest < heard.number and notification.kind in ("handshake", "heartbeat", "query-status")
    gaps: tuple[Gap, ...] = (EVERYTHING, *heard.gaps) if began_anew else heard.gaps
    if not began_anew and newest > heard.number:
        gaps = (*gaps, (heard.number + 1, newest))
    if notification.kind == "query-status" and notification.status in ASLEEP and EVERYTHING not in gaps:
        gaps = (EVERYTHING, *gaps)
    gaps = filled(gaps, notification.events)
    heard = named(heard, notification, at)
    if max(len(heard.wanted), len(heard.deleted)) > MOST_WANTED and EVERYTHING not in gaps:
        gaps = (EVERYTHING, *gaps)
    number = newest if began_anew else max(newest, heard.number)
    return replace(
        heard,
        number=number,
        gaps=gaps if len(gaps) <= MOST_GAPS else ((gaps[0][0], gaps[-1][1]),),
        wanted=heard.wanted[:MOST_WANTED],
        deleted=dict(list(heard.deleted.items())[:MOST_WANTED]),
        status=notification.status,
        shaken=heard.shaken or notification.kind == "handshake",
        at=at,
        whole=heard.whole if gaps else at,
    )


def named(heard: Heard, notification: Notification, at: datetime) -> Heard:
    """With what a notification names: the last word on a resource counts. An order is wanted again with its drug."""
    resources = [one for one in map(as_object, notification.resources) if one is not None]
    came = {"", *map(local_reference, resources)}
    without = (local_reference(one) for one in resources if drug_of(one) not in came)
    focus = dict.fromkeys((*notification.focus, *without))
    gone = frozenset(notification.gone)
    here = (came | set(notification.focus)) - gone
    deleted = {name: told_at for name, told_at in heard.deleted.items() if name not in here}
    wanted = dict.fromkeys((*heard.wanted, *focus))
    return replace(
        heard,
        wanted=tuple(name for name in wanted if name and name not in gone),
        deleted=deleted | dict.fromkeys(notification.gone, at),
    )


def filled(gaps: Iterable[Gap], events: Iterable[int]) -> tuple[Gap, ...]:
    """Gaps without some events; `EVERYTHING` stays."""
    open_gaps = sorted(set(gaps))
    for event in sorted(set(events)):
        open_gaps = [part for gap in open_gaps for part in _without(gap, event)]
    return tuple(open_gaps)


def _without(gap: Gap, event: int) -> tuple[Gap, ...]:
    first, last = gap
    if not first <= event <= last or event == 0:
        return (gap,)
    return tuple(part for part in ((first, event - 1), (event + 1, last)) if part[0] <= part[1])


class Subscriptions:
    """The register, and what was heard."""

    def __init__(self, cabinet: Cabinet, clock: Clock) -> None:
        self._cabinet = cabinet
        self._clock = clock

    def all(self) -> Sequence[tuple[str, Subscription, Heard]]:
        """All of them by name. Raises DependencyDown, IntegrityError."""
        found = self._cabinet.all(KIND, self._clock.now())
        return tuple((one.name, _read(one, Subscription), self.heard(one.name)) for one in found)

    def named(self, name: str) -> Subscription | None:
        """The one of this name, if there is one."""
        document = self._cabinet.read(KIND, name, self._clock.now())
        return None if document is None else _read(document, Subscription)

    def heard(self, name: str) -> Heard:
        """What was heard of it."""
        document = self._cabinet.read(HEARD, name, self._clock.now())
        return Heard() if document is None else _read(document, Heard)

    def add(self, name: str, subscription: Subscription) -> None:
        """Write durably. Raises SettingsError if the name is taken."""
        try:
            self._write(KIND, name, 0, subscription)
        except Conflict:
            raise SettingsError("a subscription of this name is registered already", field="name") from None

    def called(self, name: str, reference: str) -> None:
        """Write down what the EHR calls it."""
        document = self._cabinet.read(KIND, name, self._clock.now())
        if document is None:
            raise NotFound("there is no such subscription; `twinline subscribe list` tells all", field="name")
        self._write(KIND, name, document.version, replace(_read(document, Subscription), reference=reference))

    def remove(self, name: str) -> None:
        """Listen to it no more. Raises NotFound."""
        now = self._clock.now()
        self._cabinet.take(HEARD, name, now)
        if self._cabinet.take(KIND, name, now) is None:
            raise NotFound("there is no such subscription; `twinline subscribe list` tells all", field="name")

    def change(self, name: str, change: Callable[[Heard], Heard]) -> Heard:
        """Change what was heard, whoever else does at the same time. Raises Conflict after many tries."""
        for left in reversed(range(_TRIES)):
            document = self._cabinet.read(HEARD, name, self._clock.now())
            known = Heard() if document is None else _read(document, Heard)
            changed = change(known)
            if changed == known:
                return known
            try:
                self._write(HEARD, name, 0 if document is None else document.version, changed)
            except Conflict:
                if not left:
                    raise
                continue
            return changed
        raise Conflict("others write to this subscription all the time")

    def _write(self, kind: str, name: str, version: int, content: msgspec.Struct) -> None:
        encoded = msgspec.json.encode(content)
        self._cabinet.write(Document(kind=kind, name=name, version=version, content=encoded), self._clock.now())


@dataclass(frozen=True, slots=True)
class Notified:
    """Hears notifications.

    Parameters
    ----------
    take : callable
        Takes resources of an EHR (by the subscription's name and record) in, durably.
    """

    subscriptions: Subscriptions
    take: Callable[[str, Subscription, Sequence[object]], object]
    clock: Clock

    def admit(self, name: str, authorization: str | None) -> Subscription:
        """The subscription, if the caller knows its secret. Raises Unauthorised, the same for all reasons."""
        found = self.subscriptions.named(name)
        shown = (authorization or "").removeprefix(_BEARER) if (authorization or "").startswith(_BEARER) else ""
        expected = found.secret_sha256 if found is not None else digest("")
        if not hmac.compare_digest(digest(shown), expected) or found is None or not shown:
            raise Unauthorised("subscription")
        return found

    def hear(self, name: str, subscription: Subscription, body: object) -> Heard:
        """Take one notification in; all of it is durable on return.

        Raises
        ------
        BadRequest
            If it is none.
        Unauthorised
            If it is of another subscription.
        DependencyDown
        """
        notification = read_notification(body)
        if not is_of(notification, subscription):
            raise Unauthorised("another-subscription")
        if notification.resources:
            self.take(name, subscription, notification.resources)
        at = self.clock.now()
        return self.subscriptions.change(name, lambda heard: told(heard, notification, at))


def is_of(notification: Notification, subscription: Subscription) -> bool:
    """Whether a notification names this subscription; until the EHR has said what it is called, any of that EHR."""
    named = notification.subscription
    if not subscription.reference:
        return named.startswith(("Subscription/", f"{subscription.iss}/Subscription/"))
    return named in (subscription.reference, f"{subscription.iss}/{subscription.reference}")


def new_secret() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is kept of a secret: it cannot be guessed, so one round is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _read(document: Document, form: type[_S]) -> _S:
    try:
        return msgspec.json.decode(document.content, type=form)
    except msgspec.MsgspecError:
        raise IntegrityError("the record of a subscription is malformed") from None
