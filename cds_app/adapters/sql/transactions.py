"""The writing half of the SQL store. The writer runs all of it, one transaction at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import count

from cds_app.adapters.sealed.anchor import Anchor
from cds_app.adapters.sealed.drafting import Draft, Job, Standing, of_nobody
from cds_app.adapters.sealed.ledger import Head, Note, stamp
from cds_app.adapters.sealed.sealing import GOVERNANCE
from cds_app.adapters.sealed.vault import Vault
from cds_app.adapters.sql import statements as sql
from cds_app.adapters.sql.arriving import (
    SWEEP_EVERY,
    arrival_rows,
    draft_arrivals,
    known_messages,
    write_arrivals,
)
from cds_app.adapters.sql.database import Database, empty_wal
from cds_app.adapters.sql.session import Session
from cds_app.adapters.sql.writer import Outcome
from cds_app.domain.arrivals import Arrival, Receipt
from cds_app.errors import BadRequest, Conflict, DependencyDown, IntegrityError, TwinlineError


class Transactions:
    """What the writer does to the database.

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
        self._failed = False  # since the last `probe` that went well
        self._batches = count(1)

    def write(self, jobs: Sequence[Job]) -> list[Outcome]:
        """One transaction for the group; if the database refuses a row, one for each job, to find whose it was.

        Raises
        ------
        DependencyDown, IntegrityError
            Nothing was written.
        """
        try:
            return self._write_together(jobs)
        except self._database.refusals as error:
            if len(jobs) == 1:
                return [self._refusal(error)]
        return [self._write_alone(job) for job in jobs]

    def erase(self, patient: str, at: datetime) -> None:
        """Destroy a patient's key and segments, and empty the write-ahead log, which may still hold the key."""
        self._wal_holds_keys = self._database.is_sqlite  # before anything can fail: `probe` scrubs what was left
        with self._transaction() as session:
            draft = self._draft(session, patients=(patient,))
            if not draft.erase(patient, at):
                return
            session.run(sql.DESTROY_KEY, patient=patient, at=stamp(at))
            session.run(sql.DROP_MENTIONS, patient=patient)
            session.run(sql.DROP_SEGMENTS, patient=patient)
            _insert(session, draft)
        self._keep(draft.head)
        self._scrub()

    def take_in(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
        """Write what came from sources; a message that is there already is passed over.

        Raises
        ------
        DependencyDown, IntegrityError, BadRequest
            Nothing was written.
        """
        rows = arrival_rows(self._vault, arrivals)
        try:
            with self._transaction() as session:
                draft = self._draft(session, {one.patient for one in arrivals if one.patient})
                receipts = draft_arrivals(draft, arrivals, rows, known_messages(session, rows))
                _insert(session, draft)
                write_arrivals(session, rows, receipts, sweep=next(self._batches) % SWEEP_EVERY == 0)
        except self._database.refusals as error:
            raise self._refusal(error) from error
        return receipts

    def tell(self, note: Note, along: Callable[[Session], None]) -> None:
        """Write what belongs to no patient, and the log entry that says so: both or nothing.

        Raises
        ------
        DependencyDown, IntegrityError
            And whatever the database raises for a row that the tables do not admit. Nothing was written.
        """
        with self._transaction() as session:
            along(session)
            draft = self._draft(session, patients=(GOVERNANCE,))
            draft.commit(of_nobody(note))
            _insert(session, draft)
        self._keep(draft.head)

    def probe(self) -> None:
        """Write to the database without changing it, and catch up on what could not be done before.

        After a failure as much is written as a call has to: on a full disk there may be room for a number.

        Raises
        ------
        DependencyDown
            If it cannot be written.
        IntegrityError
            If the end of the log is not where its head says.
        """
        with self._transaction() as session:
            head = self._draft(session).head
            last = next(iter(session.rows(sql.LAST_LINK)), (0, b""))
            if last != (head.number, head.mac):
                raise IntegrityError("the log does not end at its head")
            session.run(sql.TOUCH_HEAD)
            if self._failed:
                session.run(sql.PUT_TRIAL)
                session.run(sql.TAKE_TRIAL)
        self._failed = False
        self._scrub()
        if self._anchor:
            self._anchor.catch_up()

    def _write_alone(self, job: Job) -> Outcome:
        try:
            return self.write([job])[0]
        except TwinlineError as error:
            return error

    def _write_together(self, jobs: Sequence[Job]) -> list[Outcome]:
        with self._transaction() as session:
            draft = self._draft(session, {job.patient for job in jobs}, _repeatable(jobs))
            before = draft.head
            outcomes = [_outcome(draft, job) for job in jobs]
            _insert(session, draft)
        if draft.head != before:
            self._keep(draft.head)
        return outcomes

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        try:
            with self._database.write() as session:
                yield session
        except self._database.refusals:
            raise
        except self._database.failures as error:
            self._failed = True
            self._database.writing.dispose()  # the next group starts on a new connection
            raise DependencyDown("the store cannot be written") from error

    def _draft(self, session: Session, patients: Collection[str] = (), ids: Collection[str] = ()) -> Draft:
        heads = session.rows(sql.HEAD_LOCKED)
        head = Head(number=heads[0][0], mac=heads[0][1], seal=heads[0][2]) if heads else None
        return Draft(self._vault, head, _standings(session, list(patients)), _known(session, list(ids)))

    def _refusal(self, error: Exception) -> TwinlineError:
        refused: TwinlineError = BadRequest("the database cannot hold a value of the commit")
        if isinstance(error, self._database.broken_constraint):
            refused = Conflict("the database refuses a row of the commit")
        refused.__cause__ = error
        return refused

    def _keep(self, head: Head) -> None:
        if self._anchor:
            self._anchor.keep(head)

    def _scrub(self) -> None:
        """Empty the write-ahead log; a reader in its way puts it off to the next `probe`."""
        if self._wal_holds_keys:
            self._wal_holds_keys = not empty_wal(self._database.url)


def _repeatable(jobs: Sequence[Job]) -> set[str]:
    """Ids that may well be in the log already. A decision's may not: the table refuses it a second time."""
    return {note.id for job in jobs for note in job.notes if note.kind != "decision"}


def _standings(session: Session, patients: Sequence[str]) -> list[Standing]:
    rows = session.rows(sql.standings(len(patients)), **sql.listed(patients)) if patients else ()
    return [
        Standing(patient=patient, wrapped_key=wrapped or b"", segments=segments or 0, entries=entries or 0)
        for patient, wrapped, segments, entries in rows
    ]


def _known(session: Session, ids: Sequence[str]) -> list[str]:
    return [row[0] for row in session.rows(sql.known_ids(len(ids)), **sql.listed(ids))] if ids else []


def _outcome(draft: Draft, job: Job) -> Outcome:
    try:
        return draft.commit(job)
    except TwinlineError as error:
        return error


def _insert(session: Session, draft: Draft) -> None:
    if draft.patients:
        session.run_each(sql.ADD_PATIENTS, (row._asdict() for row in draft.patients))
    if draft.segments:
        session.run_each(sql.ADD_SEGMENTS, (row._asdict() for row in draft.segments))
        session.run_each(sql.ADD_MENTIONS, (row._asdict() for row in draft.mentions))
    if draft.log:
        session.run_each(sql.ADD_ENTRIES, (row._asdict() for row in draft.log))
        session.run(sql.SET_HEAD, number=draft.head.number, mac=draft.head.mac, seal=draft.head.seal)
