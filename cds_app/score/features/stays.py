"""What a whole stay looks like in its first 48 hours: summaries of windows, for one patient or for thousands.

One code path for training and serving. Nothing outside of the first `WINDOW_H` hours is seen: the same facts give the
same answer, whenever asked. Sums are of integers (see `score.features.samples`): a stay computed alone equals the stay
computed among others, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cds_app.domain.arrays import Flags, Floats, Ints
from cds_app.score.features.hours import Aspect, Feature
from cds_app.score.features.samples import MS_PER_HOUR, Moments, Samples, to_ms
from cds_app.score.whereabouts import KINDS

WINDOW_H = 48.0
QUANTITIES: tuple[str, ...] = (
    "heart_rate",
    "resp_rate",
    "body_temp",
    "sbp",
    "dbp",
    "map",
    "gcs_total",
    "urine_output",
    "fio2",
    "ph",
    "pco2",
    "po2",
    "sao2",
    "lactate",
    "bicarbonate",
    "urea_nitrogen",
    "creatinine",
    "sodium",
    "potassium",
    "glucose",
    "magnesium",
    "wbc",
    "hematocrit",
    "platelets",
    "bilirubin_total",
    "alp",
    "ast",
    "alt",
    "albumin",
    "chol_total",
    "troponin_i",
    "troponin_t",
    "body_weight",
    "ventilation",
)
_ALL = np.arange(len(QUANTITIES))
HEIGHT_CM = (120.0, 230.0)
"""Plausible heights of adults; others count as not known."""
UNITS = tuple(KINDS)
_DAY_H, _HALF_H, _QUARTER_H = 24.0, 36.0, 42.0  # where the first day ends, the last 12 and the last 6 hours begin
_USUAL_KG = 80.0  # where no weight was taken, urine is counted per this
_PERCENT = 100.0
_CM_PER_M = 100.0
_URINE: tuple[tuple[str, float], ...] = (("day1", 24.0), ("day2", 24.0), ("12h", 12.0), ("6h", 6.0))  # and hours

Columns = Mapping[str, Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stayers:
    """What does not change during the stays: arrays (stays,); NaN is unknown.

    Parameters
    ----------
    age_years : ndarray of float64
    male : ndarray of float64
        1 or 0.
    height_cm : ndarray of float64
    unit : ndarray of float64, shape (stays, len(UNITS))
        1 for the kind of intensive care unit, 0 for the others; all NaN where it is not known.
    """

    age_years: Floats
    male: Floats
    height_cm: Floats
    unit: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Measurements of many stays; any order.

    Parameters
    ----------
    stay, quantity : ndarray of int64, shape (samples,)
        Number of the stay, and place in `QUANTITIES`.
    hours, value : ndarray of float64, shape (samples,)
        Hours since the patient entered the unit, and the value in the canonical unit.
    """

    stay: Ints
    quantity: Ints
    hours: Floats
    value: Floats


def stay_features(series: Series, stayers: Stayers) -> NDArray[np.float32]:
    """Model input of stays.

    Parameters
    ----------
    series : Series
        All that was measured; what lies outside of the first `WINDOW_H` hours is not looked at.
    stayers : Stayers
        Who the patients are; their number is the number of stays.

    Returns
    -------
    ndarray of float32, shape (stays, len(FEATURES))
        NaN where a feature is not defined.
    """
    return stay_matrix(_laid_out(series, len(stayers.age_years)), stayers)


def _laid_out(series: Series, stays: int) -> Samples:
    time_ms = to_ms(series.hours)
    group = series.stay * len(QUANTITIES) + series.quantity
    inside = np.flatnonzero((time_ms >= 0) & (time_ms <= to_ms(np.array(WINDOW_H))))
    # equal times in order of value and each value once: neither the order they came in nor a repetition matters
    order = inside[np.lexsort((series.value[inside], time_ms[inside], group[inside]))]
    order = order[_distinct(group[order], time_ms[order], series.value[order])]
    edges = np.arange(stays * len(QUANTITIES) + 1)
    return Samples.of(
        quantities=len(QUANTITIES),
        start=np.searchsorted(group[order], edges).astype(np.int64),
        time_ms=time_ms[order],
        value=series.value[order],
        belief=np.empty((0, len(order))),
    )


def _distinct(*columns: Ints | Floats) -> Flags:
    """Which rows differ from the one before."""
    differs = [np.diff(column, prepend=np.nan) != 0 for column in columns]
    return np.asarray(np.logical_or.reduce(differs))


def stay_matrix(samples: Samples, stayers: Stayers) -> NDArray[np.float32]:
    """As `stay_features`, for samples that are laid out and hold nothing outside of the window."""
    everyone = np.arange(len(stayers.age_years))

    def at(hours: float) -> Moments:
        return samples.at(everyone, np.full(len(everyone), round(hours * MS_PER_HOUR)))

    day, half, quarter, end = map(at, (_DAY_H, _HALF_H, _QUARTER_H, WINDOW_H))
    instants = (day, half, quarter, end)
    measured = np.concatenate((_points(end), _spans(*instants), _urine(*instants), _who(stayers)), axis=1)
    columns = {one.name: column for one, column in zip(MEASURED, measured.T, strict=True)}
    return np.concatenate((measured, _derived(columns)), axis=1).astype(np.float32)


def _points(end: Moments) -> Floats:
    """First and last value, how long ago the last, the difference, and in how many hours there was any."""
    first = np.where(end.end > end.first, end.samples.value[np.minimum(end.first, len(end.samples.key))], np.nan)
    last = end.value_before(end.end, _ALL)
    return np.concatenate((first, last, end.age_h(), last - first, end.hours_seen(end.first, _ALL)), axis=1)


def _spans(day: Moments, half: Moments, quarter: Moments, end: Moments) -> Floats:
    """Mean, spread and extremes of the stay, of each day, and of the last hours."""
    mean1, _ = day.mean_and_sd(day.first, _ALL)
    mean2, sd2 = end.mean_and_sd(day.end, _ALL)
    mean12, _ = end.mean_and_sd(half.end, _ALL)
    mean6, _ = end.mean_and_sd(quarter.end, _ALL)
    return np.concatenate(
        (
            *end.mean_and_sd(end.first, _ALL),
            *end.extremes(end.first, _ALL),
            mean1,
            *day.extremes(day.first, _ALL),
            mean2,
            sd2,
            *end.extremes(day.end, _ALL),
            mean2 - mean1,
            end.hours_seen(day.end, _ALL),
            mean12,
            *end.extremes(half.end, _ALL),
            mean6,
        ),
        axis=1,
    )


def _urine(day: Moments, half: Moments, quarter: Moments, end: Moments) -> Floats:
    """Volume of each day and of the last hours, mL; NaN where nothing was charted."""
    windows = ((day.first, day.end), (day.end, end.end), (half.end, end.end), (quarter.end, end.end))
    column = QUANTITIES.index("urine_output")
    found = [end.total(begin[:, column], until[:, column]) for begin, until in windows]
    return np.stack(found, axis=1)


def _who(stayers: Stayers) -> Floats:
    return np.column_stack((stayers.age_years, stayers.male, stayers.height_cm, stayers.unit))


def _derived(v: Columns) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.stack([rule(v) for _, _, rule in DERIVED], axis=1)
    return np.where(np.isfinite(found), found, np.nan)


def _steps(value: Floats, limits: Sequence[float], points: Sequence[float]) -> Floats:
    """Points of the range that a value lies in, a limit belonging to the range above; 0 where it is unknown."""
    found = np.asarray(points, np.float64)[np.searchsorted(limits, value, side="right")]
    return np.where(np.isnan(value), 0.0, found)


def _per_kg_hour(window: str, hours: float) -> Callable[[Columns], Floats]:
    def rate(v: Columns) -> Floats:
        weight = np.where(np.isnan(v["body_weight_last"]), _USUAL_KG, v["body_weight_last"])
        return v[f"urine_ml_{window}"] / weight / hours

    return rate


def _sofa(window: str) -> Callable[[Columns], Floats]:
    """What of SOFA (Vincent et al. 1996) can be had from these measurements, at the worst value of a window."""

    def score(v: Columns) -> Floats:
        return np.asarray(
            _steps(v[f"platelets_min_{window}"], (20, 50, 100, 150), (4, 3, 2, 1, 0))
            + _steps(v[f"bilirubin_total_max_{window}"], (1.2, 2, 6, 12), (0, 1, 2, 3, 4))
            + _steps(v[f"creatinine_max_{window}"], (1.2, 2, 3.5, 5), (0, 1, 2, 3, 4))
            + _steps(v[f"map_min_{window}"], (70,), (1, 0))
            + _steps(v[f"gcs_total_min_{window}"], (6, 10, 13, 15), (4, 3, 2, 1, 0))
        )

    return score


def _saps(window: str) -> Callable[[Columns], Floats]:
    """What of SAPS II (Le Gall et al. 1993) can be had from these measurements, at the worst value of a window."""

    def score(v: Columns) -> Floats:
        return np.asarray(
            _steps(v["age_years"], (40, 60, 70, 75, 80), (0, 7, 12, 15, 16, 18))
            + _steps(v[f"heart_rate_max_{window}"], (120, 160), (0, 4, 7))
            + _steps(v[f"sbp_min_{window}"], (70, 100), (13, 5, 0))
            + _steps(v[f"body_temp_max_{window}"], (39,), (0, 3))
            + _steps(v[f"urea_nitrogen_max_{window}"], (28, 84), (0, 6, 10))
            + _steps(v[f"wbc_max_{window}"], (20,), (0, 3))
            + _steps(v[f"potassium_max_{window}"], (5,), (0, 3))
            + _steps(v[f"sodium_min_{window}"], (125,), (5, 0))
            + _steps(v[f"bicarbonate_min_{window}"], (15, 20), (6, 3, 0))
            + _steps(v[f"bilirubin_total_max_{window}"], (4, 6), (0, 4, 9))
            + _steps(v[f"gcs_total_min_{window}"], (6, 9, 11, 14), (26, 13, 7, 5, 0))
        )

    return score


def _over(above: str, below: str, window: str, factor: float = 1.0) -> Callable[[Columns], Floats]:
    return lambda v: factor * v[f"{above}_{window}"] / v[f"{below}_{window}"]


def _body_mass(v: Columns) -> Floats:
    return v["body_weight_last"] / (v["height_cm"] / _CM_PER_M) ** 2


_WINDOWS = ("last", "mean_day1", "mean_day2", "mean_12h")
DERIVED: tuple[tuple[str, str, Callable[[Columns], Floats]], ...] = (
    *((f"urine_rate_{name}", "urine_output", _per_kg_hour(name, hours)) for name, hours in _URINE),
    *((f"shock_index_{one}", "shock_index", _over("heart_rate", "sbp", one)) for one in _WINDOWS),
    *((f"po2_fio2_{one}", "oxygenation", _over("po2", "fio2", one, _PERCENT)) for one in _WINDOWS),
    *((f"urea_creatinine_{one}", "kidney", _over("urea_nitrogen", "creatinine", one)) for one in _WINDOWS),
    ("po2_fio2_worst", "oxygenation", lambda v: _PERCENT * v["po2_min_stay"] / v["fio2_max_stay"]),
    ("shock_index_worst", "shock_index", lambda v: v["heart_rate_max_day2"] / v["sbp_min_day2"]),
    *((f"sofa_{one}", "sofa", _sofa(one)) for one in ("day1", "day2", "stay")),
    *((f"saps_{one}", "saps", _saps(one)) for one in ("day1", "day2", "stay")),
    ("body_mass_index", "body_weight", _body_mass),
)


def _each(suffix: str, aspect: Aspect) -> tuple[Feature, ...]:
    return tuple(Feature(name=f"{one}_{suffix}", quantity=one, aspect=aspect) for one in QUANTITIES)


def _named(quantity: str, *names: str) -> tuple[Feature, ...]:
    return tuple(Feature(name=name, quantity=quantity, aspect="value") for name in names)


MEASURED: tuple[Feature, ...] = (
    *_each("first", "value"),
    *_each("last", "value"),
    *_each("age_h", "age"),
    *_each("change_stay", "trend"),
    *_each("hours_stay", "count"),
    *_each("mean_stay", "value"),
    *_each("sd_stay", "trend"),
    *_each("min_stay", "value"),
    *_each("max_stay", "value"),
    *_each("mean_day1", "value"),
    *_each("min_day1", "value"),
    *_each("max_day1", "value"),
    *_each("mean_day2", "value"),
    *_each("sd_day2", "trend"),
    *_each("min_day2", "value"),
    *_each("max_day2", "value"),
    *_each("change_days", "trend"),
    *_each("hours_day2", "count"),
    *_each("mean_12h", "value"),
    *_each("min_12h", "value"),
    *_each("max_12h", "value"),
    *_each("mean_6h", "value"),
    *(Feature(name=f"urine_ml_{name}", quantity="urine_output", aspect="value") for name, _ in _URINE),
    *_named("age", "age_years"),
    *_named("sex", "male"),
    *_named("body_height", "height_cm"),
    *_named("kind_of_unit", *(f"unit_{one}" for one in UNITS)),
)
FEATURES: tuple[Feature, ...] = (
    *MEASURED,
    *(Feature(name=name, quantity=group, aspect="derived") for name, group, _ in DERIVED),
)
