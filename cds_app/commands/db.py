"""``twinline db``: a SQLite database backed up and restored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cds_app.adapters.clock import SystemClock
from cds_app.adapters.sql.database import copy_sqlite, read_url
from cds_app.adapters.sql.restoring import restore
from cds_app.commands.examples import examples
from cds_app.commands.stores import installed, with_store
from cds_app.databases import anchor_of, register_of, vault_of
from cds_app.errors import SettingsError
from cds_app.settings import Settings, configured


@click.group()
def db() -> None:
    """Back the SQLite database up, or restore it; PostgreSQL has tools of its own."""


@db.command(epilog=examples("twinline db backup /backup/twinline.db"))
@with_store
@click.argument("target", type=click.Path(path_type=Path))
def backup(target: Path, **flags: Any) -> None:
    """Copy the SQLite database, consistently, while it is in use. One of an older Twinline stays as it is."""
    copy_sqlite(read_url(installed(flags).store_url), target)
    click.echo(str(target))


@db.command("restore")
@with_store
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask.")
def restore_database(source: Path, yes: bool, **flags: Any) -> None:
    """Put a backup in the place of the database. Stop the service before; erasures made since are made again."""
    settings = configured(flags)
    _check_place(settings)
    if not yes:
        click.confirm("Put this backup in the place of the database? What came after it is set aside.", abort=True)
    now = SystemClock().now()
    found = restore(source, settings.database_file, anchor_of(settings), vault_of(settings), now)
    click.echo(f"{found.entries} entries, unbroken")
    if found.erased is None:
        click.echo("whom the replaced database named as erased could not be read: erase them again yourself", err=True)
    else:
        click.echo(f"{found.erased} patients erased again")
    if found.replaced is not None:
        click.echo(f"what was there is {found.replaced}")
    with register_of(settings) as register:
        names = ", ".join(one.name for one in register.clients())
    click.echo(f"who may call is as it was then: {names or 'nobody'}")


def _check_place(settings: Settings) -> None:
    """Refuse what cannot be restored here before anybody is asked."""
    if not settings.database_url:
        return
    if read_url(settings.database_url).get_backend_name() == "sqlite":
        raise SettingsError("only the database in data_dir is restored: leave database_url out", field="database_url")
    raise SettingsError("PostgreSQL is restored with pg_restore or from its base backup", field="database_url")
