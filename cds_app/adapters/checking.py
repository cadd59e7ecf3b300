"""Checks the decision log in a SQL database from its first row to its head."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from typing import Any

from cds_app.adapters import statements as sql
from cds_app.adapters.database import Database
from cds_app.adapters.ledger import Head, LogRow, check_chain
from cds_app.adapters.vault import Vault
from cds_app.errors import DependencyDown, IntegrityError
from cds_app.ports import Verdict


def check(database: Database, vault: Vault, anchor: Head) -> Verdict:
    """Follow the chain, then look whether every patient's key is what the log says. One moment, streamed.

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
        erased: set[str] = set()
        with database.streamed(connection, sql.WHOLE_LOG) as rows:
            verdict = check_chain(vault, _noting(erased, map(LogRow._make, rows)), end, anchor)
        if verdict.problem:
            return verdict
        with database.streamed(connection, sql.KEYS_OF_LOG) as keys:
            return _check_keys(vault, keys, erased, verdict)


def _noting(erased: set[str], rows: Iterable[LogRow]) -> Iterator[LogRow]:
    """The rows; on the way, whose erasure they tell."""
    for row in rows:
        if row.kind == "erasure":
            erased.add(row.patient)
        yield row


def _check_keys(vault: Vault, keys: Iterable[tuple[Any, ...]], erased: Set[str], verdict: Verdict) -> Verdict:
    for patient, wrapped, first in keys:
        if problem := _key_problem(vault, patient, wrapped, erased=patient in erased):
            return Verdict(entries=verdict.entries, broken_at=first, problem=problem)
    return verdict


def _key_problem(vault: Vault, patient: str, wrapped: bytes | None, *, erased: bool) -> str:
    if (wrapped is None) != erased:
        return "a patient's key is gone without an erasure, or back after one"
    try:
        if wrapped is not None:
            vault.cipher(wrapped, patient)
    except IntegrityError:
        return "a patient's key was changed"
    return ""
