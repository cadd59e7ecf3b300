"""HL7 v2: frames in, acknowledgements out, in groups. AA says that it is on the disk; everything else says why not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from hashlib import sha256
from typing import Any, Final

import structlog

from cds_app.domain.arrivals import Receipt
from cds_app.domain.facts import Provenance
from cds_app.domain.time import time_in
from cds_app.errors import TwinlineError
from cds_app.fabric.hl7.messages import Message, Unusable, read_message
from cds_app.fabric.hl7.results import Dialect, results_of, sent_at
from cds_app.fabric.hl7.visits import EVENTS, PAIRED, Registry, encounter_of, merges_of, person_of, stay_of
from cds_app.services.sources.intake import PERSON, Delivery, Intake

_LOG = structlog.get_logger("twinline")
_VERSION: Final = re.compile(r"2(\.\d{1,2}){0,2}")
_NAMES: Final[Mapping[str, tuple[str, str]]] = {
    "": ("0", "Message accepted"),
    "garbled": ("100", "Segment sequence error"),
    "oversize": ("100", "Segment sequence error"),
    "encoding": ("102", "Data type error"),
    "several-patients": ("100", "Segment sequence error"),
    "no-message-id": ("101", "Required field missing"),
    "no-identifier": ("101", "Required field missing"),
    "unknown-identifier": ("204", "Unknown key identifier"),
    "impossible-merge": ("204", "Unknown key identifier"),
    "erased": ("204", "Unknown key identifier"),
    "unsupported-type": ("200", "Unsupported message type"),
    "test-message": ("202", "Unsupported processing id"),
    "unsupported-version": ("203", "Unsupported version id"),
    "store": ("207", "Application internal error"),
}
"""HL7 table 0357."""
_SAFE: Final = re.compile(r"[^\r\n]{0,180}")


@dataclass(frozen=True, slots=True)
class _Opened:
    """A frame, what was made of it, and the head to answer to, where it had one."""

    delivery: Delivery
    message: Message | None
    where: str = ""


@dataclass(frozen=True, slots=True)
class Hl7Desk:
    """Answers frames.

    Parameters
    ----------
    zone : tzinfo
        Of times that name none.
    charset : str
        Python's name of the character set of messages that name none.
    """

    intake: Intake
    registry: Registry
    zone: tzinfo
    charset: str = "utf-8"

    def answer(self, frames: Sequence[bytes], received: datetime) -> list[bytes]:
        """An acknowledgement for each frame, in order: accepted ones are durable by then."""
        opened = [self._open(frame, received) for frame in frames]
        try:
            receipts = self.intake.accept([one.delivery for one in opened])
        except TwinlineError as error:
            _LOG.warning("nothing taken in", source=self.intake.source.name, kind=error.code, tries=len(frames))
            if len(frames) > 1 and error.status != 503:  # one of them; the others are not to wait for it
                return [answer for frame in frames for answer in self.answer([frame], received)]
            return [_answered(one, "AE", "store", received) for one in opened]
        return [_receipted(one, receipt, received) for one, receipt in zip(opened, receipts, strict=True)]

    def refuse(self, reason: str, start: bytes, received: datetime) -> bytes:
        """The answer to what did not come as a whole frame; it is written down as refused where that can be done."""
        delivery = Delivery(message=_digest(start), received=received, refused=reason)
        opened = _Opened(delivery, None)
        try:
            self.intake.accept([delivery])
        except TwinlineError:
            return _answered(opened, "AE", "store", received)
        return _answered(opened, "AR", reason, received)

    def _open(self, frame: bytes, received: datetime) -> _Opened:
        message = None
        try:
            message = read_message(frame, charset=self.charset)
            return _Opened(self._delivery(message, frame, received), message)
        except Unusable as error:
            refused = Delivery(message=_digest(frame), received=received, refused=error.reason)
            return _Opened(refused, message, error.where)

    def _delivery(self, message: Message, frame: bytes, received: datetime) -> Delivery:
        _check(message)
        dialect = Dialect(source=self.intake.source.name, zone=self.zone, subject=f"Patient/{PERSON}")
        named = person_of(message, self.registry)
        resources, particular = _resources(message, dialect)
        told = time_in(sent_at(message, dialect))
        at = told.end if told is not None else received
        return Delivery(
            message=_digest(frame),
            received=received,
            identifier=named[0],
            resources=resources,
            provenance=Provenance(source=self.intake.source.name, method="charted"),
            particular=particular,
            also=named[1:] if message.kind == "ADT" else (),
            ties=[(one.prior, one.into, at) for one in merges_of(message, self.registry)],
        )


def _check(message: Message) -> None:
    head = message.head
    if not head.text(10):
        raise Unusable("no-message-id", "MSH-10")
    if not _VERSION.fullmatch(head.text(12)):
        raise Unusable("unsupported-version", "MSH-12")
    if head.text(11) not in ("P", ""):
        raise Unusable("test-message", "MSH-11")
    known = message.event == "R01" if message.kind == "ORU" else message.kind == "ADT" and message.event in EVENTS
    if not known:
        raise Unusable("unsupported-type", "MSH-9")
    people = len(list(message.all("PID")))
    if people > 1 and message.event not in PAIRED:
        raise Unusable("several-patients", "PID")


def _resources(message: Message, dialect: Dialect) -> tuple[list[dict[str, Any]], Mapping[str, Provenance]]:
    if message.kind == "ADT":
        stay = stay_of(message, dialect)
        return ([stay] if stay is not None else []), {}
    results = results_of(message, dialect, encounter_of(message, dialect))
    return list(results.observations), results.provenance


def _digest(frame: bytes) -> str:
    """Names a message by all that it says: a control id may come again with something else."""
    return sha256(frame).hexdigest()


def _receipted(opened: _Opened, receipt: Receipt, received: datetime) -> bytes:
    refused = opened.delivery.refused
    if refused:
        return _answered(opened, "AR", refused, received)
    if receipt == "refused":
        return _answered(opened, "AR", "impossible-merge", received)
    return _answered(opened, "AR" if receipt == "erased" else "AA", "erased" if receipt == "erased" else "", received)


def _answered(opened: _Opened, code: str, reason: str, received: datetime) -> bytes:
    """ACK in the delimiters that everybody reads, to whom the message came from, about its control id."""
    head = opened.message.head if opened.message is not None else None
    number, text = _NAMES.get(reason, _NAMES["garbled"])
    at = received.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")
    told = sha256(f"{opened.delivery.message}{code}{reason}".encode()).hexdigest()[:20]
    version, event = (head.text(12) or "2.5.1", head.text(9, 2)) if head else ("2.5.1", "")
    ours, theirs = (_raw(head, (5, 6)), _raw(head, (3, 4))) if head else ("TWINLINE|", "|")
    kind = f"ACK^{_plain(event)}" if event else "ACK"
    lines = [
        f"MSH|^~\\&|{ours or 'TWINLINE|'}|{theirs}|{at}||{kind}|{told}|P|{_plain(version)}",
        f"MSA|{code}|{_plain(head.raw(10)) if head else ''}" + (f"|{reason}" if reason else ""),
    ]
    if reason:
        lines.append(f"ERR||{_place(opened.where)}|{number}^{text}^HL70357|E||||{reason}")
    return ("\r".join(lines) + "\r").encode("utf-8", errors="replace")


def _raw(head: Any, fields: tuple[int, int]) -> str:
    """Names of applications, as they were written, if they were written in the usual delimiters."""
    usual = head.marks.field == "|" and head.marks.component == "^"
    return "|".join(_plain(head.raw(one)) if usual else "" for one in fields)


def _plain(text: str) -> str:
    found = _SAFE.match(text)
    return found[0].replace("|", "") if found else ""


def _place(where: str) -> str:
    """ERR-2: segment, its number, field."""
    segment, _, number = where.partition("-")
    return f"{segment}^1^{number}" if number else segment
