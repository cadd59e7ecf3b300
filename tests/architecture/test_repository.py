"""Rules for what may lie in the repository at all."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

import cds_app

ROOT = Path(__file__).resolve().parents[2]
MAX_LINES = 400

# Written in halves, so that this file does not break its own rules.
REGISTRIES = (
    "pypi" + ".org",
    "python" + "hosted.org",
    "registry." + "npmjs",
    "deb." + "debian",
    "conda." + "anaconda",
)
MACHINE_PATHS = (
    "/work" + "/main",
    "/work" + "/shared",
    "/work" + "/.library",
    "/ro" + "ot/",
    "/Us" + "ers/",
    "/opt/py" + "pi",
)
UNFINISHED = ("Not" + "ImplementedError", "TO" + "DO", "FIX" + "ME", "XX" + "X")


def repository_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [path for name in sorted(filter(None, listing.split("\0"))) if (path := ROOT / name).is_file()]


def text_of(path: Path) -> str:
    return path.read_bytes().decode("utf-8", errors="replace")


def files_with(words: tuple[str, ...], *, only: str = "") -> list[str]:
    files = (path for path in repository_files() if path.name.endswith(only))
    return [f"{path.relative_to(ROOT)}: {word}" for path in files for word in words if word in text_of(path)]


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def lock_entries() -> list[str]:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def normalised(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name is not None, requirement
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def test_no_file_names_a_package_registry() -> None:
    assert files_with(REGISTRIES) == []


def test_no_file_holds_a_path_of_somebodys_machine() -> None:
    assert files_with(MACHINE_PATHS) == []


def test_no_code_is_left_unfinished() -> None:
    assert files_with(UNFINISHED, only=".py") == []


def test_modules_are_short_enough_to_be_read_at_one_sitting() -> None:
    lengths = {path: text_of(path).count("\n") for path in repository_files() if path.suffix == ".py"}
    assert {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > MAX_LINES} == {}


def test_every_locked_package_has_one_version_and_its_hashes_and_nothing_else() -> None:
    entry = re.compile(r"[a-z0-9._-]+==[^\s;]+\s+(?:;[^#]*?\s+)?(?:--hash=sha256:[0-9a-f]{64}\s*)+")
    assert [line[:60] for line in lock_entries() if not entry.fullmatch(line)] == []


def test_every_declared_dependency_is_locked() -> None:
    project = pyproject()["project"]
    extras = [name for key, extra in project["optional-dependencies"].items() if key != "deep" for name in extra]
    declared = {normalised(requirement) for requirement in [*project["dependencies"], *extras]}
    assert declared - {normalised(line) for line in lock_entries()} == set()


def test_torch_is_in_no_lock() -> None:
    assert {normalised(line) for line in lock_entries()} & {"torch", "tensorflow", "jax"} == set()


def test_the_package_says_the_version_that_is_built() -> None:
    assert cds_app.__version__ == pyproject()["project"]["version"]


@pytest.mark.parametrize("name", [".ci/run"])
def test_scripts_can_be_run(name: str) -> None:
    assert os.access(ROOT / name, os.X_OK)


def test_no_test_leans_on_another() -> None:
    """What several need stands in a module that holds no tests."""
    leaning = re.compile(r"^from tests\.[\w.]*\b(test_\w+) import", re.MULTILINE)
    files = list((ROOT / "tests").rglob("test_*.py"))
    others = {path.name: {*leaning.findall(path.read_text("utf-8"))} - {path.stem} for path in files}
    assert {name: theirs for name, theirs in others.items() if theirs} == {}
