"""Stays of the first 48 hours that can be asked about, and what trees may learn from them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
import xgboost as xgb

from cds_app.domain.arrays import Floats, Ints, Matrix
from cds_app.learn.files.challenge2012 import Outcomes, Stays
from cds_app.learn.growing import Recipe, Task, grow
from cds_app.score.features.hours import Feature
from cds_app.score.features.stays import FEATURES, QUANTITIES, WINDOW_H, stay_features
from cds_app.score.result import Abstained
from cds_app.score.risk.eligibility import MEASUREMENTS, Circumstances, Limits, Times, eligible

NAME = "mortality"

LIMITS = Limits(
    min_age_years=18.0,
    min_hours_in_unit=WINDOW_H,
    max_hours_in_unit=336.0,
    max_silence_h=WINDOW_H,
    fresh_vital_h=WINDOW_H,
    min_fresh_vitals=8,
)
LATER_DEATHS: tuple[tuple[float, float], ...] = ((30.0, 0.5), (90.0, 0.35), (365.0, 0.2))
"""Days after discharge, and how much a death up to then counts in growing: who died soon after was as ill."""
FORGOTTEN = 0.15  # part of the stays of which the trees are not told the kind of unit
OFTEN = frozenset({"heart_rate", "resp_rate", "body_temp", "sbp", "dbp", "map", "gcs_total", "urine_output", "fio2"})
LONG = (
    *("_first", "_last", "_change_stay", "_mean_stay", "_sd_stay", "_min_stay", "_max_stay"),
    *("_mean_day2", "_change_days"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StayCohort:
    """Stays that can be asked about.

    Parameters
    ----------
    who : DataFrame
        ``Age`` and ``Gender``, for figures by group.
    rows, seen : ndarray of float32, shape (stays, len(FEATURES))
        What serving would look at, and what the trees are grown on: `unit_forgotten`.
    """

    who: pd.DataFrame
    rows: Matrix
    seen: Matrix
    truth: Outcomes

    @classmethod
    def of(cls, stays: Stays, truth: Outcomes, asked: Ints, seed: int) -> StayCohort:
        """The stays with these numbers."""
        rows = stay_features(stays.series, stays.stayers)[asked]
        seen = unit_forgotten(rows, np.random.default_rng(seed))
        named = who(stays).iloc[asked].reset_index(drop=True)
        return cls(who=named, rows=rows, seen=seen, truth=truth.of(asked))

    def grown(self, fit: Ints, recipe: Recipe) -> xgb.Booster:
        """Trees that have seen these stays."""
        task = Task(rows=fit, target=worth(self.truth)[fit], weight=np.ones(len(fit)))
        return grow(self.seen, task, recipe, chosen(), names=[one.name for one in FEATURES])


def refusals(stays: Stays, limits: Limits = LIMITS) -> list[Abstained | None]:
    """Of every stay, why there is no answer: the question of serving, put at the end of the first days."""
    tracks = _tracks(stays)
    return [
        eligible(NAME, limits, _circumstances(age), mine, WINDOW_H, MEASUREMENTS)
        for age, mine in zip(stays.stayers.age_years, tracks, strict=True)
    ]


def worth(truth: Outcomes) -> Floats:
    """How much each stay counts as a death in growing: 1 for one in hospital, less for one after discharge."""
    after = truth.days_after_discharge[:, None] <= [days for days, _ in LATER_DEATHS]
    parts = np.array([part for _, part in LATER_DEATHS])
    return np.where(truth.died > 0, 1.0, (after * parts).max(axis=1))


def unit_forgotten(rows: Matrix, rng: np.random.Generator) -> Matrix:
    """Rows with the kind of unit left out of some: the data name it always, a chart does not."""
    kinds = np.array([i for i, one in enumerate(FEATURES) if one.quantity == "kind_of_unit"], np.int64)
    found = rows.copy()
    found[np.ix_(np.flatnonzero(rng.random(len(rows)) < FORGOTTEN), kinds)] = np.nan
    return found


def chosen() -> Ints:
    """The features that the trees may use."""
    return np.array([i for i, one in enumerate(FEATURES) if _useful(one)], np.int64)


def _useful(one: Feature) -> bool:
    """Neither when and how often one measured, which is habit, nor short windows of what is measured once or twice."""
    if one.aspect in {"age", "count"}:
        return False
    seldom = one.quantity in QUANTITIES and one.quantity not in OFTEN and one.aspect != "derived"
    return not seldom or one.name.endswith(LONG)


def _circumstances(age: float) -> Circumstances:
    known = None if np.isnan(age) else float(age)
    return Circumstances(age_years=known, pregnant=False, inpatient=True, hours_in_unit=WINDOW_H)


def _tracks(stays: Stays) -> list[dict[str, Times]]:
    series = stays.series
    inside = np.flatnonzero((series.hours >= 0) & (series.hours <= WINDOW_H))
    order = inside[np.lexsort((series.hours[inside], series.quantity[inside], series.stay[inside]))]
    group = series.stay[order] * len(QUANTITIES) + series.quantity[order]
    hours = series.hours[order]
    edges = np.flatnonzero(np.diff(group, prepend=-1, append=-1))
    found: list[dict[str, Times]] = [{} for _ in stays.record]
    for begin, end in pairwise(edges):
        stay, quantity = divmod(int(group[begin]), len(QUANTITIES))
        found[stay][QUANTITIES[quantity]] = Times(hours[begin:end].tolist())
    return found


def who(stays: Stays) -> pd.DataFrame:
    """Age and sex of every stay, for figures by group."""
    return pd.DataFrame({"Age": stays.stayers.age_years, "Gender": stays.stayers.male})
