"""What the ports speak of, as sealed rows, and back. What a row belongs to is bound to it."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from cds_app.adapters.sealed.ledger import LogRow, Note, stamp
from cds_app.adapters.sealed.vault import Cipher
from cds_app.domain.codec import (
    decode_decision,
    decode_facts,
    decode_feedback,
    decode_switch,
    decode_untaken,
    encode,
)
from cds_app.domain.decisions import Decision, Feedback, Untaken
from cds_app.domain.switches import Switch
from cds_app.errors import IntegrityError
from cds_app.ports import Commit, Entry, Segment

UNMATCHED: Final = "unmatched"  # the patient of feedback on cards that nobody knows; "" at the port
GOVERNANCE: Final = "governance"  # the patient of entries that are about the service
NOBODY: Final = frozenset({UNMATCHED, GOVERNANCE})


class SegmentRow(NamedTuple):
    """One row of the segments table, in the order of its columns."""

    patient: str
    number: int
    learned: str
    sealed: bytes


def stored_name(patient: str) -> str:
    """The patient's name in the tables."""
    return patient or UNMATCHED


def notes_of(commit: Commit) -> tuple[Note, ...]:
    """Log rows of a commit: its decisions, then what became of them."""
    became = (*map(_feedback_note, commit.feedback), *map(_untaken_note, commit.untaken))
    return (*map(_decision_note, commit.decisions), *became)


def erasure_note(patient: str, at: datetime) -> Note:
    """The log row that says that a patient's key was destroyed."""
    return Note(kind="erasure", id=f"erasure-{patient}", at=stamp(at))


def client_note(change: str, name: str, at: datetime, record: bytes = b"", stands: str = "") -> Note:
    """The log row that says that a client was ``added``, with its record and the MAC of its row, or ``removed``."""
    return Note(
        kind="client",
        id=f"client-{uuid.uuid4()}",
        at=stamp(at),
        topic=change,
        outcome=name,
        reason_code=stands,
        plain=record,
    )


def document_note(change: str, kind: str, name: str, at: datetime, stands: str = "") -> Note:
    """The log row that says that a document was ``written`` or ``removed``: which one, and nothing of its content.

    ``stands`` is as `standing` says it, of one that was written.
    """
    return Note(
        kind="document",
        id=f"document-{uuid.uuid4()}",
        at=stamp(at),
        service=kind,
        topic=change,
        outcome=name,
        reason_code=stands,
    )


def standing(version: int, until: int | None) -> str:
    """Which version of a document stands, and until when, in seconds since 1970."""
    return f"version {version}" if until is None else f"version {version} until {until}"


def seal_segment(cipher: Cipher, patient: str, number: int, learned: str, plain: bytes) -> SegmentRow:
    """Seal encoded facts as this patient's segment of this number."""
    sealed = cipher.seal(plain, "segment", patient, number, learned)
    return SegmentRow(patient, number, learned, sealed)


def open_segment(cipher: Cipher, row: SegmentRow) -> Segment:
    """Inverse of `seal_segment`. Raises IntegrityError."""
    plain = cipher.open(row.sealed, "segment", row.patient, row.number, row.learned)
    return Segment(number=row.number, learned=datetime.fromisoformat(row.learned), facts=decode_facts(plain))


def check_gapless(segments: Iterable[Segment], after: int) -> None:
    """Raise IntegrityError if a segment is missing between ``after`` and the last one."""
    if any(segment.number != number for number, segment in enumerate(segments, start=after + 1)):
        raise IntegrityError("a segment of the patient is missing")


def seal_note(cipher: Cipher, patient: str, number: int, note: Note) -> bytes:
    """Seal a note's payload for its row in the log."""
    return cipher.seal(note.plain, note.kind, patient, number, note.id)


def open_entry(ciphers: Mapping[str, Cipher | None], row: LogRow) -> Entry:
    """The entry of a row; with nothing in it if the patient was erased, or if it is of no patient at all.

    Raises
    ------
    IntegrityError
    """
    cipher = ciphers.get(row.patient)
    patient = "" if row.patient in NOBODY else row.patient
    if row.kind in ("erasure", "client", "document") or cipher is None:
        return Entry(number=row.number, patient=patient)
    plain = cipher.open(row.payload, row.kind, row.patient, row.number, row.id)
    if row.kind == "decision":
        return Entry(number=row.number, patient=patient, decision=decode_decision(plain))
    if row.kind == "switch":
        return Entry(number=row.number, patient=patient, switch=decode_switch(plain))
    if row.kind == "untaken":
        return Entry(number=row.number, patient=patient, untaken=decode_untaken(plain))
    return Entry(number=row.number, patient=patient, feedback=decode_feedback(plain))


def switch_note(switch: Switch, known: int) -> Note:
    """The log row of a turn of a switch, by somebody who knows of so many turns: nobody turns twice from one place."""
    same = "\0".join(("switch", switch.service, switch.topic, str(known))).encode("utf-8", errors="surrogatepass")
    return Note(
        kind="switch",
        id=hashlib.sha256(same).hexdigest(),
        at=stamp(switch.at),
        service=switch.service,
        topic=switch.topic,
        outcome=switch.mode.value,
        plain=encode(switch),
    )


def _decision_note(decision: Decision) -> Note:
    return Note(
        kind="decision",
        id=decision.id,
        at=stamp(decision.at),
        service=decision.service,
        topic=decision.topic,
        tier=decision.tier,
        suppression=decision.suppression.value,
        plain=encode(decision),
    )


def _feedback_note(feedback: Feedback) -> Note:
    at = stamp(feedback.at)
    said = (feedback.reason_system, feedback.reason_code, feedback.reason_display, feedback.comment)
    more = (*said, *feedback.suggestions) if any(said) or feedback.suggestions else ()
    same = "\0".join((feedback.card, feedback.outcome, at, *more)).encode("utf-8", errors="surrogatepass")
    return Note(
        kind="feedback",
        id=hashlib.sha256(same).hexdigest(),
        at=at,
        service=feedback.service,
        topic=feedback.topic,
        outcome=feedback.outcome,
        reason_code=feedback.reason_code if feedback.reason_listed else "",
        plain=encode(feedback),
    )


def _untaken_note(untaken: Untaken) -> Note:
    return Note(
        kind="untaken",
        id=hashlib.sha256(f"untaken\0{untaken.card}".encode()).hexdigest(),
        at=stamp(untaken.at),
        service=untaken.service,
        topic=untaken.topic,
        outcome="untaken",
        reason_code=untaken.why,
        plain=encode(untaken),
    )
