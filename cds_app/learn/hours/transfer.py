"""How a head travels: grown on the patients of one hospital, measured on those of another."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np

from cds_app.domain.arrays import Ints
from cds_app.learn.growing import Recipe, Task, grow, margins
from cds_app.learn.head import Head
from cds_app.learn.hours.appraisal import expit, headline
from cds_app.learn.hours.cohort import Cohort, Fit


def transfer(head: Head, fit: Fit, held: Cohort, test: Cohort, recipe: Recipe) -> dict[str, dict[str, Any]]:
    """Figures of every ordered pair of hospitals; nothing where the data do not name them.

    Parameters
    ----------
    fit : Fit
        What trees are grown on; of each row, whose patient it is.
    held : Cohort
        Whose threshold is chosen, on the hospital of training.
    test : Cohort
        On which, in the other hospital, the figures are taken.

    Returns
    -------
    dict of str to dict
        ``A to B``: AUROC, AUPRC and the head's own figure where trees and threshold know only A.
    """
    columns = np.arange(fit.design.shape[1], dtype=np.int64)
    found = {}
    for home, away in permutations(sorted(set(fit.site.tolist())), 2):
        booster = grow(fit.design, _of(fit.task, np.flatnonzero(fit.site == home)), recipe, columns)
        near, far = (_at(cohort, name) for cohort, name in ((held, home), (test, away)))
        threshold = head.threshold(near.truth, expit(margins(booster, near.design, columns)))
        found[f"{home} to {away}"] = headline(head, far, expit(margins(booster, far.design, columns)), threshold)
    return found


def _of(task: Task, some: Ints) -> Task:
    return replace(task, rows=task.rows[some], target=task.target[some], weight=task.weight[some])


def _at(cohort: Cohort, site: str) -> Cohort:
    return cohort.of_rows((cohort.frame["site"].astype(str) == site).to_numpy())
