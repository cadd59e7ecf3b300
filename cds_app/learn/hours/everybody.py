"""Trees that are grown on all patients; each is judged by trees, calibration and threshold of others.

A rare outcome is learned from those few who had it, so that nobody is kept back from the trees that are shipped. What
is said of them comes from crossing: patients are cut into folds, and of each that is measured what trees say that were
grown on the other folds. Trees on all patients have more to learn from than any of those, so they are not worse.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import xgboost as xgb

from cds_app.domain.arrays import Flags, Floats, Ints
from cds_app.learn.calibrating import Fitted, calibrate
from cds_app.learn.coverage import Told, coverage
from cds_app.learn.files.challenge2019 import fold_of
from cds_app.learn.growing import Recipe, Task, grow, margins
from cds_app.learn.head import FOLDS, Head
from cds_app.learn.hours.abstention import silenced
from cds_app.learn.hours.appraisal import Judged
from cds_app.learn.hours.cohort import Cohort, Fit, who
from cds_app.learn.measure import groups
from cds_app.score.risk.population import Reference
from cds_app.twin.model import TwinModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Everybody:
    """All patients of a data set, in folds.

    Parameters
    ----------
    task : Task
        What of it is trained on.
    fold : ndarray of int64, shape (rows,)
        Of the patient of each row; the last is that of the head's calibration and test patients.
    """

    head: Head
    cohort: Cohort
    task: Task
    fold: Ints

    @classmethod
    def of(cls, head: Head, twin: TwinModel, frame: pd.DataFrame, recipe: Recipe) -> Everybody:
        """Cut the patients of a frame into folds."""
        cohort = Cohort.of(head, twin, frame)
        task = head.task(cohort.truth, recipe, np.random.default_rng(recipe.seed))
        return cls(head=head, cohort=cohort, task=task, fold=fold_of(cohort.frame["pid"], FOLDS))

    @property
    def last(self) -> int:
        """The fold that trees of fit patients have not seen."""
        return FOLDS - 1

    def fit(self) -> Fit:
        """What trees of fit patients are grown on."""
        task = self._but(self.last)
        return Fit(
            design=self.cohort.design[task.rows],
            task=replace(task, rows=np.arange(len(task.rows))),
            who=who(self.cohort.frame.iloc[task.rows]),
        )

    def grown(self, recipe: Recipe, columns: Ints, *, but: int | None = None) -> xgb.Booster:
        """Trees on everybody, or on all folds but one."""
        task = self.task if but is None else self._but(but)
        return grow(self.cohort.design, task, recipe, columns)

    def crossed(self, recipe: Recipe, columns: Ints, of_fit: xgb.Booster) -> Crossed:
        """What trees of the other folds say of every row; those of fit patients are grown already."""
        margin = np.full(len(self.fold), np.nan)
        for k in range(FOLDS):
            mine = np.flatnonzero(self.fold == k)
            trees = of_fit if k == self.last else self.grown(recipe, columns, but=k)
            margin[mine] = margins(trees, self.cohort.design[mine], columns)
        return Crossed(head=self.head, cohort=self.cohort, fold=self.fold, margin=margin)

    def _but(self, k: int) -> Task:
        some = np.flatnonzero(self.fold[self.task.rows] != k)
        return Task(rows=self.task.rows[some], target=self.task.target[some], weight=self.task.weight[some])


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossed:
    """What trees of others said of every row of a cohort: fold and margin (rows,)."""

    head: Head
    cohort: Cohort
    fold: Ints
    margin: Floats

    def fitted(self, seed: int, some: Flags | None = None) -> Fitted:
        """The calibration of everybody, or of some rows."""
        rows = np.ones(len(self.fold), bool) if some is None else some
        truth, among = self.cohort.truth.of(rows), groups(self.cohort.frame[rows])
        return calibrate(self.margin[rows], truth.label, truth.patient, np.random.default_rng(seed), among=among)

    def threshold(self, risk: Floats, some: Flags | None = None) -> float:
        """What the head chooses of everybody, or of some rows; ``risk`` is theirs."""
        truth = self.cohort.truth if some is None else self.cohort.truth.of(some)
        return self.head.threshold(truth, risk)

    def judged(self, seed: int, reference: Reference | None) -> Judged:
        """Each fold calibrated, and its alerts decided, by the others."""
        truth = self.cohort.truth
        risk, low, high, least = (np.empty(len(self.fold)) for _ in range(4))
        for k in range(FOLDS):
            mine, others = self.fold == k, self.fold != k
            found = self.fitted(seed, others).calibration
            told = Told.by(found, self.margin[mine], truth.label[mine], truth.patient[mine])
            risk[mine], low[mine], high[mine] = told.risk, told.low, told.high
            least[mine] = self.threshold(found.probability(self.margin[others]), others)
        told = Told(risk=risk, low=low, high=high, label=truth.label, patient=truth.patient)
        patients = len(np.unique(truth.patient))
        return Judged(
            cohort=self.cohort,
            risk=risk,
            said=silenced(self.head.limits, self.cohort.design, risk, reference),
            threshold=least,
            interval=coverage(told, groups(self.cohort.frame)),
            tested=f"{patients} patients, each by trees, calibration and threshold of others, in "
            f"{FOLDS}-fold cross-validation",
        )
