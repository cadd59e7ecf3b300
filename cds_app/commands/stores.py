"""Opening the store that a command line names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from cds_app.adapters.sql_store import SqlStore
from cds_app.deps import store_of
from cds_app.errors import SettingsError
from cds_app.settings import Settings, load_settings

_OPTIONS = (
    click.option("--data-dir", type=click.Path(path_type=Path), help="Database and key (default twinline-data)."),
    click.option("--database-url", help="SQLAlchemy URL; PostgreSQL or SQLite."),
)


def with_store(command: Any) -> Any:
    """Options that say where the store is."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@contextmanager
def open_store(flags: Mapping[str, Any]) -> Iterator[tuple[Settings, SqlStore]]:
    """The store that is there. A mistyped folder must not become a new database without a broken entry."""
    settings = load_settings(flags, os.environ, Path("twinline.toml"))
    if not settings.database_url and not settings.database_file.exists():
        raise SettingsError("there is no database in this folder", field="data_dir")
    store = store_of(settings)
    try:
        yield settings, store
    finally:
        store.close()
