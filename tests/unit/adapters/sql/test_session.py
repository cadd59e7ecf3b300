"""Statements are worded once and run with the values they are given beside those they bring themselves."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, bindparam, insert, literal, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine.interfaces import DBAPICursor

from cds_app.adapters.sql.session import Session, Wording

beds = Table("beds", MetaData(), Column("ward", Text), Column("number", Integer))


@pytest.fixture
def session() -> Iterator[Session]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE beds (ward TEXT, number INTEGER)")
        dialect = cast(Any, sqlite.dialect)(paramstyle="named")
        yield Session(cast(DBAPICursor, connection.cursor()), Wording(dialect))


def test_values_come_from_the_caller_and_from_the_statement(session: Session) -> None:
    session.run_each(insert(beds), ({"ward": "east", "number": number} for number in range(4)))
    session.run(insert(beds), ward="west", number=9)
    wanted = select(beds.c.number, literal("x")).where(beds.c.ward == bindparam("ward"), beds.c.number > 1)
    assert session.rows(wanted, ward="east") == [(2, "x"), (3, "x")]


def test_a_value_that_is_missing_is_an_error(session: Session) -> None:
    with pytest.raises(sqlite3.ProgrammingError):
        session.rows(select(beds).where(beds.c.ward == bindparam("ward")))


def test_a_statement_is_worded_once() -> None:
    wording = Wording(cast(Any, sqlite.dialect)(paramstyle="named"))
    statement = select(beds)
    assert wording.of(statement) is wording.of(statement)
