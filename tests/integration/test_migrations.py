"""A database is brought to the schema that the code expects, or left alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from cds_app.adapters.sealed.drafting import MentionRow
from cds_app.adapters.sealed.ledger import LogRow
from cds_app.adapters.sealed.sealing import SegmentRow
from cds_app.adapters.sql.database import Database, make_file, read_url
from cds_app.adapters.sql.migrate import migrate
from cds_app.adapters.sql.schema import log, mentions, metadata, segments
from cds_app.adapters.sql.store import SqlStore
from cds_app.errors import DependencyDown, SettingsError
from tests.stores import NOW, append, commit_to, decision, facts, vault


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        found: str = request.getfixturevalue("postgres_url")
        return found
    return f"sqlite:///{tmp_path / 'new folder' / 'twin%line.sqlite'}"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    migrate(url)
    found = Database(url)
    yield found
    found.close()


def test_the_migrated_schema_is_the_one_the_code_uses(database: Database) -> None:
    with database.reading.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_rows_are_in_the_order_of_their_columns() -> None:
    assert [column.name for column in log.c] == list(LogRow._fields)
    assert [column.name for column in segments.c] == list(SegmentRow._fields)
    assert [column.name for column in mentions.c] == list(MentionRow._fields)


def test_migrating_again_changes_nothing(url: str) -> None:
    migrate(url)
    store = SqlStore(url, vault())
    append(store, store.pseudonym("north", "pat-1"), facts=facts(), decisions=(decision(),))
    migrate(url)
    assert store.verify().entries == 1
    store.close()


def test_what_was_written_before_mentions_were_kept_has_to_be_looked_through(url: str) -> None:
    migrate(url)
    store = SqlStore(url, vault())
    before, after = (store.pseudonym("north", name) for name in ("pat-1", "pat-2"))
    store.commit(commit_to(before, facts=facts(), realm="north"))
    database = Database(url)
    with database.writing.begin() as connection:
        connection.execute(text("DROP TABLE mentions"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0005'"))
    migrate(url)
    store.commit(commit_to(after, facts=facts(), realm="north"))
    assert store.holders("north", ["Observation/0"]) == {before: False, after: True}
    assert store.holders("north", ["Observation/9"]) == {before: False}
    store.commit(commit_to(before, known=(1, 0), facts=facts(), realm="north"))
    assert store.holders("north", ["Observation/0"]) == {before: True, after: True}
    store.erase(before, NOW)
    assert store.holders("north", ["Observation/9"]) == {}
    store.close()
    database.close()


def test_processes_that_start_together_take_turns(url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, [url] * 4))
    store = SqlStore(url, vault())
    store.ready()
    store.close()


def test_a_file_has_its_name_when_its_write_ahead_log_is_on(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    make_file(read_url(f"sqlite:///{folder / 'twinline.sqlite'}"))
    assert [path.name for path in folder.iterdir()] == ["twinline.sqlite"]
    with closing(sqlite3.connect(folder / "twinline.sqlite")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_database_of_a_newer_twinline_is_refused_and_left_alone(database: Database, url: str) -> None:
    with database.writing.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SettingsError, match="newer Twinline"):
        migrate(url)
    with database.read() as session:
        assert session.rows(text("SELECT version_num FROM alembic_version")) == [("9999",)]


def test_a_migration_that_fails_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "twinline.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE log (other TEXT)")
    with pytest.raises(DependencyDown, match="migrated"):
        migrate(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("log",)]


def test_a_store_without_tables_is_not_ready(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'empty.sqlite'}", vault())
    with pytest.raises(DependencyDown):
        store.ready()
    with pytest.raises(DependencyDown):
        store.segments("x")
    store.close()


def test_the_database_file_is_for_its_owner_only(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'data' / 'twinline.sqlite'}"
    migrate(url)
    store = SqlStore(url, vault())
    store.ready()
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "data").iterdir()} == {0o600}
    store.close()


@pytest.mark.parametrize("url", ["", "x", "mysql://host/db", "sqlite://", "sqlite:///:memory:"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="database_url"):
        read_url(url)


def test_a_folder_that_cannot_be_made_is_a_dependency_down(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DependencyDown):
        migrate(f"sqlite:///{tmp_path / 'file' / 'twinline.sqlite'}")
