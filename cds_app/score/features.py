"""What the sepsis model looks at: one code path for training and serving.

Every feature knows the clinical measurement it belongs to and which aspect of it it shows, so that an explanation can
be summed per measurement. No feature sees a sample later than the query.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cds_app.score.samples import MS_PER_HOUR, Floats, Ints, Moments, Samples, to_ms
from cds_app.score.twin_view import BELIEF, PARTS, Motion, view
from cds_app.twin.model import TwinModel
from cds_app.twin.state import Track

Aspect = Literal["value", "trend", "age", "count", "derived", "twin"]
Columns = Mapping[str, Floats]

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
_VITALS = slice(0, len(VITALS))
_LABS = slice(len(VITALS) + 1, len(QUANTITIES))
ACTIVITY = "measurement_activity"


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
    last = now.value_before(now.end)
    age = now.age_h()
    out = np.empty((len(time_ms), len(FEATURES)), np.float32)
    blocks = (
        last,
        age,
        *_counts(now),
        *_trends(now, last),
        *_windows(now, last),
        _derived(dict(zip(QUANTITIES, last.T, strict=True))),
        _activity(age),
        _statics(persons, patient, time_ms),
        *view(Motion.of(twin, QUANTITIES), now, age),
        *_pace(now, time_ms),
        *_spread(now),
        _course(now, last),
        now.first_h(),
        now.gap_h(_LABS),
    )
    at = 0
    for block in blocks:
        out[:, at : at + block.shape[1]] = block
        at += block.shape[1]
    return out


def _samples_of(tracks: Mapping[str, Track], unit_start_h: float) -> Samples:
    found = [tracks.get(quantity) for quantity in QUANTITIES]
    start = np.zeros(len(QUANTITIES) + 1, np.int64)
    np.cumsum([0 if one is None else len(one) for one in found], out=start[1:])
    there = [one for one in found if one is not None]
    return Samples.of(
        quantities=len(QUANTITIES),
        start=start,
        time_ms=to_ms(_joined(one.hours for one in there) - unit_start_h),
        value=_joined(one.values for one in there),
        belief=np.stack([_joined(getattr(one, name) for one in there) for name in BELIEF]),
    )


def _joined(columns: Iterable[array[float]]) -> Floats:
    whole = array("d")
    for column in columns:
        whole.extend(column)
    return np.frombuffer(whole, np.float64)


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value


def _counts(now: Moments) -> tuple[Floats, ...]:
    return now.hours_seen(now.first), now.hours_seen(now.since(24.0, _LABS), _LABS)


def _trends(now: Moments, last: Floats) -> tuple[Floats, ...]:
    day_ago = now.value_before(now.since(24.0))
    quarter_ago = now.value_before(now.since(6.0, _VITALS), _VITALS)
    previous = now.value_before(np.maximum(now.end - 1, now.first)[:, _LABS], _LABS)
    return last - day_ago, last[:, _VITALS] - quarter_ago, last[:, _LABS] - previous


def _windows(now: Moments, last: Floats) -> tuple[Floats, ...]:
    quarter, half, stay = now.since(6.0, _VITALS), now.since(12.0, _VITALS), now.first
    mean6, _ = now.mean_and_sd(quarter, _VITALS)
    mean12, sd12 = now.mean_and_sd(half, _VITALS)
    mean_stay, _ = now.mean_and_sd(stay[:, _VITALS], _VITALS)
    return (
        mean6,
        *now.extremes(quarter, _VITALS),
        mean12,
        *now.extremes(half, _VITALS),
        sd12,
        mean_stay,
        last[:, _VITALS] - mean_stay,
        *now.extremes(stay),
    )


def _partial(*signs: Floats) -> Floats:
    return np.asarray(np.add.reduce(signs))


def _over(value: Floats, limit: float) -> Floats:
    """1 above the limit, 0 at or below or unknown."""
    return (value > limit).astype(np.float64)


def _under(value: Floats, limit: float) -> Floats:
    return (value < limit).astype(np.float64)


def _sirs(v: Columns) -> Floats:
    return _partial(
        _over(v["heart_rate"], 90.0),
        np.maximum(_over(v["body_temp"], 38.0), _under(v["body_temp"], 36.0)),
        np.maximum(_over(v["resp_rate"], 20.0), _under(v["pco2"], 32.0)),
        np.maximum(_over(v["wbc"], 12.0), _under(v["wbc"], 4.0)),
    )


def _sofa(v: Columns) -> Floats:
    levels = (
        [_under(v["platelets"], limit) for limit in (150.0, 100.0, 50.0, 20.0)]
        + [_over(v["bilirubin_total"], limit) for limit in (1.1999, 1.9999, 5.9999, 12.0)]
        + [_over(v["creatinine"], limit) for limit in (1.1999, 1.9999, 3.4999, 4.9999)]
        + [_under(v["map"], 70.0)]
    )
    return _partial(*levels)


_DERIVED: tuple[tuple[str, str, Callable[[Columns], Floats]], ...] = (
    ("shock_index", "shock_index", lambda v: v["heart_rate"] / v["sbp"]),
    ("shock_index_map", "shock_index", lambda v: v["heart_rate"] / v["map"]),
    ("pulse_pressure", "pulse_pressure", lambda v: v["sbp"] - v["dbp"]),
    ("spo2_fio2", "oxygenation", lambda v: v["spo2"] / v["fio2"]),
    ("sao2_fio2", "oxygenation", lambda v: v["sao2"] / v["fio2"]),
    ("rox", "oxygenation", lambda v: v["spo2"] / v["fio2"] / v["resp_rate"]),
    ("urea_creatinine", "kidney", lambda v: v["urea_nitrogen"] / v["creatinine"]),
    ("hr_temp", "heart_rate", lambda v: v["heart_rate"] / v["body_temp"]),
    ("bilirubin_direct_part", "liver", lambda v: v["bilirubin_direct"] / v["bilirubin_total"]),
    ("platelets_wbc", "blood_count", lambda v: v["platelets"] / v["wbc"]),
    ("hematocrit_hemoglobin", "blood_count", lambda v: v["hematocrit"] / v["hemoglobin"]),
    ("sirs_partial", "sirs", _sirs),
    ("qsofa_partial", "qsofa", lambda v: _partial(_over(v["resp_rate"], 21.9999), _under(v["sbp"], 100.0001))),
    ("sofa_partial", "sofa", _sofa),
)


def _derived(v: Columns) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.stack([rule(v) for _, _, rule in _DERIVED], axis=1)
    return np.where(np.isfinite(found), found, np.nan)


def _activity(age: Floats) -> Floats:
    labs, vitals = age[:, _LABS], age[:, _VITALS]
    recent = [(labs < hours).sum(axis=1) for hours in (1.0, 3.0, 6.0, 12.0, 24.0)]
    known = [np.isfinite(labs).sum(axis=1), (vitals < 1.0).sum(axis=1), (vitals < 3.0).sum(axis=1)]
    youngest = np.fmin.reduce(labs, axis=1)
    return np.stack([*recent, *known, youngest], axis=1)


def _statics(persons: Persons, patient: Ints, time_ms: Ints) -> Floats:
    in_unit = time_ms / MS_PER_HOUR
    before = persons.hours_before_unit[patient]
    return np.stack([persons.age_years[patient], persons.male[patient], before, in_unit, before + in_unit], axis=1)


def _pace(now: Moments, time_ms: Ints) -> tuple[Floats, ...]:
    in_unit = np.maximum(time_ms / MS_PER_HOUR, 1.0)
    return now.hours_seen(now.since(6.0)), now.hours_seen(now.first) / in_unit[:, None]


def _spread(now: Moments) -> tuple[Floats, ...]:
    stay = now.first
    _, sd_vitals = now.mean_and_sd(stay[:, _VITALS], _VITALS)
    return sd_vitals, *now.mean_and_sd(stay[:, _LABS], _LABS), *now.extremes(now.since(24.0))


def _course(now: Moments, last: Floats) -> Floats:
    half_ago = now.value_before(now.since(12.0))
    means = [now.mean_and_sd(begin[:, _VITALS], _VITALS)[0] for begin in (now.since(6.0), now.first)]
    shock = [mean[:, VITALS.index("heart_rate")] / mean[:, VITALS.index("sbp")] for mean in means]
    sofa = [_sofa(dict(zip(QUANTITIES, values.T, strict=True))) for values in (half_ago, last)]
    return np.stack([*shock, sofa[1] - sofa[0]], axis=1)


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
    *(Feature(name=name, quantity=group, aspect="derived") for name, group, _ in _DERIVED),
    *_named(ACTIVITY, "count", "labs_1h", "labs_3h", "labs_6h", "labs_12h", "labs_24h", "labs_stay"),
    *_named(ACTIVITY, "count", "vitals_1h", "vitals_3h"),
    *_named(ACTIVITY, "age", "youngest_lab_h"),
    *_named("age", "value", "age_years"),
    *_named("sex", "value", "male"),
    *_named("time_before_unit", "value", "hours_before_unit"),
    *_named("time_in_unit", "value", "hours_in_unit", "hours_since_admission"),
    *(one for part in PARTS for one in _each(QUANTITIES, part, "twin")),
    *_each(QUANTITIES, "count_6h", "count"),
    *_each(QUANTITIES, "count_per_h", "count"),
    *_each(VITALS, "sd_stay", "trend"),
    *_each(LABS, "mean_stay", "value"),
    *_each(LABS, "sd_stay", "trend"),
    *_each(QUANTITIES, "min_24h", "value"),
    *_each(QUANTITIES, "max_24h", "value"),
    *_named("shock_index", "derived", "shock_index_mean_6h", "shock_index_mean_stay"),
    *_named("sofa", "derived", "sofa_partial_change_12h"),
    *_each(QUANTITIES, "first_h", "age"),
    *_each(LABS, "gap_h", "age"),
)
NAMES: tuple[str, ...] = tuple(one.name for one in FEATURES)
