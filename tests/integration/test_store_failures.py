"""When the database cannot be written: said at once to everybody who waits, nothing half written, and over again."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep

import psycopg
import pytest
from sqlalchemy.engine import make_url

from cds_app.adapters.sql.database import Database, copy_sqlite, read_url
from cds_app.adapters.sql.migrate import migrate
from cds_app.adapters.sql.store import SqlStore
from cds_app.errors import BadRequest, Conflict, DependencyDown, IntegrityError, SettingsError, TwinlineError
from cds_app.ports import Commit, TwinStore
from tests.stores import (
    append,
    commit_to,
    decision,
    edit,
    facts,
    feedback,
    known_of,
    sqlite_locked,
    sqlite_store,
    vault,
)

DROP_CONNECTIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)

Lock = Callable[[], AbstractContextManager[None]]


@contextmanager
def postgres_locked(url: str) -> Iterator[None]:
    with psycopg.connect(url) as other:
        other.execute("SELECT * FROM log_head FOR UPDATE")
        yield
        other.rollback()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'twinline.sqlite'}"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
def locked(url: str, tmp_path: Path) -> Lock:
    """Makes another process's transaction stand in the way."""
    return lambda: sqlite_locked(tmp_path / "twinline.sqlite") if "sqlite" in url else postgres_locked(url)


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    migrate(url)
    made = SqlStore(url, vault(), patience_s=0.4)
    yield made
    made.close()


def outcome(store: TwinStore, commit: Commit) -> int | type[TwinlineError]:
    try:
        return store.commit(commit)
    except TwinlineError as error:
        return type(error)


def commits(store: TwinStore, count: int) -> list[Commit]:
    return [
        commit_to(store.pseudonym("north", f"pat-{i}"), facts=facts(), decisions=(decision(),)) for i in range(count)
    ]


def together(store: TwinStore, locked: Lock, wanted: list[Commit]) -> list[int | type[TwinlineError]]:
    """Commit so that all but the first find themselves in one group."""
    with ThreadPoolExecutor(len(wanted)) as pool:
        with locked():
            waiting = [pool.submit(outcome, store, commit) for commit in wanted]
            sleep(0.2)
        return [one.result() for one in waiting]


def test_a_locked_database_fails_everybody_who_waits_and_then_works_again(store: SqlStore, locked: Lock) -> None:
    wanted = commits(store, 6)
    with locked():
        with ThreadPoolExecutor(6) as pool:
            begin = monotonic()
            assert set(pool.map(lambda commit: outcome(store, commit), wanted)) == {DependencyDown}
            assert monotonic() - begin < 5
        with pytest.raises(DependencyDown):
            store.ready()
        assert list(store.journal()) == []  # reading goes on
    store.ready()
    assert [outcome(store, commit) for commit in wanted] == [1] * 6


def test_errors_of_the_database_hold_no_values(store: SqlStore, locked: Lock) -> None:
    patient = store.pseudonym("north", "pat-1")
    with locked(), pytest.raises(DependencyDown) as caught:
        store.commit(commit_to(patient, facts=facts(name="Ada Marker")))
    assert patient not in f"{caught.value} {caught.value.__cause__}"


def test_a_job_that_the_database_refuses_takes_no_other_down(store: SqlStore, locked: Lock) -> None:
    good, poison = commits(store, 7), 2**70 >> 7  # an integer that fits the payload, but no column
    wanted = [*good[:3], replace(good[3], decisions=(replace(decision(), tier=poison),)), *good[4:]]
    assert together(store, locked, wanted) == [1, 1, 1, BadRequest, 1, 1, 1]
    assert known_of(store, good[3].patient) == (0, 0)
    assert [entry.number for entry in store.journal()] == list(range(1, 7))
    assert store.verify().broken_at is None


def test_a_broken_constraint_takes_no_other_down(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path)
    edit(
        tmp_path,
        "CREATE TRIGGER refuse BEFORE INSERT ON log WHEN NEW.topic = 'refused' BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    wanted = [replace(one, feedback=(feedback(str(i)),)) for i, one in enumerate(commits(store, 5))]
    wanted[2] = replace(wanted[2], decisions=(decision(), decision(topic="refused")))
    outcomes = together(store, lambda: sqlite_locked(tmp_path / "twinline.sqlite"), wanted)
    assert outcomes == [1, 1, Conflict, 1, 1]
    assert tuple(store.segments(wanted[2].patient)) == ()
    assert len(list(store.journal())) == 8
    assert store.verify().broken_at is None
    store.close()


def test_jobs_that_conflict_take_no_other_down(store: SqlStore, locked: Lock) -> None:
    wanted = commits(store, 4)
    rival = replace(wanted[1], decisions=(decision(),))
    outcomes = together(store, locked, [*wanted[:2], rival, *wanted[2:]])
    assert sorted(map(str, outcomes)) == sorted(map(str, [1, 1, Conflict, 1, 1]))
    assert [entry.number for entry in store.journal()] == [1, 2, 3, 4]


def test_the_same_feedback_in_one_group_is_written_once(store: SqlStore, locked: Lock) -> None:
    wanted = [commit_to("", feedback=(feedback("a"),)) for _ in range(5)]
    assert together(store, locked, wanted) == [0] * 5
    assert len(list(store.journal())) == 1


def test_closing_waits_for_what_was_taken(url: str, locked: Lock) -> None:
    migrate(url)
    store = SqlStore(url, vault())
    wanted = commits(store, 5)
    with ThreadPoolExecutor(6) as pool:
        with locked():
            waiting = [pool.submit(outcome, store, commit) for commit in wanted]
            sleep(0.2)
            closing_down = pool.submit(store.close)
        closing_down.result()
        assert [one.result() for one in waiting] == [1] * 5
    again = SqlStore(url, vault())
    assert len(list(again.journal())) == 5
    again.close()


def test_more_than_the_queue_holds_is_refused_at_once(url: str, locked: Lock) -> None:
    migrate(url)
    store = SqlStore(url, vault(), room=2)
    first, *wanted = commits(store, 4)
    with ThreadPoolExecutor(3) as pool:
        with locked():
            waiting = [pool.submit(outcome, store, first)]
            sleep(0.2)  # the writer has taken it and waits for the lock
            waiting += [pool.submit(outcome, store, commit) for commit in wanted[:2]]
            sleep(0.2)
            spent = []
            for _ in range(3):  # the lock is held all the time; a machine that stalls once says nothing
                begin = monotonic()
                assert outcome(store, wanted[2]) is DependencyDown
                spent.append(monotonic() - begin)
            assert min(spent) < 0.1
        assert [one.result() for one in waiting] == [1] * 3
    assert store.commit(wanted[2]) == 1
    store.close()


@pytest.mark.parametrize("pages", [0, 8])
def test_a_full_disk_is_said_and_gets_over(tmp_path: Path, pages: int) -> None:
    store = sqlite_store(tmp_path)
    patient = store.pseudonym("north", "pat-1")
    append(store, patient, facts=facts(10))
    size = (tmp_path / "twinline.sqlite-wal").stat().st_size
    big = commit_to(patient, known=(1, 0), facts=facts(3000), decisions=(decision(),))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + pages * 4120, hard))  # no file may grow: as good as a full disk
    try:
        with pytest.raises(DependencyDown):
            store.commit(big)
        for _ in range(2):  # also where there is room for little
            with pytest.raises(DependencyDown):
                store.ready()
        assert known_of(store, patient) == (1, 0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    store.ready()
    assert store.commit(big) == 2
    assert store.verify().broken_at is None
    store.close()


def test_a_read_only_database_can_be_read_and_says_that_it_cannot_be_written(tmp_path: Path) -> None:
    writable = sqlite_store(tmp_path)
    patient = writable.pseudonym("north", "pat-1")
    append(writable, patient, facts=facts())
    store = SqlStore(f"sqlite:///file:{tmp_path / 'twinline.sqlite'}?mode=ro&uri=true", vault())
    assert known_of(store, patient) == (1, 0)
    with pytest.raises(DependencyDown):
        store.ready()
    with pytest.raises(DependencyDown):
        store.commit(commit_to(patient, known=(1, 0), facts=facts()))
    store.close()
    writable.close()


@pytest.mark.postgres
def test_a_server_that_drops_its_connections_is_reached_again(postgres_url: str) -> None:
    migrate(postgres_url)
    store = SqlStore(postgres_url, vault())
    patient = store.pseudonym("north", "pat-1")
    append(store, patient, facts=facts())
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(DROP_CONNECTIONS)
        assert append(store, patient, facts=facts()) == 2
        admin.execute(b"ALTER DATABASE " + store_name(postgres_url) + b" SET default_transaction_read_only = on")
        admin.execute(DROP_CONNECTIONS)
        with pytest.raises(DependencyDown):
            store.ready()
        with pytest.raises(DependencyDown):
            store.commit(commit_to(patient, known=(2, 0), facts=facts()))
        assert len(store.segments(patient)) == 2
        admin.execute("SET default_transaction_read_only = off")
        admin.execute(b"ALTER DATABASE " + store_name(postgres_url) + b" RESET default_transaction_read_only")
        admin.execute(DROP_CONNECTIONS)
    assert append(store, patient, facts=facts()) == 3
    store.close()


def store_name(url: str) -> bytes:
    return (make_url(url).database or "").encode()


@pytest.mark.postgres
def test_a_server_that_is_not_there_is_a_dependency_down(tmp_path: Path) -> None:
    url = f"postgresql://postgres@/none?host={tmp_path}"
    store = SqlStore(url, vault(), patience_s=0.3)
    for attempt in (store.ready, lambda: store.segments("x"), store.verify, lambda: migrate(url)):
        with pytest.raises(DependencyDown):
            attempt()
    store.close()


def test_another_master_key_cannot_write_into_the_log(tmp_path: Path) -> None:
    from cds_app.adapters.sealed.vault import Vault

    store = sqlite_store(tmp_path)
    append(store, store.pseudonym("north", "pat-1"), decisions=(decision(),))
    store.close()
    other = SqlStore(f"sqlite:///{tmp_path / 'twinline.sqlite'}", Vault(bytes(32)))
    with pytest.raises(IntegrityError):
        other.ready()
    with pytest.raises(IntegrityError):
        append(other, other.pseudonym("north", "pat-1"), facts=facts())
    other.close()


def test_a_backup_is_whole_while_others_write(tmp_path: Path) -> None:
    store, copies = sqlite_store(tmp_path), tmp_path / "copies"
    url = read_url(f"sqlite:///{tmp_path / 'twinline.sqlite'}")
    copies.mkdir()
    names = [store.pseudonym("north", f"pat-{i}") for i in range(3)]

    def write(name: str) -> None:
        for _ in range(20):
            append(store, name, facts=facts(), decisions=(decision(),))

    with ThreadPoolExecutor(3) as pool:
        writing = [pool.submit(write, name) for name in names]
        sleep(0.05)
        copy_sqlite(url, copies / "twinline.sqlite")
        for one in writing:
            one.result()
    restored = SqlStore(f"sqlite:///{copies / 'twinline.sqlite'}", vault())
    verdict = restored.verify()
    assert verdict.broken_at is None
    assert sum(len(restored.segments(name)) for name in names) == verdict.entries
    restored.ready()
    restored.close()
    assert (copies / "twinline.sqlite").stat().st_mode & 0o777 == 0o600
    with pytest.raises(SettingsError, match="already"):
        copy_sqlite(url, copies / "twinline.sqlite")
    with pytest.raises(DependencyDown):
        copy_sqlite(url, tmp_path / "nowhere" / "copy.sqlite")
    with pytest.raises(DependencyDown, match="reached"):
        copy_sqlite(read_url(f"sqlite:///{tmp_path / 'no-database'}"), tmp_path / "copy")
    assert not (tmp_path / "no-database").exists()
    store.close()


def test_postgresql_has_its_own_tools_for_backups(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="pg_dump"):
        copy_sqlite(read_url("postgresql://somewhere/twinline"), tmp_path / "copy")


def test_a_commit_returns_when_the_disk_has_it(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/one.sqlite")
    with database.writing.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    database.close()
