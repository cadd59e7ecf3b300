"""Who is let in before anything of a request is read, and which pages in a browser may call."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from flask import Blueprint, Response, g, request
from flask.typing import ResponseReturnValue

from cds_app.domain.clients import Caller
from cds_app.services.callers.trust import Door

_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "authorization, content-type",
    "Access-Control-Max-Age": "600",
}


def guard(routes: Blueprint, door: Door, origins: Collection[str]) -> None:
    """Have every call of these routes prove who it is, and answer browsers.

    Notes
    -----
    A preflight carries no token: it is answered to everybody, and says only what is written here. Credentials of the
    browser (cookies) are never allowed: a page must have the client's token.
    """
    listed = frozenset(origins)

    @routes.before_request
    def admit() -> ResponseReturnValue | None:
        if request.method == "OPTIONS":
            return Response(status=204)
        g.caller = door.admit(request.headers.get("Authorization"), request.path, _host())
        return None

    @routes.after_request
    def share(response: Response) -> Response:
        if listed:
            response.vary.add("Origin")
        if (origin := request.headers.get("Origin")) in listed:
            response.headers["Access-Control-Allow-Origin"] = origin
            if request.method == "OPTIONS":
                response.headers.update(_PREFLIGHT)
        return response


def caller() -> Caller | None:
    """Who calls; None if callers are not authenticated."""
    found: Caller | None = g.caller
    return found


def _host() -> str:
    """The name that the caller used for this service, without the port; "" if it is none."""
    try:
        return urlsplit(f"//{request.headers.get('Host', '')}").hostname or ""
    except ValueError:
        return ""
