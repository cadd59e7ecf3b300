"""A backup comes back whole, checked, and without those who were erased since."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from cds_app.adapters.sealed.vault import Vault
from cds_app.adapters.sql.database import copy_sqlite, read_url
from cds_app.adapters.sql.migrate import migrate
from cds_app.adapters.sql.restoring import restore
from cds_app.adapters.sql.store import SqlStore
from cds_app.errors import IntegrityError, PatientErased, SettingsError
from tests.conftest import FROZEN
from tests.stores import append, decision, facts, vault

LATER = FROZEN + timedelta(hours=1)


def opened(folder: Path) -> SqlStore:
    url = f"sqlite:///{folder / 'twinline.sqlite'}"
    migrate(url)
    return SqlStore(url, vault(), anchor=folder / "audit.head")


def back_up(folder: Path) -> None:
    copy_sqlite(read_url(f"sqlite:///{folder / 'twinline.sqlite'}"), folder / "copy")


def held(folder: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "twinline.sqlite")) as connection:
        return list(connection.execute("SELECT * FROM log"))


def put_back(folder: Path, backup: Path, keys: Vault | None = None) -> tuple[int, int | None]:
    found = restore(backup, folder / "twinline.sqlite", folder / "audit.head", keys or vault(), LATER)
    return found.entries, found.erased


def test_what_came_after_the_backup_is_gone_and_set_aside(tmp_path: Path) -> None:
    store = opened(tmp_path)
    name = store.pseudonym("north", "pat-1")
    append(store, name, facts=facts(), decisions=(decision(),))
    back_up(tmp_path)
    append(store, name, facts=facts(), decisions=(decision(),))
    store.close()
    assert put_back(tmp_path, tmp_path / "copy") == (1, 0)
    restored = opened(tmp_path)
    assert len(restored.segments(name)) == 1
    assert restored.verify().broken_at is None
    append(restored, name, facts=facts(), decisions=(decision(),))
    assert restored.verify().entries == 2
    restored.close()
    (aside,) = tmp_path.glob("twinline.sqlite.replaced-*")
    with closing(sqlite3.connect(aside)) as connection:
        assert connection.execute("SELECT count(*) FROM log").fetchone() == (2,)


def test_who_was_erased_since_is_erased_again(tmp_path: Path) -> None:
    store = opened(tmp_path)
    names = [store.pseudonym("north", f"pat-{i}") for i in range(3)]
    for name in names[:2]:
        append(store, name, facts=facts(), decisions=(decision(),))
    store.erase(names[0], FROZEN)
    back_up(tmp_path)
    append(store, names[2], facts=facts(), decisions=(decision(),))
    for name in names[1:]:
        store.erase(name, FROZEN)
    store.close()
    assert put_back(tmp_path, tmp_path / "copy") == (4, 1)  # the third patient came after the backup
    restored = opened(tmp_path)
    for name in names[:2]:
        with pytest.raises(PatientErased):
            restored.segments(name)
    restored.close()


def test_a_database_that_is_in_use_is_left_alone(tmp_path: Path) -> None:
    store = opened(tmp_path)
    name = store.pseudonym("north", "pat-1")
    append(store, name, facts=facts(), decisions=(decision(),))
    back_up(tmp_path)
    with pytest.raises(SettingsError, match="in use"):
        put_back(tmp_path, tmp_path / "copy")
    append(store, name, facts=facts(), decisions=(decision(),))
    assert store.verify().broken_at is None
    store.close()


@pytest.mark.parametrize("spoil", ["text", "nothing", "another's", "row", "key"])
def test_a_backup_that_does_not_check_changes_nothing(tmp_path: Path, spoil: str) -> None:
    store = opened(tmp_path)
    append(store, store.pseudonym("north", "pat-1"), facts=facts(), decisions=(decision(),))
    back_up(tmp_path)
    store.close()
    if spoil == "text":
        (tmp_path / "copy").write_text("no database")
    if spoil in ("nothing", "another's"):
        (tmp_path / "copy").write_bytes(b"")
    if spoil == "another's":
        with closing(sqlite3.connect(tmp_path / "copy")) as connection:
            connection.execute("CREATE TABLE log (number INTEGER)")
    if spoil == "row":
        with closing(sqlite3.connect(tmp_path / "copy", isolation_level=None)) as connection:
            connection.execute("UPDATE log SET tier = 3")
    before = held(tmp_path)
    with pytest.raises(IntegrityError):
        put_back(tmp_path, tmp_path / "copy", Vault(bytes(32)) if spoil == "key" else None)
    assert held(tmp_path) == before
    assert not list(tmp_path.glob("*.restoring*"))


def test_a_database_that_is_lost_or_ruined_can_be_restored(tmp_path: Path) -> None:
    store = opened(tmp_path)
    name = store.pseudonym("north", "pat-1")
    append(store, name, facts=facts(), decisions=(decision(),))
    back_up(tmp_path)
    store.close()
    (tmp_path / "twinline.sqlite").write_bytes(b"\0" * 4096)
    assert put_back(tmp_path, tmp_path / "copy") == (1, None)
    (tmp_path / "twinline.sqlite").unlink()
    assert put_back(tmp_path, tmp_path / "copy") == (1, None)
    with pytest.raises(SettingsError, match="no such backup"):
        put_back(tmp_path, tmp_path / "nothing")


@pytest.mark.parametrize("left_by", ["twinline.sqlite", "twinline.sqlite.restoring"])
def test_what_sqlite_left_beside_a_file_that_is_gone_goes_into_no_backup(tmp_path: Path, left_by: str) -> None:
    store = opened(tmp_path)
    name = store.pseudonym("north", "pat-1")
    append(store, name, facts=facts(), decisions=(decision(),))
    back_up(tmp_path)
    append(store, name, facts=facts(), decisions=(decision(),))
    left = (tmp_path / "twinline.sqlite-wal").read_bytes()  # as a process leaves it that is killed
    store.close()
    (tmp_path / "twinline.sqlite").unlink()
    (tmp_path / f"{left_by}-wal").write_bytes(left)
    assert put_back(tmp_path, tmp_path / "copy") == (1, None)
    assert len(held(tmp_path)) == 1
