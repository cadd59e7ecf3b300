"""A service of our own is waited for, and not kept from starting by being asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from cds_app.commands import running


def test_a_service_that_is_not_ready_is_left_alone_between_two_questions(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: list[str] = []
    answers = iter([False, False, True])

    def get(url: str, timeout: float) -> SimpleNamespace:
        told.append("asked")
        return SimpleNamespace(ok=next(answers))

    monkeypatch.setattr("requests.get", get)
    monkeypatch.setattr("time.sleep", lambda seconds: told.append("waited"))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        running._wait_ready("http://127.0.0.1:1", process, tmp_path / "log")
        process.communicate(b"\n")
    assert told == ["asked", "waited", "asked", "waited", "asked"]
