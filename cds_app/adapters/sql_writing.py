"""The writing half of the SQL store. All of it runs in the writer's thread, one transaction at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, SQLAlchemyError
from sqlalchemy.exc import IntegrityError as ConstraintError

from cds_app.adapters import statements as sql
from cds_app.adapters.anchor import Anchor
from cds_app.adapters.database import Database, empty_wal
from cds_app.adapters.drafting import Draft, Job, Standing
from cds_app.adapters.ledger import Head, stamp
from cds_app.adapters.vault import Vault
from cds_app.adapters.writer import Outcome
from cds_app.errors import BadRequest, Conflict, DependencyDown, IntegrityError, TwinlineError

# What one job can be refused for while its neighbours are fine: constraints, and values that a column cannot hold.
_REFUSED: Final = (ConstraintError, DataError, OverflowError, UnicodeError)


class Transactions:
    """What the writer's thread does to the database.

    Parameters
    ----------
    anchor : Anchor or None
        Told of every new head of the log.
    """

    def __init__(self, database: Database, vault: Vault, anchor: Anchor | None) -> None:
        self._database = database
        self._vault = vault
        self._anchor = anchor
        self._wal_holds_keys = False

    def write(self, jobs: Sequence[Job]) -> list[Outcome]:
        """One transaction for the group; if the database refuses a row, one for each job, to find whose it was.

        Raises
        ------
        DependencyDown, IntegrityError
            Nothing was written.
        """
        try:
            return self._write_together(jobs)
        except _REFUSED as error:
            if len(jobs) == 1:
                return [_refusal(error)]
        return [self._write_alone(job) for job in jobs]

    def erase(self, patient: str, at: datetime) -> None:
        """Destroy a patient's key and segments, and empty the write-ahead log, which may still hold the key."""
        with self._transaction() as connection:
            draft = self._draft(connection, patients=(patient,))
            if not draft.erase(patient, at):
                return
            connection.execute(sql.DESTROY_KEY, {"patient": patient, "at": stamp(at)})
            connection.execute(sql.DROP_SEGMENTS, {"patient": patient})
            _insert(connection, draft)
        self._keep(draft.head)
        self._wal_holds_keys = self._database.is_sqlite
        self._scrub()

    def probe(self) -> None:
        """Write to the database without changing it, and catch up on what could not be done before.

        Raises
        ------
        DependencyDown
            If it cannot be written.
        IntegrityError
            If the end of the log is not where its head says.
        """
        with self._transaction() as connection:
            head = self._draft(connection).head
            last = connection.execute(sql.LAST_LINK).one_or_none() or (0, b"")
            if tuple(last) != (head.number, head.mac):
                raise IntegrityError("the log does not end at its head")
            connection.execute(sql.TOUCH_HEAD)
        self._scrub()
        if self._anchor:
            self._anchor.catch_up()

    def _write_alone(self, job: Job) -> Outcome:
        try:
            return self.write([job])[0]
        except TwinlineError as error:
            return error

    def _write_together(self, jobs: Sequence[Job]) -> list[Outcome]:
        with self._transaction() as connection:
            ids = {note.id for job in jobs for note in job.notes}
            draft = self._draft(connection, patients={job.patient for job in jobs}, ids=ids)
            before = draft.head
            outcomes = [_outcome(draft, job) for job in jobs]
            _insert(connection, draft)
        if draft.head != before:
            self._keep(draft.head)
        return outcomes

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._database.writing.begin() as connection:
                yield connection
        except _REFUSED:
            raise
        except (SQLAlchemyError, OSError) as error:
            self._database.writing.dispose()  # the next group starts on a new connection
            raise DependencyDown("the store cannot be written") from error

    def _draft(self, connection: Connection, patients: Collection[str] = (), ids: Collection[str] = ()) -> Draft:
        head = connection.execute(sql.HEAD_LOCKED).one_or_none()
        return Draft(
            self._vault,
            None if head is None else Head(number=head[0], mac=head[1], seal=head[2]),
            _standings(connection, patients) if patients else (),
            connection.execute(sql.KNOWN_IDS, {"ids": list(ids)}).scalars() if ids else (),
        )

    def _keep(self, head: Head) -> None:
        if self._anchor:
            self._anchor.keep(head)

    def _scrub(self) -> None:
        """Empty the write-ahead log; a reader in its way puts it off to the next `probe`."""
        if self._wal_holds_keys:
            self._wal_holds_keys = not empty_wal(self._database.url)


def _standings(connection: Connection, patients: Collection[str]) -> list[Standing]:
    rows = connection.execute(sql.STANDINGS, {"patients": list(patients)})
    return [
        Standing(patient=patient, wrapped_key=wrapped or b"", segments=segments or 0, entries=entries or 0)
        for patient, wrapped, segments, entries in rows
    ]


def _outcome(draft: Draft, job: Job) -> Outcome:
    try:
        return draft.commit(job)
    except TwinlineError as error:
        return error


def _refusal(error: BaseException) -> TwinlineError:
    refused: TwinlineError = BadRequest("the database cannot hold a value of the commit")
    if isinstance(error, ConstraintError):
        refused = Conflict("the database refuses a row of the commit")
    refused.__cause__ = error
    return refused


def _insert(connection: Connection, draft: Draft) -> None:
    if draft.patients:
        connection.execute(
            sql.ADD_PATIENTS,
            [
                {"pseudonym": row.patient, "wrapped_key": row.wrapped_key, "created": row.created}
                for row in draft.patients
            ],
        )
    if draft.segments:
        connection.execute(sql.ADD_SEGMENTS, [row._asdict() for row in draft.segments])
    if draft.log:
        connection.execute(sql.ADD_ENTRIES, [row._asdict() for row in draft.log])
        connection.execute(sql.SET_HEAD, {"number": draft.head.number, "mac": draft.head.mac, "seal": draft.head.seal})
