"""The browser's one cookie, and whether a form comes from a page of ours.

The cookie has to work inside of an EHR's page, so it is sent with requests from any page (``SameSite=None``), and kept
apart for each embedding site (``Partitioned``). Forms are therefore believed only with a token that is bound to cookie
and visit, and only from our own origin.
"""

from __future__ import annotations

import hmac
from typing import Final

from flask import Request, Response

from cds_app.errors import Forbidden
from cds_app.services.smart.drawers import is_secret

COOKIE: Final = "__Host-twinline"
FIELD: Final = "form_token"
"""Name of the form field that carries the token."""


def browser_of(request: Request) -> str:
    """Secret of the browser's cookie; "" if it has none."""
    secret = request.cookies.get(COOKIE, "")
    return secret if is_secret(secret) else ""


def set_browser(response: Response, browser: str) -> None:
    """Have the browser keep a secret, for as long as it runs."""
    response.set_cookie(COOKIE, browser, path="/", secure=True, httponly=True, samesite="None", partitioned=True)


def form_token(browser: str, visit_id: str) -> str:
    """Token for the forms of a visit's pages: only who has the cookie can make it."""
    return hmac.digest(browser.encode(), f"form\0{visit_id}".encode(), "sha256").hex()


def check_form(request: Request, browser: str, visit_id: str, own_origin: str) -> None:
    """Whether a form was sent from one of our pages, by the browser for which the page was made.

    Raises
    ------
    Forbidden

    Notes
    -----
    Our pages send no referrer, and then browsers write ``Origin: null`` with a form (Fetch, "serializing a request
    origin"): in that case, and only then, ``Sec-Fetch-Site`` has to say that it comes from us. No page can forge
    either of the two headers.
    """
    origin = request.headers.get("Origin", "null")
    same = request.headers.get("Sec-Fetch-Site") == "same-origin"
    if origin != own_origin and not (origin == "null" and same):
        raise Forbidden("the form was not sent from this service", field="Origin")
    sent = request.form.get(FIELD, "")
    if not browser or not hmac.compare_digest(sent.encode(), form_token(browser, visit_id).encode()):
        raise Forbidden("the form was not made for this visit", field=FIELD)
