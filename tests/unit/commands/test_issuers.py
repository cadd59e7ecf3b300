"""``twinline issuers`` and ``twinline keys``: records are added, shown and removed; secrets are never shown."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cds_app.commands.audit import audit
from cds_app.commands.clients import clients
from cds_app.commands.issuers import issuers
from cds_app.commands.keys import keys
from cds_app.databases import cabinet_of
from cds_app.errors import IntegrityError, NotFound, SettingsError
from cds_app.services.smart.signing import LEAD, OVERLAP
from cds_app.settings import ISSUER_SECRET, Settings
from tests.conftest import FrozenClock
from tests.trust import ec_key, key_set

BASE = ("--iss", "https://ehr.example/fhir/", "--client-id", "twinline-north")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*words: str, **environ: str) -> Result:
    group = {"issuers": issuers, "keys": keys, "clients": clients}[words[0]]
    return CliRunner().invoke(group, [*words[1:], "--data-dir", "home"], env=environ)


def ends(result: Result) -> list[str]:
    """What is said of each key after when it was made."""
    return [line.split("Z  ", 1)[1] for line in result.output.splitlines()]


def refused(*words: str, **environ: str) -> SettingsError:
    error = run(*words, **environ).exception
    assert isinstance(error, SettingsError)
    return error


def test_an_issuer_is_added_shown_and_removed() -> None:
    added = run("issuers", "add", "north", *BASE, "--frame", "https://ehr.example", "--scope", "openid")
    assert added.exit_code == 0
    assert added.stdout == "north may launch\n"
    assert "twinline keys new" in added.stderr
    assert run("issuers", "list").output.splitlines() == [
        "north",
        "  iss         https://ehr.example/fhir",
        "  client_id   twinline-north",
        "  method      private_key_jwt",
        "  alg         ES384",
        "  frames      https://ehr.example",
        "  scopes      openid",
    ]
    assert run("issuers", "remove", "north").output == "north may not launch any more\n"
    assert json.loads(run("issuers", "list", "--json").output) == []
    assert isinstance(run("issuers", "remove", "north").exception, NotFound)


def test_a_secret_comes_from_a_file_or_the_environment_and_is_never_shown() -> None:
    Path("secret").write_text("zqx-from-a-file\n", "utf-8")
    basic = ("--method", "client_secret_basic")
    assert run("issuers", "add", "one", *BASE, *basic, "--secret-file", "secret").exit_code == 0
    elsewhere = ("--iss", "https://b.example", "--client-id", "c", "--method", "client_secret_post")
    assert run("issuers", "add", "two", *elsewhere, **{ISSUER_SECRET: "zqx-from-outside"}).exit_code == 0
    shown = run("issuers", "list").output + run("issuers", "list", "--json").output
    assert "client_secret_post" in shown
    assert "zqx" not in shown
    assert (
        refused("issuers", "add", "three", "--iss", "https://c.example", "--client-id", "c", *basic).field == "secret"
    )


def test_a_file_that_is_no_secret_is_refused() -> None:
    Path("large").write_bytes(b"x" * 5000)
    Path("bytes").write_bytes(b"\xff\xfe")
    basic = (*BASE, "--method", "client_secret_basic", "--secret-file")
    for name in ("large", "bytes"):
        assert refused("issuers", "add", "one", *basic, name).field == "secret"


def test_there_is_no_option_for_a_secret() -> None:
    assert run("issuers", "add", "one", *BASE, "--secret", "zqx").exit_code == 2


def test_the_client_must_be_registered_and_speak_for_the_tenant() -> None:
    assert refused("issuers", "add", "north", *BASE, "--client", "epic").field == "client"
    Path("keys.json").write_text(key_set(ec_key()), "utf-8")
    more = ("--iss", "https://ehr.example/r4", "--jwks", "keys.json", "--tenant", "t")
    assert run("clients", "add", "epic", *more).exit_code == 0
    assert refused("issuers", "add", "north", *BASE, "--client", "epic", "--tenant", "u").field == "tenant"
    assert run("issuers", "add", "north", *BASE, "--client", "epic", "--tenant", "t").exit_code == 0


def test_a_mistyped_folder_is_no_empty_register() -> None:
    for words in (("issuers", "list"), ("issuers", "remove", "x"), ("keys", "list"), ("keys", "rotate")):
        assert refused(*words).field == "data_dir"
    assert not Path("home").exists()


def test_keys_are_made_shown_and_rotated(clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cds_app.commands.keys.SystemClock", lambda: clock)
    made = run("keys", "new").output.splitlines()
    assert [line.split()[0] for line in made] == ["ES384", "RS384"]
    assert all(line.endswith("in use") for line in made)
    assert "rotate" in refused("keys", "new").message
    clock.forward(hours=1)
    until = clock.now() + OVERLAP
    assert run("keys", "rotate").exit_code == 0
    new = [f"in use from {clock.now() + LEAD:%H:%M}Z"] * 2
    old = f"published until {until:%Y-%m-%d %H:%M}Z"
    assert ends(run("keys", "list")) == [f"in use, {old}", f"in use, {old}", *new]
    clock.forward(seconds=LEAD.total_seconds())
    assert ends(run("keys", "list")) == [old, old, "in use", "in use"]
    document = json.loads(run("keys", "list", "--json").output)
    assert len(document["keys"]) == 4
    assert "d" not in {name for key in document["keys"] for name in key}


def test_every_change_is_in_the_log() -> None:
    assert run("issuers", "add", "north", *BASE).exit_code == 0
    assert run("issuers", "remove", "north").exit_code == 0
    assert run("keys", "new").exit_code == 0
    told = [line.split()[2:] for line in run("issuers", "history").output.splitlines()]
    assert told == [["written", "north"], ["removed", "north"]]
    verified = CliRunner().invoke(audit, ["verify", "--data-dir", "home"])
    assert verified.output == "4 entries, unbroken\n"


@pytest.mark.parametrize("group", ["issuers", "keys"])
def test_what_was_removed_and_put_back_by_hand_is_found(group: str) -> None:
    assert run("issuers", "add", "north", *BASE).exit_code == 0
    assert run("keys", "new").exit_code == 0
    with cabinet_of(Settings(data_dir=Path("home"))) as cabinet:
        now = datetime.now(UTC)
        kind = "issuer" if group == "issuers" else "signing-key"
        with closing(sqlite3.connect("home/twinline.sqlite", isolation_level=None)) as other:
            other.execute("CREATE TABLE kept AS SELECT * FROM documents")
            for one in cabinet.all(kind, now):
                assert cabinet.take(kind, one.name, now)
            other.execute("INSERT OR IGNORE INTO documents SELECT * FROM kept")
    assert isinstance(run(group, "list").exception, IntegrityError)
