"""The command line: help, versions, exit statuses, and one line instead of a traceback."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cds_app import __main__, __version__, deps
from cds_app.adapters.sql.store import SqlStore
from cds_app.commands import learners
from cds_app.commands.erase import erase
from cds_app.commands.running import free_port
from cds_app.commands.serve import environment_of
from cds_app.content import content_root, latest
from cds_app.errors import (
    BadRequest,
    Conflict,
    ContentError,
    DataError,
    DependencyDown,
    IntegrityError,
    NotFound,
    SettingsError,
    TwinlineError,
)
from cds_app.learn.hours import training
from cds_app.settings import load_settings
from tests.stores import append, decision, edit, facts, sqlite_store


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No twinline.toml of the checkout, no settings of the developer."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TWINLINE_MASTER_KEY", bytes(range(32)).hex())


@pytest.fixture
def store(tmp_path: Path) -> SqlStore:
    made = sqlite_store(tmp_path)
    append(made, made.pseudonym("local", "p1"), facts=facts(2), decisions=(decision(id="one"),))
    made.close()
    return made


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int | str | None, str, str]:
    """Status, output and errors of the command, as a shell would see them."""
    monkeypatch.setattr(sys, "argv", ["twinline", *words])
    with pytest.raises(SystemExit) as caught:
        __main__.main()
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return caught.value.code, out, err


class Shell:
    """Runs commands in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._fixtures = (monkeypatch, capsys)

    def __call__(self, *words: str) -> tuple[int | str | None, str, str]:
        return run(*self._fixtures, *words)


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(monkeypatch, capsys)


def test_help_lists_every_command_and_imports_none_of_them() -> None:
    program = (
        "import sys; from cds_app import __main__\n"
        "try: __main__.twinline(['--help'])\n"
        "except SystemExit: print([name for name in sys.modules if name.startswith('cds_app.commands.')])"
    )
    root = Path(__main__.__file__).resolve().parents[1]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    names = __main__.twinline.list_commands(click.Context(__main__.twinline))
    assert [name for name in names if f"\n  {name} " not in done.stdout] == []
    assert done.stdout.endswith("[]\n")


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(click.Context(group)):
        found = group.get_command(click.Context(group), name)
        assert found is not None
        yield from commands(found, f"{path} {name}") if isinstance(found, click.Group) else [(f"{path} {name}", found)]


def test_every_command_and_option_explains_itself() -> None:
    for path, command in commands(__main__.twinline):
        assert command.help, path
        options = [one for one in command.params if isinstance(one, click.Option)]
        assert [(path, one.name) for one in options if not one.help] == []


def test_every_command_is_listed_with_a_whole_sentence_on_a_narrow_terminal(shell: Shell) -> None:
    groups = [name for name in __main__.twinline.list_commands(click.Context(__main__.twinline)) if is_group(name)]
    told = {name: shell(name, "--help")[1].partition("Commands:")[2] for name in groups}
    cut = [(name, line) for name, text in told.items() for line in text.splitlines() if line.endswith("...")]
    assert len(groups) > 8
    assert cut == []


def is_group(name: str) -> bool:
    return isinstance(__main__.twinline.get_command(click.Context(__main__.twinline), name), click.Group)


def test_every_example_can_be_asked_like_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click.Path, "convert", lambda kind, value, param, ctx: Path(value))
    known = dict(commands(__main__.twinline))
    lines = [line.strip() for one in known.values() for line in (one.epilog or "").splitlines()[2:]]
    assert len(lines) > 20
    for line in lines:
        program, *words = shlex.split(line)
        depth = next(n for n in (2, 1) if "".join(f" {one}" for one in words[:n]) in known)
        path = "".join(f" {one}" for one in words[:depth])
        assert program == "twinline"
        known[path].make_context(path, words[depth:])


def test_versions_of_package_models_drugs_and_database_are_told(shell: Shell) -> None:
    status, out, _ = shell("--version")
    package, models, drugs, schema = out.splitlines()
    assert (status, package) == (0, f"twinline, version {__version__}")
    assert f"sepsis {latest('sepsis').version}" in models.removeprefix("models: ").split(", ")
    assert f"vancomycin {latest('pkpd/vancomycin').version}" in drugs.removeprefix("drugs: ").split(", ")
    assert re.fullmatch(r"database schema: \d{4}", schema)


def test_the_content_of_the_checkout_is_whole(shell: Shell) -> None:
    status, out, _ = shell("content", "check")
    assert status == 0
    names = [line.split()[0] for line in out.splitlines()]
    assert names == sorted(names)
    assert {"hooks", "templates/cards", "models/sepsis"} <= set(names)


def test_content_with_a_model_that_is_not_what_was_trained_is_status_4(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = content_root()
    for name in ("hooks", "templates"):
        (tmp_path / name).symlink_to(whole / name)
    shutil.copytree(whole / "models", tmp_path / "models", copy_function=os.symlink)
    spoilt = latest("sepsis", root=tmp_path).root / "model.ubj"
    spoilt.unlink()
    spoilt.write_bytes(b"another")
    monkeypatch.setattr(deps, "content_root", lambda: tmp_path)
    status, out, err = shell("content", "check", "--json")
    assert (status, "models/sepsis" in json.loads(out)) == (4, False)
    assert "not what was trained: sepsis" in err


@pytest.mark.parametrize("data_dir", ["a-file", "a-file/below"])
def test_a_folder_that_cannot_be_made_is_status_2(shell: Shell, tmp_path: Path, data_dir: str) -> None:
    (tmp_path / "a-file").touch()
    status, _, err = shell("keys", "new", "--data-dir", data_dir)
    assert (status, "data_dir" in err) == (2, True)


@pytest.mark.usefixtures("store")
def test_every_example_of_switch_does_what_it_says(shell: Shell, tmp_path: Path) -> None:
    epilog = dict(commands(__main__.twinline))[" switch"].epilog or ""
    for line in epilog.splitlines()[2:]:
        assert shell(*shlex.split(line)[1:], "--data-dir", str(tmp_path))[0] == 0, line


@pytest.mark.parametrize(
    "words", ["nonsense", "decision nonsense", "serve --port many", "decision show", "erase", "replay no-such-file"]
)
def test_misuse_is_status_2(shell: Shell, words: str) -> None:
    assert shell(*words.split())[0] == 2


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("COLOUR", "red", "colour"),
        ("PORT", "many", "port"),
        ("HOST", "0.0.0.0", "host: "),  # noqa: S104 - what is to be refused
        ("TIMEZONE", "Mars/Olympus", "timezone"),
        ("MASTER_KEY", "short", "master_key"),
        ("DATABASE_URL", "mysql://x", "database_url"),
    ],
)
def test_a_setting_that_is_unknown_or_unsafe_is_status_2(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str, said: str
) -> None:
    (tmp_path / "twinline.sqlite").touch()
    monkeypatch.setenv(f"TWINLINE_{name}", value)
    status, _, err = shell("audit", "verify", "--data-dir", str(tmp_path))
    assert status == 2
    assert said in err
    assert value not in err


def test_a_setting_in_the_file_is_read_and_a_broken_file_is_status_2(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "twinline.toml").write_text('timezone = "Nowhere/Else"', "utf-8")
    assert "timezone" in shell("content", "check")[2]
    (tmp_path / "twinline.toml").write_text("timezone =", "utf-8")
    assert shell("content", "check")[0] == 2


@pytest.mark.parametrize(
    "words", ["train sepsis --data D --out sepsis/1.1.0", "evaluate sepsis --data D --predictions P --json J"]
)
def test_a_file_that_is_no_table_is_status_2(shell: Shell, tmp_path: Path, words: str) -> None:
    (tmp_path / "D").write_bytes(b"\0pid,ICULOS\np1,1\n")
    status, _, err = shell(*words.split())
    assert (status, err) == (2, "twinline: cannot be read as a Parquet file or as text in columns (data)\n")


@pytest.mark.parametrize(
    "words",
    [
        "clients list",
        "clients remove x",
        "audit verify",
        "decision list",
        "decision replay one",
        "db backup copy.sqlite",
    ],
)
def test_a_folder_without_a_database_is_status_2_and_stays_so(shell: Shell, tmp_path: Path, words: str) -> None:
    status, _, err = shell(*words.split(), "--data-dir", str(tmp_path / "typo"))
    assert (status, "no database" in err) == (2, True)
    assert not (tmp_path / "typo").exists()


def test_a_store_that_is_not_there_is_status_3(shell: Shell, tmp_path: Path) -> None:
    url = f"postgresql://postgres@/none?host={tmp_path}"
    assert shell("audit", "verify", "--data-dir", str(tmp_path), "--database-url", url)[0] == 3


@pytest.mark.usefixtures("store")
def test_the_log_is_shown_and_checked(shell: Shell, tmp_path: Path) -> None:
    home = ("--data-dir", str(tmp_path))
    assert shell("audit", "verify", *home)[:2] == (0, "1 entries, unbroken\n")
    status, out, _ = shell("decision", "list", *home)
    assert (status, out.split()[-1]) == (0, "one")
    assert '"seed": "7"' in shell("decision", "show", "one", *home)[1]
    status, _, err = shell("decision", "show", "two", *home)
    assert (status, err) == (1, "twinline: the log has no such decision (decision)\n")
    assert shell("decision", "replay", "two", *home)[0] == 1


@pytest.mark.usefixtures("store")
def test_machines_read_the_same_as_people(shell: Shell, tmp_path: Path) -> None:
    home = ("--data-dir", str(tmp_path))
    assert json.loads(shell("audit", "verify", "--json", *home)[1]) == {"broken_at": None, "entries": 1, "problem": ""}
    line = shell("decision", "list", *home)[1]
    told = json.loads(shell("decision", "list", "--json", *home)[1])
    assert (told["uuid"], told["number"]) == ("one", 1)
    assert all(str(told[name]) in line for name in ("service", "topic", "tier", "state"))
    assert json.loads(shell("switch", "--list", "--json", *home)[1]) == {"standing": [], "turns": []}
    edit(tmp_path, "UPDATE log SET topic = 'changed'")
    status, out, err = shell("audit", "verify", "--json", *home)
    assert (status, json.loads(out)["broken_at"]) == (4, 1)
    assert "a row was changed" in err


@pytest.mark.usefixtures("store")
def test_a_changed_log_is_status_4(shell: Shell, tmp_path: Path) -> None:
    edit(tmp_path, "UPDATE log SET topic = 'changed'")
    status, _, err = shell("audit", "verify", "--data-dir", str(tmp_path))
    assert (status, err) == (4, "twinline: entry 1: a row was changed\n")


@pytest.mark.usefixtures("store")
def test_another_key_is_status_4(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINLINE_MASTER_KEY", "ab" * 32)
    assert shell("audit", "verify", "--data-dir", str(tmp_path))[0] == 4


@pytest.mark.usefixtures("store")
def test_a_patient_is_erased_once_it_is_confirmed(shell: Shell, tmp_path: Path) -> None:
    home = ("--data-dir", str(tmp_path))
    refused = CliRunner().invoke(erase, ["--patient", "p1", *home], input="n\n")
    assert refused.exit_code == 1
    assert "one" in shell("decision", "list", *home)[1]
    assert shell("erase", "--patient", "nobody", "--yes", *home)[0] == 1
    assert shell("erase", "--patient", "p1", "--yes", *home)[:2] == (0, "erased\n")
    assert shell("decision", "list", *home)[:2] == (0, "")
    status, _, err = shell("decision", "show", "one", *home)
    assert (status, err) == (1, "twinline: the patient of this decision was erased (decision)\n")
    assert shell("audit", "verify", *home)[:2] == (0, "2 entries, unbroken\n")


@pytest.mark.usefixtures("store")
def test_a_backup_is_made_once(shell: Shell, tmp_path: Path) -> None:
    home = ("--data-dir", str(tmp_path))
    copies = tmp_path / "copies"
    copies.mkdir()
    target = str(copies / "twinline.sqlite")
    assert shell("db", "backup", target, *home)[:2] == (0, f"{target}\n")
    assert shell("db", "backup", target, *home)[0] == 2
    assert shell("audit", "verify", "--data-dir", str(copies))[:2] == (0, "1 entries, unbroken\n")


@pytest.mark.usefixtures("store")
def test_a_backup_of_an_older_twinlines_database_leaves_both_as_they_are(shell: Shell, tmp_path: Path) -> None:
    edit(tmp_path, "DROP TABLE mentions", "UPDATE alembic_version SET version_num = '0005'")
    copies = tmp_path / "copies"
    copies.mkdir()
    assert shell("db", "backup", str(copies / "twinline.sqlite"), "--data-dir", str(tmp_path))[0] == 0
    for folder in (tmp_path, copies):
        with closing(sqlite3.connect(folder / "twinline.sqlite")) as connection:
            assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0005",)]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TwinlineError("x"), 1),
        (BadRequest("x"), 1),
        (NotFound("x"), 1),
        (ContentError("x"), 1),
        (SettingsError("x"), 2),
        (DataError("x"), 2),
        (DependencyDown("x"), 3),
        (Conflict("x"), 3),
        (IntegrityError("x"), 4),
    ],
)
def test_every_error_has_its_status(error: TwinlineError, status: int) -> None:
    assert __main__._status(error) == status


def test_workers_get_every_setting_even_one_that_a_flag_put_back_to_its_default(tmp_path: Path) -> None:
    (tmp_path / "twinline.toml").write_text('data_dir = "of-the-file"\nfhir_servers = ["https://a.example"]\n', "utf-8")
    served = load_settings({"data_dir": "twinline-data"}, {}, tmp_path / "twinline.toml")
    worker = load_settings(environ=environment_of(served), file=tmp_path / "twinline.toml")
    assert worker == served


def test_a_free_port_is_free() -> None:
    assert 1024 < free_port() < 65536


def test_a_model_that_is_trained_for_the_first_time_has_a_seed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked: list[tuple[str, Path, int]] = []
    data = tmp_path / "rows.parquet"
    data.touch()
    monkeypatch.setattr(learners, "content_root", lambda: tmp_path)
    monkeypatch.setattr(training, "train", lambda head, _, out, seed: asked.append((head.name, out, seed)))
    run(monkeypatch, capsys, "train", "aki", "--data", str(data))
    assert asked == [("aki", tmp_path / "models" / "aki" / "1.0.0", 0)]


def test_a_model_is_trained_again_in_the_folder_and_with_the_seed_of_the_one_that_is_shipped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked: list[tuple[Path, int]] = []
    data = tmp_path / "rows.parquet"
    data.touch()
    monkeypatch.setattr(training, "train", lambda _, __, out, seed: asked.append((out, seed)))
    run(monkeypatch, capsys, "train", "sepsis", "--data", str(data), "--overwrite")
    shipped = latest("sepsis")
    assert asked == [(shipped.root, shipped.manifest["seed"])]


@pytest.mark.usefixtures("store")
def test_a_restored_database_says_what_it_holds_and_who_may_call(shell: Shell, tmp_path: Path) -> None:
    home = ("--data-dir", str(tmp_path))
    target = str(tmp_path / "copy")
    assert shell("db", "backup", target, *home)[0] == 0
    assert shell("db", "restore", target, *home, "--database-url", "postgresql+psycopg://x/y", "--yes")[0] == 2
    assert shell("db", "restore", str(tmp_path / "nothing"), *home, "--yes")[0] == 2


@pytest.mark.parametrize(
    ("asked", "named"),
    [(("decision", "list", "--limit", "0"), "--limit"), (("demo", "--once", "--port", "99999"), "--port")],
)
def test_a_number_out_of_range_is_refused_by_its_option(asked: tuple[str, ...], named: str) -> None:
    found = CliRunner().invoke(__main__.twinline, list(asked))
    assert found.exit_code == 2
    assert f"Invalid value for '{named}'" in found.output
