"""Questions: which plans, how many draws, how far ahead; what is wrong with them, before any arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from math import ceil, isfinite
from typing import Final

import numpy as np

from cds_app.domain.arrays import Floats
from cds_app.simulate.kinetics.drugs import Drug, disbelieved
from cds_app.simulate.plans import MAX_HORIZON_H, Dose, Plan, Regimen, dose_problems
from cds_app.simulate.refusals import Refusal, outside
from cds_app.simulate.regimens.outcomes import DAY_H, trough_h

LEAST_DRAWS: Final = 100
MOST_DRAWS: Final = 20_000
MOST_PLANS: Final = 32
MOST_TIMES: Final = 1000
_MOST_PEAKS: Final = 400
_AFTER_H: Final = 1e-6
"""At the instant of a bolus, its concentration is that of just before."""
MOST_POINTS: Final = 20_000_000
"""Draws times instants times plans: what one question may cost, some seconds."""
MOST_AT_ONCE: Final = 4_000_000
"""Draws times instants: what one plan may take, some 300 MB."""

USUAL: Final = "usual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked.

    Parameters
    ----------
    plans : tuple of Regimen or Plan
        Each with a name of its own.
    goal : str or None
        One of the drug's; None: its usual one, or its only one.
    draws : int
        Virtual copies of the patient.
    seed : int
        All chance comes from it.
    horizon_h : float or None
        Hours from now; None: the drug's own.
    current : str or None
        Name of the plan that the others are compared with.
    step_h : float or None
        Hours between two instants that are looked at; None: the drug's own. Troughs are looked at in any case.
    """

    plans: tuple[Regimen | Plan, ...]
    goal: str | None = None
    draws: int = 2000
    seed: int = 0
    horizon_h: float | None = None
    current: str | None = None
    step_h: float | None = None


def goal_of(drug: Drug, question: Question) -> str | None:
    """The name of the goal that is meant; None where there is no such, or several and none is usual."""
    goals = drug.file.goals
    if question.goal is not None:
        return question.goal if question.goal in goals else None
    return USUAL if USUAL in goals else (next(iter(goals)) if len(goals) == 1 else None)


def question_problems(drug: Drug, question: Question) -> tuple[Refusal, ...]:
    """What is wrong with a question, before any arithmetic."""
    found = [*outside("draws", question.draws, LEAST_DRAWS, MOST_DRAWS, "")]
    if not 0 <= question.seed < 2**63:
        found.append(Refusal(field="seed", limit="must be a whole number from 0 to 2^63 - 1"))
    if goal_of(drug, question) is None:
        found.append(Refusal(field="goal", limit=f"must be one of {', '.join(drug.file.goals)}"))
    if not 0 < len(question.plans) <= MOST_PLANS:
        found.append(Refusal(field="plans", limit=f"must be 1 to {MOST_PLANS}"))
    names = [one.name for one in question.plans]
    if len(set(names)) != len(names) or not all(names):
        found.append(Refusal(field="plans", limit="must have names of their own"))
    if question.current is not None and question.current not in names:
        found.append(Refusal(field="current", limit="must name one of the plans"))
    horizon_h = drug.file.horizon_h if question.horizon_h is None else question.horizon_h
    if not (isfinite(horizon_h) and 0.0 < horizon_h <= MAX_HORIZON_H):
        return (*found, Refusal(field="horizon_h", limit=f"must be above 0 and at most {MAX_HORIZON_H:g} h"))
    step_h = drug.file.step_h if question.step_h is None else question.step_h
    if not (isfinite(step_h) and step_h > 0.0):
        return (*found, Refusal(field="step_h", limit="must be a number above 0"))
    times = min(MOST_TIMES, max(1.0, horizon_h / step_h))
    most = int(min(MOST_AT_ONCE / times, MOST_POINTS / (times * max(1, len(names)))))
    if not found and question.draws > most:
        found.append(Refusal(field="draws", limit=f"must be at most {most} for so many plans and hours"))
    for n, one in enumerate(question.plans):
        found.extend(_plan_problems(drug, one, f"plans.{n}", horizon_h))
    return tuple(found)


def _plan_problems(drug: Drug, asked: Regimen | Plan, where: str, horizon_h: float) -> tuple[Refusal, ...]:
    if isinstance(asked, Regimen):
        found = asked.problems(where, horizon_h)
        if found:
            return found
        doses = asked.until(horizon_h).doses
        found = dose_problems(doses[:1], where, drug.file.routes)
        if found:  # all doses are alike: said once
            return tuple(replace(one, field=one.field.replace(f"{where}.0", where)) for one in found)
        asked = asked.until(horizon_h)
    found = dose_problems(asked.doses, f"{where}.doses", drug.file.routes)
    if not found and not all(0.0 <= one.at_h < horizon_h for one in asked.doses):
        found = (Refusal(field=f"{where}.doses", limit="must start from now on and before the horizon"),)
    if not found and any(after.at_h < before.at_h for before, after in pairwise(asked.doses)):
        found = (Refusal(field=f"{where}.doses", limit="must be in order of time"),)
    return found or tuple(_absurd(drug, asked.doses, where))


def _absurd(drug: Drug, doses: Sequence[Dose], where: str) -> Iterator[Refusal]:
    """A dose ten times over or under the limits is a slip of the pen or of the unit: it is not simulated at all."""
    for limit in dict.fromkeys(disbelieved(one.amount_mg, drug) for one in doses):
        if limit:
            yield Refusal(field=f"{where}.doses", limit=f"a dose {limit}")


def limit_problems(drug: Drug, asked: Regimen | Plan) -> tuple[Refusal, ...]:
    """Limits of the content that a plan breaks: it can be simulated, but is never recommended."""
    limits = drug.file
    doses = asked.until(asked.start_h + _a_day(asked)).doses if isinstance(asked, Regimen) else asked.doses
    found: list[Refusal] = []
    for amount in sorted({one.amount_mg for one in doses}):
        found.extend(outside("plan.amount_mg", amount, limits.dose_mg.low, limits.dose_mg.high, "mg"))
    for over_h in sorted({one.over_h for one in doses if one.route == "iv"}):
        found.extend(outside("plan.over_h", over_h, limits.infusion_h.low, limits.infusion_h.high, "h"))
    if isinstance(asked, Regimen):
        found.extend(outside("plan.interval_h", asked.interval_h, limits.interval_h.low, limits.interval_h.high, "h"))
    if most_in_a_day(doses) > limits.daily_mg.high:
        found.append(Refusal(field="plan.daily_mg", limit=f"must be at most {limits.daily_mg.high:g} mg in 24 h"))
    return tuple(dict.fromkeys(found))


def _a_day(asked: Regimen) -> float:
    """So long that all doses of a day are laid out, and one after a loading dose."""
    return max(DAY_H, 2.0 * asked.interval_h)


def offered(drug: Drug, *, start_h: float = 0.0) -> tuple[Regimen, ...]:
    """Regular plans that the content offers and its limits allow, to compare a draft with."""
    return tuple(_offers(drug, start_h))


def offers_any(drug: Drug) -> bool:
    """Whether there is a regular plan to compare with: not of drugs that are led by their effect."""
    return next(_offers(drug, 0.0), None) is not None


def _offers(drug: Drug, start_h: float) -> Iterator[Regimen]:
    route = drug.file.routes[0]
    plans = (
        Regimen(
            name=f"{amount:g} mg every {interval:g} h",
            amount_mg=amount,
            interval_h=interval,
            over_h=drug.file.usual_infusion_h if route == "iv" else 0.0,
            route=route,
            start_h=start_h,
        )
        for interval in drug.file.offers.intervals_h
        for amount in drug.file.offers.doses_mg
    )
    return (one for one in plans if not limit_problems(drug, one))


def most_in_a_day(doses: Sequence[Dose]) -> float:
    """The most that is given within any 24 hours, mg; 0 where nothing is."""
    rows = sorted(doses, key=lambda one: one.at_h)
    sums = [0.0, *accumulate(one.amount_mg for one in rows)]
    times = np.array([one.at_h for one in rows])
    ends = np.searchsorted(times, times + DAY_H - 1e-6)
    return float(max((sums[int(end)] - sums[n] for n, end in enumerate(ends)), default=0.0))


def times_of(drug: Drug, plans: Sequence[Plan], horizon_h: float, step_h: float | None = None) -> Floats:
    """A regular grid to the horizon, at most `MOST_TIMES` long, with the troughs and peaks of the plans in it."""
    troughs = [at for at in (trough_h(one, horizon_h) for one in plans) if at is not None]
    peaks = _peaks(plans, horizon_h)
    step_h = max(step_h or drug.file.step_h, horizon_h / (MOST_TIMES - MOST_PLANS - len(peaks) - 1))
    grid = np.minimum(step_h * np.arange(ceil(horizon_h / step_h - 1e-9) + 1), horizon_h)
    return np.unique(np.round(np.concatenate([grid, troughs, peaks]), 9).astype(np.float64))


def _peaks(plans: Sequence[Plan], horizon_h: float) -> list[float]:
    """When what goes into a vein is in: its concentration is never higher. Of very many, evenly spread ones."""
    ends = {
        one.end_h if one.over_h else one.at_h + _AFTER_H for plan in plans for one in plan.doses if one.route == "iv"
    }
    found = sorted(at for at in ends if at <= horizon_h)
    return found[:: ceil(len(found) / _MOST_PEAKS) or 1]
