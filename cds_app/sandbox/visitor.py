"""An app opened without a browser: redirects and cookies are followed, on this machine only, and the page is read."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urljoin, urlsplit

import requests

from cds_app.sandbox.smart.clients import LOOPBACK

_HOPS: Final = 10
_TIMEOUT_S: Final = (2.0, 30.0)
_READ: Final = frozenset({"title", "h1", "h2"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Where a way ended.

    Parameters
    ----------
    status : int or None
        HTTP status; None when nothing answered, or the way led elsewhere or in a circle.
    headings : tuple of str
        First and second level, in order.
    """

    status: int | None
    title: str = ""
    headings: tuple[str, ...] = ()


def visit(url: str) -> Page:
    """Follow an address to where it ends."""
    with requests.Session() as session:
        session.trust_env = False
        for _ in range(_HOPS):
            if urlsplit(url).hostname not in LOOPBACK:
                return Page(status=None)
            try:
                response = session.get(url, timeout=_TIMEOUT_S, allow_redirects=False)
            except requests.RequestException:
                return Page(status=None)
            for cookie in session.cookies:
                # Browsers send these to this machine without TLS too (W3C Secure Contexts, "trustworthy origin").
                cookie.secure = False
            if not response.is_redirect:
                return _read(response)
            url = urljoin(url, response.headers["Location"])
    return Page(status=None)


def _read(response: requests.Response) -> Page:
    reader = _Reader()
    if response.headers.get("Content-Type", "").startswith("text/html"):
        reader.feed(response.text)
    words = [(tag, " ".join(text.split())) for tag, text in reader.found]
    titles = [text for tag, text in words if tag == "title"]
    headings = tuple(text for tag, text in words if tag != "title" and text)
    return Page(status=response.status_code, title=titles[0] if titles else "", headings=headings)


class _Reader(HTMLParser):
    """Collects the text of title and headings; the titles within drawings are not the page's."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self._inside = ""
        self._drawn = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._drawn += tag == "svg"
        if tag in _READ and not self._drawn:
            self._inside = tag
            self.found.append((tag, ""))

    def handle_endtag(self, tag: str) -> None:
        self._drawn -= tag == "svg"
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            tag, text = self.found[-1]
            self.found[-1] = (tag, text + data)
