"""A launch inside of an EHR's page, on another site: the cookie comes back, or the user is told why it did not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from flask import Response
from werkzeug.serving import make_server

from cds_app.bootstrap import app_of
from cds_app.commands.running import free_port
from cds_app.deps import Deps, Ehrs
from cds_app.services.smart.signing import SigningKeys
from cds_app.settings import Settings
from cds_app.web.browser import COOKIE
from tests.authorisation import FakeEhr, ehr, keyed, made_keys, registered
from tests.conftest import FrozenClock

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Frame, Page

__all__ = ["ehr", "keyed", "made_keys"]

pytestmark = pytest.mark.browser


@pytest.fixture
def service(request: pytest.FixtureRequest, deps: Deps, ehr: FakeEhr, keyed: Any, clock: FrozenClock) -> Iterator[str]:
    """Twinline at 127.0.0.1; the EHR's pages are at localhost, which is another site.

    With any parameter it is as if the browser took no cookies from a page inside of another one.
    """
    port = free_port()
    registered(ehr, keyed, frames=[ehr.root.replace("127.0.0.1", "localhost")])
    ehr.published = lambda: SigningKeys(keyed).published(clock.at)
    settings = Settings(open_to_this_machine=True, port=port)
    app = app_of(replace(deps, settings=settings, ehrs=Ehrs(cabinet=keyed)))
    if hasattr(request, "param"):
        app.after_request(without_cookies)
    server = make_server("127.0.0.1", port, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield settings.base_url
    server.shutdown()


def without_cookies(response: Response) -> Response:
    del response.headers["Set-Cookie"]
    return response


def framed(page: Page, ehr: FakeEhr, url: str, attributes: str = "") -> Frame:
    """The EHR's page with a frame in it, once the frame stands still."""
    page.goto(ehr.root.replace("127.0.0.1", "localhost") + "/chart")
    page.set_content(f'<!doctype html><title>EHR</title><iframe src="{url}" {attributes}></iframe>')
    page.wait_for_load_state("networkidle")
    (frame,) = page.main_frame.child_frames
    return frame


@pytest.mark.parametrize(
    "attributes",
    [
        "",
        'sandbox="allow-scripts allow-forms allow-same-origin allow-popups"',
        'sandbox="allow-scripts allow-forms"',
    ],
)
def test_a_launch_in_a_frame_of_another_site_keeps_its_cookie(
    context: BrowserContext, service: str, ehr: FakeEhr, attributes: str
) -> None:
    page = context.new_page()
    for _ in range(2):
        frame = framed(page, ehr, f"{service}/smart/launch?iss={ehr.base}&launch=x", attributes)
        assert frame.url.startswith(f"{service}/sidebar/")
        assert frame.url.endswith("/now")
    (cookie,) = (one for one in context.cookies() if one["name"] == COOKIE)
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "None")
    assert "localhost" in str(cookie.get("partitionKey"))


@pytest.mark.parametrize("service", ["without cookies"], indirect=True)
def test_a_frame_without_cookies_says_so_inside_of_the_ehrs_page(
    context: BrowserContext, service: str, ehr: FakeEhr
) -> None:
    frame = framed(context.new_page(), ehr, f"{service}/smart/launch?iss={ehr.base}&launch=x")
    assert "keeps no cookies" in frame.locator("[role=alert]").inner_text()
    assert ehr.posted == []


def test_a_page_of_a_stranger_cannot_embed_what_failed(context: BrowserContext, service: str, ehr: FakeEhr) -> None:
    page = context.new_page()
    page.goto(f"{ehr.root}/chart")  # 127.0.0.1, which is not registered
    page.set_content(f'<!doctype html><title>x</title><iframe src="{service}/smart/launch"></iframe>')
    page.wait_for_load_state("networkidle")
    (frame,) = page.main_frame.child_frames
    assert frame.url.startswith("chrome-error://")
