"""The twin at a glance: per system of the body, what is out of its range or far from where this person usually is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

from cds_app.cards.text import Trusted
from cds_app.cards.views import compared, reported, seen, taken
from cds_app.domain.facts import Measurement
from cds_app.pages.origins import out_of
from cds_app.pages.subject import Subject
from cds_app.score.deviation import Deviation

FAR_Z: Final = 2.0
"""So many standard deviations from the person's own usual are worth a word: one in twenty, when all is as usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One quantity: its newest value, and what is unusual about it.

    Parameters
    ----------
    sent : str
        The number and the unit that came, where they are others.
    change : str
        "up from 2.1 at 03:40"; "" where there is nothing to compare with.
    word : str
        "above the usual range", "reported as high", "higher than usual for them"; "" for none.
    z : float or None
        Standard deviations from the person's own usual.
    """

    quantity: str
    label: str
    value: str
    unit: str
    sent: str
    time: str
    change: str
    word: str
    z: float | None
    stale: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A system with what is unusual in it first; ``status`` is the word for the whole."""

    name: str
    status: str
    unusual: tuple[Line, ...]
    usual: tuple[Line, ...]
    unseen: bool


def read_systems(document: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
    """The content file: quantities by system."""
    return {one["name"]: tuple(one["quantities"]) for one in document["systems"]}


def systems(subject: Subject, content: Mapping[str, Sequence[str]]) -> tuple[System, ...]:
    """Every system, unusual ones first, each kind in the order of the content."""
    far = {one.quantity: one for one in subject.deviations} if subject.setting.adult else {}
    usual = "as usual" if subject.setting.adult else "measured"
    found = [_system(name, tuple(_lines(subject, quantities, far)), usual) for name, quantities in content.items()]
    return tuple(sorted(found, key=lambda one: (not one.unusual, one.unseen)))


def _system(name: str, lines: Sequence[Line], as_usual: str) -> System:
    unusual = tuple(one for one in lines if one.word and not one.stale)
    usual = tuple(one for one in lines if one not in unusual)
    if not lines:
        status = "not measured"
    elif all(one.stale for one in lines):
        status = "nothing recent"
    else:
        status = f"{len(unusual)} unusual" if unusual else as_usual
    return System(name=name, status=status, unusual=unusual, usual=usual, unseen=not lines)


def _lines(subject: Subject, quantities: Sequence[str], far: Mapping[str, Deviation]) -> Iterator[Line]:
    situation = subject.material.situation
    for quantity in quantities:
        latest = situation.latest(quantity)
        if latest is not None:
            yield line_of(subject, quantity, latest, far.get(quantity))


def line_of(subject: Subject, quantity: str, latest: Measurement, far: Deviation | None) -> Line:
    """One quantity in words."""
    situation, setting = subject.material.situation, subject.setting
    earlier = compared(latest, situation, setting, subject.material.service.policy.change_h)
    view = seen(latest, earlier, setting)
    return Line(
        quantity=quantity,
        label=view.label,
        value=view.value,
        unit=view.unit,
        sent=situation.ontology.variables[latest.variable].told.beside(latest),
        time=view.time,
        change=view.change or Trusted(""),
        word=_word(subject, latest, far),
        z=far.z if far is not None and isfinite(far.z) else None,
        stale=situation.age_h(latest) > situation.fresh_h(quantity),
    )


def _word(subject: Subject, latest: Measurement, far: Deviation | None) -> str:
    span = subject.setting.usual(latest)
    said = reported(latest, span, subject.setting.ontology)
    told = taken(latest, subject.setting.ontology)
    words = (out_of(span, latest.value), f"reported as {said}" if said else "", told or "")
    if any(words[:2]):
        return ", ".join(filter(None, words))
    if far is not None and not far.stale and abs(far.z) >= FAR_Z:
        return "higher than usual for them" if far.z > 0 else "lower than usual for them"
    return ""
