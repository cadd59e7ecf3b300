"""Whether the process is alive, and whether it can do its work now."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, json
from flask.typing import ResponseReturnValue


def blueprint(ready: Callable[[], None]) -> Blueprint:
    """Liveness without looking at anything, readiness by asking ``ready`` (which raises DependencyDown)."""
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    def alive() -> ResponseReturnValue:
        return _status("alive")

    @routes.get("/readyz")
    def able() -> ResponseReturnValue:
        ready()
        return _status("ready")

    return routes


def _status(word: str) -> Response:
    return Response(json.dumps({"status": word}), mimetype="application/json")
