"""What subscriptions missed, got afterwards: events by number, resources by reference, else everything since then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from msgspec.structs import replace

from cds_app.errors import BadRequest, DataUnavailable, Gone, TwinlineError
from cds_app.fabric.bundles import unpack
from cds_app.fabric.exchange.notifications import Notification, read_notification
from cds_app.fabric.prefetch import State, state_of
from cds_app.ports import Clock, FhirReader
from cds_app.services.sources.populating import UNRESOLVED
from cds_app.services.sources.subscriptions import (
    ASLEEP,
    EVERYTHING,
    Gap,
    Heard,
    Subscription,
    Subscriptions,
    filled,
    is_of,
    named,
    told,
)

BUDGET_S: Final = 30.0
SILENT: Final = 2.5
"""Heartbeats that may be missing before we ask."""
QUIET: Final = timedelta(minutes=15)
"""After so long we ask where no heartbeat was promised."""
OVERLAP: Final = timedelta(minutes=5)
"""Clocks differ: what is read anew begins so much earlier."""

Counts = Mapping[str, int]
Take = Callable[[str, Subscription, Sequence[object], Callable[[str], object]], Counts]
Withdraw = Callable[[str, Subscription, Mapping[str, datetime]], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class CatchingUp:
    """Looks after all subscriptions.

    Parameters
    ----------
    token : callable
        Access token of the server itself for the EHR of this name.
    wake : callable
        Have an EHR send again (``requested``), with an access token; raises DataUnavailable if it will not.
    take, withdraw : callable
        Take resources in (and ask for drugs that did not come along), and back as of when that was told, durably.
    """

    subscriptions: Subscriptions
    fhir: FhirReader
    token: Callable[[str], str]
    wake: Callable[[Subscription, str], None]
    take: Take
    withdraw: Withdraw
    clock: Clock

    def look(self) -> Mapping[str, int]:
        """Catch up with everything once; says what was done. One EHR that fails keeps nobody else waiting."""
        counts: Counter[str] = Counter()
        for name, subscription, heard in self.subscriptions.all():
            try:
                counts.update(self._one(name, subscription, heard))
            except DataUnavailable:
                counts["unavailable"] += 1
            except TwinlineError as error:
                counts[f"failed-{error.code}"] += 1
        return counts

    def _one(self, name: str, subscription: Subscription, heard: Heard) -> Counter[str]:
        counts: Counter[str] = Counter()
        if subscription.reference and (heard.status in ASLEEP or self._is_silent(subscription, heard)):
            heard = self._ask(name, subscription)
            counts["asked"] += 1
            if heard.status in ASLEEP:
                counts.update(self._wake(subscription))
        if heard.gaps:
            counts.update(self._fill(name, subscription, heard.gaps))
        for reference in heard.wanted:
            counts.update(self._fetch(name, subscription, reference))
        if heard.deleted:
            self._withdraw(name, subscription, heard.deleted)
        counts["withdrawn"] += len(heard.deleted)
        return +counts

    def _withdraw(self, name: str, subscription: Subscription, gone: Mapping[str, datetime]) -> None:
        self.withdraw(name, subscription, gone)

        def after(heard: Heard) -> Heard:
            left = {one: told_at for one, told_at in heard.deleted.items() if gone.get(one) != told_at}
            return replace(heard, deleted=left)

        self._change(name, after)

    def _wake(self, subscription: Subscription) -> Counter[str]:
        """An EHR that gave up on us does not begin again by itself: that is the subscriber's to ask."""
        try:
            self.wake(subscription, self.token(subscription.issuer))
        except DataUnavailable:
            return Counter({"asleep": 1})
        return Counter({"woken": 1})

    def _is_silent(self, subscription: Subscription, heard: Heard) -> bool:
        patience = timedelta(seconds=SILENT * subscription.heartbeat_s) or QUIET
        return heard.at is None or self.clock.now() - heard.at > patience

    def _ask(self, name: str, subscription: Subscription) -> Heard:
        """How many events there are, from the EHR itself."""
        found = self._notification(subscription, f"{subscription.reference}/$status")
        at = self.clock.now()
        return self._change(name, lambda heard: told(heard, found, at))

    def _fill(self, name: str, subscription: Subscription, gaps: Sequence[Gap]) -> Counter[str]:
        counts: Counter[str] = Counter()
        left: list[Gap] = []
        for gap in gaps:
            rest = (gap,) if gap == EVERYTHING else self._by_number(name, subscription, gap)
            counts["events"] += 0 if rest else gap[1] - gap[0] + 1
            left.extend(rest)
        if left:
            before = self.subscriptions.heard(name)
            self._anew(name, subscription)
            self._change(name, lambda heard: heard if heard.number < before.number else self._closed(heard, left))
            counts["read-anew"] += 1
        return counts

    def _by_number(self, name: str, subscription: Subscription, gap: Gap) -> Sequence[Gap]:
        """Ask for the events themselves; what is left of the gap."""
        asked = f"eventsSinceNumber={gap[0]}&eventsUntilNumber={gap[1]}&content=full-resource"
        try:
            found = self._notification(subscription, f"{subscription.reference}/$events?{asked}")
        except DataUnavailable:
            return (gap,)
        if found.resources:
            self._take(name, subscription, found.resources)
        events = [one for one in found.events if gap[0] <= one <= gap[1]]
        closed = [(one, one) for one in events]

        at = self.clock.now()
        self._change(name, lambda heard: self._closed(named(heard, found, at), closed))
        return filled((gap,), events)

    def _anew(self, name: str, subscription: Subscription) -> None:
        """Everything of the subscription's types that changed since nothing was missing."""
        whole = self.subscriptions.heard(name).whole
        since = (whole - OVERLAP).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if whole is not None else ""
        for kind in subscription.types:
            path = f"{kind}?_lastUpdated=ge{since}&_count=500" if since else f"{kind}?_count=500"
            bundle = self._read(subscription, path)
            state = state_of(bundle)
            if state is State.PAGED:
                raise DataUnavailable("more was missed than can be read: run `twinline ingest bulk`", field=kind)
            if state is not State.GIVEN or bundle["resourceType"] != "Bundle":
                raise DataUnavailable("the EHR did not say what changed", field=kind)
            items, _ = unpack(bundle, at=kind)
            if items:
                self._take(name, subscription, [one.resource for one in items])

    def _fetch(self, name: str, subscription: Subscription, reference: str) -> Counter[str]:
        """One resource that was told of by reference; one that cannot be had stays wanted, unless there is none."""
        gone: Mapping[str, datetime] = {}
        counts = Counter({"resources": 1})
        try:
            counts.update(self._take(name, subscription, [self._read(subscription, reference)]))
        except Gone:
            gone, counts = {reference: self.clock.now()}, Counter({"gone": 1})
        except DataUnavailable:
            return Counter({"unavailable": 1})

        def after(now: Heard) -> Heard:
            wanted = tuple(one for one in now.wanted if one != reference)
            return replace(now, wanted=wanted, deleted={**now.deleted, **gone})

        self._change(name, after)
        return counts

    def _take(self, name: str, subscription: Subscription, resources: Sequence[object]) -> Counts:
        """What was lost of it."""
        counts = self.take(name, subscription, resources, lambda reference: self._read(subscription, reference))
        return {UNRESOLVED: counts[UNRESOLVED]} if UNRESOLVED in counts else {}

    def _notification(self, subscription: Subscription, path: str) -> Notification:
        try:
            found = read_notification(self._read(subscription, path))
        except BadRequest:
            raise DataUnavailable("the EHR answers with something else than a notification", field=path[:12]) from None
        if not is_of(found, subscription):
            raise DataUnavailable("the EHR answers for another subscription", field="Subscription")
        return found

    def _read(self, subscription: Subscription, path: str) -> Mapping[str, Any]:
        return self.fhir.read(subscription.iss, path, token=self.token(subscription.issuer), budget_s=BUDGET_S)

    def _closed(self, heard: Heard, gaps: Sequence[Gap]) -> Heard:
        open_gaps = [one for one in heard.gaps if one not in gaps]
        for first, last in gaps:
            open_gaps = [part for gap in open_gaps for part in _outside(gap, first, last)]
        left = tuple(open_gaps)
        return replace(heard, gaps=left, whole=heard.whole if left else heard.at)

    def _change(self, name: str, change: Callable[[Heard], Heard]) -> Heard:
        return self.subscriptions.change(name, change)


def _outside(gap: Gap, first: int, last: int) -> tuple[Gap, ...]:
    """What of a gap lies before and after a closed range."""
    if gap == EVERYTHING or last < gap[0] or first > gap[1]:
        return (gap,)
    return tuple(part for part in ((gap[0], first - 1), (last + 1, gap[1])) if part[0] <= part[1])
