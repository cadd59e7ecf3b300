"""What if: every plan of a set, simulated for one patient with the same chance, and what that says about each.

Simulation, not an order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import sqrt
from typing import Final

import numpy as np

from cds_app.domain.arrays import Flags
from cds_app.simulate.kinetics.averaging import Member, Mixture, mix
from cds_app.simulate.kinetics.drugs import Drug, Goal, Harm, Metric
from cds_app.simulate.kinetics.individual import ELSEWHERE, OTHERS
from cds_app.simulate.kinetics.patients import Patient, patient_problems
from cds_app.simulate.plans import Plan, Regimen, dose_problems
from cds_app.simulate.refusals import Refusal, Refused
from cds_app.simulate.regimens.answers import Gain, HarmChance, ModelUse, PlanOutcome, WhatIf
from cds_app.simulate.regimens.comparing import Comparison
from cds_app.simulate.regimens.outcomes import (
    Course,
    Spread,
    bands,
    chance,
    harmed,
    metric,
    on_target,
    reached,
    spread,
)
from cds_app.simulate.regimens.questions import USUAL, Question, goal_of, limit_problems, question_problems, times_of

NO_LEVEL: Final = "No level was used: this is what people like the patient do. A level would change the answer most."
DISAGREEING: Final = "Published models disagree: each counts as the content says, until a level tells them apart."
_NORMAL_90: Final = 1.6448536269514722
_STRANGE_SD: Final = 3.0
_CHANGED_SHARE: Final = 0.3
_ALIKE: Final = 0.02
"""So little apart, the chance of a target is no reason for more of a drug."""


def what_if(drug: Drug, patient: Patient, question: Question, mixture: Mixture | None = None) -> WhatIf | Refused:
    """Simulate plans for a patient.

    Parameters
    ----------
    mixture : Mixture, optional
        What `sampled` gave for the same drug, patient, draws and seed: several questions then pay for it once.

    Returns
    -------
    WhatIf or Refused
        Every plan is given to the same virtual copies of the patient, so that differences between plans are not
        chance. Refused with every reason where the question, the history or the patient is outside what the models
        are made for.
    """
    if problems := problems_of(drug, patient, question):
        return Refused(subject=drug.name, reasons=problems)
    aim = goal_of(drug, question) or USUAL
    goal, horizon_h = drug.file.goals[aim], question.horizon_h or drug.file.horizon_h
    plans = [_laid_out(one, horizon_h) for one in question.plans]
    mixture = mixture or sampled(drug, patient, question)
    if not mixture.members:
        return Refused(subject=drug.name, reasons=_reasons(mixture))
    times = times_of(drug, plans, horizon_h, question.step_h)
    comparison = Comparison(mixture, patient, times)
    outcomes, hits, unit = [], {}, ""
    for asked, plan in zip(question.plans, plans, strict=True):  # one at a time: trajectories are large
        course = comparison.course(plan)
        unit, hits[plan.name] = course.trajectories.unit, reached(goal.target, course)
        outcomes.append(_outcome(drug, goal, mixture, asked, course))
    best = recommend(outcomes)
    return WhatIf(
        drug=drug.name,
        goal=aim,
        target_says=goal.target.says,
        unit=unit,
        times_h=tuple(times.tolist()),
        plans=tuple(outcomes),
        recommended=best,
        gain=_gain(question.current, best, hits),
        models=tuple(_use(one) for one in mixture.members),
        left_out=mixture.left_out,
        levels=len(patient.levels),
        doses=len(patient.history),
        remarks=tuple(_remarks(mixture, patient)),
        needs_review=drug.file.needs_review,
        draws=question.draws,
        seed=question.seed,
        version=drug.version,
        sha256=drug.sha256,
    )


def problems_of(drug: Drug, patient: Patient, question: Question) -> tuple[Refusal, ...]:
    """Everything wrong with a question about a patient, before any chance is drawn."""
    problems = (*question_problems(drug, question), *patient_problems(drug, patient))
    if problems:
        return problems
    return _clashes(
        drug, patient, [_laid_out(one, question.horizon_h or drug.file.horizon_h) for one in question.plans]
    )


def sampled(drug: Drug, patient: Patient, question: Question) -> Mixture:
    """The virtual copies of a patient that a question without problems is put to."""
    return mix(drug, patient, draws=question.draws, rng=np.random.default_rng(question.seed))


def _clashes(drug: Drug, patient: Patient, plans: Sequence[Plan]) -> tuple[Refusal, ...]:
    """What is wrong with plans only after what was given: an infusion that still runs."""
    found = (
        dose_problems((*patient.history, *one.doses), f"plans.{n}.doses", drug.file.routes)
        for n, one in enumerate(plans)
    )
    return tuple(one for problems in found for one in problems)


def _laid_out(asked: Regimen | Plan, horizon_h: float) -> Plan:
    return asked.until(horizon_h) if isinstance(asked, Regimen) else asked


def _outcome(drug: Drug, goal: Goal, mixture: Mixture, asked: Regimen | Plan, course: Course) -> PlanOutcome:
    hits = reached(goal.target, course)
    harms = [(harm, _harm(harm, course)) for harm in goal.harms if harm.meant_for(course.plan.interval_h)]
    return PlanOutcome(
        name=asked.name,
        bands=tuple(tuple(row) for row in bands(course.trajectories.values).tolist()),
        target=None if hits is None else chance(hits),
        target_by_model={} if hits is None else _by_model(mixture, hits),
        harms=tuple(one for _, one in harms if one is not None),
        auc24_steady=_spread(course, "auc24_steady"),
        auc24_last=_spread(course, "auc24_last"),
        trough=None if course.trajectories.area is None else _spread(course, "trough"),
        highest=spread(course.trajectories.values.max(axis=1)),
        end=spread(course.trajectories.values[:, -1]),
        outside=limit_problems(drug, asked),
        on_target=on_target(goal.target, course),
        begins_h=course.plan.doses[0].at_h if course.plan.doses else None,
        unchecked=tuple(harm.says for harm, one in harms if one is None),
    )


def _spread(course: Course, name: Metric) -> Spread | None:
    found = metric(name, course)
    return None if found is None else spread(found)


def _harm(harm: Harm, course: Course) -> HarmChance | None:
    hits = harmed(harm, course)
    if hits is None:
        return None
    found = chance(hits)
    return HarmChance(
        says=harm.says,
        chance=found,
        at_most=harm.at_most,
        told_from=harm.told_from or harm.at_most,
        within=found.probability <= harm.at_most,
        needs_review=harm.needs_review,
    )


def _by_model(mixture: Mixture, hits: Flags) -> dict[str, float]:
    found, at = {}, 0
    for one in mixture.members:
        if len(one.etas):
            found[one.placed.model.name] = float(np.mean(hits[at : at + len(one.etas)]))
            at += len(one.etas)
    return found


def recommend(outcomes: Sequence[PlanOutcome]) -> str | None:
    """The first of `ranked`; None where there is none."""
    best = ranked(outcomes)
    return best[0].name if best else None


def ranked(outcomes: Sequence[PlanOutcome]) -> list[PlanOutcome]:
    """Plans within limits and on target, the one to recommend first.

    Of plans under which the target is about as probable as under the best, the one with least harm, then the one with
    least of the drug in the body; after these, the more probable the target.
    """
    within = [one for one in outcomes if one.within_limits]
    most = max(map(_reaching, within), default=0.0)

    def rank(one: PlanOutcome) -> tuple[float, float, float]:
        worst = max((harm.chance.probability for harm in one.harms), default=0.0)
        exposure = one.auc24_steady or one.highest
        return (-min(_reaching(one), most - _ALIKE), worst, exposure.median)

    return sorted(within, key=rank)


def _reaching(one: PlanOutcome) -> float:
    return one.target.probability if one.target else 0.0


def _gain(current: str | None, best: str | None, hits: Mapping[str, Flags | None]) -> Gain | None:
    if current is None or best is None or current == best:
        return None
    now, then = hits[current], hits[best]
    if now is None or then is None:
        return None
    apart = then.astype(np.float64) - now.astype(np.float64)
    mean, error = float(apart.mean()), float(apart.std(ddof=1)) / sqrt(len(apart))
    return Gain(over=current, probability=mean, low90=mean - _NORMAL_90 * error, high90=mean + _NORMAL_90 * error)


def _use(member: Member) -> ModelUse:
    model = member.placed.model
    return ModelUse(
        name=model.name,
        version=model.version,
        sha256=model.sha256,
        source=model.file.source,
        weight=member.weight,
        effective_draws=member.posterior.effective,
        draws=len(member.etas),
        needs_review=model.file.needs_review,
        applied=member.placed.applied,
    )


def _remarks(mixture: Mixture, patient: Patient) -> Iterator[str]:
    if not patient.levels:
        yield NO_LEVEL
    elif any(one.posterior.strangest > _STRANGE_SD for one in mixture.members if one.weight > 0.05):
        yield "The levels are unusual for people like the patient: check the times of doses and levels."
    values = [one.covariates.creatinine_mg_dl for one in patient.stages]
    known = [one for one in values if one is not None]
    if len(known) > 1 and max(known) > (1.0 + _CHANGED_SHARE) * min(known):
        yield "Kidney function changed while levels were taken: the forecast assumes that it stays as it is now."
    if len(mixture.members) > 1 and not patient.levels:
        yield DISAGREEING


def _reasons(mixture: Mixture) -> tuple[Refusal, ...]:
    """Of the model that asks for least besides, of several that do for what most models ask for.

    What another model would ask for as well helps nobody, and least of all that the patient should be another one.
    """
    told = [reasons for _, reasons in mixture.left_out]
    told = [reasons for reasons in told if not any(one.field in {ELSEWHERE, OTHERS} for one in reasons)] or told
    asked = Counter(one.field for reasons in told for one in reasons)
    return min(told, key=lambda reasons: (len(reasons), -sum(asked[one.field] for one in reasons)))
