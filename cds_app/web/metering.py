"""Counts every CDS Hooks request, by service, kind, status and time taken."""

from __future__ import annotations

import time
from collections.abc import Container

from flask import Flask, Response, g, request

from cds_app.ports import Meter

_KINDS = {"cds_hooks.service": "call", "cds_hooks.feedback": "feedback", "cds_hooks.discovery": "discovery"}


def register(app: Flask, meter: Meter, services: Container[str]) -> None:
    """Attach to an app. A service that is not there counts under no name: names come from requests."""

    @app.before_request
    def begin() -> None:
        g.begun = time.perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        kind = _KINDS.get(request.endpoint or "")
        if kind is not None:
            named = (request.view_args or {}).get("service_id", "")
            service = named if named in services else ""
            meter.call(service, kind, response.status_code, time.perf_counter() - g.begun)
        return response
