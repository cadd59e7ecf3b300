"""Firing one hook after another about a patient, and putting what comes on the screen in order of urgency."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from cds_app.sandbox import ehr_client
from cds_app.sandbox.chart import encounter
from cds_app.sandbox.ehr_client import Card, Service, ServiceFailure
from cds_app.sandbox.people.staff import Seat
from cds_app.sandbox.records.store import Store
from cds_app.sandbox.screen import Call, Shown, Visit
from cds_app.sandbox.signing import Signer
from cds_app.sandbox.smart.launches import Context
from cds_app.sandbox.smart.tokens import Tokens

CDS_CLIENT: Final = "cds-service"
CDS_SCOPES: Final = ("patient/*.rs",)
"""What a service may read when it is called about a patient: what is about this patient."""

_RANK: Final = {"critical": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who fires hooks, and at whom.

    Parameters
    ----------
    service_url : str
        Base URL of the CDS service, on loopback.
    store : Store
        Fills the prefetch.
    seat : Seat
        Who sits at the desk.
    tokens : Tokens
        Where the token comes from that a service may read with for some minutes.
    signer : Signer or None
        Signs every call to the service.
    """

    service_url: str
    store: Store
    seat: Seat
    tokens: Tokens
    signer: Signer | None = None

    def fire(self, hooks: Sequence[str], patient_id: str, base: str, **more: Any) -> Visit:
        """Call every service of these hooks, in their order, and never raise for a service that fails.

        Parameters
        ----------
        hooks : sequence of str
        base : str
            FHIR base of the EHR.
        **more
            Fields of the context beside user, patient and encounter.
        """
        pairs = list(self._each(hooks, patient_id, base, more))
        shown = [one for cards, _ in pairs for one in cards]
        shown.sort(key=lambda one: _RANK.get(str(one.card.get("indicator")), len(_RANK)))
        return Visit(at=self.store.now, cards=tuple(shown), calls=tuple(call for _, call in pairs))

    def _each(
        self, hooks: Sequence[str], patient_id: str, base: str, more: Mapping[str, Any]
    ) -> Iterator[tuple[list[Shown], Call]]:
        try:
            services = ehr_client.discover(self.service_url, self.signer)
        except ServiceFailure as failure:
            yield [], Call(hook="discovery", took_ms=0.0, failure=failure)
            return
        stay = encounter(self.store, patient_id)
        where = {"encounterId": stay["id"]} if stay else {}
        context = {"userId": self.seat.person.reference, "patientId": patient_id, **where, **more}
        for service in (one for hook in hooks for one in services if one.hook == hook):
            yield self._one(service, context, base)

    def _one(self, service: Service, context: Mapping[str, Any], base: str) -> tuple[list[Shown], Call]:
        began = time.perf_counter()
        cards: tuple[Card, ...] = ()
        failed: ServiceFailure | None = None
        try:
            event = ehr_client.event(service, self.store, context, base)
            cards = ehr_client.fire(self.service_url, replace(event, authorization=self._opening(context)), self.signer)
        except ServiceFailure as failure:
            failed = failure
        call = Call(hook=service.hook, took_ms=1000.0 * (time.perf_counter() - began), failure=failed)
        return [Shown(key=_key(service, at, one), service=service.id, card=one) for at, one in enumerate(cards)], call

    def _opening(self, context: Mapping[str, Any]) -> Mapping[str, Any]:
        """A token for what the hook is about (CDS Hooks 2.0, "FHIR Resource Access")."""
        about = Context(user=context["userId"], patient=context["patientId"], encounter=context.get("encounterId", ""))
        issued = self.tokens.mint(CDS_CLIENT, CDS_SCOPES, about)
        return {
            "access_token": issued.token,
            "token_type": "Bearer",
            "expires_in": round(issued.access.ends - issued.access.began),
            "scope": " ".join(issued.access.scopes),
            "subject": CDS_CLIENT,
            "patient": about.patient,
        }


def _key(service: Service, at: int, card: Card) -> str:
    return str(card.get("uuid") or f"{service.id}-{at}")
