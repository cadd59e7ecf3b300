"""When to stay silent. The policy reads the decision log of the patient and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cds_app.cards.definition import Policy
from cds_app.domain.decisions import Decision, Feedback, Suppression

ABSTENTION = "not-estimated"
_MEMORY = timedelta(days=7)
_DOUBLINGS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A card that is ready: its topic, how urgent it is and, where there is one, its risk in points of 100."""

    topic: str
    tier: int
    points: float | None


def judge(
    candidates: Sequence[Candidate],
    past: Sequence[Decision | Feedback],
    policy: Policy,
    *,
    snooze_h: Callable[[str], float],
    now: datetime,
) -> tuple[Suppression, ...]:
    """Say for each candidate whether it is shown.

    Parameters
    ----------
    candidates : sequence of Candidate
        In the order of their urgency; the first of a topic counts.
    past : sequence of Decision or Feedback
        The patient's log, oldest first.
    snooze_h : callable
        Hours of quiet for an override reason code.
    now : datetime
        The event's time.

    Returns
    -------
    tuple of Suppression
        One per candidate, NONE for those to show.
    """
    verdicts: list[Suppression] = []
    seen: set[str] = set()
    for candidate in candidates:
        verdict = _alone(candidate, past, policy, snooze_h, now)
        if candidate.topic in seen:
            verdict = Suppression.TOPIC
        elif verdict is Suppression.NONE and verdicts.count(Suppression.NONE) >= policy.max_cards:
            verdict = Suppression.RESPONSE
        seen.add(candidate.topic)
        verdicts.append(verdict)
    return tuple(verdicts)


def _alone(
    candidate: Candidate,
    past: Sequence[Decision | Feedback],
    policy: Policy,
    snooze_h: Callable[[str], float],
    now: datetime,
) -> Suppression:
    if candidate.topic != ABSTENTION and candidate.tier < policy.min_tier:
        return Suppression.BELOW
    shown = _last_shown(candidate.topic, past, now)
    if shown is None or _worse(candidate, shown, policy):
        return Suppression.NONE
    answer = _last_answer(shown, past)
    lockout_h = policy.abstention_lockout_h if candidate.topic == ABSTENTION else policy.lockout_h
    if answer is not None and now < _quiet_until(answer, snooze_h, lockout_h):
        return Suppression.SNOOZED if answer.outcome == "overridden" else Suppression.ACCEPTED
    if answer is None and now < shown.at + timedelta(hours=lockout_h * _repeats(shown, past)):
        return Suppression.LOCKOUT
    return Suppression.NONE


def _repeats(shown: Decision, past: Sequence[Decision | Feedback]) -> int:
    """Every repetition that nobody answered doubles the quiet after it, up to a limit: 1, 2, 4, 8."""
    since = shown.at - _MEMORY
    same = (one for one in past if isinstance(one, Decision) and one.topic == shown.topic and one.shown)
    before = sum(1 for one in same if since <= one.at < shown.at and one.tier >= shown.tier)
    return int(2 ** min(before, _DOUBLINGS))


def _last_shown(topic: str, past: Sequence[Decision | Feedback], now: datetime) -> Decision | None:
    found = (one for one in past if isinstance(one, Decision) and one.topic == topic and one.shown and one.at <= now)
    return max(found, key=lambda one: one.at, default=None)


def _worse(candidate: Candidate, shown: Decision, policy: Policy) -> bool:
    if candidate.tier > shown.tier:
        return True
    if candidate.points is None or shown.points is None:
        return False
    return candidate.points - shown.points >= policy.rise_points


def _last_answer(shown: Decision, past: Sequence[Decision | Feedback]) -> Feedback | None:
    answers = (one for one in past if isinstance(one, Feedback) and one.card == shown.id)
    return max(answers, key=lambda one: one.received, default=None)


def _quiet_until(answer: Feedback, snooze_h: Callable[[str], float], lockout_h: float) -> datetime:
    """Counted from when Twinline learned the answer: a client's clock may be wrong, and must not buy silence."""
    hours = snooze_h(answer.reason_code) if answer.outcome == "overridden" else lockout_h
    return answer.received + timedelta(hours=hours)
