"""``twinline doctor``: finds what is wrong, says how to mend it, and changes nothing."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cds_app.commands.clients import clients
from cds_app.commands.doctor import doctor, standing_of
from cds_app.commands.running import free_port
from cds_app.databases import store_of
from cds_app.errors import SettingsError
from cds_app.ports import Commit
from cds_app.services.sources.subscriptions import Heard
from cds_app.settings import Settings
from tests.stores import decision
from tests.trust import ec_key, key_set


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [one for one in os.environ if one.startswith("TWINLINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TWINLINE_PORT", str(free_port()))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(doctor, [*arguments])


def registered(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(key_set(ec_key("one")))
    made = CliRunner().invoke(
        clients, ["add", "ehr", "--iss", "https://ehr.example/r4", "--jwks", "keys.json", "--data-dir", "data"]
    )
    assert made.exit_code == 0, made.output


def test_a_new_machine_is_told_what_comes_and_nothing_is_made(tmp_path: Path) -> None:
    result = run("--data-dir", "data")
    assert result.exit_code == 0, result.output
    assert "database: none yet" in result.output
    assert not (tmp_path / "data").exists()


def test_an_installation_that_is_well_is_said_to_be(tmp_path: Path) -> None:
    registered(tmp_path)
    result = run("--data-dir", "data", "--log")
    assert result.exit_code == 0, result.output
    assert "clients: 1 may call" in result.output
    assert "decision log: 1 entries" in result.output
    assert "WRONG" not in result.output


def test_each_thing_that_is_wrong_comes_with_a_way_to_mend_it(tmp_path: Path) -> None:
    registered(tmp_path)
    assert CliRunner().invoke(clients, ["remove", "ehr", "--data-dir", "data"]).exit_code == 0
    (tmp_path / "data").chmod(0o755)
    result = run("--data-dir", "data", "--json")
    assert result.exit_code == 1
    wrong = {one["what"]: one["mend"] for one in json.loads(result.output) if not one["fine"]}
    assert "chmod 700 data" in wrong.values()
    assert any(what == "clients: nobody may call" for what in wrong)
    assert all(wrong.values())


def test_another_key_than_the_databases_is_noticed(tmp_path: Path) -> None:
    registered(tmp_path)
    key = tmp_path / "data" / "master.key"
    key.chmod(stat.S_IRUSR | stat.S_IWUSR)
    key.write_text("ab" * 32)
    result = run("--data-dir", "data")
    assert result.exit_code == 1
    assert "registers:" in result.output
    assert "mend: the key and the database do not belong together" in result.output


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda key: key.unlink(), "key: master_key: the database is there and its key file is not"),
        (lambda key: key.write_text("ab"), "key: master_key: must be 64 hexadecimal digits"),
        (lambda key: key.chmod(0o644), "key: master_key: the key file must not be open to others"),
    ],
)
def test_a_key_that_cannot_be_used_is_told_from_a_database_that_cannot(
    tmp_path: Path, spoil: Callable[[Path], object], said: str
) -> None:
    registered(tmp_path)
    key = tmp_path / "data" / "master.key"
    spoil(key)
    before = key.exists()
    result = run("--data-dir", "data")
    assert result.exit_code == 1
    assert said in result.output
    assert "mend: put data/master.key back" in result.output
    assert key.exists() == before


@pytest.mark.parametrize(
    ("name", "value", "said", "mend"),
    [
        ("DATABASE_URL", "mysql://h/n", "database_url: must be SQLite", "mend: correct TWINLINE_DATABASE_URL"),
        ("DATABASE_URL", "h/n", "postgresql://USER:PASSWORD@HOST/NAME", "mend: correct TWINLINE_DATABASE_URL"),
        ("MASTER_KEY", "ab", "key: master_key: must be 64 hexadecimal", "mend: set TWINLINE_MASTER_KEY"),
        ("MASTER_KEY", "ab" * 32, "registers:", "do not belong together: set TWINLINE_MASTER_KEY"),
    ],
)
def test_a_setting_is_mended_where_it_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str, mend: str
) -> None:
    registered(tmp_path)
    monkeypatch.setenv(f"TWINLINE_{name}", value)
    result = run("--data-dir", "data")
    assert result.exit_code == 1
    assert said in result.output
    assert mend in result.output
    assert "master.key back" not in result.output


def test_no_new_key_is_made_for_a_database_that_has_lost_its_own(tmp_path: Path) -> None:
    registered(tmp_path)
    (tmp_path / "data" / "master.key").unlink()
    again = CliRunner().invoke(clients, ["list", "--data-dir", "data"])
    assert isinstance(again.exception, SettingsError)
    assert not (tmp_path / "data" / "master.key").exists()


def test_a_broken_site_mapping_is_mended_at_the_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINLINE_SITE_MAPPING", "site.json")
    result = run("--data-dir", "data")
    assert result.exit_code == 1
    assert "mend: twinline fabric check site.json" in result.output


def test_settings_that_cannot_be_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINLINE_TIMEZONE", "Mars/Olympus")
    result = run()
    assert result.exit_code == 1
    assert "timezone" in result.output
    assert "Mars" not in result.output


@contextmanager
def listening() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_port_that_another_program_has_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cds_app.commands.doctor._ASK_S", 0.2)
    with listening() as port:
        monkeypatch.setenv("TWINLINE_PORT", str(port))
        result = run("--data-dir", "data")
    assert result.exit_code == 1
    assert "taken by another program" in result.output


def test_a_subscription_is_well_when_it_has_shaken_hands_and_misses_nothing() -> None:
    silent, whole, behind = Heard(), Heard(shaken=True), Heard(shaken=True, number=3, gaps=((2, 3),))
    assert [standing_of("results", one).fine for one in (silent, whole, behind)] == [False, True, False]
    assert "handshake" in standing_of("results", silent).what
    assert "ingest subscriptions" in standing_of("results", behind).mend


@pytest.mark.parametrize(
    ("revision", "said", "mend"),
    [("0005", "of an older version", "db backup"), ("9999", "of a newer version", "upgrade")],
)
def test_tables_of_another_version_are_told_apart_by_what_is_to_be_done(
    tmp_path: Path, revision: str, said: str, mend: str
) -> None:
    registered(tmp_path)
    with closing(sqlite3.connect(tmp_path / "data" / "twinline.sqlite", isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    wrong = {
        one["what"]: one["mend"] for one in json.loads(run("--data-dir", "data", "--json").output) if not one["fine"]
    }
    assert mend in wrong[f"database: tables {said}"]


@pytest.mark.parametrize(("ahead", "fine"), [(timedelta(0), True), (timedelta(days=2), False)])
def test_a_clock_behind_the_decision_log_is_found(tmp_path: Path, ahead: timedelta, fine: bool) -> None:
    registered(tmp_path)
    store = store_of(Settings(data_dir=tmp_path / "data"))
    patient, now = store.pseudonym("local", "p1"), datetime.now(UTC)
    made = replace(decision(), at=now + ahead)
    store.commit(Commit(patient=patient, segments_known=0, entries_known=0, learned=now, decisions=(made,)))
    store.close()
    found = {one["what"]: one for one in json.loads(run("--data-dir", "data", "--json").output)}
    said = "clock: not behind the decision log" if fine else "clock: behind what is in the decision log"
    assert found[said]["fine"] is fine
    for way in ("NTP", "--simulated-time", "`twinline db restore`", "--data-dir"):
        assert way in found[said]["mend"]
