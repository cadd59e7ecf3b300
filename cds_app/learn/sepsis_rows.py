"""Challenge 2019 rows as model input: the same features that are served, for many patients at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cds_app.learn.challenge2019 import QUANTITY_OF
from cds_app.score.features import FEATURES, QUANTITIES, Persons, matrix
from cds_app.score.samples import Samples, to_ms

_PATIENTS_AT_ONCE = 400
_COLUMN_OF = {quantity: column for column, quantity in QUANTITY_OF.items()}


@dataclass(frozen=True, slots=True)
class Rows:
    """Where each patient's rows begin in a frame that is sorted by patient and hour: (patients + 1,)."""

    start: NDArray[np.int64]

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Rows:
        """Find the patients of a sorted frame."""
        code = pd.factorize(frame["pid"])[0]
        edge = np.flatnonzero(np.diff(code, prepend=-1, append=-1))
        return cls(edge.astype(np.int64))

    def __len__(self) -> int:
        """How many patients."""
        return len(self.start) - 1

    def patient(self) -> NDArray[np.int64]:
        """Number of the patient of each row."""
        return np.repeat(np.arange(len(self)), np.diff(self.start))


def design(frame: pd.DataFrame, wanted: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Model input of rows.

    Parameters
    ----------
    frame : pandas.DataFrame
        As `challenge2019.load` returns it: sorted by patient and hour.
    wanted : ndarray of bool, shape (rows,), optional
        Which rows are returned; the others are still looked back at. All if left out.

    Returns
    -------
    ndarray of float32, shape (wanted rows, len(FEATURES))
    """
    rows = Rows.of(frame)
    chosen = np.ones(len(frame), bool) if wanted is None else wanted
    out = np.empty((int(chosen.sum()), len(FEATURES)), np.float32)
    at = 0
    for first in range(0, len(rows), _PATIENTS_AT_ONCE):
        start = rows.start[first : first + _PATIENTS_AT_ONCE + 1]
        here = slice(start[0], start[-1])
        block = _chunk(frame.iloc[here], start - start[0])[chosen[here]]
        out[at : at + len(block)] = block
        at += len(block)
    return out


def _chunk(frame: pd.DataFrame, start: NDArray[np.int64]) -> NDArray[np.float32]:
    patient = np.repeat(np.arange(len(start) - 1), np.diff(start))
    time_ms = to_ms(frame["ICULOS"].to_numpy(np.float64))
    values = _values(frame)
    row, quantity = np.nonzero(np.isfinite(values))
    group = patient[row] * len(QUANTITIES) + quantity
    order = np.argsort(group, kind="stable")
    samples = Samples.of(
        quantities=len(QUANTITIES),
        start=np.searchsorted(group[order], np.arange((len(start) - 1) * len(QUANTITIES) + 1)).astype(np.int64),
        time_ms=time_ms[row[order]],
        value=values[row[order], quantity[order]],
    )
    return matrix(samples, _persons(frame.iloc[start[:-1]]), patient.astype(np.int64), time_ms)


def _values(frame: pd.DataFrame) -> NDArray[np.float64]:
    """Measured columns in the order of `QUANTITIES`; four decimals undo the file's single precision."""
    empty = np.full(len(frame), np.nan)
    columns = [
        np.round(frame[name].to_numpy(np.float64), 4) if (name := _COLUMN_OF[one]) in frame.columns else empty
        for one in QUANTITIES
    ]
    return np.stack(columns, axis=1)


def _persons(frame: pd.DataFrame) -> Persons:
    return Persons(
        age_years=frame["Age"].to_numpy(np.float64),
        male=frame["Gender"].to_numpy(np.float64),
        hours_before_unit=-frame["HospAdmTime"].to_numpy(np.float64),
    )
