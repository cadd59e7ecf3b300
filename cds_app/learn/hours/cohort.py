"""The rows of some patients at which a head can be asked, with their model input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cds_app.domain.arrays import Flags
from cds_app.errors import DataError
from cds_app.learn.burden import HoursAtRisk
from cds_app.learn.growing import Task
from cds_app.learn.head import Head, Outcome
from cds_app.learn.hours.rows import design
from cds_app.learn.population import Tried
from cds_app.twin.model import TwinModel

_WHO = ("Age", "Gender", "site")


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
        DataError
            If the frame does not say what followed.
        """
        truth = truth_of(head, frame)
        chosen = np.flatnonzero(truth.asked)
        here = frame.iloc[chosen].reset_index(drop=True)
        return cls(frame=here, truth=truth.of(chosen), design=design(twin, frame, truth.asked))

    def of_rows(self, rows: Flags) -> Cohort:
        """Some of the rows."""
        return Cohort(frame=self.frame[rows], truth=self.truth.of(rows), design=self.design[rows])

    def at_risk(self, horizon_h: float) -> HoursAtRisk:
        """Its rows as the figures of alerts want them; patients are numbered anew, without gaps."""
        return HoursAtRisk(
            patient=np.unique(self.truth.patient, return_inverse=True)[1].astype(np.int64),
            hour=self.frame["ICULOS"].to_numpy(np.float64),
            label=self.truth.label,
            horizon_h=horizon_h,
        )

    def tried(self) -> Tried:
        """Its rows as a reference is tried on them."""
        return Tried(rows=self.design, who=self.frame, patient=self.truth.patient, label=self.truth.label)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What trees are grown on.

    Parameters
    ----------
    design : ndarray of float32, shape (rows, len(FEATURES))
    task : Task
        On all of these rows.
    who : DataFrame
        ``Age`` and ``Gender`` of each and, where the frame names it, ``site``.
    """

    design: NDArray[np.float32]
    task: Task
    who: pd.DataFrame

    @property
    def site(self) -> NDArray[np.str_]:
        """Hospital of each row; "" where the frame does not name it."""
        if "site" not in self.who.columns:
            return np.full(len(self.who), "")
        return self.who["site"].astype(str).to_numpy(str)


def who(frame: pd.DataFrame) -> pd.DataFrame:
    """``Age`` and ``Gender`` of each row and, where the frame names it, ``site``."""
    return frame[[name for name in _WHO if name in frame.columns]].reset_index(drop=True)


def truth_of(head: Head, frame: pd.DataFrame) -> Outcome:
    """What followed, by the head's own definition.

    Raises
    ------
    DataError
        If the frame does not say it.
    """
    truth = head.outcome(frame)
    if truth is None:
        raise DataError(f"the data do not say what followed for {head.name}", field="data")
    return truth
