"""CDS Hooks 2.0: discovery, services, feedback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from cds_app.cards.wire import wire_json
from cds_app.errors import BadRequest
from cds_app.ports import Clock
from cds_app.services.callers.trust import Door
from cds_app.services.calls.answer import Answering
from cds_app.services.calls.hook_call import LISTENING, Listener
from cds_app.services.feedback import Effect, Listening
from cds_app.settings import Settings
from cds_app.web import admission
from cds_app.web.requests import PREFETCH, read_call, read_json

_MAX_FEEDBACK = 500
EFFECTS = "com.twinline.effects"
_SOCKET = "gunicorn.socket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the endpoints hand their requests to."""

    settings: Settings
    clock: Clock
    answering: Answering
    listening: Listening
    door: Door


def blueprint(desk: Desk) -> Blueprint:
    """The three endpoints over one desk."""
    routes = Blueprint("cds_hooks", __name__)
    admission.guard(routes, desk.door, desk.settings.cors_origins)

    @routes.get("/cds-services")
    def discovery() -> ResponseReturnValue:
        services = desk.answering.knowledge.services.values()
        return _json({"services": [service.discovery() for service in services if service.offered]})

    @routes.post("/cds-services/<service_id>")
    def service(service_id: str) -> ResponseReturnValue:
        definition = desk.answering.knowledge.offered(service_id)
        body = read_json(request, max_bytes=desk.settings.max_body_bytes, spare=PREFETCH)
        call = read_call(
            body,
            definition,
            received=desk.clock.now(),
            simulated=desk.settings.simulated_time,
            caller=admission.caller(),
        )
        return _raw_cards(desk.answering.answer(replace(call, listener=_listener())))

    @routes.post("/cds-services/<service_id>/feedback")
    def feedback(service_id: str) -> ResponseReturnValue:
        definition = desk.answering.knowledge.offered(service_id)
        body = read_json(request, max_bytes=desk.settings.max_body_bytes)
        now, caller = desk.clock.now(), admission.caller()
        effects = desk.listening.listen(definition, _items(body), received=now, caller=caller)
        return _json({"extension": {EFFECTS: [_effect(one) for one in effects]}} if effects else {})

    return routes


def _listener() -> Listener:
    """The caller's connection, where our own worker serves it; of others nobody knows whether the answer was taken."""
    line = request.environ.get(_SOCKET)
    return line if isinstance(line, Listener) else LISTENING


def _effect(one: Effect) -> dict[str, Any]:
    """What an answer changes, without what there is not."""
    said = asdict(one) | {"quiet_until": one.quiet_until.isoformat() if one.quiet_until else None}
    names = {"quiet_h": "quietHours", "quiet_until": "quietUntil", "rise_points": "unlessRisePoints"}
    return {names.get(name, name): value for name, value in said.items() if value is not None}


def _items(body: dict[str, Any]) -> Sequence[object]:
    items = body.get("feedback")
    if not isinstance(items, list) or not items:
        raise BadRequest("required, a non-empty array", field="feedback")
    if len(items) > _MAX_FEEDBACK:
        raise BadRequest(f"at most {_MAX_FEEDBACK} items", field="feedback")
    return items


def _json(body: object) -> Response:
    return _fresh(Response(wire_json(body), mimetype="application/json"))


def _raw_cards(cards: Sequence[bytes]) -> Response:
    """Cards go out as the very bytes that the decision log holds."""
    return _fresh(Response(b'{"cards":[' + b",".join(cards) + b"]}", mimetype="application/json"))


def _fresh(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
