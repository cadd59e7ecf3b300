"""Evidence for a calibration comes from trees that have not seen the patient."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from cds_app.learn.cohort import Fit
from cds_app.learn.crossing import Evidence, cross_graded, crossed
from cds_app.learn.growing import Recipe, Task, grow
from cds_app.learn.head import Outcome
from cds_app.learn.margins import margins
from cds_app.score.features import FEATURES

_PATIENTS, _HOURS = 200, 10
_RECIPE = Recipe(
    rounds=30, depth=6, eta=0.5, subsample=1.0, colsample=1.0, least_child_weight=0.1, ridge=0.1, threads=1
)
_COLUMNS = np.array([0])


def _fit() -> Fit:
    """Every patient has a number of his own, and labels that have nothing to do with it."""
    patient = np.repeat(np.arange(_PATIENTS), _HOURS)
    rows = np.full((len(patient), len(FEATURES)), np.nan, np.float32)
    rows[:, 0] = np.random.default_rng(0).permutation(_PATIENTS)[patient]
    label = (np.random.default_rng(1).random(_PATIENTS) < 0.5).astype(np.int64)[patient]
    return Fit(
        design=rows,
        task=Task(rows=np.arange(len(patient)), target=label.astype(np.float64), weight=np.ones(len(patient))),
        truth=Outcome(patient=patient, label=label, asked=np.ones(len(patient), bool)),
        who=pd.DataFrame({"Age": np.full(len(patient), 50.0), "Gender": patient % 2}),
    )


def _told_apart(label: np.ndarray, margin: np.ndarray) -> float:
    return float(margin[label > 0].mean() - margin[label == 0].mean())


def test_nobody_is_judged_by_trees_that_know_him() -> None:
    fit = _fit()
    own = margins(grow(fit.design, fit.task, _RECIPE, _COLUMNS), fit.design, _COLUMNS)
    found = crossed(fit, _RECIPE, _COLUMNS, 4)
    assert np.isfinite(found.margin).all()
    assert _told_apart(fit.truth.label, own) > 2.0  # learned by heart
    assert abs(_told_apart(found.label, found.margin)) < 1.0  # nothing to learn


def test_figures_of_fit_patients_come_from_trees_and_a_calibration_of_others() -> None:
    fit = _fit()
    learned = replace(crossed(fit, _RECIPE, _COLUMNS, 4), margin=(2.0 * fit.truth.label - 1.0).astype(np.float64))
    noise = crossed(fit, _RECIPE, _COLUMNS, 4)
    found, none = (cross_graded(one, 4, _RECIPE.seed) for one in (learned, noise))
    assert found["overall"]["auroc"] == 1.0
    assert 0.35 < none["overall"]["auroc"] < 0.65  # nothing to learn
    assert none["overall"]["calibration"]["ece"] <= none["overall"]["calibration"]["ece_by_chance"]
    assert set(none["by_sex"]) == {"female", "male"}
    assert {one["patients"] for one in none["by_sex"].values()} == {_PATIENTS // 2}
    assert none["overall"]["patients"] == _PATIENTS


def test_joined_evidence_keeps_patients_apart() -> None:
    found = crossed(_fit(), replace(_RECIPE, rounds=1), _COLUMNS, 2)
    both = found.joined(found.thinned(0.5, np.random.default_rng(3)))
    assert len(np.unique(both.patient)) == 2 * _PATIENTS
    assert len(both.margin) == len(both.who) == len(both.label)
    assert 0.4 < len(both.margin) / len(found.margin) - 1.0 < 0.6
    assert set(both.among()) == {"sex", "age"}


def test_evidence_of_kept_back_patients_is_theirs() -> None:
    fit = _fit()
    found = Evidence(
        margin=fit.design[:, 0].astype(np.float64), label=fit.truth.label, patient=fit.truth.patient, who=fit.who
    )
    thinned = found.thinned(1.0, np.random.default_rng(0))
    pd.testing.assert_frame_equal(thinned.who, found.who)
