"""A clinician's desk in the sandbox: opening charts fires hooks, and cards are accepted, overridden or dismissed."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from cds_app.errors import BadRequest, NotFound
from cds_app.sandbox import ehr_client
from cds_app.sandbox.chart import encounter
from cds_app.sandbox.ehr_client import Card, Service, ServiceFailure
from cds_app.sandbox.resources import Resource
from cds_app.sandbox.signing import Signer
from cds_app.sandbox.store import Store

USER: Final = "Practitioner/synthetic-clinician"
PATIENT_VIEW: Final = "patient-view"
ENCOUNTER_START: Final = "encounter-start"
COMMENT_LIMIT: Final = 500

_DRAFTED: Final = frozenset({"MedicationRequest", "ServiceRequest"})
_RANK: Final = {"critical": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A card on the screen: under which key the page knows it, whose it is, and the card as it came."""

    key: str
    service: str
    card: Card


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One hook call: which hook, how long it took in milliseconds, and the failure if it was one."""

    hook: str
    took_ms: float
    failure: ServiceFailure | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What opening the chart brought.

    Parameters
    ----------
    at : datetime
        Simulated time.
    cards : tuple of Shown
        Critical, then warning, then info.
    calls : tuple of Call
        In the order in which they were made.
    """

    at: datetime
    cards: tuple[Shown, ...]
    calls: tuple[Call, ...]

    @property
    def failures(self) -> tuple[ServiceFailure, ...]:
        """What went wrong."""
        return tuple(one.failure for one in self.calls if one.failure is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the clinician did with a card, for the page; a failure when the service did not take the feedback."""

    text: str
    closed: bool
    suggestion: str = ""
    failure: ServiceFailure | None = None


class Desk:
    """Fires hooks about the patients of one store and remembers what is on the screen.

    Parameters
    ----------
    service_url : str
        Base URL of the CDS service, on loopback.
    store : Store
    signer : Signer, optional
        Signs every call to the service.
    """

    def __init__(self, service_url: str, store: Store, signer: Signer | None = None) -> None:
        self.service_url = service_url
        self.store = store
        self.signer = signer
        self._lock = threading.Lock()
        self._visits: dict[str, Visit] = {}
        self._begun: set[str] = set()
        self._outcomes: dict[tuple[str, str], list[Outcome]] = {}

    def visit(self, patient_id: str, base: str) -> Visit:
        """The chart as opened at this time: hooks fire once per patient and time."""
        self.store.read("Patient", patient_id)
        with self._lock:
            seen = self._visits.get(patient_id)
            if seen is not None and seen.at == self.store.now:
                return seen
            return self._open(patient_id, base)

    def reopen(self, patient_id: str, base: str) -> Visit:
        """Open the chart again: hooks fire once more."""
        self.store.read("Patient", patient_id)
        with self._lock:
            return self._open(patient_id, base)

    def outcomes(self, patient_id: str, key: str) -> tuple[Outcome, ...]:
        """What was done so far with a card that is on the screen."""
        return tuple(self._outcomes.get((patient_id, key), ()))

    def accept(self, patient_id: str, key: str, suggestion_id: str) -> tuple[Resource, ...]:
        """Create what a suggestion proposes, as drafts, and tell the service.

        Raises
        ------
        NotFound
            When the card is not on the screen or has no such suggestion.
        BadRequest
            When its resource is not FHIR R4, or the card or the suggestion is done with.
        """
        shown = self._on_screen(patient_id, key)
        if any(one.suggestion == suggestion_id for one in self.outcomes(patient_id, key)):
            raise BadRequest("this suggestion was accepted already", field="suggestion")
        suggestion = _suggestion(shown.card, suggestion_id)
        made = tuple(self._draft(action) for action in suggestion.get("actions", ()) if action.get("type") == "create")
        item = ehr_client.accepted(str(shown.card.get("uuid", "")), suggestion_id, self.store.now)
        told = Outcome(text=f"Accepted: {suggestion['label']}", closed=False, suggestion=suggestion_id)
        self._tell(patient_id, shown, item, told)
        return made

    def override(self, patient_id: str, key: str, reason: str = "", comment: str = "") -> None:
        """Set a card aside, with the code of one of its reasons and a comment, or without either.

        Raises
        ------
        NotFound
            When the card is not on the screen.
        BadRequest
            When the reason is none of the card's, the comment is too long, or the card is done with.
        """
        shown = self._on_screen(patient_id, key)
        if len(comment) > COMMENT_LIMIT:
            raise BadRequest(f"at most {COMMENT_LIMIT} characters", field="comment")
        coding = _reason(shown.card, reason) if reason else None
        item = ehr_client.overridden(
            str(shown.card.get("uuid", "")), self.store.now, reason=coding, comment=comment.strip()
        )
        said = f"Overridden: {coding.get('display', reason)}" if coding else "Dismissed"
        self._tell(patient_id, shown, item, Outcome(text=said, closed=True))

    def _open(self, patient_id: str, base: str) -> Visit:
        shown: list[Shown] = []
        calls: list[Call] = []
        try:
            services = ehr_client.discover(self.service_url, self.signer)
        except ServiceFailure as failure:
            calls.append(Call(hook="discovery", took_ms=0.0, failure=failure))
            services = ()
        for service in self._due(services, patient_id):
            found, call = self._fire(service, patient_id, base)
            shown.extend(found)
            calls.append(call)
        shown.sort(key=lambda one: _RANK.get(str(one.card.get("indicator")), len(_RANK)))
        visit = Visit(at=self.store.now, cards=tuple(shown), calls=tuple(calls))
        self._visits[patient_id] = visit
        return visit

    def _due(self, services: tuple[Service, ...], patient_id: str) -> list[Service]:
        """The services to call: those for the start of an encounter first, and once for each encounter."""
        stay = encounter(self.store, patient_id)
        starting = stay is not None and stay["id"] not in self._begun
        hooks = (*((ENCOUNTER_START,) if starting else ()), PATIENT_VIEW)
        return [one for hook in hooks for one in services if one.hook == hook]

    def _fire(self, service: Service, patient_id: str, base: str) -> tuple[list[Shown], Call]:
        stay = encounter(self.store, patient_id)
        context = {"userId": USER, "patientId": patient_id} | ({"encounterId": stay["id"]} if stay else {})
        began = time.perf_counter()
        cards: tuple[Card, ...] = ()
        failed: ServiceFailure | None = None
        try:
            event = ehr_client.event(service, self.store, context, base)
            cards = ehr_client.fire(self.service_url, event, self.signer)
        except ServiceFailure as failure:
            failed = failure
        call = Call(hook=service.hook, took_ms=1000.0 * (time.perf_counter() - began), failure=failed)
        if failed is None and stay is not None and service.hook == ENCOUNTER_START:
            self._begun.add(stay["id"])
        return [
            Shown(key=_key(service, at, card), service=service.id, card=card) for at, card in enumerate(cards)
        ], call

    def _on_screen(self, patient_id: str, key: str) -> Shown:
        visit = self._visits.get(patient_id)
        found = next((one for one in visit.cards if one.key == key), None) if visit else None
        if found is None:
            raise NotFound("this card is not on the screen any more", field="card")
        if any(one.closed for one in self.outcomes(patient_id, key)):
            raise BadRequest("this card was set aside already", field="card")
        return found

    def _draft(self, action: Mapping[str, Any]) -> Resource:
        resource = action.get("resource")
        if not isinstance(resource, dict):
            raise BadRequest("an action of the suggestion has no resource", field="suggestions.actions.resource")
        kind = str(resource.get("resourceType"))
        return self.store.create(kind, {**resource, "status": "draft"} if kind in _DRAFTED else resource)

    def _tell(self, patient_id: str, shown: Shown, item: Mapping[str, Any], told: Outcome) -> None:
        """Send feedback, unless the card has no uuid: CDS Hooks 2.0 knows no other name for it."""
        if shown.card.get("uuid"):
            try:
                effects = ehr_client.send_feedback(self.service_url, shown.service, [item], self.signer)
                told = replace(told, text=". ".join((told.text, *effects)))
            except ServiceFailure as failure:
                told = replace(told, failure=failure)
        self._outcomes.setdefault((patient_id, shown.key), []).append(told)


def _key(service: Service, at: int, card: Card) -> str:
    return str(card.get("uuid") or f"{service.id}-{at}")


def _suggestion(card: Card, suggestion_id: str) -> Mapping[str, Any]:
    for one in card.get("suggestions") or ():
        if one.get("uuid") == suggestion_id:
            found: Mapping[str, Any] = one
            return found
    raise NotFound("the card has no such suggestion", field="suggestion")


def _reason(card: Card, code: str) -> Mapping[str, str]:
    for one in card.get("overrideReasons") or ():
        if one.get("code") == code:
            found: Mapping[str, str] = one
            return found
    raise BadRequest("none of the card's reasons", field="reason")
