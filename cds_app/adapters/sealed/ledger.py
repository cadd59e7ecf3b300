"""The decision log as a chain: every row carries a keyed hash over itself and the row before.

An edit, a deletion, an insertion or a swap breaks the chain where it happened; the head, under the same key, says
where the chain ends, so that a cut tail shows too. Who can put back an old log *and* its old head shows only against
an anchor: an earlier head that was kept elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple

import msgspec

from cds_app.adapters.sealed.vault import Vault
from cds_app.domain.decisions import Verdict

Kind = Literal["decision", "feedback", "untaken", "erasure", "client", "document", "switch"]


class LogRow(NamedTuple):
    """One row of the log table, in the order of its columns: a tuple, as database drivers give and take them."""

    number: int
    patient: str
    kind: str
    id: str
    service: str
    topic: str
    tier: int | None
    suppression: str
    outcome: str
    reason_code: str
    at: str
    payload: bytes
    previous: bytes
    mac: bytes


class Change(NamedTuple):
    """One change of a register, as the log has it: number, time, what (``removed``, else it stands), and of whom."""

    number: int
    at: str
    what: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What a log row says, before it has a number: clear columns, and the payload as plain bytes."""

    kind: Kind
    id: str
    at: str
    service: str = ""
    topic: str = ""
    tier: int | None = None
    suppression: str = ""
    outcome: str = ""
    reason_code: str = ""
    plain: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where the chain ends: number and MAC of the last row, and a seal over both."""

    number: int
    mac: bytes
    seal: bytes


EMPTY: Final = Head(number=0, mac=b"", seal=b"")


def stamp(at: datetime) -> str:
    """An instant as text of fixed width in UTC: sorts by time, and is the same text in every database."""
    if at.tzinfo is None:
        raise ValueError("at: must be aware")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def link(vault: Vault, head: Head, patient: str, note: Note, payload: bytes) -> LogRow:
    """The row that comes after ``head``."""
    row = LogRow(
        number=head.number + 1,
        patient=patient,
        kind=note.kind,
        id=note.id,
        service=note.service,
        topic=note.topic,
        tier=note.tier,
        suppression=note.suppression,
        outcome=note.outcome,
        reason_code=note.reason_code,
        at=note.at,
        payload=payload,
        previous=head.mac,
        mac=b"",
    )
    return row._replace(mac=row_mac(vault, row))


def row_mac(vault: Vault, row: LogRow) -> bytes:
    """MAC over the previous MAC, every clear column and the hash of the sealed payload.

    MessagePack writes type and length before each value, so no two different rows give the same message.
    """
    # Somebody may have put a text into a bytes column: that is another row, and must not stop the check.
    payload: object = row.payload
    digest = hashlib.sha256(payload).digest() if isinstance(payload, bytes) else b""
    return vault.mac(msgspec.msgpack.encode((row.previous, *row[:11], digest)))


def sealed_head(vault: Vault, row: LogRow) -> Head:
    """The head that ends in this row."""
    head = Head(number=row.number, mac=row.mac, seal=b"")
    return replace(head, seal=_head_seal(vault, head))


def is_genuine(vault: Vault, head: Head) -> bool:
    """Whether the head was made with this key."""
    return head == EMPTY or head.seal == _head_seal(vault, head)


def check_chain(vault: Vault, rows: Iterable[LogRow], head: Head | None, anchor: Head = EMPTY) -> Verdict:
    """Follow the chain from the first row to the head.

    Parameters
    ----------
    rows : iterable of LogRow
        All rows by number; read once, never held.
    head : Head or None
        None if it is missing.
    anchor : Head
        An earlier head that was kept elsewhere: the chain must pass through it.
    """
    number, mac = EMPTY.number, EMPTY.mac
    for row in rows:
        problem = _row_problem(vault, number, mac, row) or _anchor_problem(anchor, row)
        if problem:
            return Verdict(entries=number, broken_at=min(row.number, number + 1), problem=problem)
        number, mac = row.number, row.mac
    problem = _end_problem(vault, Head(number=number, mac=mac, seal=b""), head, anchor)
    return Verdict(entries=number, broken_at=number + 1 if problem else None, problem=problem)


def _row_problem(vault: Vault, number: int, mac: bytes, row: LogRow) -> str:
    """What is wrong with the row that comes after the one with this number and MAC."""
    if row.number != number + 1:
        return "a row is missing or was put in"
    if row.previous != mac:
        return "a row does not follow the row before"
    return "" if row.mac == row_mac(vault, row) else "a row was changed"


def _anchor_problem(anchor: Head, row: LogRow) -> str:
    return "the log is not the one that was anchored" if row.number == anchor.number and row.mac != anchor.mac else ""


def _end_problem(vault: Vault, last: Head, head: Head | None, anchor: Head) -> str:
    if head is None or not is_genuine(vault, head):
        return "the head of the log is missing or was changed"
    if (head.number, head.mac) != (last.number, last.mac):
        return "the log does not end at its head"
    return "the log ends before its anchor" if last.number < anchor.number else ""


def _head_seal(vault: Vault, head: Head) -> bytes:
    return vault.mac(msgspec.msgpack.encode(("head", head.number, head.mac)))
