"""Writing orders: unsigned drafts of each patient, checked when a drug is chosen and again before they are signed."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Any, Final

from cds_app.errors import BadRequest, NotFound
from cds_app.sandbox.chart import encounter
from cds_app.sandbox.drafts import approve, draft_in_chart
from cds_app.sandbox.hooks import Caller
from cds_app.sandbox.people.formulary import Author, Wish, draft_order, signed
from cds_app.sandbox.people.resources import Resource, reference
from cds_app.sandbox.screen import Shown, Visit

ORDER_SELECT: Final = "order-select"
ORDER_SIGN: Final = "order-sign"
DRAFTS_LIMIT: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Pad:
    """One patient's unsigned orders.

    Parameters
    ----------
    drafts : tuple of Resource
        In the order in which they were chosen. They are in no FHIR store: only the hooks see them.
    review : Visit or None
        What the latest check brought, as long as it is of these drafts and of this time.
    held : bool
        Whether signing was asked for and waits for the clinician to look at what came.
    """

    drafts: tuple[Resource, ...] = ()
    review: Visit | None = None
    held: bool = False


class OrderEntry:
    """The pads of all patients."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._lock = threading.RLock()
        self._pads: dict[str, Pad] = {}

    def pad(self, patient_id: str) -> Pad:
        """The unsigned orders as they are now: advice of an earlier time is gone."""
        found = self._pads.get(patient_id, Pad())
        if found.review is not None and found.review.at != self._caller.store.now:
            return Pad(drafts=found.drafts)
        return found

    def cards(self, patient_id: str) -> tuple[Shown, ...]:
        """The cards about orders that are on the screen."""
        review = self.pad(patient_id).review
        return review.cards if review else ()

    def choose(self, patient_id: str, wish: Wish, base: str) -> Pad:
        """Draft an order and fire order-select about it, beside the other drafts.

        Raises
        ------
        BadRequest
            For a drug that is not on the list, a dose text that is too long, or too many drafts.
        """
        store = self._caller.store
        store.read("Patient", patient_id)
        stay = encounter(store, patient_id)
        user = self._caller.seat.person.reference
        author = Author(patient=patient_id, encounter=stay["id"] if stay else None, user=user, at=store.now)
        return self._add(patient_id, draft_order(wish, author), base)

    def adopt(self, patient_id: str, draft: Resource, base: str) -> Pad:
        """Put a draft of the chart on the pad, as if it had been chosen: signing makes it stand.

        Raises
        ------
        BadRequest
            When it is there already, or there are too many.
        """
        return self._add(patient_id, {**draft, "intent": "order"}, base)

    def _add(self, patient_id: str, made: Resource, base: str) -> Pad:
        with self._lock:
            pad = self.pad(patient_id)
            if len(pad.drafts) >= DRAFTS_LIMIT:
                raise BadRequest(f"at most {DRAFTS_LIMIT} unsigned orders", field="drug")
            if any(one["id"] == made["id"] for one in pad.drafts):
                raise BadRequest("this draft is among the unsigned orders already", field="draft")
            drafts = (*pad.drafts, made)
            context = {"selections": [reference(made)["reference"]], "draftOrders": _bundle(drafts)}
            review = self._caller.fire([ORDER_SELECT], patient_id, base, **context)
            return self._keep(patient_id, Pad(drafts=drafts, review=review))

    def withdraw(self, patient_id: str, name: str, *, with_cards: bool = False) -> None:
        """Take a draft off the pad, by its id; what was said of the others stays on the screen.

        Parameters
        ----------
        with_cards : bool
            Whether the cards that propose this very thing leave the screen too.

        Raises
        ------
        NotFound
            When there is no such draft.
        """
        with self._lock:
            pad = self.pad(patient_id)
            kept = tuple(one for one in pad.drafts if one["id"] != name)
            if len(kept) == len(pad.drafts):
                raise NotFound("there is no such unsigned order", field="draft")
            review = _without(pad.review, name) if with_cards else pad.review
            self._keep(patient_id, Pad(drafts=kept, review=review, held=pad.held and bool(kept)))

    def sign(self, patient_id: str, base: str) -> tuple[Resource, ...]:
        """Fire order-sign, and sign when it brings neither a card nor a failure; else hold the orders.

        Returns
        -------
        tuple of Resource
            What stands in the chart now; nothing while the orders are held.
        """
        with self._lock:
            drafts = self._some(patient_id)
            review = self._caller.fire([ORDER_SIGN], patient_id, base, draftOrders=_bundle(drafts))
            if review.cards or review.failures:
                self._keep(patient_id, Pad(drafts=drafts, review=review, held=True))
                return ()
            return self._into_chart(patient_id, drafts)

    def sign_held(self, patient_id: str) -> tuple[Resource, ...]:
        """Sign what was held, all the same: the clinician has seen what came.

        Raises
        ------
        BadRequest
            When signing was not asked for, or time has passed since.
        """
        with self._lock:
            if not self.pad(patient_id).held:
                raise BadRequest("these orders have not been checked at this time: sign them again", field="orders")
            return self._into_chart(patient_id, self._some(patient_id))

    def _some(self, patient_id: str) -> tuple[Resource, ...]:
        drafts = self.pad(patient_id).drafts
        if not drafts:
            raise BadRequest("there is no unsigned order", field="orders")
        return drafts

    def _into_chart(self, patient_id: str, drafts: tuple[Resource, ...]) -> tuple[Resource, ...]:
        made = tuple(self._stand(one) for one in drafts)
        self._keep(patient_id, Pad())
        return made

    def _stand(self, draft: Resource) -> Resource:
        """Let one order stand: as a new resource, or as the next version of the draft that the chart holds."""
        store = self._caller.store
        if "meta" in draft:
            return approve(store, draft_in_chart(store, store.patient_of(draft), draft["resourceType"], draft["id"]))
        return store.create(draft["resourceType"], signed(draft, store.now))

    def _keep(self, patient_id: str, pad: Pad) -> Pad:
        self._pads[patient_id] = pad
        return pad


def _without(review: Visit | None, name: str) -> Visit | None:
    if review is None:
        return None
    return replace(review, cards=tuple(one for one in review.cards if name not in _removed_by(one)))


def _removed_by(shown: Shown) -> set[str]:
    """Ids of the drafts that the card proposes to remove."""
    actions = [one for suggestion in shown.card.get("suggestions", ()) for one in suggestion.get("actions", ())]
    return {str(one.get("resourceId", "")).rpartition("/")[2] for one in actions if one.get("type") == "delete"}


def _bundle(drafts: tuple[Resource, ...]) -> dict[str, Any]:
    """Draft orders as the hook library has them."""
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in drafts]}
