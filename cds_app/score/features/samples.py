"""Measurements of one or many patients in one flat layout that windows are cut from without a loop.

Samples lie in groups, one group per patient and quantity, each in order of time. Times are whole milliseconds since
the patient entered the unit and sums are sums of integers, so that what a window holds never depends on what else is
in the layout: a row computed alone equals the row computed among thousands, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cds_app.domain.arrays import Floats, Ints

MS_PER_HOUR = 3_600_000
_SPAN = 1 << 42  # milliseconds a group's keys may span, some 139 years
_CENTRE = (_SPAN >> 1) // MS_PER_HOUR * MS_PER_HOUR  # keeps whole hours whole
_PER_UNIT = 1000.0  # sums are kept in thousandths of the unit
_LARGEST = 1e5  # a value above enters sums as this


def to_ms(hours: Floats) -> Ints:
    """Hours to whole milliseconds."""
    return np.rint(np.asarray(hours, np.float64) * MS_PER_HOUR).astype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Measurements grouped by patient and quantity.

    Parameters
    ----------
    quantities : int
        Groups per patient; group ``patient * quantities + quantity``.
    start : ndarray of int64, shape (groups + 1,)
        Where each group begins.
    key : ndarray of int64, shape (samples,)
        Group and time in one increasing number.
    value : ndarray of float64, shape (samples + 1,)
        Values, and one 0 behind the last.
    sums : ndarray of int64, shape (3, samples + 1)
        What lies before each sample: how many distinct (group, whole hour) pairs, and the sums, in thousandths, of the
        values and of their squares.
    belief : ndarray of float64, shape (parts, samples + 1)
        What the twin believed after each sample, and one 0 behind the last.
    """

    quantities: int
    start: Ints
    key: Ints
    value: Floats
    sums: Ints
    belief: Floats

    @classmethod
    def of(cls, *, quantities: int, start: Ints, time_ms: Ints, value: Floats, belief: Floats) -> Samples:
        """Lay out samples that are already in order of group and time.

        Parameters
        ----------
        quantities : int
            Groups per patient.
        start : ndarray of int64, shape (groups + 1,)
            Where each group begins; the last entry is the number of samples.
        time_ms, value : ndarray, shape (samples,)
            Milliseconds since the patient entered the unit, and the measured value.
        belief : ndarray of float64, shape (parts, samples)
            What the twin believed after each sample.
        """
        group = np.repeat(np.arange(len(start) - 1), start[1:] - start[:-1])
        centred = time_ms + _CENTRE
        padded = np.zeros((1 + len(belief), len(value) + 1))
        padded[0, :-1], padded[1:, :-1] = value, belief
        return cls(
            quantities=quantities,
            start=start,
            key=group * _SPAN + centred,
            value=padded[0],
            sums=_sums(group * (_SPAN // MS_PER_HOUR) + centred // MS_PER_HOUR, value),
            belief=padded[1:],
        )

    def at(self, patient: Ints, time_ms: Ints) -> Moments:
        """Where each quantity stands at given instants.

        Parameters
        ----------
        patient, time_ms : ndarray of int64, shape (queries,)
            Whose and when.
        """
        group = patient[:, None] * self.quantities + np.arange(self.quantities)
        key = group * _SPAN + (time_ms + _CENTRE)[:, None]
        first = self.start[group]
        end = np.maximum(np.searchsorted(self.key, key, side="right"), first)
        return Moments(samples=self, key=key, first=first, end=end)


def _sums(hour: Ints, value: Floats) -> Ints:
    """See `Samples`; ``hour`` tells group and whole hour."""
    each = np.empty((3, len(value)), np.int64)
    each[0, :1] = 1
    np.not_equal(hour[1:], hour[:-1], out=each[0, 1:], casting="unsafe")
    each[1] = np.rint(np.minimum(np.maximum(value, -_LARGEST), _LARGEST) * _PER_UNIT)
    each[2] = each[1] * each[1]
    sums = np.zeros((3, len(value) + 1), np.int64)
    np.cumsum(each, axis=1, out=sums[:, 1:])
    return sums


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Which samples each (query, quantity) may look at: ``first <= index < end``; arrays (queries, quantities).

    Methods take the quantities they are about as ``columns``, in any order and any number of times: a numpy call on a
    few numbers costs the same as one on hundreds, so that all windows are asked for at once.
    """

    samples: Samples
    key: Ints
    first: Ints
    end: Ints

    def since(self, span_ms: Ints, columns: Ints) -> Ints:
        """Index of the first sample later than ``span_ms`` before the query: (queries, columns)."""
        key = self.key[:, columns] - span_ms
        return np.maximum(np.searchsorted(self.samples.key, key, side="right"), self.first[:, columns])

    def value_before(self, index: Ints, columns: Ints) -> Floats:
        """Value of the sample just before ``index``; NaN where there is none."""
        found = self.samples.value[np.maximum(index - 1, 0)]
        return np.where(index > self.first[:, columns], found, np.nan)

    def age_h(self) -> Floats:
        """Hours since the last sample; NaN where there is none."""
        if not len(self.samples.key):
            return np.full(self.end.shape, np.nan)
        ago = self.key - self.samples.key[np.maximum(self.end - 1, 0)]
        return np.where(self.end > self.first, ago / MS_PER_HOUR, np.nan)

    def belief(self) -> Floats:
        """What the twin believed after the last sample: (parts, queries, quantities); any number if there is none."""
        found: Floats = self.samples.belief[:, np.maximum(self.end - 1, 0)]
        return found

    def hours_seen(self, begin: Ints, columns: Ints) -> Floats:
        """In how many distinct clock hours something was measured since ``begin``."""
        seen = self.samples.sums[0]
        found: Floats = (seen[self.end[:, columns]] - seen[begin]).astype(np.float64)
        return found

    def mean_and_sd(self, begin: Ints, columns: Ints) -> tuple[Floats, Floats]:
        """Mean and standard deviation (population) of a window; NaN where it is empty."""
        end = self.end[:, columns]
        n = np.where(end > begin, end - begin, np.nan)
        _, total, square = self.samples.sums[:, end] - self.samples.sums[:, begin]
        spread = np.sqrt(np.maximum(n * square - total.astype(np.float64) ** 2, 0.0)) / n
        return total / n / _PER_UNIT, spread / _PER_UNIT

    def total(self, begin: Ints, end: Ints) -> Floats:
        """Sum of the samples from ``begin`` up to ``end``; NaN where there is none."""
        sums = (self.samples.sums[1, end] - self.samples.sums[1, begin]) / _PER_UNIT
        return np.where(end > begin, sums, np.nan)

    def extremes(self, begin: Ints, columns: Ints) -> tuple[Floats, Floats]:
        """Least and greatest value of a window; NaN where it is empty."""
        end = self.end[:, columns]
        bounds = np.empty((*end.shape, 2), np.int64)
        bounds[..., 0], bounds[..., 1] = begin, end
        flat, empty = bounds.ravel(), end <= begin
        low = np.minimum.reduceat(self.samples.value, flat)[::2].reshape(end.shape)
        high = np.maximum.reduceat(self.samples.value, flat)[::2].reshape(end.shape)
        return np.where(empty, np.nan, low), np.where(empty, np.nan, high)
