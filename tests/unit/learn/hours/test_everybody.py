"""Trees on everybody are judged by trees, calibration and threshold that do not know the patient."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from cds_app.learn.files.challenge2019 import fold_of, split
from cds_app.learn.growing import Recipe, Task, margins
from cds_app.learn.head import CUTS, FOLDS, Outcome
from cds_app.learn.hours.cohort import Cohort
from cds_app.learn.hours.everybody import Crossed, Everybody
from cds_app.learn.hours.sepsis import SEPSIS
from cds_app.score.features.hours import FEATURES, NAMES

_PATIENTS, _HOURS = 150, 12
_RECIPE = Recipe(
    rounds=30, depth=6, eta=0.5, subsample=1.0, colsample=1.0, least_child_weight=0.1, ridge=0.1, threads=1
)
_COLUMNS = np.array([0])
_PATIENT = np.repeat(np.arange(_PATIENTS), _HOURS)
_PIDS = pd.Series(np.char.mod("p%03d", _PATIENT))


def _everybody() -> Everybody:
    """Every patient has a number of his own, and labels that have nothing to do with it."""
    rows = np.full((len(_PATIENT), len(FEATURES)), np.nan, np.float32)
    rows[:, 0] = np.random.default_rng(0).permutation(_PATIENTS)[_PATIENT]
    rows[:, NAMES.index("age_years")] = 50.0
    ill = np.random.default_rng(1).random(_PATIENTS) < 0.4
    label = (ill[_PATIENT] & (np.tile(np.arange(_HOURS), _PATIENTS) >= 4)).astype(np.int64)
    frame = pd.DataFrame(
        {"pid": _PIDS, "ICULOS": np.tile(np.arange(1, _HOURS + 1), _PATIENTS), "Age": 50.0, "Gender": _PATIENT % 2}
    )
    truth = Outcome(patient=_PATIENT, label=label, asked=np.ones(len(label), bool))
    task = Task(rows=np.arange(len(label)), target=label.astype(np.float64), weight=np.ones(len(label)))
    cohort = Cohort(frame=frame, truth=truth, design=rows)
    return Everybody(head=SEPSIS, cohort=cohort, task=task, fold=fold_of(_PIDS, FOLDS))


def _crossed(one: Everybody) -> Crossed:
    return one.crossed(_RECIPE, _COLUMNS, one.grown(_RECIPE, _COLUMNS, but=one.last))


def _told_apart(label: np.ndarray, margin: np.ndarray) -> float:
    return float(margin[label > 0].mean() - margin[label == 0].mean())


def test_folds_keep_patients_whole_and_the_last_is_whom_fit_patients_do_not_hold() -> None:
    fold = fold_of(_PIDS, FOLDS)
    assert set(fold.tolist()) == set(range(FOLDS))
    assert all(len(set(fold[one == _PATIENT].tolist())) == 1 for one in range(_PATIENTS))
    fit = np.array([split(pid, CUTS) == "fit" for pid in _PIDS])
    assert np.array_equal(fold < FOLDS - 1, fit)


def test_nobody_is_judged_by_trees_that_know_him_but_all_grow_those_that_are_shipped() -> None:
    one = _everybody()
    label, design = one.cohort.truth.label, one.cohort.design
    found = _crossed(one)
    by_heart = margins(one.grown(_RECIPE, _COLUMNS), design, _COLUMNS)
    assert np.isfinite(found.margin).all()
    assert abs(_told_apart(label, found.margin)) < 1.0  # nothing to learn
    for k in range(FOLDS):
        assert _told_apart(label[one.fold == k], by_heart[one.fold == k]) > 1.0


def test_trees_of_fit_patients_see_none_of_the_last_fold() -> None:
    one = _everybody()
    fit = one.fit()
    number = one.cohort.design[:, 0]
    assert set(fit.design[:, 0].tolist()) == set(number[one.fold < one.last].tolist())
    assert len(fit.design) == len(fit.who) == len(fit.task.rows)


def test_risk_and_threshold_of_a_fold_do_not_hang_on_what_became_of_it() -> None:
    whole = _crossed(_everybody())
    mine, truth = whole.fold == 2, whole.cohort.truth
    other = replace(truth, label=np.where(mine, 0, truth.label))
    again = replace(whole, cohort=replace(whole.cohort, truth=other))
    (before, after) = (found.judged(3, None) for found in (whole, again))
    assert np.array_equal(before.risk[mine], after.risk[mine])
    assert np.array_equal(np.asarray(before.threshold)[mine], np.asarray(after.threshold)[mine])
    assert not np.array_equal(before.risk[~mine], after.risk[~mine])
    assert before.tested.startswith(f"{_PATIENTS} patients")
