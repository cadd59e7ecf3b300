"""The sidebar in a frame of another site: it works where the EHR shows it, and nobody else can show it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from cds_app.services.content.knowledge import Knowledge
from tests.browser.ward import SICK, WELL, Ward, ward_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Frame, Page

pytestmark = pytest.mark.browser

ATHENA = (
    "allow-forms allow-modals allow-pointer-lock allow-popups allow-popups-to-escape-sandbox allow-same-origin "
    "allow-scripts allow-downloads"
)

Portal = tuple[str, dict[str, str]]


@contextmanager
def portal() -> Iterator[Portal]:
    """A page of another site that shows whatever it is told to in a frame, at 127.0.0.1."""
    pages: dict[str, str] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path, "").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", pages
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def outside() -> Iterator[Portal]:
    with portal() as made:
        yield made


@pytest.fixture(scope="module")
def ward(knowledge: Knowledge, outside: Portal) -> Iterator[Ward]:
    """The service is at ``localhost``, the portal at ``127.0.0.1``: for a browser these are different sites."""
    with ward_of(knowledge, host="localhost", frames=(outside[0],)) as made:
        yield made


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(service_workers="block", viewport={"width": 460, "height": 900})
    yield made
    made.close()


def shown(context: BrowserContext, outside: Portal, url: str, sandbox: str = "") -> tuple[Page, Frame]:
    """A page of the portal with a URL in a frame."""
    address, pages = outside
    attribute = f' sandbox="{sandbox}"' if sandbox else ""
    frame_of = f'<iframe name="app" width="420" height="800"{attribute} src="{url}"></iframe>'
    pages["/"] = f"<!doctype html><title>EHR</title>{frame_of}"
    page = context.new_page()
    page.goto(f"{address}/")
    frame = page.locator("iframe").element_handle().content_frame()  # a refused frame has lost its name
    assert frame is not None
    frame.wait_for_load_state()
    return page, frame


@pytest.mark.parametrize("sandbox", ["", ATHENA])
def test_the_sidebar_is_launched_and_used_in_a_frame_of_another_site(
    context: BrowserContext, ward: Ward, outside: Portal, sandbox: str
) -> None:
    page, frame = shown(context, outside, ward.launch(WELL, framed=True), sandbox)
    frame.wait_for_selector("nav")
    assert "/sidebar/" in frame.url
    cookies = context.cookies()
    assert {one["name"] for one in cookies} == {"__Host-twinline"}
    assert all(one["secure"] and one["httpOnly"] for one in cookies)
    frame.click("nav >> text=About")
    frame.wait_for_selector("#visit")
    frame.click("text=End this visit")
    frame.wait_for_selector("#problem")
    assert "This visit has ended" in frame.inner_text("h1")
    page.close()


def test_a_stranger_cannot_show_the_sidebar(context: BrowserContext, ward: Ward) -> None:
    with portal() as stranger:
        page = context.new_page()
        page.goto(ward.launch(WELL))
        root = page.url
        _, frame = shown(context, stranger, root)
        assert frame.url.startswith("chrome-error:")


def test_in_a_frame_too_one_is_told_that_another_patient_was_opened_and_can_go_on(
    context: BrowserContext, ward: Ward, outside: Portal
) -> None:
    page, frame = shown(context, outside, ward.launch(SICK, framed=True))
    frame.click("nav >> text=Options")
    shown(context, outside, ward.launch(WELL, framed=True))
    frame.locator("button.main").first.click()
    frame.wait_for_selector("#problem")
    assert "Another patient was opened" in frame.inner_text("h1")
    frame.click("text=Go on with the patient of this page")
    frame.wait_for_selector("nav")
    assert "…-001" in frame.inner_text(".identity")
    page.close()


def test_in_a_frame_too_one_is_told_that_the_visit_is_over(
    context: BrowserContext, ward: Ward, outside: Portal
) -> None:
    page, frame = shown(context, outside, ward.launch(WELL, framed=True))
    frame.wait_for_selector("nav")
    context.clear_cookies()
    frame.click("nav >> text=About")
    frame.wait_for_selector("#problem")
    assert "This visit has ended" in frame.inner_text("h1")
    page.close()


def test_two_tabs_of_two_patients_never_mix(context: BrowserContext, ward: Ward) -> None:
    first, second = context.new_page(), context.new_page()
    first.goto(ward.launch(SICK))
    first.click("nav >> text=Options")
    second.goto(ward.launch(WELL))
    before = len(ward.desk.store.all("Task"))
    first.locator("button.main").first.click()
    first.wait_for_selector("#problem")
    assert "Another patient was opened" in first.inner_text("h1")
    assert len(ward.desk.store.all("Task")) == before
    first.click("text=Go on with the patient of this page")
    first.wait_for_selector("nav")
    assert "…-001" in first.inner_text(".identity")
    second.reload()
    assert "Another patient was opened" in second.inner_text("h1")


def test_an_open_page_says_that_the_ehr_has_moved_on(context: BrowserContext, ward: Ward) -> None:
    first = context.new_page()
    first.goto(ward.launch(SICK))
    other = context.new_page()
    other.goto(ward.launch(WELL))
    first.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    first.wait_for_selector("#banners >> text=Another patient was opened")
