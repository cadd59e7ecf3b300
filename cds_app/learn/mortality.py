"""The head ``mortality``: death in hospital, from the first 48 hours in intensive care.

Stays are few, so that all of them grow the trees that are shipped. Calibration, threshold and every figure come from
cross-validation: of each stay, what trees said that had not seen it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xgboost as xgb
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold

from cds_app.content import Artefact, canonical_json, latest
from cds_app.learn import stay_artefact
from cds_app.learn.calibrating import calibrate
from cds_app.learn.challenge2012 import DATA_SET, Outcomes, Stays, load, load_outcomes
from cds_app.learn.challenge2019 import file_sha256
from cds_app.learn.growing import Recipe, Task, grow
from cds_app.learn.margins import margins
from cds_app.learn.measure import calibration, groups
from cds_app.learn.plots import Seen
from cds_app.learn.resampling import Ranking, Resamples, interval, ratio
from cds_app.score.boosted import load_booster
from cds_app.score.eligibility import MEASUREMENTS, Circumstances, Limits, Times, eligible
from cds_app.score.features import Feature
from cds_app.score.result import Abstained
from cds_app.score.risk import RiskModel
from cds_app.score.stay_features import FEATURES, QUANTITIES, WINDOW_H, stay_features

NAME = "mortality"
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Matrix = NDArray[np.float32]

LIMITS = Limits(
    min_age_years=18.0,
    min_hours_in_unit=WINDOW_H,
    max_hours_in_unit=336.0,
    max_silence_h=WINDOW_H,
    fresh_vital_h=WINDOW_H,
    min_fresh_vitals=8,
)
RECIPE = Recipe(
    rounds=400,
    depth=4,
    trees_per_round=1,
    eta=0.03,
    subsample=0.4,
    colsample=0.13,
    least_child_weight=1.0,
    ridge=5.0,
    kept=1.0,
    threads=1,
)
LATER_DEATHS: tuple[tuple[float, float], ...] = ((30.0, 0.5), (90.0, 0.35), (365.0, 0.2))
"""Days after discharge, and how much a death up to then counts in growing: who died soon after was as ill."""
FORGOTTEN = 0.15  # part of the stays of which the trees are not told the kind of unit
OFTEN = frozenset({"heart_rate", "resp_rate", "body_temp", "sbp", "dbp", "map", "gcs_total", "urine_output", "fio2"})
LONG = (
    *("_first", "_last", "_change_stay", "_mean_stay", "_sd_stay", "_min_stay", "_max_stay"),
    *("_mean_day2", "_change_days"),
)
_FOLDS = 5
_REPEATS = 2
_SEED_OF_INTERVALS = 2012
_FEWEST = 10  # deaths; below, figures of a group are noise and are not given


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Stays that can be asked about.

    Parameters
    ----------
    who : DataFrame
        ``Age`` and ``Gender``, for figures by group.
    rows, seen : ndarray of float32, shape (stays, len(FEATURES))
        What serving would look at, and what the trees are grown on: `unit_forgotten`.
    truth : Outcomes
    """

    who: pd.DataFrame
    rows: Matrix
    seen: Matrix
    truth: Outcomes

    @classmethod
    def of(cls, stays: Stays, truth: Outcomes, asked: Ints, seed: int) -> Cohort:
        """The stays with these numbers."""
        rows = stay_features(stays.series, stays.stayers)[asked]
        seen = unit_forgotten(rows, np.random.default_rng(seed))
        who = _who(stays).iloc[asked].reset_index(drop=True)
        return cls(who=who, rows=rows, seen=seen, truth=truth.of(asked))

    def grown(self, fit: Ints, recipe: Recipe) -> xgb.Booster:
        """Trees that have seen these stays."""
        task = Task(rows=fit, target=worth(self.truth)[fit], weight=np.ones(len(fit)))
        return grow(self.seen, task, recipe, chosen(), names=[one.name for one in FEATURES])


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What trees said of stays that they had not seen; each array (repeats * stays,)."""

    stay: Ints
    fold: Ints  # repeats have folds of their own
    label: Ints
    margin: Floats


def train(data: Path, outcomes: Path, out: Path, seed: int, *, recipe: Recipe | None = None) -> Artefact:
    """Grow, calibrate, test by cross-validation and write an artefact.

    Parameters
    ----------
    data, outcomes : Path
        Parquet files of the challenge: measurements, and what became of the patients.
    out : Path
        Folder ``.../mortality/<version>``; is made.
    seed : int
        For folds, growing and the bootstrap.
    recipe : Recipe, optional
        How the trees are grown, in place of the head's own; its seed is replaced.
    """
    grown = replace(recipe or RECIPE, seed=seed)
    stays = load(data)
    asked = np.flatnonzero([one is None for one in refusals(stays)])
    cohort = Cohort.of(stays, load_outcomes(outcomes, stays.record), asked, seed)
    held = _held(cohort, grown)
    fitted = calibrate(held.margin, held.label, held.stay, np.random.default_rng(seed))
    threshold = as_many_alerts_as_deaths(fitted.calibration.probability(held.margin), held.label)
    report = {
        "recipe": asdict(grown),
        "later_deaths": LATER_DEATHS,
        "seed": seed,
        "split": {"by": "stratified folds", "folds": _FOLDS, "repeats": _REPEATS},
        "data": {
            **{"sha256": file_sha256(data), "outcomes_sha256": file_sha256(outcomes), "credit": DATA_SET.credit_short},
            **{"stays": len(stays.record), "asked": len(asked), "died": int(cohort.truth.died.sum())},
        },
        "calibration": {"method": fitted.method, "log_loss": fitted.log_loss},
        "threshold": threshold,
        "tested": f"stays that neither trees nor calibration had seen, in {_FOLDS}-fold cross-validation, {_REPEATS} "
        "times over: counts are of all repeats together",
        **_tested(cohort, held, seed),
    }
    booster = cohort.grown(np.arange(len(asked)), grown)
    seen = Seen(
        label=held.label,
        risk=fitted.calibration.probability(held.margin),
        threshold=threshold,
        design=cohort.rows[:, chosen()],
        names=[FEATURES[i].name for i in chosen()],
    )
    made = stay_artefact.Finished(
        booster=booster,
        columns=chosen(),
        calibration=fitted.calibration,
        limits=LIMITS,
        report=report,
        seen=seen,
    )
    return stay_artefact.write(out, made)


def evaluate(
    data: Path, outcomes: Path | None, predictions: Path, report: Path, artefact: Artefact | None = None
) -> dict[str, Any]:
    """Score every stay of a file and, where outcomes are given, measure how good the scores are.

    Parameters
    ----------
    data, outcomes : Path
        As for `train`; the outcomes need ``RecordID`` and ``In-hospital_death`` only.
    predictions : Path
        Parquet file to write, a row per stay: ``RecordID``, ``risk``, ``alert``, and ``abstained``, the reasons why
        there is no risk.
    report : Path
        JSON file to write.
    artefact : Artefact, optional
        The model; by default the latest that is shipped.

    Returns
    -------
    dict
        What the report holds.
    """
    artefact = artefact or latest(NAME)
    model = RiskModel.from_artefact(artefact)
    stays = load(data)
    refused = refusals(stays, model.limits)
    asked = np.array([one is None for one in refused])
    rows = stay_features(stays.series, stays.stayers)
    margin = margins(load_booster(artefact.read_bytes("model.ubj")), rows, model.columns)
    risk = np.where(asked, model.calibration.probability(margin), np.nan)
    alert = risk >= model.threshold
    _answers(stays, refused, risk, alert).to_parquet(predictions, index=False)
    found: dict[str, Any] = {
        "model": {"name": artefact.name, "version": artefact.version, "sha256": artefact.sha256},
        "seed": artefact.manifest["seed"],
        "data_sha256": file_sha256(data),
        "stays": len(stays.record),
        "abstained": int((~asked).sum()),
        "threshold": model.threshold,
        "labels": outcomes is not None,
    }
    if outcomes is not None:
        died = load_outcomes(outcomes, stays.record).died[asked]
        found |= measured(_who(stays)[asked], np.arange(len(died)), died, risk[asked], alert[asked])
    report.write_bytes(canonical_json(found))
    return found


def _answers(stays: Stays, refused: Sequence[Abstained | None], risk: Floats, alert: Flags) -> pd.DataFrame:
    """Where there is no risk there is no alert, and the reasons are named."""
    why = [None if one is None else ", ".join(lack.name for lack in one.reasons) for one in refused]
    known = pd.Series(alert, dtype="boolean").where(np.isfinite(risk))
    found = {"RecordID": stays.record, "risk": pd.Series(risk, dtype="Float64"), "alert": known, "abstained": why}
    return pd.DataFrame(found).astype({"abstained": "string"})


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


def as_many_alerts_as_deaths(risk: Floats, label: Ints) -> float:
    """Threshold at which sensitivity equals precision: on a smooth curve the best lesser of the two."""
    return float(np.sort(risk)[-int(label.sum())])


def measured(who: pd.DataFrame, stay: Ints, died: Ints, risk: Floats, alert: Flags) -> dict[str, Any]:
    """Figures overall, by sex and by age band, with 95 % intervals by stay.

    Parameters
    ----------
    who : DataFrame
        ``Age`` and ``Gender`` of every row.
    stay : ndarray of int64, shape (rows,)
        Whose row; a stay that was asked of more than once is drawn as a whole.
    """
    drawn = Resamples.drawn(int(stay.max()) + 1, np.random.default_rng(_SEED_OF_INTERVALS))
    everybody = {"overall": {"": np.ones(len(died), bool)}}
    parts = everybody | {f"by_{kind}": found for kind, found in groups(who).items()}
    found = {
        kind: {
            name: figures(stay[mine], died[mine], risk[mine], alert[mine], drawn)
            for name, mine in rows.items()
            if mine.any()
        }
        for kind, rows in parts.items()
    }
    return {**found, "overall": found["overall"][""]}


def figures(stay: Ints, died: Ints, risk: Floats, alert: Flags, drawn: Resamples) -> dict[str, Any]:
    """Discrimination, calibration and the alert rule of some stays; only counts where fewer than ten died."""
    counts = {"patients": len(died), "patients_with_outcome": int(died.sum())}
    if counts["patients_with_outcome"] < _FEWEST or died.all():
        return counts
    ranking = Ranking.of(drawn, stay, died, risk)
    hits, alerts, deaths = (drawn.sums(stay, one.astype(np.float64)) for one in (alert & (died > 0), alert, died))
    rule = {"sensitivity": ratio(hits, deaths), "precision": ratio(hits, alerts)}
    rule["lesser_of_both"] = np.minimum(rule["sensitivity"], rule["precision"])
    between = {"auroc": ranking.auroc(), "auprc": ranking.auprc(), **rule}
    return {
        **counts,
        "auroc": float(roc_auc_score(died, risk)),
        "auprc": float(average_precision_score(died, risk)),
        **{name: float(np.nan_to_num(one[0])) for name, one in rule.items()},
        "calibration": calibration(died, risk),
        "intervals": {name: interval(one) for name, one in between.items()},
    }


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


def _folds(truth: Outcomes, seed: int) -> Iterator[tuple[Ints, Ints]]:
    yield from StratifiedKFold(_FOLDS, shuffle=True, random_state=seed).split(truth.died, truth.died)


def _held(cohort: Cohort, recipe: Recipe) -> Held:
    """Grow on four of five folds, ask of the fifth, until every stay was asked of; more than once."""
    died = cohort.truth.died
    margin, fold = np.empty((_REPEATS, len(died))), np.empty((_REPEATS, len(died)), np.int64)
    for repeat in range(_REPEATS):
        here = replace(recipe, seed=recipe.seed + repeat)
        for k, (fit, test) in enumerate(_folds(cohort.truth, here.seed)):
            booster = cohort.grown(fit, here)
            margin[repeat, test] = booster.inplace_predict(
                np.ascontiguousarray(cohort.rows[np.ix_(test, chosen())]),
                predict_type="margin",
                validate_features=False,
            )
            fold[repeat, test] = repeat * _FOLDS + k
    return Held(
        stay=np.tile(np.arange(len(died)), _REPEATS),
        fold=fold.ravel(),
        label=np.tile(died, _REPEATS),
        margin=margin.ravel(),
    )


def _tested(cohort: Cohort, held: Held, seed: int) -> dict[str, Any]:
    """Figures on stays that neither trees nor calibration had seen, and what plain severity signs reach."""
    signs = cohort.rows[:, [one.name for one in FEATURES].index("saps_stay")]
    return {
        "test": _cross_tested(held, cohort.who, seed),
        "test_of_severity_signs": {"auroc": float(roc_auc_score(cohort.truth.died, signs))},
    }


def _cross_tested(held: Held, who: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Each fold calibrated, and its alerts decided, by the other folds of the same repeat."""
    risk, alert = np.empty(len(held.margin)), np.zeros(len(held.margin), bool)
    for k in np.unique(held.fold):
        mine, others = held.fold == k, (held.fold // _FOLDS == k // _FOLDS) & (held.fold != k)
        label, rng = held.label[others], np.random.default_rng(seed)
        found = calibrate(held.margin[others], label, held.stay[others], rng, resamples=1).calibration
        risk[mine] = found.probability(held.margin[mine])
        alert[mine] = risk[mine] >= as_many_alerts_as_deaths(found.probability(held.margin[others]), label)
    return measured(who.iloc[held.stay].reset_index(drop=True), held.stay, held.label, risk, alert)


def _who(stays: Stays) -> pd.DataFrame:
    return pd.DataFrame({"Age": stays.stayers.age_years, "Gender": stays.stayers.male})
