"""``twinline clients``: records are added, shown and removed, and nothing doubtful gets in."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cds_app.commands.audit import audit
from cds_app.commands.clients import clients
from cds_app.databases import register_of
from cds_app.errors import IntegrityError, NotFound, SettingsError
from cds_app.services.callers.registration import check_callers
from cds_app.settings import Settings
from tests.trust import ec_key, key_set, rsa_key

ISS = ("--iss", "https://ehr.example/r4")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keys.json").write_text(key_set(ec_key(), rsa_key()), "utf-8")


def run(*words: str) -> Result:
    return CliRunner().invoke(clients, [*words, "--data-dir", "home"])


def refused(*words: str) -> SettingsError:
    error = run(*words).exception
    assert isinstance(error, SettingsError)
    return error


def test_a_client_is_added_shown_and_removed() -> None:
    more = ("--audience", "https://cds.example/x", "--tenant", "north", "--tenant", "south")
    assert run("add", "epic", *ISS, "--jwks", "keys.json", *more).output == "epic may call\n"
    assert run("add", "oracle", "--iss", "https://cds-hooks.example", "--jku", "https://a.example/jwk").exit_code == 0
    shown = run("list").output
    assert shown.splitlines() == [
        "epic",
        "  issuer      https://ehr.example/r4",
        "  keys        ec-1, rsa+1==",
        "  algorithms  ES384, RS384",
        "  audience    https://cds.example/x",
        "  tenant      north",
        "  tenant      south",
        "oracle",
        "  issuer      https://cds-hooks.example",
        "  keys        https://a.example/jwk",
        "  algorithms  ES384, RS384",
    ]
    told = json.loads(run("list", "--json").output)
    assert [(one["name"], one["keys"], one["tenants"]) for one in told] == [
        ("epic", ["ec-1", "rsa+1=="], ["north", "south"]),
        ("oracle", [], []),
    ]
    assert [one["what"] for one in json.loads(run("history", "--json").output)] == ["added", "added"]
    assert run("remove", "epic").output == "epic may not call any more\n"
    assert "no client is left" in run("remove", "oracle").output
    assert run("list").output == ""
    rows = [line.split()[2:] for line in run("history").output.splitlines()]
    assert rows == [["added", "epic"], ["added", "oracle"], ["removed", "epic"], ["removed", "oracle"]]
    verified = CliRunner().invoke(audit, ["verify", "--data-dir", "home"])
    assert verified.output == "4 entries, unbroken\n"


def test_a_record_that_was_removed_and_put_back_by_hand_is_found() -> None:
    assert run("add", "one", *ISS, "--jwks", "keys.json").exit_code == 0
    with closing(sqlite3.connect("home/twinline.sqlite", isolation_level=None)) as other:
        other.execute("CREATE TABLE kept AS SELECT * FROM clients")
        assert run("remove", "one").exit_code == 0
        other.execute("INSERT INTO clients SELECT * FROM kept")
    found = run("list")
    assert isinstance(found.exception, IntegrityError)
    assert "one" in found.exception.message


def test_old_signatures_are_agreed_on_by_name() -> None:
    Path("rsa.json").write_text(key_set(rsa_key()), "utf-8")
    assert run("add", "old", *ISS, "--jwks", "rsa.json", "--alg", "RS256").exit_code == 0
    assert "algorithms  RS256\n" in run("list").output
    assert run("add", "older", "--iss", "urn:x", "--jwks", "rsa.json", "--alg", "HS256").exit_code == 2


def test_a_name_and_an_issuer_are_taken_once() -> None:
    assert run("add", "one", *ISS, "--jwks", "keys.json").exit_code == 0
    assert "already" in refused("add", "two", *ISS, "--jwks", "keys.json").message
    assert "already" in refused("add", "one", "--iss", "urn:other", "--jwks", "keys.json").message


def test_a_client_that_is_not_there_cannot_be_removed() -> None:
    assert run("add", "one", *ISS, "--jwks", "keys.json").exit_code == 0
    assert isinstance(run("remove", "two").exception, NotFound)


def test_a_private_key_is_refused_and_not_repeated() -> None:
    Path("private.json").write_text(key_set(ec_key(), private=True), "utf-8")
    error = refused("add", "one", *ISS, "--jwks", "private.json")
    assert "private" in error.message
    assert str(json.loads(Path("private.json").read_text())["keys"][0]["d"]) not in str(error)
    assert not Path("home").exists()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{}", b" " * 300_000])
def test_a_file_that_is_no_key_set_is_refused(content: bytes) -> None:
    Path("wrong.json").write_bytes(content)
    assert refused("add", "one", *ISS, "--jwks", "wrong.json").field == "jwks"


def test_one_of_both_ways_to_have_keys_is_needed() -> None:
    assert refused("add", "one", *ISS).field == "jwks"
    both = ("--jwks", "keys.json", "--jku", "https://a.example/jwk")
    assert refused("add", "one", *ISS, *both).field == "jwks"


def test_a_service_without_clients_starts_only_if_told_what_that_means(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "home")
    with register_of(settings) as register:
        with pytest.raises(SettingsError, match="--open-to-this-machine"):
            check_callers(settings, register)
        check_callers(settings.model_copy(update={"open_to_this_machine": True}), register)
    assert run("add", "one", *ISS, "--jwks", "keys.json").exit_code == 0
    with register_of(settings) as register:
        check_callers(settings, register)
