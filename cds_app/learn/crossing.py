"""Evidence for a calibration: what trees say of patients whom they have not seen, of as many as there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cds_app.learn.burden import Course
from cds_app.learn.calibrating import calibrate
from cds_app.learn.cohort import Cohort, Fit
from cds_app.learn.growing import Recipe, grow
from cds_app.learn.margins import margins
from cds_app.learn.measure import Scored, graded, groups
from cds_app.learn.resampling import Resamples

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_RESAMPLES = 2  # only the middle of these calibrations is read


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Margins of rows by trees that have not seen their patients, and what followed.

    Parameters
    ----------
    who : DataFrame
        ``Age``, ``Gender`` and, where known, ``site``.
    """

    margin: Floats
    label: Ints
    patient: Ints
    who: pd.DataFrame

    @classmethod
    def of(cls, cohort: Cohort, margin: Floats) -> Evidence:
        """Patients who were kept back."""
        return cls(margin=margin, label=cohort.truth.label, patient=cohort.truth.patient, who=cohort.frame)

    def among(self) -> Mapping[str, Mapping[str, NDArray[np.bool_]]]:
        """Its rows by sex, age band and hospital."""
        return groups(self.who)

    def thinned(self, kept: float, rng: np.random.Generator) -> Evidence:
        """Some of the rows, whosever they are."""
        rows = np.flatnonzero(rng.random(len(self.margin)) < kept)
        return Evidence(
            margin=self.margin[rows],
            label=self.label[rows],
            patient=self.patient[rows],
            who=self.who.iloc[rows].reset_index(drop=True),
        )

    def joined(self, other: Evidence) -> Evidence:
        """Together with other patients."""
        apart = int(self.patient.max()) + 1
        return Evidence(
            margin=np.concatenate((self.margin, other.margin)),
            label=np.concatenate((self.label, other.label)),
            patient=np.concatenate((self.patient, other.patient + apart)),
            who=pd.concat([self.who, other.who], ignore_index=True),
        )


def crossed(fit: Fit, recipe: Recipe, columns: Ints, folds: int) -> Evidence:
    """Of every patient that the trees of a model are grown on, what trees say that were grown on the others.

    Parameters
    ----------
    fit : Fit
        Rows whose task is the outcome itself.
    folds : int
        Into how many parts its patients are cut.
    """
    part = _parts(fit.truth.patient, folds, recipe.seed)
    margin = np.full(len(part), np.nan)
    for k in range(folds):
        rest, mine = np.flatnonzero(part != k), np.flatnonzero(part == k)
        task = replace(fit.task, rows=rest, target=fit.task.target[rest], weight=fit.task.weight[rest])
        margin[mine] = margins(grow(fit.design, task, recipe, columns), fit.design[mine], columns)
    return Evidence(margin=margin, label=fit.truth.label, patient=fit.truth.patient, who=fit.who)


def cross_graded(seen: Evidence, folds: int, seed: int) -> dict[str, Any]:
    """How good the risk of patients is by trees and a calibration of others: overall, by sex, age band and hospital.

    There are many times more of them than test patients, so that chance says less.

    Parameters
    ----------
    seen : Evidence
        Of `crossed`, with the same folds and seed.

    Returns
    -------
    dict
        Figures of `measure.graded`: ``overall`` and ``by_sex``, ``by_age`` and, where known, ``by_site``.
    """
    dense = np.unique(seen.patient, return_inverse=True)[1].astype(np.int64)
    course = Course(patient=dense, hour=np.zeros(len(dense)), label=seen.label, horizon_h=0.0)
    scored = Scored.at(course, _told_by_others(seen, folds, seed), 1.0)
    drawn = Resamples.drawn(int(dense.max()) + 1, np.random.default_rng(seed))
    parts = {
        f"by_{kind}": {name: graded(scored.of(rows), drawn) for name, rows in found.items() if rows.any()}
        for kind, found in seen.among().items()
    }
    return {"overall": graded(scored, drawn), **parts}


def _told_by_others(seen: Evidence, folds: int, seed: int) -> Floats:
    """Risk of every row, calibrated on patients of the other folds."""
    part = _parts(seen.patient, folds, seed)
    risk = np.full(len(part), np.nan)
    for k in range(folds):
        rest, mine = part != k, part == k
        rng = np.random.default_rng(seed)
        found = calibrate(seen.margin[rest], seen.label[rest], seen.patient[rest], rng, resamples=_RESAMPLES)
        risk[mine] = found.calibration.probability(seen.margin[mine])
    return risk


def _parts(patient: Ints, folds: int, seed: int) -> Ints:
    """Of every row, the fold of its patient."""
    return np.random.default_rng(seed).integers(0, folds, int(patient.max()) + 1)[patient]
