"""A hospital installs the wheel, built from the sdist: it must hold everything and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from configparser import ConfigParser
from email import message_from_bytes
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import cds_app

ROOT = Path(__file__).resolve().parents[2]
CONTENT = "cds_app/_content"
MANIFESTS = sorted((ROOT / "models").glob("*/*/manifest.json"))
DATA_ENDINGS = (".csv", ".parquet", ".pickle", ".pkl", ".npy", ".npz", ".joblib", ".sqlite3", ".db")


def run(command: list[str | Path], *, cwd: Path) -> str:
    """Run what must not find the checkout: a PYTHONPATH may lead to it."""
    elsewhere = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(command, cwd=cwd, env=elsewhere, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout.strip()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel built from the sdist, neither of which sees an index."""
    dist = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, ROOT], cwd=dist)
    (built,) = dist.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def source_names(wheel: Path) -> frozenset[str]:
    """What the sdist beside the wheel holds, below its one folder."""
    (built,) = wheel.parent.glob("*.tar.gz")
    with tarfile.open(built) as archive:
        return frozenset(name.split("/", 1)[1] for name in archive.getnames() if "/" in name)


@pytest.fixture(scope="session")
def names(wheel: Path) -> frozenset[str]:
    with zipfile.ZipFile(wheel) as archive:
        return frozenset(archive.namelist())


@pytest.fixture(scope="session")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel in it, and the locked packages, but not the checkout, within reach."""
    home = tmp_path_factory.mktemp("site") / "venv"
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    # A .pth file adds a folder and ignores the .pth files in it: the editable checkout stays out of reach.
    site = run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], cwd=home)
    (Path(site) / "locked.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python]
    run([*pip, "install", "-qq", "--no-deps", "--no-index", "--ignore-installed", wheel], cwd=home)
    return home


def test_every_module_is_in_the_wheel(names: frozenset[str]) -> None:
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "cds_app").rglob("*.py")}
    assert modules <= names
    assert "cds_app/py.typed" in names


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: "-".join(path.parts[-3:-1]))
def test_every_artefact_is_whole_in_the_wheel(names: frozenset[str], manifest: Path) -> None:
    listed = json.loads(manifest.read_text(encoding="utf-8"))["files"]
    folder = f"{CONTENT}/{manifest.parent.relative_to(ROOT).as_posix()}"
    assert {f"{folder}/{name}" for name in ("manifest.json", *listed)} <= names


def test_every_service_and_template_is_in_the_wheel(names: frozenset[str]) -> None:
    services = (ROOT / "hooks").glob("*/service.json")
    templates = (path for path in (ROOT / "templates").rglob("*") if path.is_file())
    expected = {f"{CONTENT}/{path.relative_to(ROOT).as_posix()}" for path in (*services, *templates)}
    assert expected <= names


def test_the_wheel_holds_no_data_no_tests_and_no_leftovers(names: frozenset[str]) -> None:
    weights = {
        f"{CONTENT}/{manifest.parent.relative_to(ROOT).as_posix()}/{name}"
        for manifest in MANIFESTS
        for name in json.loads(manifest.read_text(encoding="utf-8"))["files"]
        if name.endswith(".npz")
    }
    data = {name for name in names if name.endswith(DATA_ENDINGS)} - weights
    leftovers = {name for name in names if "__pycache__" in name or not name.startswith(("cds_app/", "twinline-"))}
    assert data | leftovers == set()


def test_the_packaging_tests_find_in_the_sdist_what_they_read(source_names: frozenset[str]) -> None:
    read = {".dockerignore", "pyproject.toml", "requirements.lock", "deploy/Dockerfile", "deploy/compose.yaml"}
    assert read <= source_names


def test_without_the_lock_no_pint_comes_that_the_units_cannot_be_read_with(wheel: Path) -> None:
    info = f"twinline-{cds_app.__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        metadata = message_from_bytes(archive.read(f"{info}/METADATA"))
    wanted = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    (allowed,) = (one.specifier for one in wanted if one.name == "pint")
    assert version("pint") in allowed
    assert "0.26" not in allowed  # of ucumvert's definitions it refuses one, and no unit is known


def test_the_wheel_brings_the_command_and_the_licence(wheel: Path) -> None:
    info = f"twinline-{cds_app.__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        scripts = ConfigParser()
        scripts.read_string(archive.read(f"{info}/entry_points.txt").decode())
        assert "Apache License" in archive.read(f"{info}/licenses/LICENSE").decode()
    assert scripts["console_scripts"]["twinline"] == "cds_app.__main__:main"


def test_the_installed_command_runs_away_from_the_checkout(environment: Path, tmp_path: Path) -> None:
    assert cds_app.__version__ in run([environment / "bin" / "twinline", "--version"], cwd=tmp_path)


def test_the_installed_package_finds_its_own_content(environment: Path, tmp_path: Path) -> None:
    program = "from cds_app.content import content_root; print(content_root())"
    root = Path(run([environment / "bin" / "python", "-c", program], cwd=tmp_path))
    assert root.is_relative_to(environment)
    assert {path.name for path in root.iterdir()} == {"hooks", "models", "templates"}


def test_every_installed_artefact_matches_its_manifest(environment: Path, tmp_path: Path) -> None:
    program = (
        "from cds_app.content import artefact, content_root\n"
        "for m in (content_root() / 'models').glob('*/*/manifest.json'):\n"
        "    print('/'.join((a := artefact(m.parts[-3], m.parts[-2])).root.parts[-2:]), a.sha256)\n"
    )
    printed = run([environment / "bin" / "python", "-c", program], cwd=tmp_path).splitlines()
    assert len(printed) == len(MANIFESTS)
