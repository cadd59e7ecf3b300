"""What a command line stands on: the settings, and what is kept where they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cds_app.adapters.sql.cabinet import SqlCabinet
from cds_app.adapters.sql.client_register import SqlClients
from cds_app.adapters.sql.store import SqlStore
from cds_app.databases import cabinet_of, register_of, store_of
from cds_app.errors import SettingsError
from cds_app.settings import Settings, configured

if TYPE_CHECKING:
    from cds_app.deps import Deps

_OPTIONS = (
    click.option("--data-dir", type=click.Path(path_type=Path), help="Database and key (default twinline-data)."),
    click.option("--database-url", help="SQLAlchemy URL; PostgreSQL or SQLite."),
)


def with_store(command: Any) -> Any:
    """Options that say where the store is."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def installed(flags: Mapping[str, Any]) -> Settings:
    """Settings that name a database which is there. A mistyped folder must not become a new one, nor look empty."""
    settings = configured(flags)
    if not settings.database_url and not settings.database_file.exists():
        raise SettingsError("there is no database in this folder", field="data_dir")
    return settings


@contextmanager
def open_deps(flags: Mapping[str, Any]) -> Iterator[Deps]:
    """Everything that a running Twinline stands on."""
    from cds_app.deps import deps_of  # half a second, which short commands need not wait

    deps = deps_of(installed(flags))
    try:
        yield deps
    finally:
        deps.close()


@contextmanager
def open_store(flags: Mapping[str, Any]) -> Iterator[tuple[Settings, SqlStore]]:
    """Facts and the decision log."""
    settings = installed(flags)
    store = store_of(settings)
    try:
        yield settings, store
    finally:
        store.close()


@contextmanager
def open_register(flags: Mapping[str, Any], *, make: bool = False) -> Iterator[SqlClients]:
    """Who may call. Only adding may make a database."""
    with register_of(configured(flags) if make else installed(flags)) as register:
        yield register


@contextmanager
def open_cabinet(flags: Mapping[str, Any], *, make: bool = False) -> Iterator[tuple[Settings, SqlCabinet]]:
    """Issuers and keys. Only adding may make a database."""
    settings = configured(flags) if make else installed(flags)
    with cabinet_of(settings) as cabinet:
        yield settings, cabinet
