"""Where EHRs send notifications of FHIR subscriptions to (rest-hook)."""

from __future__ import annotations

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from cds_app.services.sources.subscriptions import Notified
from cds_app.web.requests import read_json

PATH = "/fhir-notifications"
_KINDS = ("application/fhir+json", "application/json")


def blueprint(notified: Notified, max_body_bytes: int) -> Blueprint:
    """One endpoint for all subscriptions. Who does not know the secret learns nothing, not even what there is."""
    routes = Blueprint("notifications", __name__)

    @routes.post(f"{PATH}/<name>")
    def hear(name: str) -> ResponseReturnValue:
        subscription = notified.admit(name, request.headers.get("Authorization"))
        body = read_json(request, max_bytes=max_body_bytes, kinds=_KINDS, spare="entry")
        notified.hear(name, subscription, body)
        return Response(status=200, headers={"Cache-Control": "no-store"}, mimetype="application/fhir+json")

    return routes
