"""Bringing together what a call needs: prefetch first, the FHIR server for what it left out, within one time budget."""

from __future__ import annotations

import time
from collections.abc import Sequence, Set
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace

from cds_app.cards.definition import ServiceDefinition
from cds_app.domain.issues import Issue, IssueCode
from cds_app.errors import DataUnavailable, TooLarge
from cds_app.fabric.bundles import unpack
from cds_app.fabric.drafts.proposed import Draft, read_proposed
from cds_app.fabric.prefetch import PrefetchTemplate, Resolved, State, older_alone_is_missing, resolve, state_of
from cds_app.fabric.reading import Reading, read
from cds_app.fabric.references import Item
from cds_app.fabric.shapes import as_object
from cds_app.ports import FhirReader
from cds_app.services.calls.fair_lock import FairLock
from cds_app.services.calls.hook_call import HookCall
from cds_app.services.content.knowledge import Knowledge

_SIDE_BY_SIDE = 6
_GRACE_S = 0.1  # readers keep the deadline themselves; what they cannot bound is a look-up of a name
_MOST_DRAFTS = 200
_PATIENT = "Patient/{{context.patientId}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """One key's data from the FHIR server, or the lack of it."""

    key: str
    items: tuple[Item, ...] = ()
    issues: tuple[Issue, ...] = ()
    failed: bool = False


@dataclass(frozen=True, slots=True)
class _Ask:
    """What is asked of the FHIR server for one key, and what of it is there already."""

    key: str
    path: str
    template: str
    before: tuple[Item, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gatherer:
    """Turns calls into readings.

    Parameters
    ----------
    budget_s : float
        For all fetches of one call together.
    max_entries : int
        Most resources one call may bring.
    computing : FairLock
        Held while resources are read, never while the FHIR server is waited for.
    """

    knowledge: Knowledge
    fhir: FhirReader
    budget_s: float
    max_entries: int
    computing: FairLock = field(default_factory=FairLock)

    def gather(self, call: HookCall, service: ServiceDefinition, seen: Set[bytes] = frozenset()) -> Reading:
        """Everything that could be had about the call's patient; what was ``seen`` before is passed over.

        Raises
        ------
        DataUnavailable
            If a key that the service needs was neither sent nor could be fetched.
        TooLarge
            If there are more resources than allowed.
        """
        resolved = resolve(call.prefetch, service.prefetch, most=self.max_entries)
        self._bounded(len(resolved.items) + len(resolved.issues))
        fetched = self._fetch(call, service, resolved)
        items = (*resolved.items, *(item for one in fetched for item in one.items))
        self._bounded(len(items))
        _demand(service, fetched, items)
        _same(call.event.patient, service, items)
        with self.computing:
            reading = self._with_drafts(self._read(call, items, seen), call, service, items)
        issues = (*resolved.issues, *(issue for one in fetched for issue in one.issues), *reading.issues)
        return replace(reading, issues=issues)

    def _bounded(self, entries: int) -> None:
        if entries > self.max_entries:
            raise TooLarge(f"more than {self.max_entries} resources in one call", field="prefetch")

    def _read(self, call: HookCall, items: Sequence[Item], seen: Set[bytes]) -> Reading:
        now = call.event.received
        return read(
            items,
            patient=call.event.patient,
            ontology=self.knowledge.ontology,
            units=self.knowledge.units,
            zone=self.knowledge.zone,
            learned=now,
            now=now,
            seen=seen,
        )

    def _with_drafts(
        self, reading: Reading, call: HookCall, service: ServiceDefinition, items: Sequence[Item]
    ) -> Reading:
        if not service.proposed:
            return reading
        proposed, issues = read_proposed(
            call.context,
            Draft(
                field=service.proposed,
                patient=call.event.patient,
                beside=items,
                simulated=self.knowledge.simulated(service),
            ),
            ontology=self.knowledge.ontology,
            units=self.knowledge.units,
            zone=self.knowledge.zone,
            now=call.event.received,
        )
        if len(proposed.orders) + len(proposed.allergies) + len(proposed.conditions) > _MOST_DRAFTS:
            raise TooLarge(f"more than {_MOST_DRAFTS} drafts in one call", field=f"context.{service.proposed}")
        return replace(reading, proposed=proposed, issues=(*reading.issues, *issues))

    def _fetch(self, call: HookCall, service: ServiceDefinition, resolved: Resolved) -> list[Fetched]:
        keys = resolved.to_fetch
        if not keys or call.fhir_server is None or not self.fhir.allowed(call.fhir_server):
            return [_unfetched(key, service.prefetch[key], resolved) for key in keys]
        until = time.monotonic() + self.budget_s
        asks = [_ask(key, call, service, resolved) for key in keys]
        pool = ThreadPoolExecutor(max_workers=min(len(keys), _SIDE_BY_SIDE))
        try:
            asked = {ask.key: pool.submit(self._fetch_one, call, ask, until) for ask in asks}
            wait(asked.values(), timeout=self.budget_s + _GRACE_S)
            return [one.result() if one.done() else _failed(key) for key, one in asked.items()]
        finally:  # who is still looking up a name that nobody knows is waited for by nobody
            pool.shutdown(wait=False, cancel_futures=True)

    def _fetch_one(self, call: HookCall, ask: _Ask, until: float) -> Fetched:
        left = until - time.monotonic()
        try:
            if left <= 0:
                raise DataUnavailable("no time left", field=_place(ask.key))
            document = self.fhir.read(call.fhir_server or "", ask.path, token=call.token, budget_s=left)
        except DataUnavailable:
            return _failed(ask.key)
        items, issues = unpack(document, at=_place(ask.key), most=self.max_entries)
        state, came = state_of(document, len(ask.before)), (*ask.before, *items)
        if state in (State.OUTCOME, State.ABSENT) or (state is State.PAGED and not came):
            failed = _failed(ask.key)
            return replace(failed, items=items, issues=(*issues, *failed.issues))
        if state is State.PAGED:
            issues = (*issues, _cut(ask.key, ask.template, came))
        return Fetched(key=ask.key, items=items, issues=issues)


def _place(key: str) -> str:
    return f"prefetch.{key}"


def _failed(key: str) -> Fetched:
    return Fetched(key=key, issues=(Issue(code=IssueCode.FETCH_FAILED, ref=_place(key)),), failed=True)


def _unfetched(key: str, template: str, resolved: Resolved) -> Fetched:
    """What cannot be fetched. A first page without the rest counts as data, and is said to be cut short."""
    came = _under(key, resolved)
    if resolved.states[key] is State.PAGED and came:
        return Fetched(key=key, issues=(_cut(key, template, came),))
    return Fetched(key=key, issues=(Issue(code=IssueCode.FETCH_FAILED, ref=_place(key), dropped=False),), failed=True)


def _cut(key: str, template: str, came: Sequence[Item]) -> Issue:
    """What is said of a search of which a part did not come: where that may matter now, it could not be fetched."""
    code = IssueCode.TRUNCATED if older_alone_is_missing(template, came) else IssueCode.FETCH_FAILED
    return Issue(code=code, ref=_place(key), dropped=False)


def _under(key: str, resolved: Resolved) -> tuple[Item, ...]:
    """The resources that came under a key."""
    return tuple(one for one in resolved.items if one.at.startswith((f"{_place(key)}.", f"{_place(key)}[")))


def _ask(key: str, call: HookCall, service: ServiceDefinition, resolved: Resolved) -> _Ask:
    """The rest of a search whose first page came, if it is below the same base; else all of it."""
    below, following = f"{call.fhir_server}/", resolved.following.get(key, "")
    template = service.prefetch[key]
    if following.startswith(below):
        return _Ask(key, following.removeprefix(below), template, _under(key, resolved))
    return _Ask(key, PrefetchTemplate(template).expand(call.context), template, ())


def _demand(service: ServiceDefinition, fetched: Sequence[Fetched], items: Sequence[Item]) -> None:
    """A needed key counts as there when resources of its type came under it, or under a key of the site's own."""
    failed = {one.key for one in fetched if one.failed}
    for key in service.needs:
        wanted = service.prefetch[key].partition("/")[0].partition("?")[0]
        if key in failed and not any(_type_of(item) == wanted for item in _came_as(key, items)):
            raise DataUnavailable("needed, neither sent nor to be had from the FHIR server", field=f"prefetch.{key}")


def _same(patient: str, service: ServiceDefinition, items: Sequence[Item]) -> None:
    """Refuse to say anything of one patient where the EHR sent another one's record: silence would pass for calm."""
    for key in service.needs:
        if service.prefetch[key] == _PATIENT:
            ids = [_id_of(item) for item in _came_as(key, items) if _type_of(item) == "Patient"]
            if ids and patient not in ids:
                raise DataUnavailable("is not the patient of the context", field=f"prefetch.{key}")


def _came_as(key: str, items: Sequence[Item]) -> list[Item]:
    """The resources that came under a key, or under one of the site's own."""
    places = (_place(key), _place("(other)"))
    below = tuple(f"{place}{mark}" for place in places for mark in ".[")
    return [one for one in items if one.at.startswith(below) or one.at in places]


def _type_of(item: Item) -> str | None:
    kind = (as_object(item.resource) or {}).get("resourceType")
    return kind if isinstance(kind, str) else None


def _id_of(item: Item) -> object:
    return (as_object(item.resource) or {}).get("id")
