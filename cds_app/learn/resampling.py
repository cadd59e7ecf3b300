"""Patients drawn again with replacement: every figure becomes a row of figures, the first of them as measured.

A resample is a weight per patient, so a figure made of sums needs its rows only once: they are added up by patient (and
bin of score), and the sums are multiplied with the weights of all resamples at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix

from cds_app.domain.arrays import Floats, Ints

DRAWS = 200
_BINS = 2048  # twice: equal numbers of rows, and of positive rows, whose order decides the precision
_ENDS = (0.025, 0.975)


@dataclass(frozen=True, slots=True)
class Resamples:
    """How often each patient counts: (patients, 1 + draws); once each in the first column."""

    times: Floats

    @classmethod
    def drawn(cls, patients: int, rng: np.random.Generator, draws: int = DRAWS) -> Resamples:
        """Draw as many patients as there are, again and again."""
        times = np.ones((patients, 1 + draws))
        for k in range(1, 1 + draws):
            times[:, k] = np.bincount(rng.integers(0, patients, patients), minlength=patients)
        return cls(times)

    def sums(self, patient: Ints, value: Floats) -> Floats:
        """Sum of a value over rows in every resample: (1 + draws,)."""
        return np.asarray(np.bincount(patient, value, minlength=len(self.times)) @ self.times)

    def binned(self, patient: Ints, place: Ints, bins: int, value: Floats) -> Floats:
        """Sums of a value over the rows of each bin: (bins, 1 + draws)."""
        used = value != 0.0
        table = coo_matrix((value[used], (place[used], patient[used])), shape=(bins, len(self.times)))
        return np.asarray(table.tocsr() @ self.times)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Rows with and without the outcome by bin of the score, ascending: (bins, 1 + draws)."""

    positive: Floats
    negative: Floats

    @classmethod
    def of(cls, drawn: Resamples, patient: Ints, label: Ints, score: Floats) -> Ranking:
        """Sort rows into bins; a score of few values keeps them all."""
        edges = _edges(label, score)
        place = np.searchsorted(edges, score, side="right") - 1
        counts = [drawn.binned(patient, place, len(edges), (label == one).astype(np.float64)) for one in (1, 0)]
        return cls(positive=counts[0], negative=counts[1])

    def auroc(self) -> Floats:
        """Area under the ROC curve of every resample; ties count half."""
        below = np.cumsum(self.negative, axis=0) - self.negative / 2
        pairs = self.positive.sum(axis=0) * self.negative.sum(axis=0)
        return ratio((self.positive * below).sum(axis=0), pairs)

    def auprc(self) -> Floats:
        """Average precision of every resample."""
        found = np.cumsum(self.positive[::-1], axis=0)
        precision = ratio(found, found + np.cumsum(self.negative[::-1], axis=0))
        return ratio(np.nansum(self.positive[::-1] * precision, axis=0), self.positive.sum(axis=0))


def ratio(part: Floats, whole: Floats) -> Floats:
    """Part of a whole; NaN of nothing."""
    return np.asarray(np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.asarray(whole) > 0))


def weighted_median(value: Floats, times: Floats) -> Floats:
    """Median of values that count several times, in every resample: (n,), (n, draws) -> (draws,); NaN of none."""
    if not len(value):
        return np.full(times.shape[1], np.nan)
    order = np.argsort(value, kind="stable")
    so_far = np.cumsum(times[order], axis=0)
    half = so_far[-1] / 2
    middle = (value[order][np.argmax(so_far >= half, axis=0)] + value[order][np.argmax(so_far > half, axis=0)]) / 2
    return np.where(half > 0, middle, np.nan)


def interval(figure: Floats) -> list[float] | None:
    """95 % interval (percentiles) of a row of figures; None where too many resamples have none."""
    drawn = figure[1:][np.isfinite(figure[1:])]
    if len(drawn) < len(figure[1:]) / 2 or not len(drawn):
        return None
    return [float(one) for one in np.quantile(drawn, _ENDS)]


def _edges(label: Ints, score: Floats) -> Floats:
    """Lower edges of the bins."""
    values = np.unique(score)
    if len(values) <= _BINS:
        return values
    parts = np.linspace(0.0, 1.0, _BINS)
    inner = (np.quantile(one, parts, method="lower") for one in (score, score[label > 0]) if len(one))
    return np.unique(np.concatenate([values[:1], *inner]))
