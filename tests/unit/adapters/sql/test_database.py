"""Connections to the database: those that a service will need are there from the start."""

from __future__ import annotations

from pathlib import Path

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
