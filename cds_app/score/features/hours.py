"""What the risk models look at: one code path for training and serving.

Every feature knows the clinical measurement it belongs to and which aspect of it it shows, so that an explanation can
be summed per measurement. No feature sees a sample later than the query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cds_app.domain.arrays import Floats, Ints
from cds_app.score.features.samples import MS_PER_HOUR, Moments, Samples, to_ms
from cds_app.score.features.twin_view import BELIEF, PARTS, Motion, view
from cds_app.twin.model import TwinModel
from cds_app.twin.state import Track

Aspect = Literal["value", "trend", "age", "count", "derived", "twin"]

VITALS: tuple[str, ...] = ("heart_rate", "spo2", "body_temp", "sbp", "map", "dbp", "resp_rate")
LABS: tuple[str, ...] = (
    "base_excess",
    "bicarbonate",
    "fio2",
    "ph",
    "pco2",
    "sao2",
    "ast",
    "urea_nitrogen",
    "alp",
    "calcium",
    "chloride",
    "creatinine",
    "bilirubin_direct",
    "glucose",
    "lactate",
    "magnesium",
    "phosphate",
    "potassium",
    "bilirubin_total",
    "troponin_i",
    "hematocrit",
    "hemoglobin",
    "aptt",
    "wbc",
    "fibrinogen",
    "platelets",
)
QUANTITIES: tuple[str, ...] = (*VITALS, "etco2", *LABS)
ACTIVITY = "measurement_activity"
_PLACE: Mapping[str, int] = {name: at for at, name in enumerate(QUANTITIES)}


def _columns(*names: str) -> Ints:
    return np.array([_PLACE[name] for name in names], np.int64)


_VITALS, _LABS, _ALL = _columns(*VITALS), _columns(*LABS), _columns(*QUANTITIES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One column of the model's input.

    Parameters
    ----------
    name : str
        Unique name.
    quantity : str
        Clinical measurement (or group) that it belongs to.
    aspect : {"value", "trend", "age", "count", "derived", "twin"}
        What it shows of it: how it is, how it changes, how long ago and how often it was measured, something computed
        from several measurements, or what the twin makes of it.
    """

    name: str
    quantity: str
    aspect: Aspect


@dataclass(frozen=True, slots=True, kw_only=True)
class Statics:
    """What does not change during a stay.

    Parameters
    ----------
    age_years : float or None
        Age.
    sex : {"female", "male"} or None
        Sex.
    unit_start_h : float
        When the patient entered the unit, on the clock of the samples.
    hours_before_unit : float or None
        From hospital admission to unit admission.
    """

    age_years: float | None
    sex: Literal["female", "male"] | None
    unit_start_h: float
    hours_before_unit: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Persons:
    """Statics of many patients as arrays (patients,); NaN is unknown; ``male`` is 1, 0 or NaN."""

    age_years: Floats
    male: Floats
    hours_before_unit: Floats


def features(
    twin: TwinModel, tracks: Mapping[str, Track], statics: Statics, queries: Sequence[float] | Floats
) -> NDArray[np.float32]:
    """Model input of one patient.

    Parameters
    ----------
    twin : TwinModel
        With which the tracks were filtered.
    tracks : mapping of str to Track
        By quantity; missing ones and unknown ones are allowed.
    statics : Statics
        Who the patient is.
    queries : sequence of float
        Instants on the samples' clock, hours.

    Returns
    -------
    ndarray of float32, shape (queries, len(FEATURES))
        NaN where a feature is not defined.
    """
    samples = _samples_of(tracks, statics.unit_start_h)
    time_ms = to_ms(np.asarray(queries, np.float64) - statics.unit_start_h)
    male = {"male": 1.0, "female": 0.0}.get(statics.sex or "", np.nan)
    persons = Persons(
        age_years=np.array([_or_nan(statics.age_years)]),
        male=np.array([male]),
        hours_before_unit=np.array([_or_nan(statics.hours_before_unit)]),
    )
    return matrix(twin, samples, persons, np.zeros(len(time_ms), np.int64), time_ms)


def matrix(twin: TwinModel, samples: Samples, persons: Persons, patient: Ints, time_ms: Ints) -> NDArray[np.float32]:
    """Model input of many patients at once.

    Parameters
    ----------
    twin : TwinModel
        With which the beliefs were filtered.
    samples : Samples
        Of all patients, in groups by patient and `QUANTITIES`, with beliefs as `BELIEF` names them.
    persons : Persons
        Statics of all patients.
    patient, time_ms : ndarray of int64, shape (queries,)
        Whose and when, milliseconds since entering the unit.

    Returns
    -------
    ndarray of float32, shape (queries, len(FEATURES))
    """
    now = samples.at(patient, time_ms)
    last, age, since = now.value_before(now.end, _ALL), now.age_h(), Since.of(now)
    blocks = (
        last,
        age,
        _counts(now, since),
        _trends(now, since, last),
        *_windows(now, since, last),
        _derived(last),
        *_activity(age),
        _statics(persons, patient, time_ms),
        *view(Motion.of(twin, QUANTITIES), now, age),
    )
    return np.concatenate(blocks, axis=1, dtype=np.float32, casting="same_kind")


def _samples_of(tracks: Mapping[str, Track], unit_start_h: float) -> Samples:
    found = [tracks.get(quantity) for quantity in QUANTITIES]
    there = [one for one in found if one is not None]
    columns = b"".join(getattr(one, name) for name in ("hours", "values", *BELIEF) for one in there)
    hours, value, *belief = np.frombuffer(columns).reshape(2 + len(BELIEF), -1)
    return Samples.of(
        quantities=len(QUANTITIES),
        start=np.array([0, *accumulate(0 if one is None else len(one) for one in found)]),
        time_ms=to_ms(hours - unit_start_h),
        value=value,
        belief=np.array(belief),
    )


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value


@dataclass(frozen=True, slots=True)
class Since:
    """Where the windows begin: the last day of all quantities, the last 6 and 12 hours of the vital signs."""

    day: Ints
    quarter: Ints
    half: Ints

    @classmethod
    def of(cls, now: Moments) -> Since:
        """All windows in one search."""
        begin = now.since(_SPANS_MS, _SPANNED)
        return cls(begin[:, : len(_ALL)], begin[:, len(_ALL) : -len(_VITALS)], begin[:, -len(_VITALS) :])


_SPANNED = np.concatenate((_ALL, _VITALS, _VITALS))
_SPANS_MS = np.repeat(np.array([24, 6, 12]) * MS_PER_HOUR, [len(_ALL), len(_VITALS), len(_VITALS)])
_COUNTED = np.concatenate((_ALL, _LABS))
_COMPARED = np.concatenate((_ALL, _VITALS, _LABS))
_AVERAGED = np.concatenate((_VITALS, _VITALS, _VITALS))
_BOUNDED = np.concatenate((_VITALS, _VITALS, _ALL))


def _counts(now: Moments, since: Since) -> Floats:
    """Of the stay, and of the last day for laboratory values."""
    return now.hours_seen(np.concatenate((now.first, since.day[:, _LABS]), axis=1), _COUNTED)


def _trends(now: Moments, since: Since, last: Floats) -> Floats:
    """Against a day ago, 6 hours ago for vital signs, and the value before for laboratory values."""
    previous = np.maximum(now.end - 1, now.first)[:, _LABS]
    before = now.value_before(np.concatenate((since.day, since.quarter, previous), axis=1), _COMPARED)
    return last[:, _COMPARED] - before


def _windows(now: Moments, since: Since, last: Floats) -> tuple[Floats, ...]:
    begins = (since.quarter, since.half, now.first[:, _VITALS])
    mean, sd = now.mean_and_sd(np.concatenate(begins, axis=1), _AVERAGED)
    low, high = now.extremes(np.concatenate((since.quarter, since.half, now.first), axis=1), _BOUNDED)
    n = len(_VITALS)
    quarter, half, stay = slice(n), slice(n, 2 * n), slice(2 * n, None)
    return (
        mean[:, quarter],
        low[:, quarter],
        high[:, quarter],
        mean[:, half],
        low[:, half],
        high[:, half],
        sd[:, half],
        mean[:, stay],
        last[:, _VITALS] - mean[:, stay],
        low[:, stay],
        high[:, stay],
    )


# name, what it belongs to, numerator, denominator; where it is no simple ratio, `_derived` goes on from there
_RATIOS: tuple[tuple[str, str, str, str], ...] = (
    ("shock_index", "shock_index", "heart_rate", "sbp"),
    ("shock_index_map", "shock_index", "heart_rate", "map"),
    ("pulse_pressure", "pulse_pressure", "sbp", "dbp"),
    ("spo2_fio2", "oxygenation", "spo2", "fio2"),
    ("sao2_fio2", "oxygenation", "sao2", "fio2"),
    ("rox", "oxygenation", "spo2", "fio2"),
    ("urea_creatinine", "kidney", "urea_nitrogen", "creatinine"),
    ("hr_temp", "heart_rate", "heart_rate", "body_temp"),
    ("bilirubin_direct_part", "liver", "bilirubin_direct", "bilirubin_total"),
    ("platelets_wbc", "blood_count", "platelets", "wbc"),
    ("hematocrit_hemoglobin", "blood_count", "hematocrit", "hemoglobin"),
)
_OVER, _UNDER = 1.0, -1.0
# one point each: score, quantity, on which side of which limit; what is not known gives none
_SIGNS: tuple[tuple[str, str, float, float], ...] = (
    ("sirs", "resp_rate", _OVER, 20.0),
    ("sirs", "pco2", _UNDER, 32.0),
    ("sirs", "heart_rate", _OVER, 90.0),
    ("sirs", "body_temp", _OVER, 38.0),
    ("sirs", "body_temp", _UNDER, 36.0),
    ("sirs", "wbc", _OVER, 12.0),
    ("sirs", "wbc", _UNDER, 4.0),
    ("qsofa", "resp_rate", _OVER, 21.9999),
    ("qsofa", "sbp", _UNDER, 100.0001),
    *(("sofa", "platelets", _UNDER, limit) for limit in (150.0, 100.0, 50.0, 20.0)),
    *(("sofa", "bilirubin_total", _OVER, limit) for limit in (1.1999, 1.9999, 5.9999, 12.0)),
    *(("sofa", "creatinine", _OVER, limit) for limit in (1.1999, 1.9999, 3.4999, 4.9999)),
    ("sofa", "map", _UNDER, 70.0),
)
_SCORES = ("sirs", "qsofa", "sofa")
_ABOVE, _BELOW = _columns(*(one[2] for one in _RATIOS)), _columns(*(one[3] for one in _RATIOS))
_PULSE_PRESSURE, _ROX = (at for at, one in enumerate(_RATIOS) if one[0] in ("pulse_pressure", "rox"))
_SIGNED = _columns(*(quantity for _, quantity, _, _ in _SIGNS))
_SIDE = np.array([side for _, _, side, _ in _SIGNS])
_LIMIT = _SIDE * np.array([limit for _, _, _, limit in _SIGNS])
_GIVES = np.array([[float(score == name) for name in _SCORES] for score, _, _, _ in _SIGNS])


def _derived(last: Floats) -> Floats:
    above, below = last[:, _ABOVE], last[:, _BELOW]
    with np.errstate(divide="ignore", invalid="ignore"):
        found = above / below
        found[:, _ROX] /= last[:, _PLACE["resp_rate"]]
    found[:, _PULSE_PRESSURE] = above[:, _PULSE_PRESSURE] - below[:, _PULSE_PRESSURE]
    return np.concatenate((np.where(np.isfinite(found), found, np.nan), _scores(last)), axis=1)


def _scores(last: Floats) -> Floats:
    """Points of SIRS, qSOFA and SOFA as far as they are known."""
    there = last[:, _SIGNED] * _SIDE > _LIMIT
    points: Floats = there.astype(np.float64) @ _GIVES
    points[:, 0] -= there[:, 0] & there[:, 1]  # fast breathing and low carbon dioxide are one sign of SIRS
    return points


_LABS_H = np.array([[1.0], [3.0], [6.0], [12.0], [24.0], [np.inf]])
_VITALS_H = np.array([[1.0], [3.0]])


def _activity(age: Floats) -> tuple[Floats, ...]:
    """How many were measured within some hours, and how long ago the youngest laboratory value was."""
    labs, vitals = age[:, _LABS], age[:, _VITALS]
    recent = [(ages[:, None, :] < hours).sum(axis=2) for ages, hours in ((labs, _LABS_H), (vitals, _VITALS_H))]
    return (*recent, np.fmin.reduce(labs, axis=1)[:, None])


def _statics(persons: Persons, patient: Ints, time_ms: Ints) -> Floats:
    in_unit = time_ms / MS_PER_HOUR
    before = persons.hours_before_unit[patient]
    return np.array((persons.age_years[patient], persons.male[patient], before, in_unit, before + in_unit)).T


def _each(quantities: Sequence[str], suffix: str, aspect: Aspect) -> tuple[Feature, ...]:
    return tuple(Feature(name=f"{one}_{suffix}", quantity=one, aspect=aspect) for one in quantities)


def _named(quantity: str, aspect: Aspect, *names: str) -> tuple[Feature, ...]:
    return tuple(Feature(name=name, quantity=quantity, aspect=aspect) for name in names)


FEATURES: tuple[Feature, ...] = (
    *_each(QUANTITIES, "last", "value"),
    *_each(QUANTITIES, "age_h", "age"),
    *_each(QUANTITIES, "count_stay", "count"),
    *_each(LABS, "count_24h", "count"),
    *_each(QUANTITIES, "change_24h", "trend"),
    *_each(VITALS, "change_6h", "trend"),
    *_each(LABS, "change_previous", "trend"),
    *_each(VITALS, "mean_6h", "value"),
    *_each(VITALS, "min_6h", "value"),
    *_each(VITALS, "max_6h", "value"),
    *_each(VITALS, "mean_12h", "value"),
    *_each(VITALS, "min_12h", "value"),
    *_each(VITALS, "max_12h", "value"),
    *_each(VITALS, "sd_12h", "trend"),
    *_each(VITALS, "mean_stay", "value"),
    *_each(VITALS, "from_stay_mean", "trend"),
    *_each(QUANTITIES, "min_stay", "value"),
    *_each(QUANTITIES, "max_stay", "value"),
    *(Feature(name=name, quantity=group, aspect="derived") for name, group, _, _ in _RATIOS),
    *(Feature(name=f"{name}_partial", quantity=name, aspect="derived") for name in _SCORES),
    *_named(ACTIVITY, "count", "labs_1h", "labs_3h", "labs_6h", "labs_12h", "labs_24h", "labs_stay"),
    *_named(ACTIVITY, "count", "vitals_1h", "vitals_3h"),
    *_named(ACTIVITY, "age", "youngest_lab_h"),
    *_named("age", "value", "age_years"),
    *_named("sex", "value", "male"),
    *_named("time_before_unit", "value", "hours_before_unit"),
    *_named("time_in_unit", "value", "hours_in_unit", "hours_since_admission"),
    *(one for part in PARTS for one in _each(QUANTITIES, part, "twin")),
)
NAMES: tuple[str, ...] = tuple(one.name for one in FEATURES)
