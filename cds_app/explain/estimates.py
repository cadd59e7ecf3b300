"""Asking the learned models about one patient now and a few hours ago, with exact attributions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from cds_app.domain.time import to_hours
from cds_app.explain.reasons import Reason, group_points, reasons
from cds_app.score.clinical.kidney import on_dialysis
from cds_app.score.features.hours import Statics, features
from cds_app.score.result import Abstained
from cds_app.score.risk.eligibility import Circumstances, eligible, stranger
from cds_app.score.risk.model import Risk, RiskModel
from cds_app.score.situation import Situation
from cds_app.twin.model import TwinModel
from cds_app.twin.state import TwinState

_DENSE_VITALS = 6  # so many heart rates in a day are not taken of an outpatient
_DAY_H = 24.0

Before = tuple[datetime, NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskEstimate:
    """What one model says of one patient.

    Parameters
    ----------
    outcome : Risk or Abstained
    why : callable
        The reasons, worked out for the few estimates that are shown.
    assumed_stay : bool
        No encounter was recorded: the start of monitoring stood in for the admission.
    before : callable
        When, and the model's input some hours before, from what had been measured by then; None where it would have
        abstained.
    """

    outcome: Risk | Abstained
    why: Callable[[], tuple[Reason, ...]] = tuple
    assumed_stay: bool = False
    before: Callable[[], Before | None] = lambda: None

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Greatest effect first; their points sum to risk minus base. Empty when abstained."""
        return self.why()


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """When the stay in hospital and in the unit began, hours since 1970; None is unknown."""

    hospital_h: float | None
    unit_h: float | None
    assumed: bool


def estimate_risks(
    models: Mapping[str, RiskModel], twin: TwinModel, situation: Situation, state: TwinState, *, change_h: float
) -> dict[str, RiskEstimate]:
    """Ask every model about now; one matrix of features serves them all.

    Parameters
    ----------
    change_h : float
        How many hours before now the risk may be asked for again with `risk_before`.
    """
    admission = admission_of(situation)
    instants = (situation.now, situation.now - timedelta(hours=change_h))
    hours = [to_hours(at) for at in instants]
    who = _circumstances(situation, admission, hours[0])
    refused = {name: eligible(model.name, model.limits, who, state.tracks, hours[0]) for name, model in models.items()}
    found = {name: RiskEstimate(outcome=one) for name, one in refused.items() if one is not None}
    asked = {name: model for name, model in models.items() if refused[name] is None}
    if asked:
        rows = features(twin, state.tracks, statics_of(situation, admission), hours)
        for name, model in asked.items():
            before = partial(_before, model, situation, state, admission, (instants[1], rows[1]))
            found[name] = replace(estimated(model, situation, rows[0]), assumed_stay=admission.assumed, before=before)
    return found


def risk_before(model: RiskModel, estimate: RiskEstimate) -> tuple[Risk, datetime] | None:
    """The risk some hours before, and when; None where the model would have abstained."""
    before = estimate.before()
    return None if before is None else (model.predict(before[1]), before[0])


def admission_of(situation: Situation) -> Admission:
    """From the encounters; where none was ever recorded, from the first of dense vital signs."""
    hospital, unit = situation.hospital_start, situation.icu_start
    if situation.inpatient and hospital is not None:
        return Admission(hospital_h=to_hours(hospital), unit_h=to_hours(unit or hospital), assumed=False)
    pulses = situation.history("heart_rate", _DAY_H)
    if not situation.facts.stays and len(pulses) >= _DENSE_VITALS:
        return Admission(hospital_h=None, unit_h=to_hours(_monitored_since(situation)), assumed=True)
    return Admission(hospital_h=None, unit_h=None, assumed=False)


def _monitored_since(situation: Situation) -> datetime:
    times = [one.when for one in situation.series("heart_rate")]
    start = times[-1]
    for at in reversed(times):
        if start - at > timedelta(hours=_DAY_H):
            break
        start = at
    return start


def estimated(model: RiskModel, situation: Situation, row: NDArray[np.float32]) -> RiskEstimate:
    """The risk of a row of model input, or that the patient is unlike those that the model was trained on."""
    strange = _strange(model, situation, row)
    return explained(model, situation, row) if strange is None else RiskEstimate(outcome=strange)


def explained(model: RiskModel, situation: Situation, row: NDArray[np.float32]) -> RiskEstimate:
    """The risk of a row of model input with its reasons, each beside the newest value of a chart."""
    risk, contributions, base_margin = model.explain(row)

    @cache
    def why() -> tuple[Reason, ...]:
        points = group_points(
            model.quantities,
            contributions,
            margin=risk.margin,
            base_margin=base_margin,
            probability=risk.probability,
            base=risk.base,
        )
        return reasons(points, situation, model.modifiable)

    return RiskEstimate(outcome=risk, why=why)


def _before(
    model: RiskModel, situation: Situation, state: TwinState, admission: Admission, before: Before
) -> Before | None:
    at, row = before
    at_h = to_hours(at)
    who = _circumstances(situation, admission, at_h)
    silent = eligible(model.name, model.limits, who, state.tracks, at_h) or _strange(model, situation, row)
    return None if silent else before


def _circumstances(situation: Situation, admission: Admission, at_h: float) -> Circumstances:
    return Circumstances(
        age_years=situation.age_years,
        pregnant=situation.pregnant is True,
        inpatient=admission.unit_h is not None,
        hours_in_unit=None if admission.unit_h is None else at_h - admission.unit_h,
        dialysed=bool(on_dialysis(situation)),
    )


def _strange(model: RiskModel, situation: Situation, row: NDArray[np.float32]) -> Abstained | None:
    """Whether the measurements are jointly unlike those that the model was trained on."""
    if model.population is None or not model.population.outside(row):
        return None
    ontology, leads = situation.ontology, model.population.leads(row)
    return stranger(model.name, [ontology.quantity(one).label if ontology.measuring(one) else one for one in leads])


def statics_of(situation: Situation, admission: Admission) -> Statics:
    """What a model is told of the patient."""
    unit_h = admission.unit_h or 0.0
    return Statics(
        age_years=situation.age_years,
        sex=situation.sex,
        unit_start_h=unit_h,
        hours_before_unit=None if admission.hospital_h is None else unit_h - admission.hospital_h,
    )
