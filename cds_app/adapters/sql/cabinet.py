"""Small sealed documents: who has the database, but not the key, can neither read nor make nor change one.

What a document is, and until when, is bound to its seal. A row that was removed can be put back by who can write to
the database, as in a backup that is restored; it is then as it was, with the end of life that it had. What decides
whom we trust, and with which keys (`TOLD`), is therefore written together with an entry of the decision log.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple, NoReturn

from sqlalchemy import bindparam, delete, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from cds_app.adapters.sealed.anchor import Anchor
from cds_app.adapters.sealed.ledger import Change, Note
from cds_app.adapters.sealed.sealing import document_note, standing
from cds_app.adapters.sealed.vault import Cipher, Vault
from cds_app.adapters.sql.database import Database
from cds_app.adapters.sql.schema import documents, log
from cds_app.adapters.sql.session import Session
from cds_app.adapters.sql.transactions import Transactions
from cds_app.errors import Conflict, DependencyDown, IntegrityError
from cds_app.ports import Document

SWEEP_EVERY: Final = 64
SWEEP_ROWS: Final = 256
"""More than came in since the last sweep, so that the table cannot grow beyond what is still needed."""
SLACK_S: Final = 300
"""A row outlives its document by this: another process's clock may be slow."""

TOLD: Final = frozenset({"issuer", "signing-key"})
"""Kinds of which every change is an entry of the decision log."""
_NEW: Final = 0
_TRIES: Final = 20
_BINDING: Final = "document"
_HERE: Final = (documents.c.kind == bindparam("of_kind")) & (documents.c.name == bindparam("of_name"))
_LIVE: Final = or_(documents.c.until.is_(None), documents.c.until > bindparam("at"))
_ONE: Final = select(documents).where(_HERE, _LIVE)
_HELD: Final = _ONE.with_for_update()  # PostgreSQL makes others wait for it; on SQLite they wait already
_ALL: Final = select(documents).where(documents.c.kind == bindparam("of_kind"), _LIVE).order_by(documents.c.name)
_CLEAR: Final = delete(documents).where(_HERE, documents.c.until <= bindparam("at"))
_CHANGE: Final = (
    update(documents)
    .where(_HERE, _LIVE, documents.c.version == bindparam("known"))
    .values(version=bindparam("next_version"), until=bindparam("end"), sealed=bindparam("bytes"))
    .returning(documents.c.version)
)
_TAKE: Final = delete(documents).where(_HERE, _LIVE).returning(*documents.c)
_CHANGES: Final = (
    select(log.c.number, log.c.at, log.c.topic, log.c.outcome)
    .where(log.c.kind == "document", log.c.service == bindparam("of_kind"))
    .order_by(log.c.number)
)
_KEY: Final = (documents.c.kind, documents.c.name)
_OVER: Final = (
    select(*_KEY).where(documents.c.until < bindparam("before")).limit(SWEEP_ROWS).with_for_update(skip_locked=True)
)
_SWEEP: Final = delete(documents).where(tuple_(*_KEY).in_(_OVER))


class DocumentRow(NamedTuple):
    """One row of the table, in the order of its columns."""

    kind: str
    name: str
    version: int
    until: int | None
    sealed: bytes


class SqlCabinet:
    """`cds_app.ports.Cabinet` on a database that `cds_app.adapters.sql.migrate.migrate` has prepared.

    Parameters
    ----------
    database : Database
        Closed by whoever made it.
    vault : Vault
    anchor : Path, optional
        As `cds_app.adapters.sql.store.SqlStore` has it.
    """

    def __init__(self, database: Database, vault: Vault, anchor: Path | None = None) -> None:
        self._database = database
        self._transactions = Transactions(database, vault, Anchor(vault, anchor) if anchor else None)
        self._cipher = vault.documents
        dialect = sqlite if database.is_sqlite else postgresql
        self._add: Any = dialect.insert(documents).on_conflict_do_nothing().returning(documents.c.version)
        self._calls = count(1)

    def read(self, kind: str, name: str, now: datetime) -> Document | None:
        with self._database.read() as session:
            rows = session.rows(_ONE, of_kind=kind, of_name=name, at=_seconds(now))
        return next(self._opened(rows), None)

    def all(self, kind: str, now: datetime) -> Sequence[Document]:
        with self._database.read() as session:
            rows = session.rows(_ALL, of_kind=kind, at=_seconds(now))
        return tuple(self._opened(rows))

    def write(self, document: Document, now: datetime) -> Document:
        row = _sealed(self._cipher, document)
        note = document_note("written", row.kind, row.name, now, standing(row.version, row.until))
        if not self._change(note, now, lambda session: self._put(session, row, now)):
            _lost()
        return _next(document)

    def merge(self, documents: Sequence[Document], join: Callable[[bytes, bytes], bytes], now: datetime) -> None:
        ordered = _ordered(documents)
        for _ in range(_TRIES):
            try:
                return self._merge(ordered, join, now)
            except Conflict:
                continue  # another process made one of them meanwhile, which SQLite does not let happen
        return self._merge(ordered, join, now)

    def _merge(self, documents: Sequence[Document], join: Callable[[bytes, bytes], bytes], now: datetime) -> None:
        try:
            with self._database.write() as session:
                for one in documents:
                    held = session.rows(_HELD, of_kind=one.kind, of_name=one.name, at=_seconds(now))
                    row = _sealed(self._cipher, _joined(one, next(self._opened(held), None), join))
                    if not self._put(session, row, now):
                        _lost()
                session.run(_SWEEP, before=_seconds(now) - SLACK_S)
        except self._database.failures as error:
            raise DependencyDown("a document cannot be written") from error

    def take(self, kind: str, name: str, now: datetime) -> Document | None:
        taken: list[tuple[Any, ...]] = []

        def take(session: Session) -> bool:
            taken.extend(session.rows(_TAKE, of_kind=kind, of_name=name, at=_seconds(now)))
            return bool(taken)

        self._change(document_note("removed", kind, name, now), now, take)
        return next(self._opened(taken), None)

    def history(self, kind: str) -> Sequence[Change]:
        """What was written and removed of a kind of `TOLD`, oldest first."""
        with self._database.read() as session:
            return tuple(Change(*row) for row in session.rows(_CHANGES, of_kind=kind))

    def _change(self, note: Note, now: datetime, change: Callable[[Session], bool]) -> bool:
        """Change the tables, if they are as they must be, and say so in the log where that is told: both or nothing."""
        try:
            if note.service in TOLD:
                return self._tell(note, change)
            with self._database.write() as session:
                done = change(session)
                if next(self._calls) % SWEEP_EVERY == 0:
                    session.run(_SWEEP, before=_seconds(now) - SLACK_S)
        except self._database.failures as error:
            raise DependencyDown("a document cannot be written") from error
        return done

    def _tell(self, note: Note, change: Callable[[Session], bool]) -> bool:
        def along(session: Session) -> None:
            if not change(session):
                _lost()  # and with it the entry in the log

        try:
            self._transactions.tell(note, along)
        except Conflict:
            return False
        return True

    def _put(self, session: Session, row: DocumentRow, now: datetime) -> bool:
        return self._add_row(session, row, now) if row.version == _NEW + 1 else _changed(session, row, now)

    def _add_row(self, session: Session, row: DocumentRow, now: datetime) -> bool:
        session.run(_CLEAR, of_kind=row.kind, of_name=row.name, at=_seconds(now))
        return bool(session.rows(self._add, **row._asdict()))

    def _opened(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[Document]:
        return (open_document(self._cipher, DocumentRow(*row)) for row in rows)


class MemoryCabinet:
    """`cds_app.ports.Cabinet` in one process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: dict[tuple[str, str], Document] = {}
        self._calls = 0

    def read(self, kind: str, name: str, now: datetime) -> Document | None:
        with self._lock:
            return self._live(kind, name, now)

    def all(self, kind: str, now: datetime) -> Sequence[Document]:
        with self._lock:
            found = [one for one in self._kept.values() if one.kind == kind and not _is_over(one, now)]
        return tuple(sorted(found, key=lambda one: one.name))

    def write(self, document: Document, now: datetime) -> Document:
        with self._lock:
            self._sweep(now)
            there = self._live(document.kind, document.name, now)
            if (there.version if there else _NEW) != document.version:
                _lost()
            written = _next(document)
            self._kept[document.kind, document.name] = written
            return written

    def merge(self, documents: Sequence[Document], join: Callable[[bytes, bytes], bytes], now: datetime) -> None:
        with self._lock:
            self._sweep(now)
            made: dict[tuple[str, str], Document] = {}
            for one in _ordered(documents):
                there = made.get((one.kind, one.name)) or self._live(one.kind, one.name, now)
                made[one.kind, one.name] = _next(_joined(one, there, join))
            self._kept |= made

    def take(self, kind: str, name: str, now: datetime) -> Document | None:
        with self._lock:
            found = self._live(kind, name, now)
            self._kept.pop((kind, name), None)
            return found

    def _live(self, kind: str, name: str, now: datetime) -> Document | None:
        found = self._kept.get((kind, name))
        return None if found is None or _is_over(found, now) else found

    def _sweep(self, now: datetime) -> None:
        self._calls += 1
        if self._calls % SWEEP_EVERY == 0:
            self._kept = {key: one for key, one in self._kept.items() if not _is_over(one, now)}


def _changed(session: Session, row: DocumentRow, now: datetime) -> bool:
    changed = session.rows(
        _CHANGE,
        of_kind=row.kind,
        of_name=row.name,
        at=_seconds(now),
        known=row.version - 1,
        next_version=row.version,
        end=row.until,
        bytes=row.sealed,
    )
    return bool(changed)


def check_documents(cipher: Cipher, rows: Iterable[DocumentRow], noted: Mapping[tuple[str, str], str | None]) -> str:
    """What is wrong with the first document that is not as it was written; "" if nothing is.

    Parameters
    ----------
    rows : iterable of DocumentRow
        The whole table.
    noted : mapping of (str, str) to str
        By kind and name: how a document of `TOLD` stands, as the log said it last; "" where it was removed, None
        where the log did not say.
    """
    missing = {key for key, stands in noted.items() if stands and "until" not in stands}  # what ends may be swept
    for row in rows:
        try:
            open_document(cipher, row)
        except IntegrityError:
            return "a document was changed"
        stands = noted.get((row.kind, row.name), "")
        if row.kind in TOLD and stands not in (None, standing(row.version, row.until)):
            return "an issuer or a signing key was put back"
        missing.discard((row.kind, row.name))
    return "an issuer or a signing key was removed" if missing else ""


def _ordered(documents: Sequence[Document]) -> list[Document]:
    """By name: two who hold what the other one waits for would wait for ever. What is told in the log is not merged."""
    if any(one.kind in TOLD for one in documents):
        raise ValueError("kind: is written one by one")
    return sorted(documents, key=lambda one: (one.kind, one.name))


def _joined(one: Document, there: Document | None, join: Callable[[bytes, bytes], bytes]) -> Document:
    content = join(there.content if there else b"", one.content)
    return replace(one, version=there.version if there else _NEW, content=content)


def _lost() -> NoReturn:
    raise Conflict("somebody else wrote the document first")


def _next(document: Document) -> Document:
    until = datetime.fromtimestamp(math.ceil(document.until.timestamp()), UTC) if document.until else None
    return replace(document, version=document.version + 1, until=until)


def _sealed(cipher: Cipher, document: Document) -> DocumentRow:
    """The row of the next version."""
    later = _next(document)
    until = _seconds(later.until) if later.until else None
    sealed = cipher.seal(later.content, *_binding(later.kind, later.name, later.version, until))
    return DocumentRow(later.kind, later.name, later.version, until, sealed)


def open_document(cipher: Cipher, row: DocumentRow) -> Document:
    """The document of a row. Raises IntegrityError if it was not written with our key under this kind and name."""
    try:
        content = cipher.open(row.sealed, *_binding(row.kind, row.name, row.version, row.until))
    except IntegrityError:
        raise IntegrityError("a document was not written with this key") from None
    until = None if row.until is None else datetime.fromtimestamp(row.until, UTC)
    return Document(kind=row.kind, name=row.name, version=row.version, content=content, until=until)


def _binding(kind: str, name: str, version: int, until: int | None) -> tuple[str | int, ...]:
    return _BINDING, kind, name, version, "never" if until is None else until


def _seconds(at: datetime) -> int:
    """Seconds since 1970. An end is a whole second, so that both kinds of cabinet agree when it comes."""
    return math.floor(at.timestamp())


def _is_over(document: Document, now: datetime) -> bool:
    return document.until is not None and _seconds(document.until) <= _seconds(now)
