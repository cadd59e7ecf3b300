"""Connections to the database: there from the start, and in turn where they write."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.pool import QueuePool

from cds_app.adapters.sql.database import Database
from cds_app.adapters.sql.migrate import migrate


def test_connections_that_will_be_needed_are_opened_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.sqlite'}"
    migrate(url)
    database = Database(url, opened=3)
    pool = database.reading.pool
    assert isinstance(pool, QueuePool)
    assert pool.checkedin() == 3
    database.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.sqlite"
    migrate(f"sqlite:///{path}")
    return path


def begun_by_another(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    return connection


def writes(database: Database) -> None:
    with database.write():
        pass


def begins(database: Database) -> None:
    with database.writing.begin() as connection:
        connection.execute(text("SELECT 1"))


@pytest.mark.parametrize("write", [writes, begins])
def test_who_waits_to_write_looks_as_often_the_hundredth_time_as_the_third(
    file: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Database], None]
) -> None:
    slept: list[float] = []
    with closing(begun_by_another(file)) as other, closing(Database(f"sqlite:///{file}")) as database:

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            if len(slept) == 100:
                other.execute("COMMIT")

        monkeypatch.setattr("cds_app.adapters.sql.database.time.sleep", sleep)
        write(database)
    assert len(slept) == 100
    assert slept == sorted(slept)
    assert set(slept[2:]) == {0.005}


def test_who_waits_to_write_gives_up_when_patience_ends(file: Path) -> None:
    with (
        closing(begun_by_another(file)),
        closing(Database(f"sqlite:///{file}", patience_s=0.05)) as database,
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        writes(database)
