"""Does a rule of the catalogue hold? Yes, no, or not known, each with what it rests on.

Three-valued logic (Kleene, 1938): a missing or stale measurement makes a statement unknown, and that goes up
only as far as it matters. What a record would list (problems, drugs, procedures, allergies) counts as absent
when it is not listed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from operator import ge, gt, le, lt
from typing import Any, Final, Protocol, TypeVar

import msgspec

from cds_app.domain.facts import Fact, Measurement
from cds_app.mitigate.rules import (
    Age,
    All,
    AllergyTo,
    Any_,
    Change,
    Commented,
    Done,
    Expecting,
    Finding,
    Given,
    IntensiveCare,
    Measured,
    Not,
    Op,
    Outpatient,
    Problem,
    Quantity,
    RiskRule,
    Rule,
    ScorePart,
    ScoreRule,
    Sex,
    Takes,
    Ventilated,
    Where,
)
from cds_app.mitigate.windows import hours_back
from cds_app.score.clinical.sodium import glucose_beside, lowered_by
from cds_app.score.result import Abstained, Score
from cds_app.score.situation import Situation
from cds_app.score.ventilation import on_ventilator

_COMPARE: Final[Mapping[Op, Callable[[float, float], bool]]] = {">=": ge, ">": gt, "<=": le, "<": lt}
T = TypeVar("T")
_EMERGENCY: Final = frozenset({"EMER", "OBSENC"})
_ROUND_OFF: Final = 1e-9  # differences and ratios of decimal numbers: 1.2 - 0.9 must reach 0.3


class NamedTier(Protocol):
    """A tier of a risk, as far as rules need it."""

    @property
    def name(self) -> str:
        """``raised``."""
        ...


class TieredRisk(Protocol):
    """A risk, as far as rules need it: the tier reached, all tiers, lowest first, and whether it is due."""

    @property
    def tier(self) -> str | None:
        """Name of the highest tier reached."""
        ...

    @property
    def tiers(self) -> Sequence[NamedTier]:
        """All tiers, lowest first."""
        ...

    @property
    def due(self) -> bool:
        """Whether its alert policy makes a card of it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What rules are asked of: the situation, its scores and its risks, by name.

    ``doubted`` says, of a quantity and the reference of a measurement, whether it is one to confirm.
    """

    situation: Situation
    scores: Mapping[str, Score | Abstained]
    risks: Mapping[str, TieredRisk | Abstained] = field(default_factory=dict)
    doubted: Callable[[str, str], bool] = lambda _, __: False


class Verdict(msgspec.Struct, frozen=True):
    """The answer to a rule.

    Parameters
    ----------
    holds : bool or None
        None: not known.
    evidence : tuple of Fact
        What the answer rests on, each once.
    unknown : tuple of str
        Names of the inputs whose lack leaves it open, or left a part of it open that did not matter here.
    """

    holds: bool | None
    evidence: tuple[Fact, ...] = ()
    unknown: tuple[str, ...] = ()


_ABSENT: Final = Verdict(holds=False)


def evaluate(rule: Rule, view: View) -> Verdict:
    """Whether a rule holds, with evidence; see `Verdict`."""
    return _EVALUATORS[type(rule)](rule, view)


def _on_all(rule: All, view: View) -> Verdict:
    """Of each part its first ground comes before the other grounds of any: a card may have room for few."""
    verdicts: list[Verdict] = []
    for part in rule.all:
        verdict = evaluate(part, view)
        if verdict.holds is False:  # settles it: what else would have held does not matter
            return verdict
        verdicts.append(verdict)
    first, others = (one.evidence[:1] for one in verdicts), (one.evidence[1:] for one in verdicts)
    holds = True if all(one.holds for one in verdicts) else None
    return Verdict(holds=holds, evidence=_once([*first, *others]), unknown=_once(one.unknown for one in verdicts))


def _on_any(rule: Any_, view: View) -> Verdict:
    verdicts = [one for part in rule.any if (one := evaluate(part, view)) is not _ABSENT]
    if not verdicts:
        return _ABSENT
    held = [one for one in verdicts if one.holds]
    if held:
        evidence, unknown = _once(one.evidence for one in held), _once(one.unknown for one in verdicts)
        return Verdict(holds=True, evidence=evidence, unknown=unknown)
    return _joined(None if any(one.holds is None for one in verdicts) else False, verdicts)


def _on_not(rule: Not, view: View) -> Verdict:
    found = evaluate(rule.not_, view)
    turned = None if found.holds is None else not found.holds
    return Verdict(holds=turned, evidence=found.evidence, unknown=found.unknown)


def _joined(holds: bool | None, verdicts: Sequence[Verdict]) -> Verdict:
    evidence, unknown = _once(one.evidence for one in verdicts), _once(one.unknown for one in verdicts)
    return Verdict(holds=holds, evidence=evidence, unknown=unknown)


def _once(groups: Iterable[tuple[T, ...]]) -> tuple[T, ...]:
    """Everything in the groups, each once; within a group it is so already."""
    found = [group for group in groups if group]
    if len(found) > 1:
        return tuple(dict.fromkeys(chain.from_iterable(found)))
    return found[0] if found else ()


def _on_quantity(rule: Quantity, view: View) -> Verdict:
    situation = view.situation
    window_h = hours_back(rule, situation)
    newest = situation.fresh(rule.quantity) if window_h is None else situation.latest(rule.quantity, window_h)
    if newest is None:
        return _unknown(rule.quantity)
    if rule.times > 1:
        return _several(rule, situation, newest)
    beside = _beside(rule, newest, situation)
    holds = _compares(newest, rule.op, rule.value - sum(map(lowered_by, beside)))
    unknown = () if holds is not None else (rule.quantity,)
    return Verdict(holds=holds, evidence=(newest, *beside), unknown=unknown)


def _beside(rule: Quantity | Change, of: Measurement, situation: Situation) -> tuple[Measurement, ...]:
    """What has moved a value that is to be taken apart from it."""
    if rule.apart_from != "glucose":
        return ()
    glucose = glucose_beside(of, situation)
    return (glucose,) if glucose is not None and lowered_by(glucose) > 0 else ()


def _on_measured(rule: Measured, view: View) -> Verdict:
    newest = view.situation.latest(rule.measured, hours_back(rule, view.situation))
    return _listed([newest] if newest is not None else [])


def _on_commented(rule: Commented, view: View) -> Verdict:
    newest = view.situation.fresh(rule.commented)
    said = newest is not None and any(not one["no"] for one in _mentions(rule.words).finditer(newest.comment))
    return _listed([newest] if newest is not None and said else [])


@cache
def _mentions(words: tuple[str, ...]) -> re.Pattern[str]:
    """Words that begin so, with "no", "not", "non" or "without" at most one word before them."""
    begun = "|".join(map(re.escape, words))
    return re.compile(rf"\b(?P<no>(?:no|not|non|without)[\s-]+(?:\w+[\s-]+)?)?\b(?:{begun})", re.IGNORECASE)


def _several(rule: Quantity, situation: Situation, newest: Measurement) -> Verdict:
    hours = rule.within_h or situation.fresh_h(rule.quantity)
    met = [one for one in situation.history(rule.quantity, hours) if _compares(one, rule.op, rule.value)]
    enough = len(met) >= rule.times
    return Verdict(holds=enough, evidence=tuple(met[-rule.times :]) if enough else (newest,))


def _compares(measured: Measurement, op: Op, value: float) -> bool | None:
    """Compare a measurement, or what a bound leaves of it: None when that may be on either side."""
    if measured.bound == "=":
        return _COMPARE[op](measured.value, value)
    above, limit = measured.bound.startswith(">"), measured.value
    # Where both name the same number: "> 5" is ">= 5" and "> 5"; ">= 5" is ">= 5" but may not be "> 5".
    touching = measured.bound in {"<", ">"} or op in ({">=", "<"} if above else {"<=", ">"})
    beyond = limit > value if above else limit < value
    settled = beyond or (touching and limit == value)
    return op.startswith(">") is above if settled else None


def _on_change(rule: Change, view: View) -> Verdict:
    newest = view.situation.latest(rule.change, rule.within_h)
    if newest is None:
        return _unknown(rule.change)
    rows = view.situation.history(rule.change, rule.within_h, until=newest.when)
    earlier = [one for one in rows if one.when < newest.when and one.bound == "="]
    if not earlier or newest.bound != "=":
        return Verdict(holds=None, evidence=(newest,), unknown=(f"earlier {rule.change}",))
    return _changed(rule, earlier, newest, view.situation)


def _changed(rule: Change, earlier: Sequence[Measurement], newest: Measurement, situation: Situation) -> Verdict:
    """What is left of a change apart from something counts where it was measured so, too."""

    def apart(one: Measurement) -> float:
        return one.value + sum(map(lowered_by, _beside(rule, one, situation)))

    lowest, highest = min(reversed(earlier), key=apart), max(reversed(earlier), key=apart)
    steps = {"rise": [(lowest, newest)], "fall": [(newest, highest)]}
    pairs = steps.get(rule.direction) or [*steps["rise"], *steps["fall"]]
    met = [
        (low, high)
        for low, high in pairs
        if _reaches(rule, low=low.value, high=high.value) and _reaches(rule, low=apart(low), high=apart(high))
    ]
    shown = sorted((met or pairs)[0], key=lambda one: one.when)
    beside = (one for measured in shown for one in _beside(rule, measured, situation))
    return Verdict(holds=bool(met), evidence=(*shown, *dict.fromkeys(beside)))


def _reaches(rule: Change, *, low: float, high: float) -> bool:
    by_amount = rule.amount is not None and high - low >= rule.amount - _ROUND_OFF
    by_ratio = rule.ratio is not None and high >= rule.ratio * low - _ROUND_OFF and high > low
    from_low = rule.low_below is None or low < rule.low_below
    to_high = rule.high_above is None or high > rule.high_above
    return (by_amount or by_ratio) and from_low and to_high


def _on_scorerule(rule: ScoreRule, view: View) -> Verdict:
    score = view.scores.get(rule.score)
    if not isinstance(score, Score):
        return _abstained(rule.score, score)
    met = _COMPARE[rule.op](score.value, rule.value)
    settled = score.bound == "=" or met == rule.op.startswith(">")
    lacks = tuple(lack.name for lack in score.lacks)
    evidence = _scoring(score) if met and rule.op.startswith(">") else score.inputs
    return Verdict(holds=met if settled else None, evidence=evidence, unknown=lacks)


def _scoring(score: Score) -> tuple[Fact, ...]:
    """What gave points, the most first: a high score does not rest on what was normal."""
    parts = sorted((one for one in score.parts if one.points > 0), key=lambda one: -one.points)
    return tuple(dict.fromkeys(fact for part in parts for fact in part.evidence))


def _on_scorepart(rule: ScorePart, view: View) -> Verdict:
    score = view.scores.get(rule.score_part)
    if not isinstance(score, Score):
        return _abstained(rule.score_part, score)
    high = [part for part in score.parts if part.points >= rule.at_least]
    lacks = tuple(lack.name for lack in score.lacks)
    evidence = tuple(dict.fromkeys(fact for part in high or score.parts for fact in part.evidence))
    return Verdict(holds=bool(high) or (None if lacks else False), evidence=evidence, unknown=lacks)


def _abstained(name: str, result: Abstained | None) -> Verdict:
    return _unknown(name) if result is None else _unknown(*(lack.name for lack in result.reasons))


def _on_riskrule(rule: RiskRule, view: View) -> Verdict:
    risk = view.risks.get(rule.risk)
    if risk is None or isinstance(risk, Abstained):
        return _unknown(f"{rule.risk} risk")
    if rule.tier_at_least == "due":
        return Verdict(holds=risk.due)
    names = [tier.name for tier in risk.tiers]
    reached = 0 if risk.tier is None else names.index(risk.tier) + 1
    return Verdict(holds=reached >= rule.tier_at_least)


def _on_problem(rule: Problem, view: View) -> Verdict:
    return _listed(view.situation.conditions(rule.condition, rule.within_h))


def _on_takes(rule: Takes, view: View) -> Verdict:
    rows = view.situation.medications(rule.medication, rule.within_h)
    if rule.before_h is not None:
        rows = tuple(one for one in rows if view.situation.age_h(one) >= rule.before_h)
    return _listed(rows)


def _on_given(rule: Given, view: View) -> Verdict:
    return _listed(view.situation.given(rule.given, rule.within_h))


def _on_done(rule: Done, view: View) -> Verdict:
    return _listed(view.situation.examined(rule.procedure, rule.within_h))


def _on_finding(rule: Finding, view: View) -> Verdict:
    return _listed(view.situation.findings(rule.finding, rule.within_h)[-1:])


def _on_allergyto(rule: AllergyTo, view: View) -> Verdict:
    found = [one.allergy for one in view.situation.allergies(rule.allergy) if one.relation != "cross"]
    return _listed(found)


def _on_age(rule: Age, view: View) -> Verdict:
    age = view.situation.age_years
    return _unknown("age") if age is None else Verdict(holds=_COMPARE[rule.age](age, rule.years))


def _on_sex(rule: Sex, view: View) -> Verdict:
    sex = view.situation.sex
    return _unknown("sex") if sex is None else Verdict(holds=sex == rule.sex)


def outpatient(situation: Situation) -> bool:
    """Whether the patient is at a visit or at home: of the stays on record none in hospital runs."""
    stay = situation.stay
    in_hospital = situation.inpatient or (stay is not None and stay.class_code in _EMERGENCY)
    return bool(situation.facts.stays) and not in_hospital


def _on_ventilated(rule: Ventilated, view: View) -> Verdict:
    found = on_ventilator(view.situation)
    return Verdict(holds=bool(found) is rule.ventilated, evidence=found)


def _on_expecting(rule: Expecting, view: View) -> Verdict:
    known = view.situation.pregnant
    if known is None:
        return _unknown("pregnancy")
    return Verdict(holds=known is rule.pregnant, evidence=view.situation.pregnancy)


def _listed(facts: Sequence[Fact]) -> Verdict:
    return Verdict(holds=True, evidence=tuple(facts)) if facts else _ABSENT


def _unknown(*names: str) -> Verdict:
    return Verdict(holds=None, unknown=names)


_EVALUATORS: Final[Mapping[type, Callable[[Any, View], Verdict]]] = {
    All: _on_all,
    Any_: _on_any,
    Not: _on_not,
    Quantity: _on_quantity,
    Measured: _on_measured,
    Commented: _on_commented,
    Change: _on_change,
    ScoreRule: _on_scorerule,
    ScorePart: _on_scorepart,
    RiskRule: _on_riskrule,
    Problem: _on_problem,
    Takes: _on_takes,
    Given: _on_given,
    Done: _on_done,
    Finding: _on_finding,
    AllergyTo: _on_allergyto,
    Age: _on_age,
    Sex: _on_sex,
    Where: lambda rule, view: Verdict(holds=view.situation.inpatient is rule.inpatient),
    Outpatient: lambda rule, view: Verdict(holds=outpatient(view.situation) is rule.outpatient),
    Ventilated: _on_ventilated,
    IntensiveCare: lambda rule, view: Verdict(holds=view.situation.intensive_care is rule.intensive_care),
    Expecting: _on_expecting,
}
