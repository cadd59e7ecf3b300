"""Evidence for a calibration: what trees say of patients whom they have not seen, of as many as there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cds_app.learn.cohort import Cohort, Fit
from cds_app.learn.growing import Recipe, grow
from cds_app.learn.margins import margins
from cds_app.learn.measure import groups

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


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
    patients = int(fit.truth.patient.max()) + 1
    part = np.random.default_rng(recipe.seed).integers(0, folds, patients)[fit.truth.patient]
    margin = np.full(len(part), np.nan)
    for k in range(folds):
        rest, mine = np.flatnonzero(part != k), np.flatnonzero(part == k)
        task = replace(fit.task, rows=rest, target=fit.task.target[rest], weight=fit.task.weight[rest])
        margin[mine] = margins(grow(fit.design, task, recipe, columns), fit.design[mine], columns)
    return Evidence(margin=margin, label=fit.truth.label, patient=fit.truth.patient, who=fit.who)
