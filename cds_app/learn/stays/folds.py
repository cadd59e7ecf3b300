"""Cross-validation of a risk of whole stays: of each stay, what trees and calibration say that had not seen it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold

from cds_app.domain.arrays import Flags, Floats, Ints
from cds_app.learn.calibrating import Fitted, calibrate
from cds_app.learn.coverage import Told, coverage
from cds_app.learn.files.challenge2012 import Outcomes
from cds_app.learn.growing import Recipe
from cds_app.learn.hours.leakage import apart
from cds_app.learn.measure import groups
from cds_app.learn.stays.age import spread_of
from cds_app.learn.stays.cohort import StayCohort, chosen
from cds_app.learn.stays.comparators import rivals
from cds_app.learn.stays.figures import Asked, as_many_alerts_as_deaths, measured
from cds_app.learn.stays.sex import moved
from cds_app.score.risk.calibration import Spread

FOLDS = 5
REPEATS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What trees said of stays that they had not seen; each array (repeats * stays,)."""

    stay: Ints
    fold: Ints  # repeats have folds of their own
    label: Ints
    margin: Floats

    def told(self, who: pd.DataFrame, some: Flags) -> tuple[Held, Spread]:
        """With what some rows say that the trees leave out of sex and then of age, and what that is of age."""
        male, age = (who[name].to_numpy(np.float64) for name in ("Gender", "Age"))
        margin = moved(self.margin, self.label, male, some)
        spread = spread_of(margin[some], self.label[some], age[some], self.stay[some])
        return replace(self, margin=margin + spread.added(margin, age)), spread

    def of(self, rows: Flags) -> Held:
        """Some of the rows."""
        return Held(stay=self.stay[rows], fold=self.fold[rows], label=self.label[rows], margin=self.margin[rows])

    def fitted(self, who: pd.DataFrame, seed: int) -> Fitted:
        """The calibration of these rows; ``who`` names age and sex of each."""
        rng = np.random.default_rng(seed)
        return calibrate(self.margin, self.label, self.stay, rng, among=groups(who))


def _folds(truth: Outcomes, seed: int) -> Iterator[tuple[Ints, Ints]]:
    yield from StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(truth.died, truth.died)


def held(cohort: StayCohort, recipe: Recipe) -> Held:
    """Grow on four of five folds, ask of the fifth, until every stay was asked of; more than once."""
    died = cohort.truth.died
    margin, fold = np.empty((REPEATS, len(died))), np.empty((REPEATS, len(died)), np.int64)
    for repeat in range(REPEATS):
        here = replace(recipe, seed=recipe.seed + repeat)
        for k, (fit, test) in enumerate(_folds(cohort.truth, here.seed)):
            apart({"what trees grow on": fit, "what they are asked of": test})
            booster = cohort.grown(fit, here)
            margin[repeat, test] = booster.inplace_predict(
                np.ascontiguousarray(cohort.rows[np.ix_(test, chosen())]),
                predict_type="margin",
                validate_features=False,
            )
            fold[repeat, test] = repeat * FOLDS + k
    return Held(
        stay=np.tile(np.arange(len(died)), REPEATS),
        fold=fold.ravel(),
        label=np.tile(died, REPEATS),
        margin=margin.ravel(),
    )


def cross_tested(held: Held, cohort: StayCohort, seed: int) -> dict[str, Any]:
    """Each fold calibrated, and its alerts decided, by the other folds of the same repeat.

    Returns
    -------
    dict
        ``test``, figures of the risk, and ``interval``, how often that of the risk held (`learn.coverage`).
    """
    theirs = cohort.who.iloc[held.stay].reset_index(drop=True)
    risk, low, high = (np.empty(len(held.margin)) for _ in range(3))
    alert = np.zeros(len(held.margin), bool)
    for k in np.unique(held.fold):
        mine, others = held.fold == k, (held.fold // FOLDS == k // FOLDS) & (held.fold != k)
        here, _ = held.told(theirs, others)
        found = here.of(others).fitted(theirs[others], seed).calibration
        told = Told.by(found, here.margin[mine], held.label[mine], held.stay[mine])
        risk[mine], low[mine], high[mine] = told.risk, told.low, told.high
        alert[mine] = told.risk >= as_many_alerts_as_deaths(found.probability(here.margin[others]), held.label[others])
    told = Told(risk=risk, low=low, high=high, label=held.label, patient=held.stay)
    asked = Asked(who=theirs, stay=held.stay, died=held.label, days_left=cohort.truth.days_left[held.stay])
    return {
        "test": measured(asked, risk, alert, rivals(cohort.rows[held.stay], held.label)),
        "interval": coverage(told, groups(theirs)),
    }
