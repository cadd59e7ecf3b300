"""What a browser may do with the sandbox's pages: as little as each page needs."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from flask import Response, g, request

_ALWAYS: Final = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "base-uri 'none'",
    "require-trusted-types-for 'script'",
)


def may_send_forms_to(url: str) -> None:
    """Let the forms of this answer end at an app: browsers follow a form's redirects with the same rule."""
    g.form_target = _origin(url)


def may_frame(url: str) -> None:
    """Let this page hold a frame of an app, which on its way there passes through this server."""
    g.frames = _origin(url)


def may_stand_in_a_frame() -> None:
    """Let a page of this server show this answer within itself: nobody else's page may."""
    g.framed = True


def guard(response: Response) -> Response:
    """Put the rules on an answer."""
    forms = " ".join(filter(None, ("'self'", g.get("form_target"))))
    frames = f"'self' {g.frames}" if g.get("frames") else "'none'"
    ancestors = "'self'" if g.get("framed") else "'none'"
    own = (f"form-action {forms}", f"frame-src {frames}", f"frame-ancestors {ancestors}")
    response.headers["Content-Security-Policy"] = "; ".join((*_ALWAYS, *own))
    response.headers["X-Content-Type-Options"] = "nosniff"
    # With no-referrer, browsers would send `Origin: null` with forms, and the origin check could not work.
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    if not request.path.startswith("/static/"):
        response.headers["Cache-Control"] = "no-store"
    return response


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
