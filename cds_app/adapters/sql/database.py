"""Connections to SQLite or PostgreSQL; a finished `Database.write` is on the disk."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import PoolProxiedConnection, QueuePool
from sqlalchemy.sql import ClauseElement

from cds_app.adapters.sql.session import Session, Wording
from cds_app.errors import DependencyDown, SettingsError

PATIENCE_S: Final = 5.0
_FORMS: Final = "write postgresql://USER:PASSWORD@HOST/NAME, or sqlite:////FOLDER/FILE"
_READERS: Final = 8
_STREAMED: Final = 1000  # rows held at once
_LOOK_AGAIN_S: Final = (0.001, 0.002, 0.005)
"""After how long to look again whether one may write; the last from then on. SQLite itself would go on to 100 ms."""
_KIND_OF_ERROR: Final = 0xFF  # of SQLite's extended codes


Errors = tuple[type[Exception], ...]
_Begin = Callable[[DBAPICursor], None]


class Database:
    """Two ways to one database: many readers, and one writer whose transactions exclude all other writers.

    Parameters
    ----------
    url : str
        ``sqlite:///path`` or ``postgresql://...``; a PostgreSQL URL means psycopg 3.
    patience_s : float
        How long to wait for a lock or a connection, seconds.
    waits_for_disk : bool
        Whether SQLite's commits are on the disk when they return. Without it what was committed outlives every
        process, and may be lost with the machine's power unless a commit that waited came after it (ADR 10).
    opened : int
        How many connections for reading are opened at once instead of when they are first needed: a service that has
        all that it will need does not grow under load.

    Attributes
    ----------
    failures : tuple of type
        What a database that cannot be used raises, by whichever way.
    broken_constraint : type
        What a row raises that the tables do not admit.
    refusals : tuple of type
        That, and what a value raises that a column cannot hold: the fault of one row, not of the database.
    """

    def __init__(
        self, url: str, *, patience_s: float = PATIENCE_S, waits_for_disk: bool = True, opened: int = 0
    ) -> None:
        self.url = read_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self._begin_writing = partial(_take_turn, patience_s)
            self.reading = _sqlite(self.url, patience_s, _READERS)
            self.writing = _sqlite(self.url, patience_s, 1, self._begin_writing, waits_for_disk=waits_for_disk)
        else:
            # One statement is one transaction: a read is one round trip instead of three.
            self.reading = _postgresql(self.url, patience_s, _READERS, isolation_level="AUTOCOMMIT")
            self.writing = _postgresql(self.url, patience_s, 1)
        self._wording = Wording(self.reading.dialect)
        driver = self.reading.dialect.loaded_dbapi
        self.failures: Errors = (SQLAlchemyError, driver.Error, OSError)
        self.broken_constraint: type[Exception] = driver.IntegrityError
        self.refusals: Errors = (driver.IntegrityError, driver.DataError, OverflowError, UnicodeError)
        self._open(min(opened, _READERS))

    def _open(self, readers: int) -> None:
        with self._reported(), ExitStack() as held:
            for _ in range(readers):
                held.enter_context(_borrowed(self.reading))

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for single statements. What goes wrong comes out as DependencyDown."""
        with self._reported(), _borrowed(self.reading) as connection:
            yield Session(connection.cursor(), self._wording)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session for one transaction, durable at the end; nothing is written if anything in it goes wrong."""
        with _borrowed(self.writing) as connection:
            cursor = connection.cursor()
            if self.is_sqlite:
                self._begin_writing(cursor)
            yield Session(cursor, self._wording)
            connection.commit()

    @contextmanager
    def snapshot(self, *, broken_texts: bool = True) -> Iterator[Connection]:
        """A connection for statements that shall all see the same moment.

        Parameters
        ----------
        broken_texts : bool
            Whether SQLite's texts that are no UTF-8 are read as well as may be. If not, they come out as
            DependencyDown, and all others are read twice as fast: the driver need not call us for each.
        """
        with self._reported(), self.reading.connect() as connection:
            if not self.is_sqlite:
                yield connection.execution_options(isolation_level="REPEATABLE READ")
                return
            driver: Any = connection.connection.driver_connection
            usual = driver.text_factory
            driver.text_factory = usual if broken_texts else str
            try:
                yield connection
            finally:
                driver.text_factory = usual

    @contextmanager
    def streamed(self, connection: Connection, statement: ClauseElement) -> Iterator[Iterator[tuple[Any, ...]]]:
        """Rows of a `snapshot` as the driver has them: what SQLAlchemy makes of each costs as much again.

        However many there are, few are held at once: a server keeps the others, SQLite looks for them when asked.
        """
        text = self._wording.of(statement)
        named = {} if self.is_sqlite else {"name": "streamed"}
        with closing(connection.connection.cursor(**named)) as cursor:
            cursor.execute(text.sql, text.values)
            yield chain.from_iterable(iter(partial(cursor.fetchmany, _STREAMED), []))

    def close(self) -> None:
        """Let go of all connections."""
        self.reading.dispose()
        self.writing.dispose()

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except self.failures as error:
            raise DependencyDown("the store cannot be read") from error


@contextmanager
def _borrowed(engine: Engine) -> Iterator[PoolProxiedConnection]:
    """A driver's connection from the pool, which gets it back only if nothing went wrong."""
    connection = engine.raw_connection()
    try:
        yield connection
    except BaseException:
        with suppress(engine.dialect.loaded_dbapi.Error):
            connection.rollback()  # SQLite would hold its lock for as long as the error holds the cursor
        connection.invalidate()
        raise
    connection.close()


def read_url(text: str) -> URL:
    """The URL with the driver that is used.

    Raises
    ------
    SettingsError
        If it is no URL, or names another database than SQLite in a file or PostgreSQL.
    """
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise SettingsError(f"database_url: is not a database URL; {_FORMS}", field="database_url") from error
    backend = url.get_backend_name()
    if backend == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and url.database and url.database != ":memory:":
        return url.set(drivername="sqlite+pysqlite")
    raise SettingsError(f"database_url: must be SQLite in a file or PostgreSQL; {_FORMS}", field="database_url")


def make_file(url: URL) -> None:
    """Make a missing SQLite file for its owner only; its companions (WAL, shared memory) inherit that.

    The file gets its name when it is whole: SQLite lets no process wait for another that turns the WAL on.
    """
    path = Path(url.database or "")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _make_whole(path)
    except (OSError, sqlite3.Error) as error:
        raise DependencyDown("the database file cannot be made or written") from error


def _make_whole(path: Path) -> None:
    with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        new = Path(folder) / "new"
        os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with closing(sqlite3.connect(new)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        with suppress(FileExistsError):
            path.hardlink_to(new)


def empty_wal(url: URL) -> bool:
    """Move what SQLite's write-ahead log holds to the database and cut the log; False if a reader is in the way."""
    try:
        with closing(sqlite3.connect(url.database or "", timeout=0.5)) as connection:
            (blocked, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not blocked
    except sqlite3.Error:
        return False


def copy_sqlite(url: URL, path: Path) -> None:
    """Copy a SQLite database, as it is at one moment, to a new file that only its owner may read; others go on working.

    The copy is of the same schema: what is there is not brought up to date.

    Raises
    ------
    SettingsError
        If there is such a file, or the database is PostgreSQL, which has tools of its own for this.
    DependencyDown
        If the copy cannot be made; no half a copy stays.
    """
    if url.get_backend_name() != "sqlite":
        raise SettingsError("database_url: PostgreSQL is backed up with pg_dump or pg_basebackup")
    if not Path(url.database or "").is_file():
        raise DependencyDown("the database cannot be reached")
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError as error:
        raise SettingsError("backup: there is a file of this name already") from error
    except OSError as error:
        raise DependencyDown("the backup cannot be written") from error
    try:
        with closing(sqlite3.connect(url.database or "")) as source, closing(sqlite3.connect(path)) as target:
            source.backup(target)
    except sqlite3.Error as error:
        path.unlink()
        raise DependencyDown("the backup cannot be written") from error


def _sqlite(
    url: URL, patience_s: float, connections: int, begin: _Begin | None = None, *, waits_for_disk: bool = True
) -> Engine:
    """Connections of which those that write begin in a way of their own."""
    engine = create_engine(
        url,
        hide_parameters=True,
        paramstyle="named",
        poolclass=QueuePool,
        pool_size=connections,
        pool_timeout=patience_s,
        connect_args={"timeout": patience_s, "check_same_thread": False},
    )
    event.listen(engine, "connect", partial(_set_up_sqlite, "FULL" if waits_for_disk else "NORMAL"))
    event.listen(engine, "begin", partial(_begin, begin or _begin_reading))
    if begin:
        event.listen(engine, "connect", _wait_for_nobody)
    return engine


def _begin(how: _Begin, connection: Connection) -> None:
    how(connection.connection.cursor())


def _begin_reading(cursor: DBAPICursor) -> None:
    cursor.execute("BEGIN")


def _take_turn(patience_s: float, cursor: DBAPICursor) -> None:
    """Begin to write as soon as nobody else does."""
    until = time.monotonic() + patience_s
    for wait_s in chain(_LOOK_AGAIN_S, repeat(_LOOK_AGAIN_S[-1])):
        try:
            cursor.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & _KIND_OF_ERROR == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() >= until:
                raise
            time.sleep(wait_s)
        else:
            return


def _wait_for_nobody(connection: Any, _: object) -> None:
    connection.execute("PRAGMA busy_timeout = 0")


def _set_up_sqlite(synchronous: str, connection: Any, _: object) -> None:
    connection.isolation_level = None  # BEGIN is ours to say
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")  # broken text must not stop `verify`
    for pragma in (
        "journal_mode = WAL",
        f"synchronous = {synchronous}",  # FULL: a commit returns when the disk has it
        "foreign_keys = ON",
        "secure_delete = ON",  # a destroyed key must not survive in a free page
    ):
        connection.execute(f"PRAGMA {pragma}")


def _postgresql(url: URL, patience_s: float, connections: int, **options: Any) -> Engine:
    wait_ms = int(patience_s * 1000)
    theirs = url.query.get("options", "")
    return create_engine(
        url,
        hide_parameters=True,
        pool_size=connections,
        pool_timeout=patience_s,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": max(2, round(patience_s)),
            "tcp_user_timeout": wait_ms,
            "options": f"{theirs} -c lock_timeout={wait_ms} -c synchronous_commit=on",
        },
        **options,
    )
