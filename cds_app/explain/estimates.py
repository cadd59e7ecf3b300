"""Asking the learned models about one patient now and a few hours ago, with exact attributions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cds_app.domain.time import to_hours
from cds_app.explain.reasons import Reason, group_points, reasons
from cds_app.score.eligibility import Circumstances, eligible
from cds_app.score.features import Statics, features
from cds_app.score.result import Abstained, Lack
from cds_app.score.risk import Risk, RiskModel
from cds_app.score.situation import Situation
from cds_app.twin.state import TwinState

_DENSE_VITALS = 6  # so many heart rates in a day are not taken of an outpatient
_DAY_H = 24.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskEstimate:
    """What one model says of one patient.

    Parameters
    ----------
    outcome : Risk or Abstained
    earlier : Risk or None
        The same at ``earlier_at``, from what had been measured by then; None where it would have abstained.
    earlier_at : datetime or None
    reasons : tuple of Reason
        Greatest effect first; their points sum to risk minus base. Empty when abstained.
    assumed_stay : bool
        No encounter was recorded: the start of monitoring stood in for the admission.
    """

    outcome: Risk | Abstained
    earlier: Risk | None = None
    earlier_at: datetime | None = None
    reasons: tuple[Reason, ...] = ()
    assumed_stay: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """When the stay in hospital and in the unit began, hours since 1970; None is unknown."""

    hospital_h: float | None
    unit_h: float | None
    assumed: bool


def estimate_risks(
    models: Mapping[str, RiskModel], situation: Situation, state: TwinState, *, change_h: float
) -> dict[str, RiskEstimate]:
    """Ask every model."""
    admission = admission_of(situation)
    return {name: _estimate(model, situation, state, admission, change_h) for name, model in models.items()}


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


def _estimate(
    model: RiskModel, situation: Situation, state: TwinState, admission: Admission, change_h: float
) -> RiskEstimate:
    now_h = to_hours(situation.now)
    refused = _refused(model, situation, state, admission, now_h)
    if refused is not None:
        return RiskEstimate(outcome=refused)
    earlier_h = now_h - change_h
    rows = features(state.tracks, _statics(situation, admission), [now_h, earlier_h])
    risk, contributions, base_margin = model.explain(rows[0])
    points = group_points(
        model.features,
        contributions,
        margin=risk.margin,
        base_margin=base_margin,
        probability=risk.probability,
        base=risk.base,
    )
    known = _refused(model, situation, state, admission, earlier_h) is None
    return RiskEstimate(
        outcome=risk,
        earlier=model.predict(rows[1]) if known else None,
        earlier_at=situation.now - timedelta(hours=change_h),
        reasons=reasons(points, situation),
        assumed_stay=admission.assumed,
    )


def _refused(
    model: RiskModel, situation: Situation, state: TwinState, admission: Admission, at_h: float
) -> Abstained | None:
    who = Circumstances(
        age_years=situation.age_years,
        pregnant=situation.pregnant is True,
        inpatient=admission.unit_h is not None,
        hours_in_unit=None if admission.unit_h is None else at_h - admission.unit_h,
    )
    refused = eligible(model.limits, who, state.tracks, at_h)
    if refused is None:
        return None
    return Abstained(name=model.name, reasons=tuple(Lack(name=one.value, why="unsuitable") for one in refused.reasons))


def _statics(situation: Situation, admission: Admission) -> Statics:
    unit_h = admission.unit_h or 0.0
    return Statics(
        age_years=situation.age_years,
        sex=situation.sex,
        unit_start_h=unit_h,
        hours_before_unit=None if admission.hospital_h is None else unit_h - admission.hospital_h,
    )
