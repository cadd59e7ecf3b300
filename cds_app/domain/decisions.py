"""What was decided, taken and answered: entries of the decision log, and whether it is whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

Outcome = Literal["accepted", "overridden", "undone"]
Loss = Literal["hung-up", "broke-off", "not-read"]


class Suppression(StrEnum):
    """Why a card that was ready was not shown."""

    NONE = ""
    LOCKOUT = "lockout"  # shown recently and nothing got worse
    SNOOZED = "snoozed"  # overridden, and the reason asks for quiet
    ACCEPTED = "accepted"  # a suggestion of it was accepted
    UNCHANGED = "unchanged"  # the quiet is over, but it rests on the same facts as what was shown
    RESTATES = "restates"  # a more specific card says it already
    TOPIC = "one-per-topic"
    RESPONSE = "response-full"  # the response carries its maximum already
    SHADOW = "shadow"  # the service, or this topic of it, is in shadow mode: it would have been shown
    BELOW = "below-tier"  # the tier is not worth an interruption in this service


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One card that was shown, or ready and not shown.

    Parameters
    ----------
    id : str
        The card's uuid.
    service, topic : str
        Who decided, about what (``sepsis``).
    tier : int
        0 is information; higher is more urgent.
    points : float or None
        Risk in percentage points where the topic has one.
    at : datetime
        The event's time, UTC.
    suppression : Suppression
        Why it was not shown; NONE if it was.
    trigger : str
        What the decision rests on, as ``quantity=version-free reference`` text without values.
    pins : mapping of str to str
        What a replay needs to be the same: versions and hashes of content and models, hash of the input facts,
        facts known (number of segments), entries known, seed.
    extents : mapping of str to float
        How far beyond the quantities were that its tier compares, in reference change values; more is worse.
    card : bytes
        The card as canonical JSON, exactly as it was sent; empty for a card that was suppressed before it was written.
    """

    id: str
    service: str
    topic: str
    tier: int
    points: float | None
    at: datetime
    suppression: Suppression
    trigger: str
    pins: Mapping[str, str] = field(default_factory=dict)
    card: bytes = b""
    extents: Mapping[str, float] = field(default_factory=dict)

    @property
    def shown(self) -> bool:
        """Whether it was sent for the clinician to see."""
        return self.suppression is Suppression.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What a clinician did with a card.

    Parameters
    ----------
    card : str
        The card's uuid as reported; need not be one of ours.
    service : str
        Service id to which it was reported.
    topic : str
        Topic of the decision it belongs to; "" when the card is unknown.
    outcome : {"accepted", "overridden", "undone"}
        The last takes back what was answered before.
    at : datetime
        ``outcomeTimestamp``, UTC.
    received : datetime
        When Twinline learned it, UTC.
    suggestions : tuple of str
        Accepted suggestion ids.
    reason_system, reason_code, reason_display, comment : str
        Override reason, as far as sent.
    by : str
        Who answered, as ``Practitioner/123``; "" where the client did not say: CDS Hooks feedback never does.
    reason_listed : bool
        Whether the code is one that the service offers or understands: no other may stand anywhere in clear.
    """

    card: str
    service: str
    topic: str
    outcome: Outcome
    at: datetime
    received: datetime
    suggestions: tuple[str, ...] = ()
    reason_system: str = ""
    reason_code: str = ""
    reason_display: str = ""
    comment: str = ""
    reason_listed: bool = False
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Untaken:
    """A card whose answer the caller did not take, so that nobody can have seen it.

    Parameters
    ----------
    card, service, topic : str
        Of the decision.
    at : datetime
        When that was known, UTC.
    why : {"hung-up", "broke-off", "not-read"}
        The caller had closed, or half closed, the connection before there was an answer; sending it failed; it was not
        read in time.
    """

    card: str
    service: str
    topic: str
    at: datetime
    why: Loss


Remembered = Decision | Feedback | Untaken
"""What there is to know of cards of the past."""


def untaken(past: Sequence[Remembered]) -> Mapping[str, Untaken]:
    """By uuid: cards that were not taken. Who answers a card has seen it, whatever became of the answer it was in."""
    lost = {one.card: one for one in past if isinstance(one, Untaken)}
    answered = {one.card for one in past if isinstance(one, Feedback)} if lost else frozenset()
    return {card: one for card, one in lost.items() if card not in answered}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Result of checking a store: how many entries its log has, what is wrong, and at which entry.

    A problem without an entry is one of the facts: the log is sound.
    """

    entries: int
    broken_at: int | None = None
    problem: str = ""

    @property
    def said(self) -> str:
        """What is wrong and where, in words; "" if nothing is."""
        return self.problem if self.broken_at is None else f"entry {self.broken_at}: {self.problem}"
