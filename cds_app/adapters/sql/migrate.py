"""Brings a database to the schema that this Twinline works with."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

from cds_app.adapters.sql.database import Database, make_file
from cds_app.adapters.sql.schema import log_head, patients
from cds_app.errors import DependencyDown, SettingsError

_SCRIPTS: Final = Path(__file__).with_name("migrations")
_TURN: Final = 0x7477696E6C696E65  # "twinline": the advisory lock under which PostgreSQL databases are migrated


def migrate(url: str) -> None:
    """Create or upgrade the tables, in one transaction; processes that start together take turns.

    Raises
    ------
    SettingsError
        If the database was made by a newer Twinline: nothing is changed.
    DependencyDown
        If the database cannot be reached or written.
    """
    database = Database(url)
    if database.is_sqlite:
        make_file(database.url)
    try:
        with database.writing.begin() as connection:
            if not database.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": _TURN})
            _upgrade(connection)
    except SQLAlchemyError as error:
        raise DependencyDown(
            "the database cannot be reached, or not migrated to this version: see `twinline doctor`"
        ) from error
    finally:
        database.close()


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    if not _known(config).issuperset(MigrationContext.configure(connection).get_current_heads()):
        raise SettingsError("database_url: the database was made by a newer Twinline; upgrade, or restore a backup")
    command.upgrade(config, "head")


def is_current(url: str) -> bool:
    """Whether the tables are those of this Twinline. Nothing is changed.

    Raises
    ------
    DependencyDown
        If the database cannot be reached.
    """
    return _revisions(url) == set(ScriptDirectory.from_config(_config()).get_heads())


def is_newer(url: str) -> bool:
    """Whether the tables are those of a newer Twinline. Nothing is changed.

    Raises
    ------
    DependencyDown
        If the database cannot be reached.
    """
    return not _known(_config()).issuperset(_revisions(url))


def is_ours(url: str) -> bool:
    """Whether any Twinline made the tables. Nothing is changed.

    Raises
    ------
    DependencyDown
        If the database cannot be reached.
    """
    return bool(_revisions(url))


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config


def _known(config: Config) -> set[str]:
    return {one.revision for one in ScriptDirectory.from_config(config).walk_revisions()}


def _revisions(url: str) -> set[str]:
    database = Database(url)
    try:
        with database.reading.connect() as connection:
            return set(MigrationContext.configure(connection).get_current_heads())
    except SQLAlchemyError as error:
        raise DependencyDown("the database cannot be reached") from error
    finally:
        database.close()


def is_begun(url: str) -> bool:
    """Whether anything was ever written down in a database; not where there is none, or no tables. Nothing is made.

    Raises
    ------
    DependencyDown
        If the database cannot be reached.
    """
    database = Database(url)
    try:
        if database.is_sqlite and not Path(database.url.database or "").is_file():
            return False
        with database.reading.connect() as connection:
            if not inspect(connection).has_table(log_head.name):
                return False
            patient = connection.execute(select(patients).limit(1)).first()
            return patient is not None or any(connection.execute(select(log_head.c.number)).scalars())
    except SQLAlchemyError as error:
        raise DependencyDown("the database cannot be reached") from error
    finally:
        database.close()
