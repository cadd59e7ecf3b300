"""A benchmark that is told to end takes with it what it has started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.service import ROOT, processes


@pytest.mark.slow
def test_a_soak_that_is_told_to_end_leaves_nothing_running(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cds_app", "bench", "soak", "--minutes", "5", "--rate", "5", "--workers", "1"]
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.DEVNULL) as soak:
        try:
            under_load(tmp_path)
            assert processes(tmp_path)
            soak.send_signal(signal.SIGTERM)
            assert soak.wait(30) == 1
        finally:
            soak.kill()
    assert processes(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def under_load(folder: Path) -> None:
    until = time.monotonic() + 60.0
    while time.monotonic() < until:
        if any(b"answered" in log.read_bytes() for log in folder.glob("twinline-soak-*/service.log")):
            return
        time.sleep(0.1)
    raise AssertionError("nothing was asked")
