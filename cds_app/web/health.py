"""Whether the process is alive, whether it can do its work now, and what it counted."""

from __future__ import annotations

import hmac
from collections.abc import Callable

import structlog
from flask import Blueprint, Request, Response, abort, json, request
from flask.typing import ResponseReturnValue

from cds_app.services.watch.readiness import Readiness
from cds_app.settings import Settings, is_loopback

_LOG = structlog.get_logger("twinline")
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP")
_PAGE = "text/plain; version=0.0.4; charset=utf-8"


def blueprint(settings: Settings, readiness: Callable[[], Readiness], page: Callable[[], bytes]) -> Blueprint:
    """Liveness without looking at anything, readiness by asking, metrics for those who may see them."""
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    def alive() -> ResponseReturnValue:
        return _json({"status": "alive"})

    @routes.get("/readyz")
    def able() -> ResponseReturnValue:
        return _readiness(readiness())

    @routes.get("/metrics")
    def metrics() -> ResponseReturnValue:
        if not _may_see_metrics(request, settings):
            abort(404)
        response = Response(page(), content_type=_PAGE)
        response.headers["Cache-Control"] = "no-store"
        return response

    return routes


def _readiness(found: Readiness) -> Response:
    parts = {name: state.value for name, state in found.parts.items()}
    body = {"status": found.status, "parts": parts, "modes": dict(found.modes), "alarms": list(found.alarms)}
    response = _json(body)
    if not found.is_ready:
        for name, state in parts.items():
            _LOG.warning("part", check=name, code=state)
        response.status_code = 503
        response.headers["Retry-After"] = "1"
    return response


def _may_see_metrics(asked: Request, settings: Settings) -> bool:
    """With a token, who has it. Without, this machine: but a proxy on this machine speaks for others."""
    if not settings.metrics:
        return False
    if settings.metrics_token:
        given = asked.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {settings.metrics_token}".encode())
    return is_loopback(asked.remote_addr or "") and not any(name in asked.headers for name in _FORWARDED)


def _json(body: object) -> Response:
    response = Response(json.dumps(body), mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
