"""Checks the decision log in a SQL database from its first row to its head, the facts that it rests on, documents."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from sqlalchemy import Connection

from cds_app.adapters.sealed.drafting import resources_of
from cds_app.adapters.sealed.ledger import Head, LogRow, check_chain
from cds_app.adapters.sealed.sealing import SegmentRow, open_entry, open_segment
from cds_app.adapters.sealed.vault import Cipher, Vault
from cds_app.adapters.sql import statements as sql
from cds_app.adapters.sql.cabinet import DocumentRow, check_documents
from cds_app.adapters.sql.client_register import ClientRow, check_clients
from cds_app.adapters.sql.database import Database
from cds_app.domain.decisions import Verdict
from cds_app.errors import DependencyDown, IntegrityError
from cds_app.ports import Segment


def check(database: Database, vault: Vault, anchor: Head) -> Verdict:
    """Follow the chain, look whether every patient's key is what the log says, open every segment and document.

    One moment, streamed. Segments that were deleted from a patient's end are missed where a decision rests on them.
    A text that is none is a changed row, and only there is the slower way taken that can read past it.
    """
    try:
        return _check(database, vault, anchor, broken_texts=False)
    except DependencyDown:
        return _check(database, vault, anchor, broken_texts=True)


def _check(database: Database, vault: Vault, anchor: Head, *, broken_texts: bool) -> Verdict:
    with database.snapshot(broken_texts=broken_texts) as connection:
        head = connection.execute(sql.HEAD).one_or_none()
        end = None if head is None else Head(number=head[0], mac=head[1], seal=head[2])
        noted = _Noted()
        with database.streamed(connection, sql.WHOLE_LOG) as rows:
            verdict = check_chain(vault, noted.among(map(LogRow._make, rows)), end, anchor)
        if verdict.problem:
            return verdict
        with database.streamed(connection, sql.KEYS_OF_LOG) as keys:
            verdict = _check_keys(vault, keys, noted.erased, verdict)
        if verdict.problem:
            return verdict
        with database.streamed(connection, sql.LAST_DECISIONS) as decisions:
            grounds, verdict = _read_grounds(vault, decisions, verdict)
        if verdict.problem:
            return verdict
        with database.streamed(connection, sql.WHOLE_SEGMENTS) as segments:
            counted, problem = _check_segments(vault, segments, noted.begun, grounds)
        if problem:
            return replace(verdict, problem=problem)
        verdict = _check_grounds(grounds, counted, verdict)
        return verdict if verdict.problem else replace(verdict, problem=_beside(database, connection, vault, noted))


def _beside(database: Database, connection: Connection, vault: Vault, noted: _Noted) -> str:
    """What is wrong with what is kept beside the records of patients."""
    with database.streamed(connection, sql.WHOLE_DOCUMENTS) as documents:
        problem = check_documents(vault.documents, map(DocumentRow._make, documents), noted.documents)
    with database.streamed(connection, sql.WHOLE_CLIENTS) as clients:
        return problem or check_clients(vault, map(ClientRow._make, clients), noted.clients)


@dataclass(frozen=True, slots=True)
class _Noted:
    """What the log says: when each patient was erased and the first entry made; how documents and clients stand."""

    erased: dict[str, str] = field(default_factory=dict)
    begun: dict[str, str] = field(default_factory=dict)
    documents: dict[tuple[str, str], str | None] = field(default_factory=dict)
    clients: dict[str, str | None] = field(default_factory=dict)

    def among(self, rows: Iterable[LogRow]) -> Iterator[LogRow]:
        """The rows, noted on the way."""
        for row in rows:
            self.begun.setdefault(row.patient, row.at)
            if row.kind == "erasure":
                self.erased[row.patient] = row.at
            elif row.kind == "document":
                self.documents[row.service, row.outcome] = _stands(row)
            elif row.kind == "client":
                self.clients[row.outcome] = _stands(row)
            yield row


def _stands(row: LogRow) -> str | None:
    """How a document or client stands after an entry: "" where it was removed, None where older entries do not say."""
    return "" if row.topic == "removed" else row.reason_code or None


def _check_keys(vault: Vault, keys: Iterable[tuple[Any, ...]], erased: Mapping[str, str], verdict: Verdict) -> Verdict:
    for patient, wrapped, first, at in keys:
        if problem := _key_problem(vault, patient, wrapped, at, erased.get(patient)):
            return Verdict(entries=verdict.entries, broken_at=first, problem=problem)
    return verdict


def _key_problem(vault: Vault, patient: str, wrapped: bytes | None, at: str | None, erased: str | None) -> str:
    if (wrapped is None) != (erased is not None):
        return "a patient's key is gone without an erasure, or back after one"
    if at != erased:
        return "the time of an erasure was changed"
    try:
        if wrapped is not None:
            vault.cipher(wrapped, patient)
    except IntegrityError:
        return "a patient's key was changed"
    return ""


class _Ground(NamedTuple):
    """Of a patient's last decision: its number, the segments it rests on, and within what the ids are the patient's."""

    number: int
    segments: int
    realm: str


def _read_grounds(
    vault: Vault, rows: Iterable[tuple[Any, ...]], verdict: Verdict
) -> tuple[Mapping[str, _Ground], Verdict]:
    grounds: dict[str, _Ground] = {}
    for *columns, wrapped in rows:
        row = LogRow._make(columns)
        try:
            entry = open_entry({row.patient: vault.cipher(wrapped, row.patient)}, row)
        except IntegrityError as error:
            return grounds, replace(verdict, broken_at=row.number, problem=error.message)
        pins = entry.decision.pins if entry.decision is not None else {}
        realm = json.loads(pins.get("event", "{}")).get("tenant", "")
        grounds[row.patient] = _Ground(row.number, int(pins.get("segments", "0")), realm)
    return grounds, verdict


def _check_segments(
    vault: Vault, rows: Iterable[tuple[Any, ...]], begun: Mapping[str, str], grounds: Mapping[str, _Ground]
) -> tuple[Mapping[str, int], str]:
    """How many segments each patient has, and what is wrong with the first that is wrong."""
    counted: dict[str, int] = {}
    cipher: Cipher | None = None
    for *columns, wrapped, created, noted, mentioned in rows:
        row = SegmentRow._make(columns)
        before = counted.get(row.patient, 0)
        if row.number != before + 1:
            return counted, "a segment of facts is missing or was put in"
        try:
            cipher = vault.cipher(wrapped or b"", row.patient) if before == 0 or cipher is None else cipher
            segment = open_segment(cipher, row)
        except IntegrityError:
            return counted, "a segment of facts was changed, or its patient has no key"
        if before == 0 and created not in (row.learned, begun.get(row.patient)):
            return counted, "when a patient came was changed"
        ground = grounds.get(row.patient)
        if noted is None or (ground and not _is_of(vault, ground.realm, segment, mentioned)):
            return counted, "which resources a segment is of was changed"
        counted[row.patient] = row.number
    return counted, ""


def _is_of(vault: Vault, realm: str, segment: Segment, mentioned: bytes | None) -> bool:
    """Whether it is noted of what resources a segment is. What was never noted is looked up in the facts themselves."""
    return not realm or mentioned is None or mentioned == vault.mentions(realm, resources_of(segment.facts))


def _check_grounds(grounds: Mapping[str, _Ground], counted: Mapping[str, int], verdict: Verdict) -> Verdict:
    """Whether the facts that each patient's last decision rests on are all there."""
    for patient, ground in grounds.items():
        if ground.segments > counted.get(patient, 0):
            return replace(verdict, broken_at=ground.number, problem="a segment of facts that it rests on is missing")
    return verdict
