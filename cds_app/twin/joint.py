"""The joint smoother: all variables of a window as processes that forget at several speeds, and go together at each.

On a scale where a variable is nearly normal, a value is a sum of mean-reverting (Ornstein-Uhlenbeck) processes, one for
each time constant, plus what is gone within the hour. Each part has a covariance over variables. So the twin's model of
one quantity becomes one of all quantities: what is measured of one tells of the others, at once and later. Given all
that was measured, the expected values are exact (Gaussian conditioning, Rasmussen CE, Williams CKI 2006, chapter 2).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from cds_app.twin.windows import HOURS, Bools, Floats, Ints

MOST = 384
"""Measurements that are conditioned on, the newest first; the newest of each variable always."""
_JITTER = 1e-3
_FAR_SD = 4.0  # a value beyond is an artefact or an extreme: it counts as that much
_FARTHEST = 20.0  # no exponent beyond


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Joint:
    """Parameters, on each variable's own scale (of its logarithm where ``log``): zero mean and unit spread.

    Parameters
    ----------
    log : ndarray of bool, shape (variables,)
    least : ndarray of float32, shape (variables,)
        What a logarithm is taken of at least, canonical unit.
    centre, spread : ndarray of float32, shape (variables,)
        Mean and standard deviation, of the logarithm where ``log``.
    hours : ndarray of float32, shape (parts,)
        Time constants; 0 is what is gone within the hour.
    parts : ndarray of float32, shape (parts, variables, variables)
        Covariance of each part.
    """

    log: Bools
    least: Floats
    centre: Floats
    spread: Floats
    hours: Floats
    parts: Floats
    _full: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        lag = np.abs(np.arange(HOURS)[:, None] - np.arange(HOURS)[None, :]).astype(np.float32)
        decays = [np.exp(-lag / one) if one > 0 else (lag == 0).astype(np.float32) for one in self.hours]
        size = HOURS * len(self.log)
        full = np.einsum("kts,kuv->tusv", np.stack(decays), self.parts, optimize=True).reshape(size, size)
        object.__setattr__(self, "_full", full.astype(np.float32))

    def to_scale(self, values: Floats) -> Floats:
        """From the canonical unit."""
        logged = np.log(np.maximum(values, np.where(self.log, self.least, 1.0)))
        return np.asarray((np.where(self.log, logged, values) - self.centre) / self.spread, np.float32)

    def to_unit(self, scaled: Floats) -> Floats:
        """Undo `to_scale`."""
        plain = scaled * self.spread + self.centre
        return np.asarray(np.where(self.log, np.exp(np.minimum(plain, _FARTHEST)), plain), np.float32)

    def smoothed(self, values: Floats) -> Floats:
        """Expected values of every cell given all that was measured: (hours, variables) of one patient to the same."""
        scaled = self.to_scale(values).ravel()
        seen = np.flatnonzero(np.isfinite(scaled))
        return self.to_unit((self._full[:, seen] @ self._weights(scaled, seen)).reshape(values.shape))

    def filtered(self, values: Floats, hours: Iterable[int]) -> Floats:
        """Expected values at some hours given what was measured until each of them; NaN at the others."""
        scaled, found = self.to_scale(values).ravel(), np.full_like(values, np.nan)
        seen, wide = np.flatnonzero(np.isfinite(scaled)), values.shape[1]
        for hour in hours:
            past = self._newest(seen[: np.searchsorted(seen, (hour + 1) * wide)])
            cells = slice(hour * wide, (hour + 1) * wide)
            found[hour] = self._full[cells, past] @ self._weights(scaled, past)
        return self.to_unit(found)

    def together(self, values: Floats) -> Floats:
        """How what is not known of the last hour goes together, given all that was measured: (variables, variables).

        A covariance on the scale of `to_scale`: what several imputed values of one patient must be drawn with.
        """
        scaled, wide = self.to_scale(values).ravel(), values.shape[1]
        seen = self._newest(np.flatnonzero(np.isfinite(scaled)))
        cells = slice(len(scaled) - wide, len(scaled))
        across = self._full[np.ix_(seen, np.arange(cells.start, cells.stop))]
        known = across.T @ np.linalg.solve(self._system(seen), across)
        return np.asarray(self._full[cells, cells] - known, np.float32)

    def _weights(self, scaled: Floats, seen: Ints) -> Floats:
        return np.asarray(np.linalg.solve(self._system(seen), np.clip(scaled[seen], -_FAR_SD, _FAR_SD)), np.float32)

    def _system(self, seen: Ints) -> Floats:
        system = self._full[np.ix_(seen, seen)]
        place = np.arange(len(seen))
        system[place, place] += np.float32(_JITTER)
        return system

    def _newest(self, seen: Ints) -> Ints:
        """So few that a bedside can wait for the answer."""
        if len(seen) <= MOST:
            return seen
        variable = seen[::-1] % len(self.log)
        latest = len(seen) - 1 - np.unique(variable, return_index=True)[1]
        return np.union1d(seen[-(MOST - len(latest)) :], seen[latest])
