"""Newline-delimited JSON as it arrives, piece by piece: one line is held at a time, and one bad line harms no other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Literal

import msgspec

from cds_app.domain.strict_json import loads
from cds_app.errors import BadRequest, TooLarge

MAX_LINE: Final = 8 * 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"
_UNREAD: Final = frozenset({"unreadable", "encoding"})

Problem = Literal["", "unreadable", "encoding", "too-long", "truncated"]


class Line(msgspec.Struct, frozen=True):
    """One line that is not empty.

    Parameters
    ----------
    number : int
        From 1, empty ones counted.
    end : int
        Bytes from the beginning up to its end, the newline included: where to go on after it.
    value : object
        What it says; None with a problem.
    problem : {"", "unreadable", "encoding", "too-long", "truncated"}
        ``encoding``: no UTF-8, or bytes of another encoding; ``truncated``: the last one, without a newline, no JSON.
    """

    number: int
    end: int
    value: object
    problem: Problem = ""


def read_lines(pieces: Iterable[bytes], *, number: int = 0, start: int = 0, max_line: int = MAX_LINE) -> Iterator[Line]:
    """Lines of a document that comes in pieces.

    Parameters
    ----------
    pieces : iterable of bytes
        What follows after ``start``.
    number, start : int
        Lines and bytes that went before.
    max_line : int
        Of a longer line nothing is held.
    """
    held = bytearray()
    lost = 0  # bytes of a line that is too long already
    for piece in pieces:
        held += piece
        first = 0
        while (at := held.find(b"\n", first)) >= 0:
            start += lost + at + 1 - first
            number += 1
            line = _line(bytes(held[first:at]), number, start, too_long=lost + at - first > max_line)
            first, lost = at + 1, 0
            if line is not None:
                yield line
        del held[:first]
        if len(held) + lost > max_line:
            lost += len(held)
            held.clear()
    if held or lost:
        line = _line(bytes(held), number + 1, start + lost + len(held), too_long=bool(lost))
        if line is not None:
            yield Line(line.number, line.end, None, "truncated") if line.problem in _UNREAD else line


def _line(content: bytes, number: int, end: int, *, too_long: bool) -> Line | None:
    if too_long:
        return Line(number, end, None, "too-long")
    text = content.removeprefix(_BOM) if number == 1 else content
    text = text.strip(b" \t\r")
    if not text:
        return None
    try:
        return Line(number, end, loads(text, max_bytes=MAX_LINE, field="line"))
    except (BadRequest, TooLarge):
        return Line(number, end, None, "unreadable" if _is_text(text) else "encoding")


def _is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False
