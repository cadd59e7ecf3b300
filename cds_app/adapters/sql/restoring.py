"""A backup in the place of a SQLite database: checked before it counts, erasures carried over, nothing thrown away.

Whoever was erased after the backup was made is erased again: a backup still holds keys that were destroyed since.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cds_app.adapters.sealed.vault import Vault
from cds_app.adapters.sql.migrate import is_ours, migrate
from cds_app.adapters.sql.store import SqlStore
from cds_app.errors import DependencyDown, IntegrityError, NotFound, PatientErased, SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What is in place now.

    Parameters
    ----------
    entries : int
        Of its log.
    erased : int or None
        Patients who had to be erased again; None where the replaced database could not be read, and may name some.
    replaced : Path or None
        Where the old database lies.
    """

    entries: int
    erased: int | None
    replaced: Path | None


def restore(backup: Path, database: Path, anchor: Path, vault: Vault, at: datetime) -> Restored:
    """Put a backup in the place of the database; the service must be stopped.

    Parameters
    ----------
    backup, database, anchor : Path
        What `SqlStore.backup` wrote, the database file, and the head of its log beside it. The last two need not exist.
    at : datetime
        Now, UTC.

    Raises
    ------
    SettingsError
        If the database is in use, or the backup is missing or of a newer Twinline. Nothing is changed.
    IntegrityError
        If the backup's log does not check, or was made with another key. Nothing is changed.
    DependencyDown
        If files cannot be written.
    """
    if not backup.is_file():
        raise SettingsError("there is no such backup", field="backup")
    gone = _erased_in(database) if database.exists() else None
    draft = database.with_name(f"{database.name}.restoring")
    _remove(draft)
    try:
        draft.touch(mode=0o600)
        shutil.copyfile(backup, draft)
        entries, erased = _made_fit(draft, vault, gone or frozenset(), at)
        replaced = _aside(database, at)
        _aside(anchor, at)
        draft.rename(database)
    except OSError as error:
        raise DependencyDown("the database cannot be put in place") from error
    finally:
        _remove(draft)
    return Restored(entries=entries, erased=None if gone is None else erased, replaced=replaced)


def _erased_in(database: Path) -> frozenset[str] | None:
    """Who was erased; None if the database cannot be read. Refuses one that somebody has open."""
    try:
        with closing(sqlite3.connect(database, timeout=0.2)) as connection:
            _be_alone(connection)
            connection.execute("PRAGMA journal_mode=WAL").fetchone()
            return frozenset(name for (name,) in connection.execute("SELECT patient FROM log WHERE kind = 'erasure'"))
    except sqlite3.OperationalError as error:
        if "lock" in str(error):
            raise SettingsError("the database is in use: stop the service first", field="data_dir") from error
        return None
    except sqlite3.DatabaseError:  # damaged: perhaps the reason for restoring
        return None


def _be_alone(connection: sqlite3.Connection) -> None:
    """Fold the write-ahead log in, which only the last one who has the database open can do."""
    connection.execute("PRAGMA journal_mode=DELETE").fetchone()


def _made_fit(draft: Path, vault: Vault, gone: frozenset[str], at: datetime) -> tuple[int, int]:
    """Bring the copy to today's schema, check its log and erase again; how many entries and erasures."""
    url = f"sqlite:///{draft}"
    try:
        ours = is_ours(url)
    except DependencyDown:
        ours = False
    if not ours:  # an empty file, as a full disk leaves one, is a database to SQLite
        raise IntegrityError("the backup is no database of Twinline")
    migrate(url)
    store = SqlStore(url, vault)
    try:
        _check(store)
        erased = sum(_erase(store, patient, at) for patient in sorted(gone))
        entries = _check(store)
    finally:
        store.close()
    with closing(sqlite3.connect(draft)) as connection:
        _be_alone(connection)
    return entries, erased


def _check(store: SqlStore) -> int:
    verdict = store.verify()
    if verdict.problem:
        raise IntegrityError(f"the backup is broken: {verdict.said}")
    return verdict.entries


def _erase(store: SqlStore, patient: str, at: datetime) -> bool:
    """Whether the patient had to be erased again."""
    try:
        store.entries(patient)
        store.erase(patient, at)
    except (NotFound, PatientErased):
        return False
    return True


def _aside(file: Path, at: datetime) -> Path | None:
    """Keep a file under another name; where it lies now, if there was one.

    What SQLite left beside it goes along, though the file be gone: SQLite would read it into the next of that name.
    """
    # To the microsecond: what was set aside before must not be written over.
    kept = file.with_name(f"{file.name}.replaced-{at:%Y%m%dT%H%M%S%f}")
    for one, name in zip(_whole(file), _whole(kept), strict=True):
        if one.exists():
            one.replace(name)
    return kept if kept.exists() else None


def _remove(file: Path) -> None:
    """Remove a file and what SQLite left beside it, perhaps of one that is gone."""
    for one in _whole(file):
        one.unlink(missing_ok=True)


def _whole(file: Path) -> tuple[Path, ...]:
    """A database file, and those that SQLite keeps beside it."""
    return tuple(file.with_name(file.name + end) for end in ("", "-wal", "-shm"))
