"""Labels from the courses themselves: who reaches an endpoint within a horizon, and who may be asked.

The label of an hour rests on values after it, the question on values up to it, that of the hour itself included.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cds_app.domain.arrays import Flags, Floats, Ints
from cds_app.learn.files.challenge2019 import COLUMN_OF
from cds_app.learn.head import Outcome
from cds_app.learn.hours.rows import Rows
from cds_app.score.risk.endpoint import SAME_INSTANT_H, Endpoint, Rise

_SPAN_H = 1e6  # between the clocks of two patients in one increasing number
_DECIMALS = 4  # undo the file's single precision


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """The values of an endpoint's quantity, and how they lie to the rows of a frame.

    Parameters
    ----------
    fresh_h : float
        So long after a value it still says whether the patient is in the state.
    patient, clock : ndarray, shape (rows,)
        Patient and hour of each row; the hour ascends through all patients.
    seen_at, reached : ndarray, shape (samples,)
        When the quantity was measured, on the same clock, and whether that value is in the state.
    """

    fresh_h: float
    patient: Ints
    clock: Floats
    seen_at: Floats
    reached: Flags

    @classmethod
    def of(cls, endpoint: Endpoint, frame: pd.DataFrame) -> Readings:
        """From a frame of `challenge2019.load` that has the quantity's column."""
        value = np.round(frame[COLUMN_OF[endpoint.quantity]].to_numpy(np.float64), _DECIMALS)
        seen = np.isfinite(value)
        patient = Rows.of(frame).patient()
        clock = patient * _SPAN_H + frame["ICULOS"].to_numpy(np.float64)
        return cls(
            fresh_h=endpoint.fresh_h,
            patient=patient,
            clock=clock,
            seen_at=clock[seen],
            reached=reached(endpoint, patient[seen], clock[seen], value[seen]),
        )

    def absent(self) -> Flags:
        """At which rows the patient is known not to be in the state: `score.risk.eligibility`, for a whole frame."""
        past = np.searchsorted(self.seen_at, self.clock, side="right")
        # a first entry that is never fresh stands for "nothing yet"
        seen_at, there = np.append(-np.inf, self.seen_at), np.append(True, self.reached)
        return np.asarray((self.clock - seen_at[past] <= self.fresh_h + SAME_INSTANT_H) & ~there[past])

    def ahead(self, horizon_h: float) -> tuple[Flags, Flags]:
        """Whether the state is reached later than a row and within the horizon, and whether anything was measured."""
        first = np.searchsorted(self.seen_at, self.clock, side="right")
        end = np.searchsorted(self.seen_at, self.clock + horizon_h, side="right")
        times = np.concatenate(([0], np.cumsum(self.reached)))
        return times[end] > times[first], end > first


def absent(endpoint: Endpoint, frame: pd.DataFrame) -> Flags:
    """At which rows the service would ask, as far as the state goes: nowhere if the frame lacks the quantity."""
    if COLUMN_OF[endpoint.quantity] not in frame.columns:
        return np.zeros(len(frame), bool)
    return Readings.of(endpoint, frame).absent()


def onset(endpoint: Endpoint, horizon_h: float, frame: pd.DataFrame) -> Outcome | None:
    """Label and question of every row; None where the frame lacks the quantity.

    Parameters
    ----------
    endpoint : Endpoint
        What is predicted.
    horizon_h : float
        How far ahead.
    frame : pandas.DataFrame
        Of `challenge2019.load`.
    """
    if COLUMN_OF[endpoint.quantity] not in frame.columns:
        return None
    readings = Readings.of(endpoint, frame)
    label, known = readings.ahead(horizon_h)
    return Outcome(patient=readings.patient, label=label.astype(np.int64), asked=readings.absent() & known)


def reached(endpoint: Endpoint, patient: Ints, hours: Floats, value: Floats) -> Flags:
    """`Endpoint.reached` of every sample; those of a patient adjacent and in order of time."""
    if isinstance(endpoint, Rise):
        low = _lowest_before(patient, hours, value, endpoint.by_within_h)
        base = _lowest_before(patient, hours, value, endpoint.times_within_h)
        return np.asarray(endpoint.risen(value, low, base))
    return value < endpoint.below


def _lowest_before(patient: Ints, hours: Floats, value: Floats, within_h: float) -> Floats:
    """Lowest of the patient's values in the hours before each; infinite where there is none."""
    lowest = np.full(len(value), np.inf)
    for back in range(1, len(value)):
        near = (patient[back:] == patient[:-back]) & (hours[back:] - hours[:-back] <= within_h + SAME_INSTANT_H)
        if not near.any():  # nor is any further back
            break
        lowest[back:][near] = np.minimum(lowest[back:], value[:-back])[near]
    return lowest
