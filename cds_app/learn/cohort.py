"""The rows of some patients at which a head can be asked, with their model input."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cds_app.errors import ContentError
from cds_app.learn.burden import Course
from cds_app.learn.growing import Recipe, Task
from cds_app.learn.head import Flags, Head, Outcome
from cds_app.learn.rows import design
from cds_app.twin.model import TwinModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Rows of some patients at which a head can be asked, with their model input.

    Parameters
    ----------
    frame : pandas.DataFrame
        The rows.
    truth : Outcome
        What followed.
    design : ndarray of float32, shape (rows, len(FEATURES))
    """

    frame: pd.DataFrame
    truth: Outcome
    design: NDArray[np.float32]

    @classmethod
    def of(cls, head: Head, twin: TwinModel, frame: pd.DataFrame) -> Cohort:
        """All rows of a frame at which the head can be asked.

        Raises
        ------
        ContentError
            If the frame does not say what followed.
        """
        truth = truth_of(head, frame)
        chosen = np.flatnonzero(truth.asked)
        here = frame.iloc[chosen].reset_index(drop=True)
        return cls(frame=here, truth=truth.of(chosen), design=design(twin, frame, truth.asked))

    def of_rows(self, rows: Flags) -> Cohort:
        """Some of the rows."""
        return Cohort(frame=self.frame[rows], truth=self.truth.of(rows), design=self.design[rows])

    def course(self, horizon_h: float) -> Course:
        """Its rows as the figures of alerts want them; patients are numbered anew, without gaps."""
        return Course(
            patient=np.unique(self.truth.patient, return_inverse=True)[1].astype(np.int64),
            hour=self.frame["ICULOS"].to_numpy(np.float64),
            label=self.truth.label,
            horizon_h=horizon_h,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What trees are grown on.

    Parameters
    ----------
    design : ndarray of float32, shape (rows, len(FEATURES))
    task : Task
        On all of these rows.
    site : ndarray of str, shape (rows,)
        Hospital of each; "" where the frame does not name it.
    """

    design: NDArray[np.float32]
    task: Task
    site: NDArray[np.str_]

    @classmethod
    def of(cls, head: Head, twin: TwinModel, frame: pd.DataFrame, recipe: Recipe) -> Fit:
        """The rows of a frame that the head's task names."""
        task = head.task(truth_of(head, frame), recipe, np.random.default_rng(recipe.seed))
        wanted = np.zeros(len(frame), bool)
        wanted[task.rows] = True
        named = frame["site"].astype(str) if "site" in frame.columns else pd.Series("", index=frame.index)
        return cls(
            design=design(twin, frame, wanted),
            task=replace(task, rows=np.arange(len(task.rows))),
            site=named[wanted].to_numpy(str),
        )


def truth_of(head: Head, frame: pd.DataFrame) -> Outcome:
    """What followed, by the head's own definition.

    Raises
    ------
    ContentError
        If the frame does not say it.
    """
    truth = head.outcome(frame)
    if truth is None:
        raise ContentError(f"the data do not say what followed for {head.name}", field="data")
    return truth
