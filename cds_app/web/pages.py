"""What every page of ours tells the browser: run nothing of others, keep nothing, and who may show it in a frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue

from cds_app.errors import NotFound

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; object-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'; frame-ancestors "
)
_STATIC: Final = {"sidebar.css": "text/css", "sidebar.js": "text/javascript", "twinline.svg": "image/svg+xml"}
_A_DAY: Final = "public, max-age=86400"


def as_page(response: Response, frames: Sequence[str] = ()) -> Response:
    """Say what a page may do. ``frames`` are the origins that may show it in a frame; nobody else may."""
    response.headers["Content-Security-Policy"] = _POLICY + (" ".join(frames) if frames else "'none'")
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
    return response


def static(folder: Path) -> Blueprint:
    """Style, script and picture of the pages, read once."""
    routes = Blueprint("static_files", __name__)
    held = {name: (folder / name).read_bytes() for name in _STATIC}

    @routes.get("/static/<name>")
    def file(name: str) -> ResponseReturnValue:
        if name not in held:
            raise NotFound("there is no such file", field="name")
        response = Response(held[name], mimetype=_STATIC[name])
        response.headers["Cache-Control"] = _A_DAY
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return routes
