"""The computer's clock."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """`cds_app.ports.Clock`: the time of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)
