"""A browser page that notices what it should not: errors, blocked content, requests to anywhere else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cds_app.sandbox.server import create_sandbox, running
from tests.unit.sandbox.stub_service import Stub, stub, two_patients

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

__all__ = ["stub"]

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = [
    "--no-sandbox",  # CI runs as root in a container; only our own pages are opened
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WATCH = """
window.violations = [];
addEventListener("securitypolicyviolation", (e) => violations.push(e.violatedDirective + " " + e.blockedURI));
"""


def _chromium() -> str | None:
    """The browser's path, or None."""
    stated = os.environ.get("TWINLINE_TEST_CHROMIUM")
    found = stated if stated and Path(stated).exists() else None
    return found or next(filter(None, map(shutil.which, _NAMES)), None)


@dataclass(kw_only=True)
class Watched:
    """A page, and what went wrong on it."""

    page: Page
    problems: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def assert_clean(self) -> None:
        """No error in the console, nothing blocked, no request beyond this machine."""
        assert self.problems == []
        assert self.outside == []
        assert self.page.evaluate("window.violations") == []


@contextmanager
def watched_page(context: BrowserContext) -> Iterator[Watched]:
    """A new page that notes what went wrong on it. An answer of 4xx is what some states are: it is no problem."""
    page = context.new_page()
    page.set_default_timeout(10_000)
    made = Watched(page=page)
    page.on("console", lambda told: made.problems.append(told.text) if told.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: made.problems.append(str(error)))
    page.on("request", lambda sent: None if sent.url.startswith("http://127.0.0.1:") else made.outside.append(sent.url))
    page.add_init_script(WATCH)
    yield made
    page.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = _chromium()
    if path is None:
        pytest.skip("no Chromium on PATH: apt-get install chromium, or set TWINLINE_TEST_CHROMIUM")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=path, headless=True, args=_ARGUMENTS)
        yield made
        made.close()


@pytest.fixture
def ehr(stub: Stub) -> Iterator[str]:
    patients = two_patients()
    with running(create_sandbox(stub.url, patients, now=patients[0].opens[4], open_fhir=True)) as url:
        yield url


@pytest.fixture
def context(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """A fresh context; parametrise indirectly with options of `new_context` (width in pixels by default)."""
    options = getattr(request, "param", {})
    made = browser.new_context(**{"viewport": {"width": 360, "height": 800}, "service_workers": "block", **options})
    yield made
    made.close()


@pytest.fixture
def watched(context: BrowserContext) -> Iterator[Watched]:
    with watched_page(context) as made:
        made.page.on("requestfailed", lambda failed: made.problems.append(f"failed {failed.url}"))
        yield made
