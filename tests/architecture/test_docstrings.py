"""What docstrings and comments name between single backticks is there: a function, a field, a module."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "cds_app"
_NAMED = re.compile(r"(?<!`)`([A-Za-z_][\w.]*)(?:\(\))?`(?!`)")


def written(source: str) -> Iterator[str]:
    """Every name that code writes out."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name) | ast.Name(id=name):
                yield name
            case ast.Attribute(attr=name):
                yield name
            case ast.alias(name=name):
                yield from name.split(".")


def unknown(sources: Mapping[Path, str]) -> list[str]:
    known = {*dir(builtins), PACKAGE.name}
    for path, source in sources.items():
        known |= {*path.with_suffix("").parts, *written(source)}
    named = ((path, name) for path, source in sources.items() for name in _NAMED.findall(source))
    return [f"{path}: {name}" for path, name in named if not known.issuperset(name.split("."))]


def test_what_is_named_is_there() -> None:
    sources = {path.relative_to(PACKAGE): path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
    assert sum(len(_NAMED.findall(source)) for source in sources.values()) > 100
    assert unknown(sources) == []


def test_what_is_not_there_is_found() -> None:
    source = 'def one():\n    """Not `two.one`."""\n    # nor `three()`, unlike `one` and ``four``\n'
    assert unknown({Path("a.py"): source}) == ["a.py: two.one", "a.py: three"]
