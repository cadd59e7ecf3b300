"""What was given and done in the window of a trend: each drug and procedure once, from its first time to its last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cds_app.cards.text import clock_time, plain
from cds_app.domain.facts import Medication, Procedure
from cds_app.domain.time import to_hours
from cds_app.pages.canvas import Canvas
from cds_app.pages.scale import Tick
from cds_app.score.chronology import last_time

_MOST: Final = 12
_LONGEST_TEXT: Final = 48
_LABEL_ROOM: Final = 13.0

Given = Medication | Procedure


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A treatment or procedure on the time axis, where it first was; ``number`` is drawn, ``text`` stands below."""

    x: float
    number: int
    text: str
    time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatments:
    """What was given and done.

    Parameters
    ----------
    events : tuple of Event
        The ones that went on last, in the order in which they began.
    labels : tuple of Tick
        Numbers of the events below their marks; of those too close to tell apart, the first to the last.
    more : int
        How many drugs and procedures are left out.
    """

    events: tuple[Event, ...]
    labels: tuple[Tick, ...]
    more: int


def treatments(canvas: Canvas) -> Treatments:
    """Drugs given and procedures done in the window, those that began before it and still went on in it too."""
    times = sorted(_times(canvas).items(), key=lambda one: last_time(one[1][-1], canvas.situation.now))
    shown = sorted(times[-_MOST:], key=lambda one: one[1][0].when)
    events = tuple(_event(number, name, given, canvas) for number, (name, given) in enumerate(shown, start=1))
    return Treatments(events=events, labels=tuple(_labels(events)), more=len(times) - len(shown))


def _times(canvas: Canvas) -> dict[str, list[Given]]:
    """Each by its name, oldest first."""
    facts, now = canvas.situation.facts, canvas.situation.now
    given = (one for one in facts.medications if one.source == "administration" and one.status != "not-done")
    done = (one for one in facts.procedures if one.source == "procedure" and one.status in ("completed", "in-progress"))
    happened: list[Given] = [*given, *done]
    found: dict[str, list[Given]] = {}
    for one in sorted(happened, key=lambda fact: fact.when):
        if one.when <= now and to_hours(last_time(one, now)) - canvas.now_h >= canvas.x.low:
            found.setdefault(plain(one.text, limit=_LONGEST_TEXT), []).append(one)
    return found


def _event(number: int, name: str, given: Sequence[Given], canvas: Canvas) -> Event:
    first, last = (clock_time(one.when, canvas.situation.now, canvas.asked.zone) for one in (given[0], given[-1]))
    begun = max(to_hours(given[0].when) - canvas.now_h, canvas.x.low)
    again = f", {len(given)} times, last {last}" if len(given) > 1 else ""
    return Event(x=canvas.x.at(begun), number=number, text=f"{name}{again}", time=first)


def _labels(events: Sequence[Event]) -> Iterator[Tick]:
    """One label an event, and one for all whose labels would cover each other."""
    run: list[Event] = []
    for one in events:
        if run and one.x - run[0].x >= _LABEL_ROOM:
            yield _label(run)
            run = []
        run.append(one)
    if run:
        yield _label(run)


def _label(run: Sequence[Event]) -> Tick:
    first, last = run[0], run[-1]
    text = str(first.number) if len(run) == 1 else f"{first.number}–{last.number}"
    return Tick(at=round((first.x + last.x) / 2.0, 1), text=text)
