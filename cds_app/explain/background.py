"""Models that are asked once of a whole stay: context beside a card, never a reason for one."""

from __future__ import annotations

from collections.abc import Mapping

from cds_app.explain.estimates import RiskEstimate, estimated
from cds_app.score.features.first_days import first_days
from cds_app.score.features.stays import WINDOW_H, stay_features
from cds_app.score.risk.eligibility import MEASUREMENTS, Circumstances, Times, eligible
from cds_app.score.risk.model import RiskModel
from cds_app.score.situation import Situation


def estimate_stay(model: RiskModel, situation: Situation) -> RiskEstimate | None:
    """What a model says of the first days in intensive care.

    Nothing that was so later is looked at; a result that arrives late or is corrected still counts.

    Returns
    -------
    RiskEstimate or None
        None where the question does not arise: not in intensive care, or not for as long, or too long ago.
    """
    start = situation.icu_start
    hours = None if start is None else (situation.now - start).total_seconds() / 3600.0
    if start is None or hours is None or not model.limits.min_hours_in_unit <= hours <= model.limits.max_hours_in_unit:
        return None
    seen = first_days(situation, start)
    who = Circumstances(
        age_years=situation.age_years,
        pregnant=situation.pregnant is True,
        inpatient=situation.inpatient,
        hours_in_unit=hours,
    )
    tracks = {name: Times(times) for name, times in seen.hours_of().items()}
    refused = eligible(model.name, model.limits, who, tracks, WINDOW_H, MEASUREMENTS)
    if refused is not None:
        return RiskEstimate(outcome=refused)
    return estimated(model, seen.then, stay_features(seen.series, seen.stayer)[0])


def background(models: Mapping[str, RiskModel], situation: Situation) -> dict[str, RiskEstimate]:
    """Every model of whole stays whose question arises, by name."""
    found = {name: estimate_stay(model, situation) for name, model in models.items()}
    return {name: one for name, one in found.items() if one is not None}
