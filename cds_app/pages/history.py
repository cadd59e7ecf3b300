"""What was shown of this patient and what became of it, newest first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import takewhile
from typing import Any

from cds_app.cards.definition import ServiceDefinition
from cds_app.cards.policy import answer_to
from cds_app.cards.text import clock_time, plain
from cds_app.domain.decisions import Decision, Feedback, Remembered, Suppression

_OUTCOMES: Mapping[str, str] = {"accepted": "accepted", "overridden": "overridden", "undone": "taken back"}
_COMMENT = 500
_USER = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerLine:
    """One answer: what, when, by whom, and why, as far as it was said; ``options`` is what was accepted.

    In the sidebar these are ids of the catalogue; of a card it is what the suggestion says, which is the option's text.
    """

    outcome: str
    time: str
    by: str
    reason: str
    comment: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionLine:
    """One card.

    Parameters
    ----------
    id : str
        Of the decision: what a replay asks for.
    where : str
        At which moment of the work.
    state : str
        "open", "ignored", "not taken", or what was answered last.
    can_undo : bool
        Whether there is an answer that may be taken back.
    """

    id: str
    service: str
    topic: str
    title: str
    tier: int
    summary: str
    time: str
    user: str
    where: str
    shown: bool
    state: str
    answers: tuple[AnswerLine, ...]
    can_undo: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """From when and where history is read, and the services whose policies say when a card counts as ignored."""

    now: datetime
    zone: tzinfo
    services: Mapping[str, ServiceDefinition]


def history_lines(past: Sequence[Remembered], titles: Mapping[str, str], moment: Moment) -> tuple[DecisionLine, ...]:
    """Every card with what became of it, newest first."""
    became: dict[str, list[Remembered]] = {}
    for one in past:
        if not isinstance(one, Decision):
            became.setdefault(one.card, []).append(one)
    decisions = [one for one in past if isinstance(one, Decision)]
    lines = [_line(one, became.get(one.id, ()), titles, moment) for one in decisions]
    return tuple(reversed(lines))


def open_lines(lines: Sequence[DecisionLine], user: str) -> tuple[DecisionLine, ...]:
    """What waits for an answer of this user: shown to them, or to nobody by name, and neither answered nor ignored."""
    return tuple(one for one in lines if one.state == "open" and one.shown and one.user in ("", user))


def answered_lines(lines: Sequence[DecisionLine]) -> Mapping[str, DecisionLine]:
    """By topic the newest card whose answer stands."""
    return {one.topic: one for one in reversed(lines) if one.can_undo}


def accepted_times(lines: Sequence[DecisionLine]) -> Mapping[str, str]:
    """By id or text of an option when it was last accepted, where that stands."""
    standing = [answer for one in reversed(lines) for answer in _standing(one.answers)]
    return {option: answer.time for answer in standing for option in answer.options}


def _standing(answers: Sequence[AnswerLine]) -> Iterator[AnswerLine]:
    """What was accepted since anything else was answered: of one card, options are accepted one by one."""
    return takewhile(lambda one: one.outcome == _OUTCOMES["accepted"], reversed(answers))


def _line(one: Decision, became: Sequence[Remembered], titles: Mapping[str, str], moment: Moment) -> DecisionLine:
    event = json.loads(one.pins.get("event", "{}"))
    card: Mapping[str, Any] = json.loads(one.card) if one.card else {}
    state = _state(one, became, moment)
    return DecisionLine(
        id=one.id,
        service=one.service,
        topic=one.topic,
        title=titles.get(one.topic, one.topic),
        tier=one.tier,
        summary=card.get("summary", ""),
        time=clock_time(one.at, moment.now, moment.zone),
        user=plain(event.get("user", ""), limit=_USER),
        where=str(event.get("hook", "")),
        shown=one.suppression is Suppression.NONE,
        state=state,
        answers=tuple(_answers([one for one in became if isinstance(one, Feedback)], card, moment)),
        can_undo=state in ("accepted", "overridden"),
    )


def _state(one: Decision, became: Sequence[Remembered], moment: Moment) -> str:
    if one.suppression is not Suppression.NONE:
        return "in shadow"
    service = moment.services.get(one.service)
    return answer_to(one, became, service.policy, moment.now).value if service is not None else "not known"


def _answers(answers: Sequence[Feedback], card: Mapping[str, Any], moment: Moment) -> Iterator[AnswerLine]:
    said = {one["uuid"]: one["label"] for one in card.get("suggestions", ())}
    for one in answers:
        yield AnswerLine(
            outcome=_OUTCOMES[one.outcome],
            time=clock_time(one.at, moment.now, moment.zone),
            by=plain(one.by, limit=_USER),
            reason=plain(one.reason_display or one.reason_code, limit=_USER),
            comment=plain(one.comment, limit=_COMMENT),
            options=tuple(said.get(name, name) for name in one.suggestions),
        )
