"""What the documents name is there: commands with their options, settings, make targets, files, links, metrics."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cds_app.__main__ import twinline
from cds_app.adapters.metrics import PrometheusMeter
from cds_app.settings import Settings
from tests.service import ROOT

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "deploy").rglob("*.md"))]
_ROOMS = "|".join(sorted(one.name for one in (ROOT / "cds_app").iterdir() if (one / "__init__.py").is_file()))
_COMMAND = re.compile(r"`(twinline [^`]+)`|^\s*(?:\$ )?(twinline [a-z].+)$", re.MULTILINE)
_OPTION = re.compile(r"(?<!\S)--[a-z][a-z-]+")
_LINK = re.compile(r"\]\(([^)#\s:]+)[)#]")
_FILE = re.compile(rf"`((?:cds_app|tests|deploy|models|hooks|templates|{_ROOMS})/[\w./-]+)`")
_SETTING = re.compile(r"TWINLINE_[A-Z0-9_]+")
_TARGET = re.compile(r"`make ([a-z]+)")
_METRIC = re.compile(r"\btwinline_[a-z_]+")


def each(pattern: re.Pattern[str]) -> Iterator[tuple[Path, str]]:
    """What the documents name, and where."""
    for file in DOCUMENTS:
        for found in pattern.finditer(file.read_text("utf-8")):
            yield file, " ".join(next(filter(None, found.groups() or (found.group(),))).split())


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that words begin with, and those that are left."""
    command: click.Command = twinline
    context = click.Context(command)
    while isinstance(command, click.Group) and words and re.fullmatch("[a-z][a-z0-9-]*", words[0]):
        found = command.get_command(context, words[0])
        assert found is not None, words[0]
        command, words = found, words[1:]
    return command, words


def unknown_options(said: str) -> set[str]:
    """Options in a line that its command does not have."""
    command, words = command_of(said.split()[1:])
    if isinstance(command, click.Group):
        return set()
    return set(_OPTION.findall(" ".join(words))) - {name for one in command.params for name in one.opts} - {"--help"}


def test_every_command_exists_with_its_options() -> None:
    found = list(each(_COMMAND))
    assert len(found) > 100
    for file, said in found:
        assert not unknown_options(said), (file.name, said)


@pytest.mark.parametrize("said", ["twinline audit verify --quickly", "twinline clients add X --iss Y --jkw Z"])
def test_an_option_that_does_not_exist_is_found(said: str) -> None:
    assert unknown_options(said)


def test_every_link_leads_to_a_file() -> None:
    assert [(file.name, link) for file, link in each(_LINK) if not (file.parent / link).exists()] == []


def test_every_file_that_is_named_is_there() -> None:
    missing = [
        (file.name, name)
        for file, name in each(_FILE)
        if not any((root / f"{name}{end}").exists() for root in (ROOT, ROOT / "cds_app") for end in ("", ".py"))
    ]
    assert missing == []


def test_every_setting_is_one() -> None:
    known = {f"TWINLINE_{name.upper()}" for name in Settings.model_fields}
    beside = "".join((ROOT / name).read_text("utf-8") for name in ("Makefile", "deploy/compose.yaml"))
    ours = "".join(file.read_text("utf-8") for file in (ROOT / "cds_app" / "commands").glob("*.py"))
    assert [one for one in each(_SETTING) if one[1] not in known and one[1] not in beside + ours] == []


def test_every_make_target_is_one() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert {name for _, name in each(_TARGET)} <= set(targets)


def test_every_metric_is_counted() -> None:
    page = PrometheusMeter().page().decode()
    told = set(re.findall(r"^# TYPE (\w+) ", page, re.MULTILINE))
    assert {name for _, name in each(_METRIC)} <= told
