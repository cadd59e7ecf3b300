"""The database that the settings name, and its keys: all that short commands need, and soon loaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cds_app.adapters.sealed.vault import Vault, key_file, read_master_key
from cds_app.adapters.sql.cabinet import SqlCabinet
from cds_app.adapters.sql.client_register import SqlClients
from cds_app.adapters.sql.database import Database
from cds_app.adapters.sql.migrate import is_begun, migrate
from cds_app.adapters.sql.store import SqlStore
from cds_app.errors import SettingsError
from cds_app.settings import Settings


def store_of(settings: Settings, *, opened: int = 0) -> SqlStore:
    """The store that the settings name, migrated and open; ``opened`` as `Database` has it."""
    vault = _made_ready(settings)
    return SqlStore(settings.store_url, vault, anchor=anchor_of(settings), opened=opened)


def _made_ready(settings: Settings) -> Vault:
    """The folder, the keys, then the tables: a database that has no key beside it has lost it."""
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError("the folder is not there and cannot be made", field="data_dir") from error
    vault = vault_of(settings)
    migrate(settings.store_url)
    return vault


def anchor_of(settings: Settings) -> Path:
    """Where the newest head of the log is kept outside of the database."""
    return settings.data_dir / "audit.head"


@contextmanager
def _database_of(settings: Settings) -> Iterator[tuple[Database, Vault]]:
    """The database that the settings name, and its keys: migrated, open, closed at the end."""
    vault = _made_ready(settings)
    database = Database(settings.store_url)
    try:
        yield database, vault
    finally:
        database.close()


@contextmanager
def register_of(settings: Settings) -> Iterator[SqlClients]:
    """The trust records of the database that the settings name, to be changed."""
    with _database_of(settings) as (database, vault):
        yield SqlClients(database, vault, anchor=anchor_of(settings))


@contextmanager
def cabinet_of(settings: Settings) -> Iterator[SqlCabinet]:
    """The small documents of the database that the settings name, to be changed."""
    with _database_of(settings) as (database, vault):
        yield SqlCabinet(database, vault, anchor=anchor_of(settings))


def vault_of(settings: Settings) -> Vault:
    """The keys: from the setting, or from the key file, which is made before anything is written into a database.

    Raises
    ------
    SettingsError
        If a database holds something and there is no key: a new one would open nothing of it.
    DependencyDown
        If that cannot be asked.
    """
    if settings.master_key:
        return Vault(read_master_key(settings.master_key))
    file = settings.data_dir / "master.key"
    if not file.exists() and is_begun(settings.store_url) and not file.exists():  # others may have made it meanwhile
        raise SettingsError("master_key: the database is there and its key file is not", field="master_key")
    return Vault(key_file(file))
