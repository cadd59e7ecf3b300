"""Every key that is logged is on the allow-list, and no text of a log line is put together from values."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from cds_app.adapters.logs import ALLOWED

PACKAGE = Path(__file__).resolve().parents[2] / "cds_app"
LEVELS = frozenset({"debug", "info", "warning", "error", "critical", "exception"})


def logged() -> Iterator[tuple[str, ast.Call]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
                owner = node.func.value
                if isinstance(owner, ast.Name) and owner.id == "_LOG":
                    yield f"{path.relative_to(PACKAGE)}:{node.lineno}", node


def test_there_are_log_lines_to_look_at() -> None:
    assert len(list(logged())) >= 9


def test_only_allowed_keys_are_logged() -> None:
    strangers = {
        f"{where} {keyword.arg}" for where, call in logged() for keyword in call.keywords if keyword.arg not in ALLOWED
    }
    assert strangers == set()


def test_the_event_is_a_plain_text() -> None:
    assert [where for where, call in logged() if not isinstance(call.args[0], ast.Constant)] == []
