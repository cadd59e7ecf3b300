"""Checks the decision log in a SQL database from its first row to its head."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

from cds_app.adapters import statements as sql
from cds_app.adapters.database import Database
from cds_app.adapters.ledger import Head, LogRow, check_chain
from cds_app.adapters.vault import Vault
from cds_app.errors import DependencyDown, IntegrityError
from cds_app.ports import Verdict

_STREAMED: Final = {"yield_per": 1000}  # rows held at once


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
        with connection.execute(sql.WHOLE_LOG, execution_options=_STREAMED) as rows:
            verdict = check_chain(vault, map(LogRow._make, rows), end, anchor)
        return verdict if verdict.problem else _check_keys(connection, vault, verdict)


def _check_keys(connection: Connection, vault: Vault, verdict: Verdict) -> Verdict:
    with connection.execute(sql.KEYS_OF_LOG, execution_options=_STREAMED) as rows:
        for patient, wrapped, first, erasures in rows:
            if problem := _key_problem(vault, patient, wrapped, erased=bool(erasures)):
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
