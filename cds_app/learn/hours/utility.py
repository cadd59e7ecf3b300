"""The official utility of PhysioNet/CinC Challenge 2019, for whole data sets at once.

Source: Reyna MA et al., Early prediction of sepsis from clinical data, Crit Care Med 2020;48:210-217, and the
challenge's ``evaluate_sepsis_score.py`` (BSD-2-Clause). ``SepsisLabel`` is 1 from six hours before onset on, so the
onset of a patient is at the first positive row plus six hours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cds_app.domain.arrays import Flags, Floats, Ints
from cds_app.learn.resampling import Resamples, ratio

DT_EARLY = -12
DT_OPTIMAL = -6
DT_LATE = 3
MAX_TRUE_POSITIVE = 1.0
MIN_FALSE_NEGATIVE = -2.0
FALSE_POSITIVE = -0.05
TRUE_NEGATIVE = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stakes:
    """What alerting and staying silent are worth in each row: (rows,)."""

    alert: Floats
    silent: Floats

    @property
    def gain(self) -> Floats:
        """How much an alert is worth more than silence."""
        return self.alert - self.silent


def stakes(patient: Ints, label: Ints) -> Stakes:
    """Utility of both answers in every row.

    Parameters
    ----------
    patient : ndarray of int64, shape (rows,)
        Whose row; rows of a patient are adjacent and in order of time.
    label : ndarray of int64, shape (rows,)
        ``SepsisLabel``.

    Returns
    -------
    Stakes
    """
    since = _hours_since_onset(patient, label)
    septic = np.isfinite(since)
    rising = (since - DT_EARLY) * MAX_TRUE_POSITIVE / (DT_OPTIMAL - DT_EARLY)
    falling = (since - DT_LATE) * MAX_TRUE_POSITIVE / (DT_OPTIMAL - DT_LATE)
    hit = np.where(since <= DT_OPTIMAL, np.maximum(rising, FALSE_POSITIVE), falling)
    missed = np.where(since <= DT_OPTIMAL, 0.0, (since - DT_OPTIMAL) * MIN_FALSE_NEGATIVE / (DT_LATE - DT_OPTIMAL))
    counted = septic & (since <= DT_LATE)
    never = ~septic
    return Stakes(
        alert=np.where(counted, hit, np.where(never, FALSE_POSITIVE, 0.0)),
        silent=np.where(counted, missed, np.where(never, TRUE_NEGATIVE, 0.0)),
    )


def normalised_utility(patient: Ints, label: Ints, alert: Flags, drawn: Resamples) -> Floats:
    """Utility between that of never alerting (0) and that of the best alerts (1), in every resample of patients.

    Parameters
    ----------
    patient, label : ndarray of int64, shape (rows,)
        As for `stakes`.
    alert : ndarray of bool, shape (rows,)
        Whether an alert was given.
    drawn : Resamples
        Of the patients.

    Returns
    -------
    ndarray of float64, shape (1 + draws,)
        The first as measured; NaN where no patient is septic.
    """
    gain = stakes(patient, label).gain
    return ratio(drawn.sums(patient, gain * alert), drawn.sums(patient, np.maximum(gain, 0.0)))


def best_threshold(gain: Floats, score: Floats) -> tuple[float, float]:
    """Threshold (alert when ``score >= threshold``) with the greatest utility, and that normalised utility.

    The optimum is read off a curve smoothed over a twentieth of all rows, since its top is flat and noisy: on 25 random
    tenths of the patients that gave 0.0024 more utility on the others than a tenth of that width.
    """
    order = np.argsort(-score, kind="stable")
    curve = np.cumsum(gain[order]) / np.maximum(gain, 0.0).sum()
    width = max(1, len(score) // 20)
    sums = np.concatenate(([0.0], np.cumsum(curve)))
    smooth = (sums[width:] - sums[:-width]) / width
    at = int(np.argmax(smooth)) + width // 2
    return float(score[order[at]]), float(curve[at])


def _hours_since_onset(patient: Ints, label: Ints) -> Floats:
    """Rows count as hours, as in the official script; NaN for patients without sepsis."""
    start = np.flatnonzero(np.diff(patient, prepend=patient[:1] - 1))
    row = np.arange(len(patient))
    first = np.minimum.reduceat(np.where(label > 0, row, len(row)), start)
    onset = np.where(first < len(row), first - DT_OPTIMAL, np.nan)
    since: Floats = row - np.repeat(onset, np.diff(start, append=len(row)))
    return since
