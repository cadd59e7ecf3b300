"""The EHR's side of CDS Hooks 2.0: discovery, filled prefetch, calls and feedback, over HTTP to a loopback service."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlsplit

import requests

from cds_app.errors import BadRequest
from cds_app.sandbox.fhir.api import resolve
from cds_app.sandbox.people.resources import instant
from cds_app.sandbox.records.store import Store
from cds_app.sandbox.signing import Signer

Card = Mapping[str, Any]

SIMULATED_TIME: Final = "com.twinline.simulated-time"
_TIMEOUT_S: Final = (2.0, 30.0)
_TOKEN: Final = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")
_USERS: Final = {
    "userPractitionerId": "Practitioner",
    "userPractitionerRoleId": "PractitionerRole",
    "userPatientId": "Patient",
    "userRelatedPersonId": "RelatedPerson",
}
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_TEXT_SHOWN: Final = 300
_EFFECTS: Final = "com.twinline.effects"


class ServiceFailure(Exception):
    """The CDS service did not answer as CDS Hooks says.

    Parameters
    ----------
    status : int or None
        HTTP status; None when there was no answer at all.
    text : str
        What the service said about it, or what happened.
    """

    def __init__(self, status: int | None, text: str) -> None:
        super().__init__(f"HTTP {status}: {text}" if status else text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One CDS service as discovery lists it."""

    id: str
    hook: str
    title: str
    prefetch: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A hook that fires.

    Parameters
    ----------
    context : mapping
        ``userId``, ``patientId``, ``encounterId``, and what else the hook has.
    fhir_server : str
        Base URL of the EHR's FHIR endpoint.
    at : datetime
        Simulated time.
    prefetch : mapping
        Key to resource, Bundle or None.
    instance : str
        ``hookInstance``.
    authorization : mapping or None
        ``fhirAuthorization``: a token for the FHIR endpoint.
    """

    service: Service
    context: Mapping[str, Any]
    fhir_server: str
    at: datetime
    prefetch: Mapping[str, Any]
    instance: str = field(default_factory=lambda: str(uuid.uuid4()))
    authorization: Mapping[str, Any] | None = None


def discover(service_url: str, signer: Signer | None = None) -> tuple[Service, ...]:
    """The services behind a base URL.

    Raises
    ------
    ServiceFailure
        If there is no proper answer.
    """
    body = _exchange("GET", f"{_loopback(service_url)}/cds-services", None, signer)
    services = body.get("services") if isinstance(body, dict) else None
    if not isinstance(services, list):
        raise ServiceFailure(200, "the discovery answer has no `services`")
    return tuple(_service(one) for one in services)


def event(service: Service, store: Store, context: Mapping[str, Any], fhir_server: str) -> Event:
    """An event of now, its prefetch filled from the EHR's own store."""
    prefetch = {key: resolve(store, fhir_server, fill(template, context)) for key, template in service.prefetch.items()}
    return Event(service=service, context=context, fhir_server=fhir_server, at=store.now, prefetch=prefetch)


def fill(template: str, context: Mapping[str, Any]) -> str:
    """Put the context into a prefetch template.

    Raises
    ------
    BadRequest
        For a token that this event has no value for.
    """
    return _TOKEN.sub(lambda found: quote(_token_value(found[1], context), safe=""), template)


def fire(service_url: str, event: Event, signer: Signer | None = None) -> tuple[Card, ...]:
    """Call the service and return its cards.

    Raises
    ------
    ServiceFailure
        If the answer is anything but 200 with a list of cards.
    """
    request = {
        "hook": event.service.hook,
        "hookInstance": event.instance,
        "fhirServer": event.fhir_server,
        "context": dict(event.context),
        "prefetch": dict(event.prefetch),
        "extension": {SIMULATED_TIME: instant(event.at)},
    } | ({"fhirAuthorization": dict(event.authorization)} if event.authorization else {})
    url = f"{_loopback(service_url)}/cds-services/{quote(event.service.id, safe='')}"
    body = _exchange("POST", url, request, signer)
    cards = body.get("cards") if isinstance(body, dict) else None
    if not isinstance(cards, list) or not all(isinstance(one, dict) and one.get("summary") for one in cards):
        raise ServiceFailure(200, "the answer has no proper `cards`")
    return tuple(cards)


def send_feedback(
    service_url: str, service_id: str, items: Sequence[Mapping[str, Any]], signer: Signer | None = None
) -> tuple[str, ...]:
    """Tell the service what became of cards.

    Returns
    -------
    tuple of str
        What that changes, where the service says it: CDS Hooks asks for no body.

    Raises
    ------
    ServiceFailure
        If it does not take the feedback.
    """
    url = f"{_loopback(service_url)}/cds-services/{quote(service_id, safe='')}/feedback"
    body = _exchange("POST", url, {"feedback": list(items)}, signer, expect_body=False)
    try:
        return tuple(str(one["text"]) for one in body["extension"][_EFFECTS])
    except (KeyError, TypeError):
        return ()


def accepted(card_id: str, suggestion_id: str, at: datetime) -> dict[str, Any]:
    """Feedback: a suggestion was taken up."""
    taken = [{"id": suggestion_id}]
    return {"card": card_id, "outcome": "accepted", "acceptedSuggestions": taken, "outcomeTimestamp": instant(at)}


def overridden(
    card_id: str, at: datetime, *, reason: Mapping[str, str] | None = None, comment: str = ""
) -> dict[str, Any]:
    """Feedback: a card was set aside, with a coded reason and a comment where given."""
    said: dict[str, Any] = {"card": card_id, "outcome": "overridden", "outcomeTimestamp": instant(at)}
    why: dict[str, Any] = {}
    if reason:
        why["reason"] = dict(reason)
    if comment:
        why["userComment"] = comment
    return said | ({"overrideReason": why} if why else {})


def _service(listed: object) -> Service:
    if not isinstance(listed, dict) or not isinstance(listed.get("id"), str) or not isinstance(listed.get("hook"), str):
        raise ServiceFailure(200, "discovery lists a service without id or hook")
    return Service(
        id=listed["id"],
        hook=listed["hook"],
        title=str(listed.get("title", listed["id"])),
        prefetch={str(key): str(text) for key, text in (listed.get("prefetch") or {}).items()},
    )


def _token_value(token: str, context: Mapping[str, Any]) -> str:
    if token in _USERS:
        kind, _, name = str(context.get("userId", "")).partition("/")
        value: Any = name if kind == _USERS[token] else ""
    else:
        value = context.get(token.removeprefix("context."))
    if not isinstance(value, str) or not value:
        raise BadRequest("this event has no value for a token of a prefetch template", field=token)
    return value


def _loopback(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.hostname not in _LOOPBACK:
        raise BadRequest("the sandbox talks to a service on this machine only", field="service_url")
    return url.rstrip("/")


def _exchange(
    method: str, url: str, body: Mapping[str, Any] | None, signer: Signer | None, *, expect_body: bool = True
) -> Any:
    headers = {"Authorization": f"Bearer {signer.token(url)}"} if signer else {}
    try:
        with requests.Session() as session:
            session.trust_env = False
            response = session.request(
                method, url, json=body, headers=headers, timeout=_TIMEOUT_S, allow_redirects=False
            )
    except requests.RequestException as error:
        raise ServiceFailure(None, f"the service does not answer ({type(error).__name__})") from error
    if response.status_code != 200:
        raise ServiceFailure(response.status_code, _said(response))
    try:
        return response.json()
    except requests.JSONDecodeError as error:
        if not expect_body:
            return None
        raise ServiceFailure(200, "the answer is not JSON") from error


def _said(response: requests.Response) -> str:
    """The text of an OperationOutcome, else the beginning of whatever came."""
    try:
        body = response.json()
        texts = [_issue_text(one) for one in body["issue"]]
    except (requests.JSONDecodeError, KeyError, TypeError, AttributeError):
        return response.text[:_TEXT_SHOWN] or response.reason
    return "; ".join(filter(None, texts)) or response.reason


def _issue_text(issue: Mapping[str, Any]) -> str:
    text = str((issue.get("details") or {}).get("text") or issue.get("diagnostics") or issue.get("code", ""))
    where = ", ".join(issue.get("expression") or ())
    return f"{text} ({where})" if where else text
