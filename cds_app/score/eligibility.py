"""For whom and when a risk model may be asked. Outside of it the answer is `Abstained`, never a number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from cds_app.score.features import VITALS, Series

_SAME_INSTANT_H = 1e-6


class Reason(StrEnum):
    """Why there is no number."""

    AGE_UNKNOWN = "age-unknown"
    TOO_YOUNG = "too-young"
    PREGNANT = "pregnant"
    NOT_INPATIENT = "not-inpatient"
    TOO_EARLY = "too-early"  # not yet in the unit, or too short
    TOO_LATE = "too-late"  # longer in the unit than anyone the model was trained on
    NO_VITAL_SIGN = "no-vital-sign"  # nothing at all, or nothing recent
    FEW_FRESH_VITALS = "few-fresh-vitals"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Eligibility limits from the manifest.

    Parameters
    ----------
    min_age_years : float
    min_hours_in_unit, max_hours_in_unit : float
    max_silence_h : float
        Longest time since the last vital sign of any kind.
    fresh_vital_h : float
        A vital sign is fresh up to this age.
    min_fresh_vitals : int
        How many different vital signs must be fresh.
    """

    min_age_years: float
    min_hours_in_unit: float
    max_hours_in_unit: float
    max_silence_h: float
    fresh_vital_h: float
    min_fresh_vitals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What decides eligibility beside the measurements; None is unknown."""

    age_years: float | None
    pregnant: bool
    inpatient: bool
    hours_in_unit: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Abstained:
    """No estimate, and why."""

    reasons: tuple[Reason, ...]


def eligible(
    limits: Limits, circumstances: Circumstances, tracks: Mapping[str, Series], at_h: float
) -> Abstained | None:
    """Whether the model may be asked.

    Parameters
    ----------
    limits : Limits
        Of the model.
    circumstances : Circumstances
        Of the patient.
    tracks : mapping of str to Series
        Samples by quantity.
    at_h : float
        The instant, on the samples' clock, hours.

    Returns
    -------
    Abstained or None
        None when the model may be asked.
    """
    reasons = (*_about_patient(limits, circumstances), *_about_data(limits, tracks, at_h))
    return Abstained(reasons=reasons) if reasons else None


def _about_patient(limits: Limits, who: Circumstances) -> tuple[Reason, ...]:
    young = who.age_years is not None and who.age_years < limits.min_age_years
    hours = who.hours_in_unit
    checks = (
        (Reason.AGE_UNKNOWN, who.age_years is None),
        (Reason.TOO_YOUNG, young),
        (Reason.PREGNANT, who.pregnant),
        (Reason.NOT_INPATIENT, not who.inpatient),
        (Reason.TOO_EARLY, hours is None or hours < limits.min_hours_in_unit),
        (Reason.TOO_LATE, hours is not None and hours > limits.max_hours_in_unit),
    )
    return tuple(reason for reason, holds in checks if holds)


def _about_data(limits: Limits, tracks: Mapping[str, Series], at_h: float) -> tuple[Reason, ...]:
    ages = [age for name in VITALS if name in tracks and (age := _age_h(tracks[name], at_h)) is not None]
    if not ages or min(ages) > limits.max_silence_h:
        return (Reason.NO_VITAL_SIGN,)
    fresh = sum(age <= limits.fresh_vital_h for age in ages)
    return () if fresh >= limits.min_fresh_vitals else (Reason.FEW_FRESH_VITALS,)


def _age_h(series: Series, at_h: float) -> float | None:
    """Hours since the last sample that is not later than the instant."""
    past = int(np.searchsorted(series.hours, at_h + _SAME_INSTANT_H, side="right"))
    return at_h - float(series.hours[past - 1]) if past else None
