"""Card details as safe HTML: paragraphs, lists and **bold**, and nothing else of markdown.

Everything outside these three is text, and text is escaped. Character references (``&#46;``), with which a service
keeps foreign text inert, are read as CommonMark reads them: after the markup, so that they never become markup.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from itertools import groupby

from markupsafe import Markup, escape

_ITEM = re.compile(r"\s{0,3}[-*+]\s+(.*)")
_BOLD = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*")


def to_html(text: str) -> Markup:
    """Render a card's detail."""
    blocks = (_block(kind, lines) for kind, lines in _blocks(text))
    return Markup("").join(blocks)


def to_plain(text: str) -> str:
    """The same without markup, for a terminal: items begin with a hyphen, paragraphs are separated by a line."""
    parts = []
    for kind, lines in _blocks(text):
        plain = [html.unescape(_BOLD.sub(r"\1", line)) for line in lines]
        parts.append("\n".join(f"- {line}" for line in plain) if kind == "list" else " ".join(plain))
    return "\n\n".join(parts)


def _blocks(text: str) -> Iterator[tuple[str, list[str]]]:
    """Runs of list items and of paragraph lines; blank lines separate paragraphs but not the items of a list."""
    kinds = [(_kind(line), line.strip()) for line in text.splitlines()]
    joined = [
        (kind, line)
        for at, (kind, line) in enumerate(kinds)
        if kind != "blank" or not _between_items([one for one, _ in kinds], at)
    ]
    for kind, group in groupby(joined, key=lambda pair: pair[0]):
        lines = [line for _, line in group]
        if kind == "list":
            yield kind, [found[1] for line in lines if (found := _ITEM.fullmatch(line))]
        elif kind == "text":
            yield kind, lines


def _kind(line: str) -> str:
    if not line.strip():
        return "blank"
    return "list" if _ITEM.fullmatch(line.strip()) else "text"


def _between_items(kinds: list[str], at: int) -> bool:
    before = next((kind for kind in reversed(kinds[:at]) if kind != "blank"), "")
    after = next((kind for kind in kinds[at:] if kind != "blank"), "")
    return before == after == "list"


def _block(kind: str, lines: list[str]) -> Markup:
    if kind == "list":
        items = Markup("").join(Markup("<li>{}</li>").format(_inline(line)) for line in lines)
        return Markup("<ul>{}</ul>").format(items)
    return Markup("<p>{}</p>").format(_inline(" ".join(lines)))


def _inline(text: str) -> Markup:
    made, done = Markup(""), 0
    for found in _BOLD.finditer(text):
        made += _text(text[done : found.start()]) + Markup("<strong>{}</strong>").format(_text(found[1]))
        done = found.end()
    return made + _text(text[done:])


def _text(raw: str) -> Markup:
    return escape(html.unescape(raw))
