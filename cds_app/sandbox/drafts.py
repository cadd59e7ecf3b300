"""Drafts that stand in a chart and wait for a clinician: accepted suggestions, and what apps have written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cds_app.errors import BadRequest, NotFound
from cds_app.sandbox.chart import Order, display_name, order_of
from cds_app.sandbox.people.resources import Resource, instant
from cds_app.sandbox.records.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """Of one type: in which states it waits, and what it becomes when approved and when discarded."""

    waiting: frozenset[str]
    approved: Mapping[str, str]
    discarded: str


_WAYS: Final[Mapping[str, _Way]] = {
    "MedicationRequest": _Way(
        waiting=frozenset({"draft"}), approved={"status": "active", "intent": "order"}, discarded="cancelled"
    ),
    "ServiceRequest": _Way(
        waiting=frozenset({"draft"}), approved={"status": "active", "intent": "order"}, discarded="revoked"
    ),
    "Task": _Way(
        waiting=frozenset({"draft", "requested", "received"}),
        approved={"status": "accepted", "intent": "order"},
        discarded="rejected",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingDraft:
    """A draft as the chart lists it.

    Parameters
    ----------
    kind, id : str
        Of the resource.
    source : str
        Who wrote it, where a Provenance says so; "" otherwise.
    """

    kind: str
    id: str
    order: Order
    source: str


def waiting(store: Store, patient_id: str) -> tuple[WaitingDraft, ...]:
    """A patient's drafts, the newest first."""
    found = [one for kind, way in _WAYS.items() for one in store.all(kind) if one["status"] in way.waiting]
    own = [one for one in found if store.patient_of(one) == patient_id]
    own.sort(key=lambda one: str(one["meta"]["lastUpdated"]), reverse=True)
    sources = _sources(store)
    return tuple(
        WaitingDraft(
            kind=one["resourceType"],
            id=one["id"],
            order=order_of(one),
            source=sources.get(f"{one['resourceType']}/{one['id']}", ""),
        )
        for one in own
    )


def draft_in_chart(store: Store, patient_id: str, kind: str, name: str) -> Resource:
    """One of them.

    Raises
    ------
    NotFound
        When the patient has no such draft.
    BadRequest
        When it was dealt with already.
    """
    if kind not in _WAYS:
        raise NotFound("drafts of this type are not kept", field="type")
    found = store.read(kind, name)
    if store.patient_of(found) != patient_id:
        raise NotFound("this patient has no such draft", field="draft")
    if found["status"] not in _WAYS[kind].waiting:
        raise BadRequest("this draft was dealt with already", field="draft")
    return found


def approve(store: Store, draft: Resource) -> Resource:
    """Make it an order that stands, or a task that is taken on."""
    change: dict[str, object] = dict(_WAYS[draft["resourceType"]].approved)
    if draft["resourceType"] != "Task":
        change["authoredOn"] = instant(store.now)
    return store.revise(draft["resourceType"], draft["id"], change)


def discard(store: Store, draft: Resource) -> Resource:
    """Set it aside; it stays in the record as what it was."""
    kind = draft["resourceType"]
    return store.revise(kind, draft["id"], {"status": _WAYS[kind].discarded})


def _sources(store: Store) -> dict[str, str]:
    """Who wrote what, by reference."""
    found: dict[str, str] = {}
    for one in store.all("Provenance"):
        who = "; ".join(filter(None, (_agent(store, agent.get("who") or {}) for agent in one["agent"])))
        found |= {_local(str(target.get("reference", ""))): who for target in one["target"]}
    return found


def _agent(store: Store, who: Mapping[str, Any]) -> str:
    """Somebody in words: as displayed, or the practitioner of this EHR that is referred to."""
    kind, _, name = _local(str(who.get("reference", ""))).partition("/")
    if who.get("display") or kind != "Practitioner":
        return str(who.get("display", ""))
    try:
        return display_name(store.read(kind, name))
    except NotFound:
        return ""


def _local(reference: str) -> str:
    """Type and id of a reference, relative or absolute."""
    return "/".join(reference.split("/")[-2:])
