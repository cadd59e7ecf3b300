"""Who may import whom: that the rules hold, that every package is under them, and that they bite."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cds_app.databases import store_of
from cds_app.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "cds_app"
CORE = (
    *("domain", "fabric", "twin", "score", "explain", "simulate"),
    *("mitigate", "cards", "governance"),
)
NOT_SERVING = ("cds_app.learn", "cds_app.sandbox", "numba", "pandas", "shap", "sklearn", "torch", "xgboost")


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )


def placed_modules() -> set[str]:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["id"] == "layers")
    return {name for layer in layers for name in re.findall(r"\w+", layer)}


def test_every_import_keeps_the_rules() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_module_has_its_place_among_the_layers() -> None:
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert packages | modules <= placed_modules()


def write_package(root: Path, files: Mapping[str, str]) -> None:
    for name, source in {
        "__init__.py": "",
        "errors.py": "",
        "content.py": "",
        "ports.py": "",
        "score/__init__.py": "",
        "simulate/__init__.py": "",
        **files,
    }.items():
        path = root / "cds_app" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(source, encoding="utf-8")
    shutil.copy(ROOT / "pyproject.toml", root)


def test_the_rules_let_a_lawful_package_pass(tmp_path: Path) -> None:
    lawful = {
        "domain/time.py": "import cds_app.errors\n",
        "web/pages.py": "import flask\nimport cds_app.domain.time\n",
        "adapters/store.py": "import sqlalchemy\nimport cds_app.ports\n",
        "bootstrap.py": "import cds_app.adapters.store\nimport cds_app.web.pages\n",
        "sandbox/ehr.py": "import flask\nimport cds_app.errors\n",
        "learn/fit.py": "import sklearn\n",
        "commands/showing.py": "import cds_app.learn.fit\nimport cds_app.sandbox.ehr\n",
        "__main__.py": "import cds_app.commands.showing\n",
    }
    write_package(tmp_path, lawful)
    result = lint_imports(tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("files", "broken"),
    [
        ({"errors.py": "import cds_app.content\n"}, "Everything imports downwards only BROKEN"),
        (
            {"explain/a.py": "import cds_app.simulate.b\n", "simulate/b.py": ""},
            "Everything imports downwards only BROKEN",
        ),
        (
            {"score/genes/a.py": "import cds_app.score.situation\n", "score/situation.py": ""},
            "Scores import downwards only BROKEN",
        ),
        (
            {"simulate/kinetics/a.py": "import cds_app.simulate.regimens.b\n", "simulate/regimens/b.py": ""},
            "Simulations import downwards only BROKEN",
        ),
        (
            {
                "learn/a/b.py": "import cds_app.learn.c\n",
                "learn/c.py": "import cds_app.learn.a.d\n",
                "learn/a/d.py": "",
            },
            "No two neighbours import each other.* BROKEN",
        ),
        ({"helpers.py": ""}, r"Everything imports downwards only BROKEN[\s\S]*cds_app\.helpers"),
        ({"domain/a.py": "import flask\n"}, "one home BROKEN"),
        ({"web/a.py": "import sqlalchemy\n"}, "one home BROKEN"),
        ({"explain/a.py": "import shap\n"}, "one home BROKEN"),
        ({"twin/a.py": "import time\n"}, "no clock.* BROKEN"),
        ({"simulate/a.py": "from random import random\n"}, "no clock.* BROKEN"),
        ({"wsgi.py": "import cds_app.adapters.a\n", "adapters/a.py": ""}, "composition root.* BROKEN"),
        ({"bootstrap.py": "import cds_app.learn.a\n", "learn/a.py": ""}, "Serving never loads.* BROKEN"),
        ({"bootstrap.py": "import cds_app.sandbox.a\n", "sandbox/a.py": ""}, "Serving never loads.* BROKEN"),
        ({"sandbox/a.py": "import cds_app.domain.b\n", "domain/b.py": ""}, "only over HTTP BROKEN"),
    ],
)
def test_an_import_against_the_rules_is_found(tmp_path: Path, files: Mapping[str, str], broken: str) -> None:
    write_package(tmp_path, files)
    result = lint_imports(tmp_path)
    assert result.returncode == 1
    assert re.search(broken, result.stdout), result.stdout


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


def test_a_package_init_imports_from_its_own_package_only() -> None:
    strangers = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in PACKAGE.glob("*/**/__init__.py")
        for name in imports_of(path)
        if name != "__future__" and not name.startswith(".".join(path.parent.relative_to(ROOT).parts))
    }
    assert strangers == set()


def test_the_core_asks_nobody_what_time_it_is() -> None:
    asked = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for package in CORE
        for path in sorted((PACKAGE / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and re.search(r"\b(datetime|date)\.(now|utcnow|today)$", ast.unparse(node.func))
    ]
    assert asked == []


def test_a_serving_process_loads_no_training_code(tmp_path: Path) -> None:
    program = f"import sys, cds_app.wsgi; print([m for m in {NOT_SERVING} if sys.modules.get(m)])"
    environ = {**os.environ, "TWINLINE_DATA_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    environ["TWINLINE_OPEN_TO_THIS_MACHINE"] = "true"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"


_SHORT = ("audit", "clients", "db", "decision", "erase", "issuers", "keys", "monitor", "switch")
_HEAVY = ("numpy", "flask", "requests", "cds_app.services.content.knowledge")


@pytest.mark.parametrize("command", _SHORT)
def test_short_commands_load_neither_models_nor_pages(command: str) -> None:
    program = f"import sys, cds_app.commands.{command}; print([m for m in {_HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "words",
    [
        *("decision list", "issuers list", "monitor", "audit verify", "switch --list"),
        "switch twinline-patient-view off --by Ada --reason drill",
    ],
)
def test_nor_do_they_when_they_run(words: str, tmp_path: Path) -> None:
    store_of(Settings(data_dir=tmp_path)).close()
    program = (
        "import sys; from cds_app.__main__ import twinline; twinline(sys.argv[1:], standalone_mode=False);"
        f"print([m for m in {_HEAVY} if m in sys.modules])"
    )
    command = [sys.executable, "-c", program, *words.split(), "--data-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
