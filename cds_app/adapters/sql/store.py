"""The durable memory in a SQL database: SQLite in a file, or PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Select

from cds_app.adapters.sealed.anchor import Anchor
from cds_app.adapters.sealed.drafting import prepare, prepare_turn
from cds_app.adapters.sealed.ledger import EMPTY, LogRow, stamp
from cds_app.adapters.sealed.mentioning import holding
from cds_app.adapters.sealed.sealing import SegmentRow, check_gapless, open_entry, open_segment, stored_name
from cds_app.adapters.sealed.turning import check_stand, count_of, turns_of
from cds_app.adapters.sealed.vault import Cipher, Vault
from cds_app.adapters.sql import statements as sql
from cds_app.adapters.sql.arriving import tally_of
from cds_app.adapters.sql.checking import check
from cds_app.adapters.sql.database import PATIENCE_S, Database
from cds_app.adapters.sql.transactions import Transactions
from cds_app.adapters.sql.writer import ROOM, Writer
from cds_app.domain.arrivals import Arrival, Receipt, Tally
from cds_app.domain.decisions import Verdict
from cds_app.domain.switches import Switch
from cds_app.errors import IntegrityError, PatientErased
from cds_app.ports import Commit, Count, Entry, Segment

_PAGE: Final = 500  # rows that `journal` holds at once

_Joined = tuple[Any, ...]  # the patient's wrapped key, then the columns of a segment or a log row


class SqlStore:
    """`cds_app.ports.TwinStore` on a database that `cds_app.adapters.sql.migrate.migrate` has prepared.

    Many processes may work on one database. Make one store per process, after any fork.

    Parameters
    ----------
    url : str
        SQLAlchemy URL of a SQLite file or a PostgreSQL database.
    vault : Vault
        The keys.
    anchor : Path, optional
        File outside the database in which the newest head of the log is kept; without it a database that was
        rolled back as a whole looks like itself at an earlier time.
    patience_s : float
        How long to wait for a lock, seconds.
    room : int
        How many commits may wait; more are refused at once.
    opened : int
        As `cds_app.adapters.sql.database.Database` has it.
    """

    def __init__(
        self,
        url: str,
        vault: Vault,
        *,
        anchor: Path | None = None,
        patience_s: float = PATIENCE_S,
        room: int = ROOM,
        opened: int = 0,
    ) -> None:
        self._vault = vault
        self._database = Database(url, patience_s=patience_s, opened=opened)
        self._anchor = Anchor(vault, anchor) if anchor else None
        self._transactions = Transactions(self._database, vault, self._anchor)
        self._writer = Writer(self._transactions.write, room=room)

    def pseudonym(self, tenant: str, patient: str) -> str:
        return self._vault.pseudonym(tenant, patient)

    def segments(self, patient: str, *, after: int = 0) -> Sequence[Segment]:
        name = stored_name(patient)
        rows = self._rows(sql.SEGMENTS_AFTER, patient=name, after=after)
        if not rows:
            return ()
        cipher = self._living(rows[0][0], name)
        found = tuple(open_segment(cipher, SegmentRow(*row[1:])) for row in rows if row[1] is not None)
        check_gapless(found, after)
        return found

    def entries(self, patient: str, *, after: int = 0) -> Sequence[Entry]:
        name = stored_name(patient)
        rows = self._rows(sql.ENTRIES_AFTER, patient=name, after=after)
        if not rows:
            return ()
        ciphers = {name: self._living(rows[0][0], name)}
        return tuple(open_entry(ciphers, LogRow(*row[1:])) for row in rows if row[1] is not None)

    def commit(self, commit: Commit) -> int:
        return self._writer.submit(prepare(commit))

    def take_in(self, arrivals: Sequence[Arrival]) -> Sequence[Receipt]:
        return self._writer.alone(partial(self._transactions.take_in, arrivals)) if arrivals else ()

    def arrived(self) -> Sequence[Tally]:
        return tuple(tally_of(*row) for row in self._rows(sql.COUNT_ARRIVALS))

    def aliases(self) -> Sequence[tuple[str, str]]:
        return tuple((source, patient) for source, patient in self._rows(sql.ALIASES))

    def holders(self, realm: str, resources: Collection[str]) -> Mapping[str, bool]:
        wanted = self._vault.mentions(realm, resources)
        with (
            self._database.snapshot(broken_texts=False) as moment,
            self._database.streamed(moment, sql.MENTIONS) as rows,
        ):
            return holding(wanted, rows)

    def find(self, decision: str) -> Entry | None:
        return next(self._opened(self._rows(sql.DECISION, id=decision)), None)

    def journal(self) -> Iterator[Entry]:
        after = 0
        while rows := self._rows(sql.JOURNAL_AFTER, after=after, many=_PAGE):
            yield from self._opened(rows)
            after = rows[-1][1]

    def turn(self, switch: Switch) -> None:
        turns = self.turns()
        check_stand(switch, turns)
        self._writer.submit(prepare_turn(switch, len(turns)))

    def turns(self) -> Sequence[Switch]:
        return turns_of(self._vault, self._rows(sql.TURNS))

    def counts(self, since: datetime, until: datetime) -> Sequence[Count]:
        rows = self._rows(sql.COUNTS, since=stamp(since), until=stamp(until))
        return tuple(count_of(*row) for row in rows)

    def erase(self, patient: str, at: datetime) -> None:
        stamp(at)  # a naive time is refused before the writer is bothered
        self._writer.alone(partial(self._transactions.erase, stored_name(patient), at))

    def verify(self) -> Verdict:
        try:
            anchor = self._anchor.read() if self._anchor else EMPTY
        except IntegrityError as error:
            return Verdict(entries=0, broken_at=1, problem=error.message)
        return check(self._database, self._vault, anchor)

    def ready(self) -> None:
        self._writer.alone(self._transactions.probe)

    def close(self) -> None:
        self._writer.close()
        self._database.close()

    def _rows(self, statement: Select[Any], **values: object) -> Sequence[_Joined]:
        with self._database.read() as session:
            return session.rows(statement, **values)

    def _living(self, wrapped: bytes | None, patient: str) -> Cipher:
        if wrapped is None:
            raise PatientErased("the patient was erased")
        return self._vault.cipher(wrapped, patient)

    def _opened(self, rows: Sequence[_Joined]) -> Iterator[Entry]:
        keys = {row[2]: row[0] for row in rows}
        ciphers = {name: self._vault.cipher(key, name) if key else None for name, key in keys.items()}
        return (open_entry(ciphers, LogRow(*row[1:])) for row in rows)
