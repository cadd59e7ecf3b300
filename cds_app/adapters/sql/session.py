"""Statements on a driver's own connection: SQLAlchemy words each of them once, and running it goes past SQLAlchemy.

What SQLAlchemy does around a statement (its own connection, cursor, result and events) takes several times as long as
SQLite takes to answer it, and every hook call has some eight of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast

from sqlalchemy.engine.interfaces import DBAPICursor, Dialect
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

_REMEMBERED: Final = 256  # a statement over a list of values counts once for each length of the list


class Text(NamedTuple):
    """A statement as a driver takes it, and the values that it brings itself."""

    sql: str
    values: dict[str, object]


class Wording:
    """Puts statements into the words of one kind of database."""

    __slots__ = ("of",)

    def __init__(self, dialect: Dialect) -> None:
        self.of = lru_cache(maxsize=_REMEMBERED)(lambda statement: _worded(statement, dialect))


class Session:
    """Runs statements on one cursor.

    Parameters
    ----------
    cursor : DBAPICursor
        A driver's; what goes wrong comes out as the driver's errors.
    """

    __slots__ = ("_cursor", "_wording")

    def __init__(self, cursor: DBAPICursor, wording: Wording) -> None:
        self._cursor = cursor
        self._wording = wording

    def rows(self, statement: ClauseElement, **values: object) -> list[tuple[Any, ...]]:
        """All rows that a statement gives."""
        self.run(statement, **values)
        return cast(list[tuple[Any, ...]], self._cursor.fetchall())

    def run(self, statement: ClauseElement, **values: object) -> None:
        """Run a statement that gives no rows."""
        text = self._wording.of(statement)
        self._cursor.execute(text.sql, {**text.values, **values})

    def run_each(self, statement: ClauseElement, rows: Iterable[dict[str, object]]) -> None:
        """Run a statement once for each row of values."""
        text = self._wording.of(statement)
        self._cursor.executemany(text.sql, [{**text.values, **row} for row in rows])


def _worded(statement: ClauseElement, dialect: Dialect) -> Text:
    compiled = cast(SQLCompiler, statement.compile(dialect=dialect))
    return Text(str(compiled), {name: one.value for name, one in compiled.binds.items() if not one.required})
