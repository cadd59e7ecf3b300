"""Model cards as pages, ``/models/<name>``. They hold nothing of a patient."""

from __future__ import annotations

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue

from cds_app.services.content.model_cards import Shelf

_CSP = (
    "default-src 'none'; img-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def blueprint(shelf: Shelf) -> Blueprint:
    """A page for every learned risk, with its pictures and its style."""
    routes = Blueprint("model_cards", __name__)

    @routes.get("/models/report.css")
    def style() -> ResponseReturnValue:
        return _answer(shelf.style(), "text/css")

    @routes.get("/models/<name>")
    def page(name: str) -> ResponseReturnValue:
        return _answer(shelf.page(name), "text/html")

    @routes.get("/models/<name>/<picture>")
    def plot(name: str, picture: str) -> ResponseReturnValue:
        return _answer(shelf.picture(name, picture), "image/png")

    return routes


def _answer(content: bytes, kind: str) -> Response:
    response = Response(content, mimetype=kind)
    response.headers["Content-Security-Policy"] = _CSP
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
