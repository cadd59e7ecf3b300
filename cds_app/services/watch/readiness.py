"""Whether the next call could be answered, part by part, in codes from a closed list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class PartState(StrEnum):
    """How one part is. Codes are never reused for another meaning."""

    OK = "ok"
    NOT_RUN = "not-run"  # nobody asked this process to
    PENDING = "pending"  # not known yet
    DOWN = "down"
    BROKEN = "integrity-broken"  # stored bytes and keys do not fit together
    FAILED = "failed"  # ran, and is not what it must be


_GREEN = frozenset({PartState.OK, PartState.NOT_RUN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """The state of every part.

    Parameters
    ----------
    parts : mapping of str to PartState
        ``store``, ``keys``, ``models``, ``canary``; one that is not green makes the service not ready.
    modes : mapping of str to str
        Switches that are not on, by ``service`` or ``service/topic``.
    alarms : tuple of str
        Of the firing-rate monitor, as ``service/topic alarm``; that the clock is behind.
    """

    parts: Mapping[str, PartState]
    modes: Mapping[str, str] = field(default_factory=dict)
    alarms: tuple[str, ...] = ()

    @property
    def is_ready(self) -> bool:
        """Whether the next call could be answered with every estimate that is offered."""
        return _GREEN.issuperset(self.parts.values())

    @property
    def status(self) -> str:
        """``not-ready``, ``degraded`` (something was switched, or fires unlike before) or ``ready``."""
        if not self.is_ready:
            return "not-ready"
        return "degraded" if self.modes or self.alarms else "ready"
