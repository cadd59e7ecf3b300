"""What every page of the sidebar has to hold, at every width."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.browser.conftest import Watched

SICK = "synthetic-001"
RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    },
    "resultTypes": ["violations"],
}
FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
SMALL_TARGETS = """[...document.querySelectorAll("button, select, summary, label.choice, input[type=radio]")]
  .filter((one) => one.offsetParent && !one.closest("label.choice input"))
  .map((one) => (one.closest("label") ?? one).getBoundingClientRect())
  .filter((box) => box.width < 24 || box.height < 24).length"""
WIDTHS = (320, 360, 480, 1280)
CLIPPED = """[...document.querySelectorAll("svg text")].filter((text) => {
  const outer = text.ownerSVGElement.getBoundingClientRect(), inner = text.getBoundingClientRect();
  return inner.left < outer.left - 1.5 || inner.right > outer.right + 1.5
    || inner.top < outer.top - 1.5 || inner.bottom > outer.bottom + 1.5;
}).map((text) => text.textContent)"""
OPEN = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"


def assert_usable(watched: Watched, name: str) -> None:
    """Accessible, nothing beyond the edge, nothing clipped or too small to hit. Pictures are kept if asked for."""
    watched.page.evaluate(OPEN)
    for width in WIDTHS:
        watched.page.set_viewport_size({"width": width, "height": 800})
        assert watched.page.evaluate(FITS), f"{name} scrolls sideways at {width}"
        assert watched.page.evaluate(CLIPPED) == [], f"{name} at {width}"
    for width in (320, 1280):
        watched.page.set_viewport_size({"width": width, "height": 800})
        found = violations(watched)
        assert found == [], f"{name} at {width}: {found}"
        keep_picture(watched, f"{name}-{width}")
    assert watched.page.evaluate(SMALL_TARGETS) == 0


def violations(watched: Watched) -> Any:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(watched.page, options=RULES)
    return [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in found.response["violations"]]


def keep_picture(watched: Watched, name: str) -> None:
    """Keep a screenshot where somebody asked for it."""
    if folder := os.environ.get("TWINLINE_TEST_PICTURES"):
        watched.page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def open_everything(watched: Watched) -> None:
    watched.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
