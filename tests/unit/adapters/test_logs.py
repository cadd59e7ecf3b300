"""Logs are JSON lines of allowed keys, and never in the way."""

from __future__ import annotations

import errno
import io
import json
from collections.abc import Iterator

import pytest
import structlog

from cds_app.adapters.logs import configure_logs


@pytest.fixture(autouse=True)
def defaults() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_a_line_is_json_with_its_level_and_time() -> None:
    out = io.StringIO()
    configure_logs(out)
    structlog.get_logger("twinline").info("answered", shown=1)
    line = json.loads(out.getvalue())
    assert {key: line[key] for key in ("event", "level", "shown")} == {"event": "answered", "level": "info", "shown": 1}
    assert line["ts"].endswith("Z")


def test_keys_that_are_not_allowed_are_not_written() -> None:
    out = io.StringIO()
    configure_logs(out)
    structlog.get_logger("twinline").warning("refused", patient="ZQX", code="x", exc_info=True)
    assert "ZQX" not in out.getvalue()
    assert json.loads(out.getvalue()).keys() == {"event", "level", "ts", "code"}


def test_chatter_is_left_out() -> None:
    out = io.StringIO()
    configure_logs(out)
    structlog.get_logger("twinline").debug("chatter")
    assert out.getvalue() == ""


class FullDisk(io.StringIO):
    tried = 0

    def flush(self) -> None:
        self.tried += 1
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_log_on_a_full_disk_fails_nobody() -> None:
    disk = FullDisk()
    configure_logs(disk)
    structlog.get_logger("twinline").info("answered")
    assert disk.tried


def test_a_closed_log_fails_nobody() -> None:
    out = io.StringIO()
    out.close()
    configure_logs(out)
    structlog.get_logger("twinline").info("answered")
