"""What came from sources, as rows: written once, counted, and forgotten after a while."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from cds_app.adapters.sealed.drafting import Draft, prepare_arrival
from cds_app.adapters.sealed.ledger import stamp
from cds_app.adapters.sealed.vault import Vault
from cds_app.adapters.sql import statements as sql
from cds_app.adapters.sql.session import Session
from cds_app.domain.arrivals import ARRIVALS_KEPT, Arrival, Receipt, Tally
from cds_app.errors import PatientErased

SWEEP_EVERY: Final = 256
"""Batches after which what is too old is swept."""
_ASKED: Final = 200  # values in one statement: SQLite admits 999
_WRITTEN: Final = frozenset({"stored", "refused"})

Key = tuple[str, bytes]


class ArrivalRow(NamedTuple):
    """One row of the table, in the order of its columns."""

    source: str
    message: bytes
    patient: str
    alias: int
    received: str
    refused: str
    facts: int

    @property
    def key(self) -> Key:
        return self.source, self.message


def arrival_rows(vault: Vault, arrivals: Sequence[Arrival]) -> list[ArrivalRow]:
    """A row for each arrival. Its name and whose it is go under our key: sent again to the right person, it is new."""
    return [
        ArrivalRow(
            source=one.source,
            message=bytes.fromhex(vault.pseudonym(f"message of {one.source}", f"{one.patient} {one.message}")),
            patient=one.patient,
            alias=int(one.alias),
            received=stamp(one.received),
            refused=one.refused,
            facts=len(one.facts),
        )
        for one in arrivals
    ]


def draft_arrivals(
    draft: Draft, arrivals: Sequence[Arrival], rows: Sequence[ArrivalRow], known: Collection[Key]
) -> list[Receipt]:
    """Add to a draft what is new. Raises BadRequest, IntegrityError."""
    seen = set(known)
    receipts: list[Receipt] = []
    for arrival, row in zip(arrivals, rows, strict=True):
        receipts.append("known" if row.key in seen else _drafted(draft, arrival))
        seen.add(row.key)
    return receipts


def known_messages(session: Session, rows: Sequence[ArrivalRow]) -> set[Key]:
    """Which of the messages are there already."""
    found: set[Key] = set()
    for source in {row.source for row in rows}:
        names = list({row.message for row in rows if row.source == source})
        for start in range(0, len(names), _ASKED):
            asked = names[start : start + _ASKED]
            there = session.rows(sql.known_arrivals(len(asked)), source=source, **sql.listed(asked))
            found |= {(source, bytes(name)) for (name,) in there}
    return found


def write_arrivals(session: Session, rows: Sequence[ArrivalRow], receipts: Sequence[Receipt], *, sweep: bool) -> None:
    """Write down what is new, and let go of what is older than is kept."""
    new = [row for row, receipt in zip(rows, receipts, strict=True) if receipt in _WRITTEN]
    if new:
        session.run_each(sql.ADD_ARRIVALS, (row._asdict() for row in new))
    if sweep:
        newest = datetime.fromisoformat(max(row.received for row in rows))
        session.run(sql.SWEEP_ARRIVALS, before=stamp(newest - ARRIVALS_KEPT))


def tally_of(source: str, refused: str, number: int, facts: int, first: str, last: str) -> Tally:
    """What the database counted."""
    return Tally(
        source=source,
        refused=refused,
        number=number,
        facts=int(facts),
        first=datetime.fromisoformat(first),
        last=datetime.fromisoformat(last),
    )


def _drafted(draft: Draft, arrival: Arrival) -> Receipt:
    if arrival.refused:
        return "refused"
    try:
        draft.commit(prepare_arrival(arrival))
    except PatientErased:
        return "erased"
    return "stored"
