"""Commands of the learning extra: what is read is never written over, and a place to write is there before the work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cds_app.__main__ import twinline

COMMANDS = [
    "evaluate sepsis --data data.csv --predictions {} --json r.json",
    "evaluate sepsis --json {} --predictions p.parquet --data data.csv",
    "evaluate mortality --data data.csv --outcomes o.csv --predictions p.parquet --json {}",
    "evaluate imputation --json {} --data data.csv",
    "policy tune aki --json r.json --svg {} --data data.csv --budget 5",
    "impute --out {} --data data.csv",
]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("data.csv", "o.csv"):
        (tmp_path / name).write_text("pid,ICULOS\n")


def asked(words: Sequence[str]) -> Result:
    return CliRunner().invoke(twinline, [*words])


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("place", ["data.csv", "link.csv"])
def test_a_file_that_is_read_is_not_written_over(tmp_path: Path, command: str, place: str) -> None:
    (tmp_path / "link.csv").symlink_to(tmp_path / "data.csv")
    told = asked(command.format(place).split())
    assert (told.exit_code, "names the same file" in told.output) == (2, True), told.output


def test_nor_is_one_output_by_another() -> None:
    told = asked(["evaluate", "sepsis", "--data", "data.csv", "--predictions", "x", "--json", "x"])
    assert (told.exit_code, "names the same file" in told.output) == (2, True), told.output


@pytest.mark.parametrize("command", COMMANDS)
def test_a_place_that_cannot_be_written_to_is_refused_before_the_work(command: str) -> None:
    told = asked(command.format("no-such-folder/out").split())
    assert (told.exit_code, "can be written to" in told.output) == (2, True), told.output


@pytest.mark.parametrize("command", COMMANDS)
def test_a_new_file_and_a_device_are_let_through_to_the_data(command: str) -> None:
    for place in ("new", "/dev/null"):
        told = asked(command.format(place).split())
        assert "Usage:" not in told.output, told.output


TRAINED = ["sepsis", "aki", "twin", "warfarin-dose", "mortality --outcomes o.csv", "imputation"]


@pytest.mark.parametrize("head", TRAINED)
def test_a_version_that_is_there_is_written_over_only_when_asked_to(head: str, tmp_path: Path) -> None:
    name = head.split(maxsplit=1)[0].replace("-", "_")
    (tmp_path / name / "1.0.0").mkdir(parents=True)
    (manifest := tmp_path / name / "1.0.0" / "manifest.json").write_text("{}")
    command = ["train", *head.split(), "--data", "data.csv"]
    for place in ([], ["--out", f"{name}/1.0.0"]):
        told = asked([*command, *place])
        assert (told.exit_code, "is there already" in told.output) == (2, True), told.output
    for place in (["--out", f"{name}/1.0.0", "--overwrite"], ["--out", f"{name}/1.1.0"]):
        assert "Usage:" not in asked([*command, *place]).output
    assert manifest.read_text() == "{}"


@pytest.mark.parametrize("place", ["out", "other/1.0.0", "sepsis/new", "sepsis"])
def test_a_folder_in_which_no_model_would_be_found_is_refused_before_the_work(place: str) -> None:
    told = asked(["train", "sepsis", "--data", "data.csv", "--out", place])
    assert (told.exit_code, "must end in sepsis/VERSION" in told.output) == (2, True), told.output
