"""Leaks that stop the training of a risk of whole stays: later hours, outcomes, numbers of stays, the same stay twice.

That an input has none of the first three is shown on the stays that are trained on: what it must not depend on is
replaced, and the input has to stay the same to the last bit. What a file itself may carry into a measurement is found
by what it does: no measurement of intensive care tells the dead from the living by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from cds_app.domain.arrays import Flags
from cds_app.errors import ContentError, DataError
from cds_app.learn.files.challenge2012 import Outcomes, Stays
from cds_app.learn.roll import OF_STAY
from cds_app.learn.stays.cohort import StayCohort
from cds_app.score.features.stays import FEATURES, QUANTITIES, WINDOW_H, Series

Made = Callable[[Stays, Outcomes], StayCohort]

_TELLS = 0.95  # of 7,972 stays the highest AUROC of a single feature is 0.79: SAPS on the second day
_LEAST = 30  # deaths and survivors: among fewer one feature may tell them apart by chance
_LATER_H = 24.0


def checked(made: Made, stays: Stays, truth: Outcomes, rng: np.random.Generator) -> StayCohort:
    """What is learned from, if it leaks nothing.

    Parameters
    ----------
    made : callable
        Stays and what became of them -> what is learned from.
    truth : Outcomes
        Of every stay.
    rng : Generator
        For what replaces what must not be known.

    Raises
    ------
    ContentError
        If the input depends on what is measured after the first hours, on outcomes or on numbers of stays.
    DataError
        If a stay is there twice, or a feature tells outcomes.
    """
    cohort = made(stays, truth)
    _same(cohort, made(_with_another_future(stays, rng), truth), "what is measured later is altered")
    _same(cohort, made(stays, _others(truth)), "outcomes are altered")
    _same(cohort, made(replace(stays, record=2**40 - stays.record), truth), "stays have other numbers")
    _refuse_twice(cohort)
    _refuse_telling(cohort)
    return cohort


def _same(one: StayCohort, other: StayCohort, when: str) -> None:
    for name in ("rows", "seen"):
        if not np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True):
            raise ContentError(f"the model input of a stay changes when {when}", field="features")


def _with_another_future(stays: Stays, rng: np.random.Generator) -> Stays:
    """Without what was measured after the first hours, and with a value of each quantity of anybody in its place."""
    series, count = stays.series, len(stays.record)
    early = np.flatnonzero(series.hours <= WINDOW_H)
    drawn = rng.choice(early, count) if len(early) else early
    later = Series(
        stay=np.concatenate((series.stay[early], np.arange(count)[: len(drawn)])),
        quantity=np.concatenate((series.quantity[early], rng.integers(0, len(QUANTITIES), len(drawn)))),
        hours=np.concatenate((series.hours[early], WINDOW_H + rng.uniform(0.1, _LATER_H, len(drawn)))),
        value=np.concatenate((series.value[early], series.value[drawn])),
    )
    return replace(stays, series=later)


def _others(truth: Outcomes) -> Outcomes:
    """Everybody's contrary."""
    return Outcomes(
        died=1 - truth.died,
        days_after_discharge=np.where(np.isfinite(truth.days_after_discharge), np.inf, 1.0),
        days_left=np.where(np.isfinite(truth.days_left), np.nan, 1.0),
    )


def _refuse_twice(cohort: StayCohort) -> None:
    """The same stay under two numbers would be on both sides of a fold."""
    first = np.nan_to_num(cohort.rows[:, OF_STAY], nan=-np.inf)  # what is unknown of both is alike
    if len(np.unique(first, axis=0)) < len(first):
        raise DataError("two stays are of the same patient and the same first values", field="RecordID")


def _refuse_telling(cohort: StayCohort) -> None:
    died = cohort.truth.died > 0
    for i, one in enumerate(FEATURES):
        value = cohort.rows[:, i]
        known = np.isfinite(value)
        if max(_apart(value[known], died[known]), _apart(known.astype(np.float32), died)) > _TELLS:
            raise DataError("tells outcomes by itself: does the file hold them among the measurements?", field=one.name)


def _apart(value: NDArray[np.float32], died: Flags) -> float:
    """AUROC of a value, whichever way it points; 0 of too few."""
    dead, alive = int(died.sum()), int((~died).sum())
    if min(dead, alive) < _LEAST:
        return 0.0
    area = (rankdata(value)[died].sum() - dead * (dead + 1) / 2.0) / (dead * alive)
    return float(max(area, 1.0 - area))
