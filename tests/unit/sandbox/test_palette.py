"""axe judges no colours in SVG and does not see every state: contrast by WCAG 2.2, 1.4.3 and 1.4.11, computed."""

from __future__ import annotations

import re

import pytest

from cds_app.content import content_root

CSS = (content_root() / "templates" / "static" / "sandbox.css").read_text(encoding="utf-8")
COLOURS = dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6});", CSS))


def luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    digits = "".join(2 * one for one in digits) if len(digits) == 3 else digits
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", ["text", "quiet", "info", "warning", "critical", "good"])
@pytest.mark.parametrize("ground", ["paper", "ground"])
def test_text_can_be_read(name: str, ground: str) -> None:
    assert contrast(COLOURS[name], COLOURS[ground]) >= 4.5


@pytest.mark.parametrize("line", ["#0b4f8a", "#768692"])
def test_lines_and_edges_can_be_seen(line: str) -> None:
    assert line in CSS
    assert contrast(line, COLOURS["paper"]) >= 3
    if line == "#0b4f8a":
        assert contrast(line, "#d7e8d9") >= 3  # on the band of the usual range
