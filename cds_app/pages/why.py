"""Why an estimate is what it is: reasons in words, the same as a waterfall, and what would change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from cds_app.cards.text import Trusted, hundred, points
from cds_app.cards.views import NOTHING, compared, reason
from cds_app.domain.ontology import Variable
from cds_app.domain.told import with_unit
from cds_app.explain.counterfactual import Need, Open, Telling
from cds_app.explain.reasons import Reason
from cds_app.pages.rendering import Words
from cds_app.pages.scale import Axis, Tick, limits, value_ticks
from cds_app.pages.subject import Subject
from cds_app.score.risk.model import Risk

MOST_BARS: Final = 7
MOST_NAMED: Final = 3
_MOST_TELLING: Final = 3
WIDTH: Final = 340.0
_LEFT: Final = 128.0
_RIGHT: Final = 40.0
_TOP: Final = 26.0
_STEP: Final = 30.0
_BAR: Final = 14.0
_NAME: Final = 20
_SLIGHT: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonLine:
    """One reason: what was measured, when, how it moved the estimate, and the resource behind it.

    Parameters
    ----------
    ref : str
        ``Observation/...``; "" for a circumstance, or where nothing was measured.
    slight : bool
        Whether it rounds to no points at all.
    link : str
        Anchor of the observation's row; "" where there is none.
    followed : bool
        Whether there is a trend of it.
    """

    quantity: str
    label: str
    points: str
    raises: bool
    slight: bool
    value: str
    unit: str
    earlier: str
    before: str
    time: str
    age: str
    missing: bool
    modifiable: bool
    ref: str
    link: str
    followed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar of the waterfall: from the sum so far to the sum with it."""

    name: str
    points: str
    raises: bool
    x: float
    width: float
    y: float
    text_x: float
    text_left: bool
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waterfall:
    """From the average of a unit to this patient, in 100; bars sum to the difference."""

    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    base_x: float
    risk_x: float
    base: str
    risk: str
    height: float
    finding: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionalLine:
    """What the model would say if one value were another, in words."""

    label: str
    text: str


def reason_lines(reasons: Sequence[Reason], subject: Subject) -> tuple[ReasonLine, ...]:
    """Every reason that moved the estimate, greatest effect first."""
    return tuple(_line(one, index, subject) for index, one in enumerate(reasons))


def _line(one: Reason, index: int, subject: Subject) -> ReasonLine:
    setting, situation = subject.setting, subject.material.situation
    change_h = subject.material.service.policy.change_h
    earlier = compared(one.now, situation, setting, change_h) if one.now is not None else None
    view = reason(one, earlier, setting)
    return ReasonLine(
        quantity=one.quantity,
        label=view.label,
        points=view.points,
        raises=one.points > 0.0,
        slight=abs(one.points) < _SLIGHT,
        value=view.value or Trusted(""),
        unit=view.unit or NOTHING,
        earlier=view.earlier or Trusted(""),
        before=view.before or Trusted(""),
        time=setting.clock(one.now.when) if one.now is not None else Trusted(""),
        age=_age(one, subject),
        missing=view.missing,
        modifiable=one.modifiable,
        ref=one.now.ref if one.now is not None else "",
        link=f"reason-{index + 1}" if one.now is not None else "",
        followed=one.quantity in subject.state.tracks,
    )


def _age(one: Reason, subject: Subject) -> str:
    if one.now is None:
        return ""
    hours = subject.material.situation.age_h(one.now)
    return f"{60 * hours:.0f} min old" if hours < 1.5 else f"{hours:.0f} h old"


def waterfall(reasons: Sequence[Reason], risk: Risk, subject: Subject, words: Words) -> Waterfall:
    """At most `MOST_BARS` bars and one for all others; they sum to risk minus base, in points of 100."""
    told, rest = reasons[:MOST_BARS], reasons[MOST_BARS:]
    steps = [(str(subject.setting.label(one.quantity)), one.points, _link(one, at)) for at, one in enumerate(told)]
    if rest:
        steps.append((f"{len(rest)} others", sum(one.points for one in rest), ""))
    base, end = 100.0 * risk.base, 100.0 * risk.probability
    sums = list(accumulate((moved for _, moved, _ in steps), initial=base))
    low, high = limits((*sums, end), least=2.0, margin=0.06)
    axis = Axis(low=max(low, 0.0) if min(sums) >= 0 else low, high=high, start=_LEFT, end=WIDTH - _RIGHT)
    return Waterfall(
        bars=tuple(_bar(step, sums[at], sums[at + 1], at, axis) for at, step in enumerate(steps)),
        ticks=value_ticks(axis, 4),
        base_x=axis.at(base),
        risk_x=axis.at(end),
        base=hundred(risk.base),
        risk=hundred(risk.probability),
        height=_TOP + _STEP * len(steps) + 22.0,
        finding=_finding(words, steps, risk),
    )


def _link(one: Reason, at: int) -> str:
    return f"reason-{at + 1}" if one.now is not None else ""


def _bar(step: tuple[str, float, str], before: float, after: float, at: int, axis: Axis) -> Bar:
    name, moved, link = step
    left, right = sorted((axis.at(before), axis.at(after)))
    text_left = right > WIDTH - _RIGHT - 4.0
    return Bar(
        name=name if len(name) <= _NAME else f"{name[: _NAME - 1].rstrip()}…",
        points=points(moved),
        raises=moved > 0.0,
        x=left,
        width=max(round(right - left, 1), 1.0),
        y=_TOP + _STEP * at + (_STEP - _BAR) / 2.0,
        text_x=round(left - 3.0 if text_left else right + 3.0, 1),
        text_left=text_left,
        link=link,
    )


def _finding(words: Words, steps: Sequence[tuple[str, float, str]], risk: Risk) -> str:
    named = ", ".join(f"{name} {points(moved)}" for name, moved, _ in steps[:3])
    return words.say("bars", base=hundred(risk.base), risk=hundred(risk.probability), most=named)


def telling_lines(telling: Sequence[Telling], subject: Subject, words: Words) -> tuple[ConditionalLine, ...]:
    """Which new measurements would change the estimate most, as far as that can be read off it."""
    seen = [one for one in telling if hundred(one.risk_low) != hundred(one.risk_high)]
    return tuple(_told(words, one, subject) for one in seen[:_MOST_TELLING])


def _told(words: Words, one: Telling, subject: Subject) -> ConditionalLine:
    variable = subject.material.situation.ontology.quantity(one.quantity)
    low, high = hundred(one.risk_low), hundred(one.risk_high)
    at_low, at_high = _with_unit(one.low, variable), _with_unit(one.high, variable)
    text = words.say("telling", low=low, at_low=at_low, high=high, at_high=at_high)
    return ConditionalLine(label=variable.label, text=text)


def open_line(found: Open | None, subject: Subject, words: Words) -> str:
    """How far the estimate rests on what is not known, in one sentence; "" where nothing is missing."""
    if found is None or hundred(found.low) == hundred(found.high):
        return ""
    ontology = subject.material.situation.ontology
    named = ", ".join(ontology.quantity(one).label for one in found.quantities[:MOST_NAMED])
    others, low, high = len(found.quantities[MOST_NAMED:]), hundred(found.low), hundred(found.high)
    moved = [(ontology.quantity(one).label, points(least), points(most)) for one, least, most in found.points]
    return words.say("still_open", named=named, others=others, low=low, high=high, moved=moved)


def need_lines(needed: Sequence[Need], subject: Subject, words: Words) -> tuple[ConditionalLine, ...]:
    """What each measurement that treatment can move would have to be, those left out that would not do alone."""
    return tuple(_needed(words, one, one.needed, subject) for one in needed if one.needed is not None)


def _needed(words: Words, one: Need, value: float, subject: Subject) -> ConditionalLine:
    variable = subject.material.situation.ontology.quantity(one.quantity)
    text = words.say("needed", value=_with_unit(value, variable), now=_with_unit(one.now, variable))
    return ConditionalLine(label=variable.label, text=text)


def _with_unit(value: float, variable: Variable) -> str:
    return with_unit(variable.told.number(value), variable.told.text)
