"""For whom and when a risk model may be asked. Outside of it the answer is `Abstained`, never a number."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Protocol

from cds_app.score.features.hours import VITALS
from cds_app.score.features.stays import QUANTITIES as WHOLE_STAY
from cds_app.score.result import Abstained, Lack, Why
from cds_app.score.risk.endpoint import SAME_INSTANT_H, Endpoint, endpoint_of


class Ineligible(StrEnum):
    """Why there is no number."""

    AGE_UNKNOWN = "age-unknown"
    TOO_YOUNG = "too-young"
    PREGNANT = "pregnant"
    NOT_INPATIENT = "not-inpatient"
    TOO_EARLY = "too-early"  # not yet in the unit, or too short
    TOO_LATE = "too-late"  # longer in the unit than anyone the model was trained on
    NO_VITAL_SIGN = "no-vital-sign"  # nothing at all, or nothing recent
    FEW_FRESH_VITALS = "few-fresh-vitals"
    STATE_UNKNOWN = "state-unknown"  # whether the patient is in the predicted state already
    ALREADY_THERE = "already-there"
    OUTSIDE = "outside-population"  # measurements jointly unlike any it was trained on
    NOTHING_MEASURED = "nothing-measured"
    FEW_MEASUREMENTS = "few-measurements"


_WHY: Mapping[Ineligible, Why] = {
    Ineligible.AGE_UNKNOWN: "missing",
    Ineligible.TOO_YOUNG: "out-of-population",
    Ineligible.PREGNANT: "out-of-population",
    Ineligible.NOT_INPATIENT: "out-of-population",
    Ineligible.TOO_EARLY: "unsuitable",
    Ineligible.TOO_LATE: "unsuitable",
    Ineligible.NO_VITAL_SIGN: "missing",
    Ineligible.FEW_FRESH_VITALS: "stale",
    Ineligible.STATE_UNKNOWN: "missing",
    Ineligible.ALREADY_THERE: "unsuitable",
    Ineligible.OUTSIDE: "out-of-population",
    Ineligible.NOTHING_MEASURED: "missing",
    Ineligible.FEW_MEASUREMENTS: "missing",
}
OF_THE_STATE = frozenset({Ineligible.STATE_UNKNOWN, Ineligible.ALREADY_THERE})


class Series(Protocol):
    """What was measured of a quantity, and when; a twin's track is one."""

    @property
    def hours(self) -> Sequence[float]:
        """Ascending, hours on any one clock."""

    @property
    def values(self) -> Sequence[float]:
        """In the canonical unit."""


@dataclass(frozen=True, slots=True)
class Times:
    """A `Series` of which only the times are asked for."""

    hours: Sequence[float]
    values: Sequence[float] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """Which quantities show that enough was measured, and what is said when it was not."""

    quantities: tuple[str, ...]
    none: Ineligible
    few: Ineligible


VITAL_SIGNS = Signs(quantities=VITALS, none=Ineligible.NO_VITAL_SIGN, few=Ineligible.FEW_FRESH_VITALS)
MEASUREMENTS = Signs(quantities=WHOLE_STAY, none=Ineligible.NOTHING_MEASURED, few=Ineligible.FEW_MEASUREMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Eligibility limits from the manifest; a vital sign is one of the `Signs` that the model asks for.

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
    endpoint : Endpoint or None
        The state that is predicted: the patient must be known not to be in it. None where it is no such state.
    """

    min_age_years: float
    min_hours_in_unit: float
    max_hours_in_unit: float
    max_silence_h: float
    fresh_vital_h: float
    min_fresh_vitals: int
    endpoint: Endpoint | None = None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Limits:
        """What `to_json` wrote."""
        endpoint = endpoint_of(content["endpoint"]) if "endpoint" in content else None
        return cls(**{**content, "endpoint": endpoint})

    def to_json(self) -> dict[str, Any]:
        """As a manifest holds them."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What decides eligibility beside the measurements; None is unknown."""

    age_years: float | None
    pregnant: bool
    inpatient: bool
    hours_in_unit: float | None
    dialysed: bool = False


def eligible(
    name: str,
    limits: Limits,
    circumstances: Circumstances,
    tracks: Mapping[str, Series],
    at_h: float,
    signs: Signs = VITAL_SIGNS,
) -> Abstained | None:
    """Whether the model may be asked.

    Parameters
    ----------
    name : str
        Of the model.
    limits : Limits
        Of the model.
    circumstances : Circumstances
        Of the patient.
    tracks : mapping of str to Series
        Samples by quantity.
    at_h : float
        The instant, on the samples' clock, hours.
    signs : Signs
        What must have been measured.

    Returns
    -------
    Abstained or None
        None when the model may be asked. Each reason is a `Lack` whose name is the value of a `Ineligible`.
    """
    about = _about_patient(limits, circumstances)
    endpoint = None if Ineligible.TOO_YOUNG in about else limits.endpoint  # where the state begins is of adults, too
    reasons = (
        *about,
        *_about_data(limits, tracks, at_h, signs),
        *_about_state(endpoint, circumstances, tracks, at_h),
    )
    if not reasons:
        return None
    return Abstained(name=name, reasons=tuple(_lack(one) for one in reasons))


def stranger(name: str, leads: Sequence[str]) -> Abstained:
    """What is said of a patient whose measurements are jointly unlike those that the model was trained on.

    Parameters
    ----------
    name : str
        Of the model.
    leads : sequence of str
        What a reader calls the measurements that are most unlike, greatest first.
    """
    text = f"measurements unlike those it was made from: {', '.join(leads)}"
    return Abstained(name=name, reasons=(_lack(Ineligible.OUTSIDE, text),))


def _lack(reason: Ineligible, text: str = "") -> Lack:
    return Lack(name=reason.value, why=_WHY[reason], text=text)


def _about_patient(limits: Limits, who: Circumstances) -> tuple[Ineligible, ...]:
    young = who.age_years is not None and who.age_years < limits.min_age_years
    hours = who.hours_in_unit
    checks = (
        (Ineligible.AGE_UNKNOWN, who.age_years is None),
        (Ineligible.TOO_YOUNG, young),
        (Ineligible.PREGNANT, who.pregnant),
        (Ineligible.NOT_INPATIENT, not who.inpatient),
        (Ineligible.TOO_EARLY, hours is None or hours < limits.min_hours_in_unit),
        (Ineligible.TOO_LATE, hours is not None and hours > limits.max_hours_in_unit),
    )
    return tuple(reason for reason, holds in checks if holds)


def _about_data(limits: Limits, tracks: Mapping[str, Series], at_h: float, signs: Signs) -> tuple[Ineligible, ...]:
    ages = [age for name in signs.quantities if name in tracks and (age := _age_h(tracks[name], at_h)) is not None]
    if not ages or min(ages) > limits.max_silence_h:
        return (signs.none,)
    fresh = sum(age <= limits.fresh_vital_h for age in ages)
    return () if fresh >= limits.min_fresh_vitals else (signs.few,)


def _about_state(
    endpoint: Endpoint | None, who: Circumstances, tracks: Mapping[str, Series], at_h: float
) -> tuple[Ineligible, ...]:
    if endpoint is None:
        return ()
    if endpoint.quantity == "creatinine" and who.dialysed:
        return (Ineligible.ALREADY_THERE,)
    series = tracks.get(endpoint.quantity)
    past = 0 if series is None else _past(series, at_h)
    if series is None or not past or at_h - series.hours[past - 1] > endpoint.fresh_h + SAME_INSTANT_H:
        return (Ineligible.STATE_UNKNOWN,)
    return (Ineligible.ALREADY_THERE,) if endpoint.reached(series.hours, series.values, past - 1) else ()


def _age_h(series: Series, at_h: float) -> float | None:
    """Hours since the last sample that is not later than the instant."""
    past = _past(series, at_h)
    return at_h - series.hours[past - 1] if past else None


def _past(series: Series, at_h: float) -> int:
    """How many samples are not later than the instant."""
    return bisect_right(series.hours, at_h + SAME_INSTANT_H)
