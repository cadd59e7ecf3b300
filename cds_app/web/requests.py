"""Reading what callers send: size, type, JSON, and the fields that every CDS Hooks call has."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, cast

from flask import Request
from werkzeug.exceptions import ClientDisconnected

from cds_app.cards.definition import ServiceDefinition
from cds_app.domain.clients import Caller
from cds_app.domain.events import HookEvent
from cds_app.domain.strict_json import loads
from cds_app.domain.time import parse_fhir_time
from cds_app.errors import BadRequest, TooLarge, UnsupportedMedia
from cds_app.services.calls.hook_call import HookCall
from cds_app.web.contexts import read_context

SIMULATED_TIME = "com.twinline.simulated-time"
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_SERVER = re.compile(r"https?://[!-~]{1,2000}\Z")
_STATED = (1900, 2300)  # years: at the ends of the calendar nothing lies before or after
_LOCAL = "local"
_BEARER = "Bearer"
_AS_IT_IS = "identity"
PREFETCH = "prefetch"


def read_json(
    request: Request, *, max_bytes: int, kinds: Collection[str] = ("application/json",), spare: str = ""
) -> dict[str, Any]:
    """The body as a JSON object, sent as one of some media types; ``spare`` as of `loads`.

    Raises
    ------
    UnsupportedMedia, TooLarge, BadRequest
    """
    if request.mimetype not in kinds:
        raise UnsupportedMedia(f"send {' or '.join(kinds)}", field="Content-Type")
    if request.headers.get("Content-Encoding", _AS_IT_IS).strip().lower() != _AS_IT_IS:
        raise UnsupportedMedia("send it without compression", field="Content-Encoding")
    try:
        content = request.get_data(cache=False)
    except (OSError, ClientDisconnected):  # hung up, too late, or broke off: nobody may read this
        raise BadRequest("was not received whole", field="body") from None
    if request.content_length is None and len(content) >= max_bytes:  # of a body in chunks no more is read than that
        raise TooLarge("too many bytes", field="body")
    body = loads(content, max_bytes=max_bytes, spare=spare)
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object", field="body")
    return cast(dict[str, Any], body)


def read_call(
    body: Mapping[str, Any],
    service: ServiceDefinition,
    *,
    received: datetime,
    simulated: bool,
    caller: Caller | None = None,
) -> HookCall:
    """Check a CDS Hooks request against its service.

    Parameters
    ----------
    received : datetime
        The service's clock.
    simulated : bool
        Whether a stated event time (extension ``com.twinline.simulated-time``) is honoured.
    caller : Caller or None
        Whose patients they are; None if callers are not authenticated.

    Raises
    ------
    BadRequest
        Naming the first field that is missing or wrong.
    """
    if _text(body, "hook", "hook") != service.hook:
        raise BadRequest("this service answers another hook", field="hook")
    instance = _matching(_UUID, _text(body, "hookInstance", "hookInstance"), "hookInstance")
    context = _object(body, "context", "context")
    prefetch = _object(body, PREFETCH, PREFETCH) if body.get(PREFETCH) is not None else {}
    server, token = _authorization(body)
    who = read_context(context, service.hook)
    event = HookEvent(
        service=service.id,
        hook=service.hook,
        instance=instance,
        tenant=caller.realm(server) if caller else server or _LOCAL,
        patient=who.patient,
        user=who.user,
        encounter=who.encounter,
        received=_event_time(body, received, simulated=simulated),
    )
    return HookCall(event=event, prefetch=prefetch, context=context, fhir_server=server, token=token)


def _authorization(body: Mapping[str, Any]) -> tuple[str | None, str | None]:
    server = None
    if body.get("fhirServer") is not None:
        server = _matching(_SERVER, _text(body, "fhirServer", "fhirServer"), "fhirServer").rstrip("/")
    if body.get("fhirAuthorization") is None:
        return server, None
    authorization = _object(body, "fhirAuthorization", "fhirAuthorization")
    if server is None:
        raise BadRequest("required with fhirAuthorization", field="fhirServer")
    token = _text(authorization, "access_token", "fhirAuthorization.access_token")
    kind = authorization.get("token_type", _BEARER)  # in any case of letters: RFC 6749, 5.1
    if not isinstance(kind, str) or kind.casefold() != _BEARER.casefold():
        raise BadRequest("must be Bearer", field="fhirAuthorization.token_type")
    return server, token


def _event_time(body: Mapping[str, Any], received: datetime, *, simulated: bool) -> datetime:
    extension = body.get("extension")
    stated = extension.get(SIMULATED_TIME) if isinstance(extension, dict) else None
    if stated is None:
        return received
    where = f"extension.{SIMULATED_TIME}"
    if not simulated:
        raise BadRequest("simulated time is not enabled on this service", field=where)
    interval = parse_fhir_time(stated, field=where)
    if not interval.exact:
        raise BadRequest("must be a full instant", field=where)
    if not _STATED[0] <= interval.start.year < _STATED[1]:
        raise BadRequest("must be of these centuries", field=where)
    return interval.start


def _text(body: Mapping[str, Any], key: str, field: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise BadRequest("required, a non-empty string", field=field)
    return value


def _object(body: Mapping[str, Any], key: str, field: str) -> Mapping[str, Any]:
    value = body.get(key)
    if not isinstance(value, dict):
        raise BadRequest("required, an object", field=field)
    return value


def _matching(pattern: re.Pattern[str], text: str, field: str) -> str:
    if pattern.match(text) is None:
        raise BadRequest("has the wrong form", field=field)
    return text
