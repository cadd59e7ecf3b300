"""SMART App Launch: ``/smart/launch``, ``/smart/callback``, ``/smart/logout``, and our public keys."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import structlog
from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from jinja2 import FileSystemLoader

from cds_app.errors import DependencyDown, Forbidden, LaunchRefused, TwinlineError
from cds_app.pages.rendering import html_environment, page
from cds_app.ports import Clock
from cds_app.services.smart.grants import JWKS_PATH
from cds_app.services.smart.launching import CALLBACK_PATH, Launching
from cds_app.services.smart.signing import MAX_AGE_S, SigningKeys
from cds_app.services.smart.visits import Visits
from cds_app.web.browser import browser_of, check_form, set_browser
from cds_app.web.pages import as_page

LAUNCH_PATH: Final = "/smart/launch"
LOGOUT_PATH: Final = "/smart/logout"
KEYS_FRESH_S: Final = 10.0
"""So long one answer about our keys does for everybody who asks."""
_LOG = structlog.get_logger("twinline")


@dataclass(frozen=True, slots=True, kw_only=True)
class Smart:
    """What the endpoints hand their requests to.

    Parameters
    ----------
    launching : Launching
    visits : Visits
    keys : SigningKeys
    clock : Clock
    templates : Path
        The folder ``templates/``.
    """

    launching: Launching
    visits: Visits
    keys: SigningKeys
    clock: Clock
    templates: Path

    @property
    def origin(self) -> str:
        """Of our own pages, as browsers write it."""
        return origin_of(self.launching.base_url)


def origin_of(base_url: str) -> str:
    """The origin of a URL as browsers write it: in lower case, without the scheme's own port."""
    parts = urlsplit(base_url)
    usual = parts.port in (None, {"http": 80, "https": 443}[parts.scheme])
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" if usual else f"{parts.scheme}://{host}:{parts.port}"


def blueprint(smart: Smart) -> Blueprint:
    """The endpoints."""
    routes = Blueprint("smart", __name__)
    pages, published = _Pages(smart), _Published(lambda: smart.keys.published(smart.clock.now()))

    @routes.get(LAUNCH_PATH)
    def launch() -> ResponseReturnValue:
        begun = smart.launching.begin(browser_of(request), request.args.to_dict(flat=False), smart.clock.now())
        response = _redirect(begun.location)
        set_browser(response, begun.browser)
        return response

    @routes.get(CALLBACK_PATH)
    def callback() -> ResponseReturnValue:
        done = smart.launching.complete(browser_of(request), request.args.to_dict(flat=False), smart.clock.now())
        response = _redirect(f"{smart.launching.base_url}/sidebar/{done.visit.id}")
        set_browser(response, done.browser)
        return response

    @routes.post(LOGOUT_PATH)
    def logout() -> ResponseReturnValue:
        browser, visit = browser_of(request), request.form.get("visit", "")
        check_form(request, browser, visit, smart.origin)
        smart.visits.close(browser, visit)
        return pages.page("logged_out", 200)

    @routes.get(JWKS_PATH)
    def jwks() -> ResponseReturnValue:
        response = Response(published(), mimetype="application/json")
        response.headers["Cache-Control"] = f"public, max-age={MAX_AGE_S}"
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    routes.register_error_handler(LaunchRefused, pages.refused)
    routes.register_error_handler(Forbidden, pages.failed)
    routes.register_error_handler(DependencyDown, pages.failed)
    return routes


class _Pages:
    """The two pages that are not part of a visit."""

    def __init__(self, smart: Smart) -> None:
        self._smart = smart
        self._templates = html_environment(FileSystemLoader(smart.templates / "sidebar"))

    def page(self, name: str, status: int, **words: object) -> Response:
        """A page that holds nothing of the request."""
        html = page(self._templates, name, words)
        return as_page(Response(html, status=status, mimetype="text/html"), self._ancestors())

    def refused(self, error: LaunchRefused) -> Response:
        """A launch that leads nowhere."""
        _LOG.warning("launch-refused", reason=error.reason, status=error.status)
        return self.page("launch_failed", error.status, reason=error.reason)

    def failed(self, error: TwinlineError) -> Response:
        """Anything else that is ours to say."""
        _LOG.warning("refused", code=error.code, status=error.status, field=error.field or "")
        response = self.page("launch_failed", error.status, reason="busy" if error.status == 503 else "form")
        if error.status == 503:
            response.headers["Retry-After"] = str(error.retry_after_s)
        if error.status == 503 and request.method == "GET":
            response.headers["Refresh"] = str(error.retry_after_s)  # nothing is used up: the browser tries again itself
        return response

    def _ancestors(self) -> Sequence[str]:
        """Who may embed the page: EHRs that are registered, so that their users see it. It has nothing to click on."""
        try:
            return self._smart.launching.frames(self._smart.clock.now())
        except TwinlineError:
            return ()


class _Published:
    """The key set as it was a moment ago: everybody may ask for it, as often as they like."""

    def __init__(self, read: Callable[[], bytes]) -> None:
        self._read = read
        self._held: tuple[float, bytes] = (float("-inf"), b"")

    def __call__(self) -> bytes:
        at, document = self._held
        if time.monotonic() - at >= KEYS_FRESH_S:
            document = self._read()
            self._held = (time.monotonic(), document)
        return document


def _redirect(location: str) -> Response:
    response = Response(b"", status=303)
    response.headers["Location"] = location
    _guard(response)
    return response


def _guard(response: Response) -> None:
    """Neither kept nor told to anybody: addresses hold codes and states."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Content-Type-Options"] = "nosniff"
