"""Challenge 2019 rows as model input: the same features that are served, for many patients at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cds_app.content import latest
from cds_app.domain.arrays import Flags, Floats, Ints
from cds_app.domain.ontology_files import load_ontology
from cds_app.learn.files.challenge2019 import COLUMN_OF
from cds_app.learn.twin import lockstep
from cds_app.learn.twin.panel import to_scale
from cds_app.score.features.hours import FEATURES, QUANTITIES, Persons, matrix
from cds_app.score.features.samples import Samples, to_ms
from cds_app.score.features.twin_view import BELIEF
from cds_app.twin.model import TwinModel

_PATIENTS_AT_ONCE = 400


@dataclass(frozen=True, slots=True)
class Rows:
    """Where each patient's rows begin in a frame that is sorted by patient and hour: (patients + 1,)."""

    start: Ints

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Rows:
        """Find the patients of a sorted frame."""
        code = pd.factorize(frame["pid"])[0]
        edge = np.flatnonzero(np.diff(code, prepend=-1, append=-1))
        return cls(edge.astype(np.int64))

    def __len__(self) -> int:
        """How many patients."""
        return len(self.start) - 1

    def patient(self) -> Ints:
        """Number of the patient of each row."""
        return np.repeat(np.arange(len(self)), np.diff(self.start))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Everything measured in a frame, row by row.

    Parameters
    ----------
    row, quantity : ndarray of int64, shape (samples,)
        Row of the frame, ascending, and place in `QUANTITIES`.
    value : ndarray of float64, shape (samples,)
        In the canonical unit.
    belief : ndarray of float64, shape (len(BELIEF), samples)
        What the twin believed of the patient after the sample.
    """

    row: Ints
    quantity: Ints
    value: Floats
    belief: Floats

    @classmethod
    def of(cls, twin: TwinModel, frame: pd.DataFrame, patient: Ints) -> Measured:
        """Find all values and filter them, one quantity of all patients at a time."""
        values = _values(frame)
        row, quantity = np.nonzero(np.isfinite(values))
        value = values[row, quantity]
        hours = frame["ICULOS"].to_numpy(np.float64)
        belief = np.full((len(BELIEF), len(row)), np.nan)
        for i, name in enumerate(QUANTITIES):
            mine = np.flatnonzero(quantity == i)
            if name in twin.dynamics and len(mine):
                dynamics, at = twin.dynamics[name], row[mine]
                samples = lockstep.Samples.of(patient[at], hours[at], to_scale(dynamics, value[mine]))
                found = lockstep.filtered(dynamics, samples)
                belief[:, mine] = [getattr(found, part) for part in BELIEF]
        return cls(row=row, quantity=quantity, value=value, belief=belief)


def shipped_twin() -> TwinModel:
    """The twin that this Twinline serves with."""
    return TwinModel.from_artefact(latest("twin"), load_ontology(latest("ontology")))


def shipped_fresh_h(quantities: Iterable[str]) -> dict[str, float]:
    """How long a value of each quantity counts as current, by the ontology that this Twinline serves with."""
    ontology = load_ontology(latest("ontology"))
    return {name: ontology.quantity(name).fresh_h for name in quantities}


def design(twin: TwinModel, frame: pd.DataFrame, wanted: Flags | None = None) -> NDArray[np.float32]:
    """Model input of rows.

    Parameters
    ----------
    twin : TwinModel
        Whose view of the patients is part of it.
    frame : pandas.DataFrame
        As `challenge2019.load` returns it: sorted by patient and hour.
    wanted : ndarray of bool, shape (rows,), optional
        Which rows are returned; the others are still looked back at. All if left out.

    Returns
    -------
    ndarray of float32, shape (wanted rows, len(FEATURES))
    """
    rows = Rows.of(frame)
    measured = Measured.of(twin, frame, rows.patient())
    chosen = np.ones(len(frame), bool) if wanted is None else wanted
    out = np.empty((int(chosen.sum()), len(FEATURES)), np.float32)
    at = 0
    for first in range(0, len(rows), _PATIENTS_AT_ONCE):
        start = rows.start[first : first + _PATIENTS_AT_ONCE + 1]
        block = _chunk(twin, frame, measured, start)[chosen[start[0] : start[-1]]]
        out[at : at + len(block)] = block
        at += len(block)
    return out


def _chunk(twin: TwinModel, frame: pd.DataFrame, measured: Measured, start: Ints) -> NDArray[np.float32]:
    """Model input of the patients whose rows begin at ``start``, but for the last entry, where they end."""
    here = frame.iloc[start[0] : start[-1]]
    patient = np.repeat(np.arange(len(start) - 1), np.diff(start))
    time_ms = to_ms(here["ICULOS"].to_numpy(np.float64))
    mine = slice(*np.searchsorted(measured.row, start[[0, -1]]))
    row = measured.row[mine] - start[0]
    group = patient[row] * len(QUANTITIES) + measured.quantity[mine]
    order = np.argsort(group, kind="stable")
    samples = Samples.of(
        quantities=len(QUANTITIES),
        start=np.searchsorted(group[order], np.arange((len(start) - 1) * len(QUANTITIES) + 1)).astype(np.int64),
        time_ms=time_ms[row[order]],
        value=measured.value[mine][order],
        belief=measured.belief[:, mine][:, order],
    )
    return matrix(twin, samples, _persons(frame.iloc[start[:-1]]), patient.astype(np.int64), time_ms)


def _values(frame: pd.DataFrame) -> Floats:
    """Measured columns in the order of `QUANTITIES`; four decimals undo the file's single precision."""
    empty = np.full(len(frame), np.nan)
    columns = [
        np.round(frame[name].to_numpy(np.float64), 4) if (name := COLUMN_OF[one]) in frame.columns else empty
        for one in QUANTITIES
    ]
    return np.stack(columns, axis=1)


def _persons(frame: pd.DataFrame) -> Persons:
    return Persons(
        age_years=frame["Age"].to_numpy(np.float64),
        male=frame["Gender"].to_numpy(np.float64),
        hours_before_unit=-frame["HospAdmTime"].to_numpy(np.float64),
    )
