"""Logs as JSON lines with an allow-list of keys: what is not on the list is not written."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, TextIO

import structlog

ALLOWED = frozenset(
    [
        "event",
        "level",
        "ts",
        "code",
        "status",
        "field",
        "kind",
        "where",
        "service",
        "source",
        "hook",
        "cards",
        "shown",
        "suppressed",
        "facts",
        "issues",
        "tries",
        "ms",
        "url",
        "version",
        "reason",
        "check",
        "outcome",
        "count",
    ]
)


def configure_logs(stream: TextIO | None = None, *, level: int = logging.INFO) -> None:
    """Send structlog's output to a stream (standard error by default)."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            only_allowed,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Lines(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )


class _Lines:
    """Writes lines. A log that cannot be written (its disk is full) must not fail the call that it tells of."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        """Write one line, whole: several threads write."""
        with suppress(OSError, ValueError):  # ValueError: closed
            self._stream.write(f"{line}\n")
            self._stream.flush()

    debug = info = warning = error = critical = msg


def only_allowed(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop every key that is not on the allow-list."""
    return {key: value for key, value in event.items() if key in ALLOWED}
