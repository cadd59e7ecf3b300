"""Logs as JSON lines with an allow-list of keys: what is not on the list is not written."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
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


def configure_logs(stream: TextIO | None = None) -> None:
    """Send structlog's output to a stream (standard error by default)."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            only_allowed,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=stream or sys.stderr),
        cache_logger_on_first_use=False,
    )


def only_allowed(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop every key that is not on the allow-list."""
    return {key: value for key, value in event.items() if key in ALLOWED}
