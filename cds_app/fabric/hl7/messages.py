"""HL7 v2 messages as they are written: character sets, delimiters, escapes, times. What they mean comes after that.

Fields are taken apart when they are asked for: a message costs what is read of it, whatever else a sender puts in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Final

NULL: Final = '""'
"""A field that says: what was there is to be deleted."""

_CHARSETS: Final[Mapping[str, str]] = {
    "ASCII": "ascii",
    "ISO IR6": "ascii",
    **{f"8859/{number}": f"iso8859-{number}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "GB 18030-2000": "gb18030",
    "BIG-5": "big5",
    "KS X 1001": "euc-kr",
    "ISO IR87": "iso2022-jp",
    "WINDOWS-1252": "cp1252",
    "CP1252": "cp1252",
}
"""HL7 table 0211, and what Windows interfaces write there."""
_DELIMITERS: Final = 5
_NAME: Final = re.compile(r"[A-Z][A-Z0-9]{2}")
_TIME: Final = re.compile(
    r"(?P<date>\d{4}(\d{2}(\d{2})?)?)((?P<hour>\d{2})((?P<minute>\d{2})((?P<second>\d{2})(\.\d{1,9})?)?)?)?"
    r"(?P<zone>[+-]\d{4})?",
    re.ASCII,
)
_HEX: Final = re.compile(r"X([0-9A-Fa-f]{2})+")
_LINES: Final = frozenset({".br", ".sp", ".ce"})
_MOST_SEGMENTS: Final = 10_000
_MOST_REPEATS: Final = 200


class Unusable(Exception):
    """A message that cannot be used: why, by a name of a closed list, and where; never what stood there.

    Parameters
    ----------
    reason : str
        One of `cds_app.services.sources.intake.REFUSALS`.
    where : str
        Segment and field, as ``PID-3``.
    """

    def __init__(self, reason: str, where: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.where = where


@dataclass(frozen=True, slots=True)
class Delimiters:
    """Characters of MSH-1 and MSH-2; "" for one that is not used."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"


@dataclass(frozen=True, slots=True)
class Segment:
    """One line of a message; fields and their parts count from 1, as the standard counts them."""

    fields: Sequence[str]
    marks: Delimiters
    head: int = 0  # in MSH the delimiter after the name is field 1

    @property
    def name(self) -> str:
        return self.fields[0]

    def raw(self, number: int) -> str:
        """A whole field as it was written; "" if it is not there."""
        at = number - self.head
        return self.fields[at] if at < len(self.fields) else ""

    def repeats(self, number: int) -> tuple[str, ...]:
        """Repetitions of a field as they were written, none if it is empty."""
        raw, mark = self.raw(number), self.marks.repetition
        if not raw or raw == NULL:
            return ()
        return tuple(raw.split(mark, _MOST_REPEATS)[:_MOST_REPEATS]) if mark and mark in raw else (raw,)

    def text(self, number: int, component: int = 1, subcomponent: int = 1) -> str:
        """One part of the first repetition of a field, escapes resolved."""
        found = self.repeats(number)
        return self.part(found[0], component, subcomponent) if found else ""

    def part(self, written: str, component: int, subcomponent: int = 1) -> str:
        """One part of a repetition, escapes resolved; "" if it is not there or null."""
        found = _nth(_nth(written, self.marks.component, component), self.marks.subcomponent, subcomponent)
        return "" if found == NULL else unescaped(found, self.marks)


@dataclass(frozen=True, slots=True)
class Message:
    """A message whose head could be read.

    Parameters
    ----------
    kind, event : str
        MSH-9: ``ORU`` and ``R01``.
    segments : sequence of Segment
        In order, MSH first.
    """

    kind: str
    event: str
    segments: Sequence[Segment] = field(repr=False)

    @property
    def head(self) -> Segment:
        return self.segments[0]

    def all(self, name: str) -> Iterator[Segment]:
        """Every segment of this name."""
        return (one for one in self.segments if one.name == name)

    def first(self, name: str) -> Segment | None:
        """The first segment of this name."""
        return next(self.all(name), None)


def read_message(frame: bytes, *, charset: str = "utf-8") -> Message:
    """Take a message apart.

    Parameters
    ----------
    frame : bytes
        Without MLLP's frame around it.
    charset : str
        Python's name of the character set of senders that name none (MSH-18).

    Raises
    ------
    Unusable
    """
    marks = _delimiters(frame)
    text = _decoded(frame, marks, charset)
    lines = [line for line in re.split(r"\r\n?|\n", text, maxsplit=_MOST_SEGMENTS) if line]
    if len(lines) > _MOST_SEGMENTS:
        raise Unusable("oversize")
    segments = [_segment(line, marks) for line in lines]
    head = segments[0]
    kind, event = head.text(9, 1), head.text(9, 2)
    return Message(kind=kind, event=event, segments=segments)


def unescaped(text: str, marks: Delimiters) -> str:
    """A text without escapes. What an escape means that nobody here knows is left out; the text around it stays."""
    mark = marks.escape
    if not mark or mark not in text:
        return text
    parts = text.split(mark)
    if len(parts) % 2 == 0:  # an escape that was never closed: what follows it is text
        parts[-2:] = [parts[-2] + mark + parts[-1]]
    return "".join(part if at % 2 == 0 else _meaning(part, marks) for at, part in enumerate(parts))


def time_of(text: str, zone: tzinfo) -> str:
    """An HL7 time as a FHIR dateTime, in ``zone`` where it names none; "" if it is none.

    A time without minutes is as exact as its day: FHIR has nothing between the two.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return ""
    date = "-".join(filter(None, (found["date"][:4], found["date"][4:6], found["date"][6:8])))
    if found["minute"] is None or len(date) < len("2026-01-01"):
        return date
    second = found["second"] or "00"
    fraction = text.strip().partition(".")[2].partition("+")[0].partition("-")[0][:6]
    clock = f"{date}T{found['hour']}:{found['minute']}:{second}" + (f".{fraction}" if fraction else "")
    try:
        return _anchored(clock, found["zone"] or "", zone)
    except (ValueError, OverflowError):
        return ""


def _anchored(clock: str, offset: str, zone: tzinfo) -> str:
    at = datetime.fromisoformat(clock + (f"{offset[:3]}:{offset[3:]}" if offset else ""))
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC).isoformat()


def _delimiters(frame: bytes) -> Delimiters:
    if len(frame) < 8 or not frame.startswith(b"MSH"):
        raise Unusable("garbled", "MSH")
    mark = frame[3:4]
    used = frame[4 : 4 + _DELIMITERS].partition(mark)[0].decode("ascii", errors="replace")
    marks = mark.decode("ascii", errors="replace") + used[:4]
    if len(set(marks)) != len(marks) or not all(one.isprintable() and not one.isalnum() for one in marks):
        raise Unusable("garbled", "MSH-2")
    if len(used) < 1 or "\ufffd" in marks:
        raise Unusable("garbled", "MSH-2")
    return Delimiters(*marks, *[""] * (5 - len(marks)))


def _decoded(frame: bytes, marks: Delimiters, charset: str) -> str:
    head = re.split(rb"[\r\n]", frame, maxsplit=1)[0].split(marks.field.encode())
    stated = head[17].split(marks.repetition.encode() or b"\0")[0] if len(head) > 17 else b""
    name = stated.strip().decode("ascii", errors="replace").upper()
    known = charset if not name else _CHARSETS.get(name)
    if known is None:
        raise Unusable("encoding", "MSH-18")
    try:
        return frame.decode(known)
    except UnicodeDecodeError:
        raise Unusable("encoding", "MSH-18" if name else "") from None  # the cause holds the bytes


def _segment(line: str, marks: Delimiters) -> Segment:
    fields = line.split(marks.field)
    if not _NAME.fullmatch(fields[0]):
        raise Unusable("garbled", "segment")
    if fields[0] == "MSH":
        return Segment(fields, marks, head=1)
    return Segment(fields, marks)


def _nth(text: str, mark: str, number: int) -> str:
    if not mark or mark not in text:
        return text if number == 1 else ""
    parts = text.split(mark, number)
    return parts[number - 1] if number <= len(parts) else ""


def _meaning(code: str, marks: Delimiters) -> str:
    known = {
        "F": marks.field,
        "S": marks.component,
        "T": marks.subcomponent,
        "R": marks.repetition,
        "E": marks.escape,
    }
    if code in known:
        return known[code]
    if _HEX.fullmatch(code):
        return bytes.fromhex(code[1:]).decode("latin-1")
    return " " if code[:3] in _LINES else ""
