"""Which tokens were used: one small row each, which only the first of many can write."""

from __future__ import annotations

import hashlib
import math
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from threading import Lock
from typing import Any, Final

from sqlalchemy import bindparam, delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from cds_app.adapters.sql.database import Database
from cds_app.adapters.sql.schema import seen_tokens
from cds_app.errors import DependencyDown

SWEEP_EVERY: Final = 64
SWEEP_ROWS: Final = 256
"""More than came in since the last sweep, so that the table cannot grow beyond what is still needed."""
SLACK_S: Final = 300
"""A row outlives its token by this: another process's clock may be slow."""

_KEY: Final = (seen_tokens.c.issuer, seen_tokens.c.token)
_OVER: Final = select(*_KEY).where(seen_tokens.c.until < bindparam("before")).limit(SWEEP_ROWS)
_SWEEP: Final = delete(seen_tokens).where(tuple_(*_KEY).in_(_OVER))


class SqlTokens:
    """`cds_app.ports.SeenTokens` on a database that `cds_app.adapters.sql.migrate.migrate` has prepared.

    Parameters
    ----------
    database : Database
        Need not wait for the disk (ADR 10). Closed by whoever made it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        dialect = sqlite if database.is_sqlite else postgresql
        self._add: Any = dialect.insert(seen_tokens).on_conflict_do_nothing().returning(seen_tokens.c.until)
        # Threads that meet at SQLite's lock sleep there for whole milliseconds; here they wait no longer than needed.
        self._turn: AbstractContextManager[Any] = Lock() if database.is_sqlite else nullcontext()
        self._calls = count(1)

    def first(self, issuer: str, token: str, *, until: float, now: float) -> bool:
        row = {"issuer": issuer, "token": digest_of(token), "until": math.ceil(until)}
        try:
            with self._turn, self._database.write() as session:
                new = bool(session.rows(self._add, **row))
                if next(self._calls) % SWEEP_EVERY == 0:
                    session.run(_SWEEP, before=math.floor(now) - SLACK_S)
        except self._database.failures as error:
            raise DependencyDown("a used token cannot be written down") from error
        return new


class MemoryTokens:
    """`cds_app.ports.SeenTokens` in one process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._seen: dict[tuple[str, bytes], float] = {}
        self._calls = 0

    def first(self, issuer: str, token: str, *, until: float, now: float) -> bool:
        key = issuer, digest_of(token)
        with self._lock:
            self._calls += 1
            if self._calls % SWEEP_EVERY == 0:
                self._seen = {one: end for one, end in self._seen.items() if end >= now - SLACK_S}
            if key in self._seen:
                return False
            self._seen[key] = until
            return True


def digest_of(token: str) -> bytes:
    """What is kept of the issuer's name for a token: always as long, and nothing of what an issuer put into it."""
    return hashlib.sha256(token.encode()).digest()
