"""When to stay silent. The policy reads the decision log of the patient and nothing else.

A topic that was shown is quiet for its lockout, twice as long after each repetition that nobody answered while its
state lasted. It speaks before that when its tier rises, its risk does, or, in the highest tier, where no tier can rise,
a measurement that the tier compares gets worse by more than chance, or got better and then worse. After that it needs
something new: the same facts again are a reminder worth giving for the highest tier only; what lasts, as an age does,
is told once a year. A topic that sums up what a more specific one says gives way to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby, pairwise
from math import inf

from cds_app.cards.definition import HIGHEST_TIER, Policy
from cds_app.domain.decisions import Decision, Feedback, Remembered, Suppression, untaken
from cds_app.mitigate.extents import Course

ABSTENTION = "not-estimated"
_MEMORY = timedelta(days=7)
_LASTING_MEMORY = timedelta(days=365)
_DAY = timedelta(hours=24)
_DOUBLINGS = 3
_KNOWN = frozenset(
    {Suppression.NONE, Suppression.LOCKOUT, Suppression.UNCHANGED, Suppression.SNOOZED, Suppression.ACCEPTED}
)

Past = Sequence[Remembered]


class Answer(StrEnum):
    """What became of a card that was shown."""

    OPEN = "open"
    UNTAKEN = "not taken"  # the caller did not wait for it
    IGNORED = "ignored"  # no client ever reports it: nobody answered in time
    ACCEPTED = "accepted"
    OVERRIDDEN = "overridden"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A card that is ready.

    Parameters
    ----------
    topic : str
    tier : int
    points : float or None
        Its risk in points of 100, where there is one.
    grounds : tuple of str
        References of the facts it rests on.
    measured : frozenset of str
        Quantities it rests on.
    extents : mapping of str to float
        How far beyond its quantities are, in reference change values; more is worse.
    courses : callable
        How far they were in the last day, by quantity.
    lasting : bool
        Whether what it says stays so, as an age does: nobody needs to hear it at each visit.
    """

    topic: str
    tier: int
    points: float | None
    grounds: tuple[str, ...] = ()
    measured: frozenset[str] = frozenset()
    extents: Mapping[str, float] = field(default_factory=dict)
    courses: Callable[[], Mapping[str, Course]] = dict
    lasting: bool = False


def judge(
    candidates: Sequence[Candidate],
    past: Past,
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
    past : sequence of Decision, Feedback or Untaken
        The patient's log, oldest first. A card that was not taken counts as never shown.
    snooze_h : callable
        Hours of quiet for an override reason code.
    now : datetime
        The event's time.

    Returns
    -------
    tuple of Suppression
        One per candidate, NONE for those to show.
    """
    past = _arrived(past)
    verdicts: list[Suppression] = []
    known: list[Candidate] = []
    seen: set[str] = set()
    for candidate in candidates:
        verdict = _alone(candidate, past, policy, snooze_h, now)
        if candidate.topic in seen:
            verdict = Suppression.TOPIC
        elif verdict is Suppression.NONE and restates(candidate, known, policy):
            verdict = Suppression.RESTATES
        elif verdict is Suppression.NONE and verdicts.count(Suppression.NONE) >= policy.max_cards:
            verdict = Suppression.RESPONSE
        if verdict in _KNOWN:
            known.append(candidate)
        seen.add(candidate.topic)
        verdicts.append(verdict)
    return tuple(verdicts)


def answer_to(shown: Decision, past: Past, policy: Policy, now: datetime) -> Answer:
    """What became of a card by now."""
    answer = _last_answer(shown, past)
    if answer is not None:
        return Answer(answer.outcome)
    if shown.id in untaken(past):
        return Answer.UNTAKEN
    return Answer.IGNORED if now - shown.at >= timedelta(hours=policy.ignored_after_h) else Answer.OPEN


def quiet_until(shown: Decision, answer: Feedback, policy: Policy, snooze_h: Callable[[str], float]) -> datetime | None:
    """Until when an answer keeps a card's topic quiet unless it gets worse; None where the answer was taken back."""
    if answer.outcome == "undone":
        return None
    same = Candidate(topic=shown.topic, tier=shown.tier, points=shown.points)
    return _quiet_until(answer, snooze_h, _lockout_h(same, shown, policy))


def _arrived(past: Past) -> Past:
    """Without cards that nobody can have seen."""
    lost = untaken(past)
    return [one for one in past if not (isinstance(one, Decision) and one.id in lost)] if lost else past


def restates(candidate: Candidate, known: Sequence[Candidate], policy: Policy) -> bool:
    """Whether something more specific that holds now, and is told, is as urgent and rests on the same quantity."""
    specific = policy.gives_way.get(candidate.topic, ())
    return any(
        one.topic in specific and one.tier >= candidate.tier and not one.measured.isdisjoint(candidate.measured)
        for one in known
    )


def _alone(
    candidate: Candidate, past: Past, policy: Policy, snooze_h: Callable[[str], float], now: datetime
) -> Suppression:
    if candidate.topic != ABSTENTION and candidate.tier < policy.min_tier:
        return Suppression.BELOW
    told = _shown(candidate.topic, past, now)
    if not told or _worse(candidate, told, policy, now):
        return Suppression.NONE
    answer = _last_answer(told[-1], past)
    lockout_h = _lockout_h(candidate, told[-1], policy)
    if answer is not None and now < _quiet_until(answer, snooze_h, lockout_h):
        return Suppression.SNOOZED if answer.outcome == "overridden" else Suppression.ACCEPTED
    if answer is None and now < told[-1].at + _quiet(candidate, told, lockout_h, policy):
        return Suppression.LOCKOUT
    return Suppression.UNCHANGED if _unchanged(candidate, told[-1], now) else Suppression.NONE


def _shown(topic: str, past: Past, now: datetime) -> list[Decision]:
    """What was shown of a topic, oldest first."""
    found = (one for one in past if isinstance(one, Decision) and one.topic == topic and one.shown and one.at <= now)
    return sorted(found, key=lambda one: one.at)


def _worse(candidate: Candidate, told: Sequence[Decision], policy: Policy, now: datetime) -> bool:
    """Whether the tier rose since the last card, or its risk or a measurement above all that was told in a day."""
    if candidate.tier > told[-1].tier:
        return True
    lately = [one for one in told if one is told[-1] or now - one.at < _DAY]
    points = [one.points for one in lately if one.points is not None]
    if candidate.points is not None and points and candidate.points - max(points) >= policy.rise_of(candidate.topic):
        return True
    return candidate.tier == HIGHEST_TIER and (
        _further(candidate, lately, policy.worse_changes) or _relapsed(candidate, told[-1], policy)
    )


def _further(candidate: Candidate, lately: Sequence[Decision], changes: float) -> bool:
    """Whether a quantity is further beyond than all that was told of it; what the tier did not rest on was not told."""
    told = {name: [one.extents[name] for one in lately if name in one.extents] for name in candidate.extents}
    return any(known and candidate.extents[name] - max(known) >= changes for name, known in told.items())


def _relapsed(candidate: Candidate, shown: Decision, policy: Policy) -> bool:
    """Whether a quantity had come back for some time from what was shown, and has gone again: both more than chance."""
    return any(
        name in shown.extents and _come_back(candidate.courses().get(name, ()), shown, name, policy) <= extent
        for name, extent in candidate.extents.items()
    )


def _come_back(course: Course, shown: Decision, name: str, policy: Policy) -> float:
    """From where on a quantity has gone again: beyond its best since, where that lasted; never where it did not."""
    better = shown.extents[name] - policy.worse_changes
    since = [(when, extent) for when, extent in course if when > shown.at]
    again = inf
    for well, run in groupby(pairwise(since), key=lambda one: one[0][1] <= better):
        rows = list(run)
        if well and rows[-1][1][0] - rows[0][0][0] >= timedelta(hours=policy.recovered_of(shown.topic)):
            again = min(again, *(extent + policy.worse_changes for (_, extent), _ in rows))
    return again


def _lockout_h(candidate: Candidate, shown: Decision, policy: Policy) -> float:
    """Hours of quiet. Something that got better is no news for a day; for the highest tier the least time holds."""
    if candidate.topic == ABSTENTION:
        return policy.abstention_lockout_h
    own = policy.lockout_of(candidate.topic)
    if candidate.tier < shown.tier:
        return max(own, _DAY / timedelta(hours=1))
    return policy.lockout_h if candidate.tier == HIGHEST_TIER else own


def _quiet(candidate: Candidate, told: Sequence[Decision], lockout_h: float, policy: Policy) -> timedelta:
    """The lockout, doubled for each repetition; of the highest tier a day at most, as long as it lasts."""
    quiet = timedelta(hours=lockout_h * 2 ** _repeats(told, policy))
    return min(quiet, max(_DAY, timedelta(hours=lockout_h))) if candidate.tier == HIGHEST_TIER else quiet


def _repeats(told: Sequence[Decision], policy: Policy) -> int:
    """How often the last card repeated the one before it without a break: each doubles the quiet, up to a limit.

    A card that came well after its topic could have spoken again began anew: the state had gone in between.
    """
    count = 0
    for before, one in pairwise(told):
        own_h = policy.lockout_of(one.topic)
        begun_anew = one.at - before.at > timedelta(hours=own_h * (2**count + 1)) and one.topic != ABSTENTION
        count = 0 if begun_anew or one.tier > before.tier else min(count + 1, _DOUBLINGS)
    return count


def _unchanged(candidate: Candidate, shown: Decision, now: datetime) -> bool:
    """Whether the card would say again what was said, for the same reasons, short of the highest tier."""
    same = bool(candidate.grounds) and set(candidate.grounds) <= set(shown.trigger.split())
    memory = _LASTING_MEMORY if candidate.lasting else _MEMORY
    return same and candidate.tier < HIGHEST_TIER and now - shown.at < memory


def _last_answer(shown: Decision, past: Past) -> Feedback | None:
    """The answer that counts; None where there is none, or where it was taken back."""
    answers = [one for one in past if isinstance(one, Feedback) and one.card == shown.id]
    last = max(reversed(answers), key=lambda one: (one.received, one.at), default=None)
    return None if last is None or last.outcome == "undone" else last


def _quiet_until(answer: Feedback, snooze_h: Callable[[str], float], lockout_h: float) -> datetime:
    """Counted from when Twinline learned the answer: a client's clock may be wrong, and must not buy silence."""
    hours = snooze_h(answer.reason_code) if answer.outcome == "overridden" else lockout_h
    return answer.received + timedelta(hours=hours)
