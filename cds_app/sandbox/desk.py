"""A clinician's desk in the sandbox: opening charts fires hooks, and cards are accepted, overridden or dismissed."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from cds_app.errors import BadRequest, NotFound
from cds_app.sandbox import ehr_client
from cds_app.sandbox.chart import encounter
from cds_app.sandbox.ehr_client import Card, ServiceFailure
from cds_app.sandbox.hooks import Caller
from cds_app.sandbox.order_entry import OrderEntry
from cds_app.sandbox.people.resources import Resource
from cds_app.sandbox.people.staff import Seat
from cds_app.sandbox.records.store import Store
from cds_app.sandbox.screen import Call, Outcome, Shown, Visit
from cds_app.sandbox.signing import Signer
from cds_app.sandbox.smart.charts import Charts
from cds_app.sandbox.smart.endpoints import SmartServer

PATIENT_VIEW: Final = "patient-view"
ENCOUNTER_START: Final = "encounter-start"
COMMENT_LIMIT: Final = 500

_DRAFTED: Final = frozenset({"MedicationRequest", "ServiceRequest"})


class Desk:
    """Fires hooks about the patients of one store and remembers what is on the screen.

    Parameters
    ----------
    service_url : str
        Base URL of the CDS service, on loopback.
    signer : Signer, optional
        Signs every call to the service.
    smart : SmartServer, optional
        Knows the apps, and hands out the tokens that go with hook calls; by default one without apps.
    """

    def __init__(
        self, service_url: str, store: Store, signer: Signer | None = None, smart: SmartServer | None = None
    ) -> None:
        self.service_url = service_url
        self.store = store
        self.signer = signer
        self.smart = smart or SmartServer()
        self.seat = Seat()
        self.charts = Charts(store=store, seat=self.seat)
        self._caller = Caller(
            service_url=service_url, store=store, signer=signer, seat=self.seat, tokens=self.smart.tokens
        )
        self.orders = OrderEntry(self._caller)
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

    def link(self, patient_id: str, key: str, place: str) -> Mapping[str, Any]:
        """A link of a card that is on the screen, by its place among the card's links.

        Raises
        ------
        NotFound
            When the card is not on the screen, or has no such link.
        """
        links = self._shown(patient_id, key).card.get("links") or ()
        if not place.isdecimal() or int(place) >= len(links) or not isinstance(links[int(place)], dict):
            raise NotFound("the card has no such link", field="link")
        found: Mapping[str, Any] = links[int(place)]
        return found

    def accept(self, patient_id: str, key: str, suggestion_id: str) -> tuple[Resource, ...]:
        """Do what a suggestion proposes, and tell the service: create drafts, or take an unsigned order off the pad.

        Returns
        -------
        tuple of Resource
            The drafts that were created.

        Raises
        ------
        NotFound
            When the card is not on the screen, has no such suggestion, or the unsigned order is gone.
        BadRequest
            When its resource is not FHIR R4, the action is another one, or the card or the suggestion is done with.
        """
        shown = self._on_screen(patient_id, key)
        if any(one.suggestion == suggestion_id for one in self.outcomes(patient_id, key)):
            raise BadRequest("this suggestion was accepted already", field="suggestion")
        suggestion = _suggestion(shown.card, suggestion_id)
        actions = [_known(one) for one in suggestion.get("actions", ())]
        made = tuple(self._draft(one) for one in actions if one["type"] == "create")
        removed = [_draft_id(one) for one in actions if one["type"] == "delete"]
        for name in removed:
            self.orders.withdraw(patient_id, name)
        item = ehr_client.accepted(str(shown.card.get("uuid", "")), suggestion_id, self.store.now)
        told = Outcome(
            text=f"Accepted: {suggestion['label'].rstrip('.')}", closed=bool(removed), suggestion=suggestion_id
        )
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
        """Fire what is due: for the start of an encounter first, and once for each encounter."""
        stay = encounter(self.store, patient_id)
        starting = stay is not None and stay["id"] not in self._begun
        hooks = (*((ENCOUNTER_START,) if starting else ()), PATIENT_VIEW)
        visit = self._caller.fire(hooks, patient_id, base)
        if stay is not None and any(_begun(one) for one in visit.calls):
            self._begun.add(stay["id"])
        self._visits[patient_id] = visit
        return visit

    def _on_screen(self, patient_id: str, key: str) -> Shown:
        found = self._shown(patient_id, key)
        if any(one.closed for one in self.outcomes(patient_id, key)):
            raise BadRequest("this card was set aside already", field="card")
        return found

    def _shown(self, patient_id: str, key: str) -> Shown:
        visit = self._visits.get(patient_id)
        cards = (*self.orders.cards(patient_id), *(visit.cards if visit else ()))
        found = next((one for one in cards if one.key == key), None)
        if found is None:
            raise NotFound("this card is not on the screen any more", field="card")
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


def _begun(call: Call) -> bool:
    return call.hook == ENCOUNTER_START and call.failure is None


def _suggestion(card: Card, suggestion_id: str) -> Mapping[str, Any]:
    for one in card.get("suggestions") or ():
        if one.get("uuid") == suggestion_id:
            found: Mapping[str, Any] = one
            return found
    raise NotFound("the card has no such suggestion", field="suggestion")


def _known(action: object) -> Mapping[str, Any]:
    """An action that this EHR can do; passing over another would look as if it had been done."""
    if not isinstance(action, dict) or action.get("type") not in ("create", "delete"):
        raise BadRequest("only create and delete can be done here", field="suggestions.actions.type")
    return action


def _draft_id(action: Mapping[str, Any]) -> str:
    return str(action.get("resourceId", "")).rpartition("/")[2]


def _reason(card: Card, code: str) -> Mapping[str, str]:
    for one in card.get("overrideReasons") or ():
        if one.get("code") == code:
            found: Mapping[str, str] = one
            return found
    raise BadRequest("none of the card's reasons", field="reason")
