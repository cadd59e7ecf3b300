"""What is on a clinician's screen: cards as they came, what the calls for them took, and what was done with them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cds_app.sandbox.ehr_client import Card, ServiceFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A card on the screen: under which key the page knows it, whose it is, and the card as it came."""

    key: str
    service: str
    card: Card


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One hook call: which hook, how long it took in milliseconds, and the failure if it was one."""

    hook: str
    took_ms: float
    failure: ServiceFailure | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What opening the chart, choosing a drug or signing brought.

    Parameters
    ----------
    at : datetime
        Simulated time.
    cards : tuple of Shown
        Critical, then warning, then info.
    calls : tuple of Call
        In the order in which they were made.
    """

    at: datetime
    cards: tuple[Shown, ...]
    calls: tuple[Call, ...]

    @property
    def failures(self) -> tuple[ServiceFailure, ...]:
        """What went wrong."""
        return tuple(one.failure for one in self.calls if one.failure is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the clinician did with a card, for the page; a failure when the service did not take the feedback."""

    text: str
    closed: bool
    suggestion: str = ""
    failure: ServiceFailure | None = None
