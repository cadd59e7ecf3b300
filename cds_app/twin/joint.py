"""The joint smoother: all variables of a window as processes that forget at several speeds, and go together at each.

On a scale where a variable is nearly normal, a value is a sum of mean-reverting (Ornstein-Uhlenbeck) processes, one for
each time constant, plus what is gone within the hour. Each part has a covariance over variables. So the twin's model of
one quantity becomes one of all quantities: what is measured of one tells of the others, at once and later. Given all
that was measured, the expected values are exact (Gaussian conditioning, Rasmussen CE, Williams CKI 2006, chapter 2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from cds_app.domain.arrays import Flags, Ints
from cds_app.twin.windows import HOURS, Product, Singles, base, nearest_h, neighbours

MOST = 384
"""Measurements that are conditioned on, the newest first; the newest of each variable always."""
_JITTER = 1e-3
_FAR_SD = 4.0  # a value beyond counts as that much for others; what is beyond stays with the variable itself
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

    log: Flags
    least: Singles
    centre: Singles
    spread: Singles
    hours: Singles
    parts: Singles
    _full: Singles = field(init=False, repr=False)

    def __post_init__(self) -> None:
        lag = np.abs(np.arange(HOURS)[:, None] - np.arange(HOURS)[None, :]).astype(np.float32)
        decays = [np.exp(-lag / one) if one > 0 else (lag == 0).astype(np.float32) for one in self.hours]
        size = HOURS * len(self.log)
        full = np.einsum("kts,kuv->tusv", np.stack(decays), self.parts, optimize=True).reshape(size, size)
        object.__setattr__(self, "_full", full.astype(np.float32))

    def to_scale(self, values: Singles) -> Singles:
        """From the canonical unit."""
        logged = np.log(np.maximum(values, np.where(self.log, self.least, 1.0)))
        return np.asarray((np.where(self.log, logged, values) - self.centre) / self.spread, np.float32)

    def to_unit(self, scaled: Singles) -> Singles:
        """Undo `to_scale`."""
        plain = scaled * self.spread + self.centre
        return np.asarray(np.where(self.log, np.exp(np.minimum(plain, _FARTHEST)), plain), np.float32)

    def smoothed(self, values: Singles) -> Singles:
        """Expected values of every cell given all that was measured: (hours, variables) of one patient to the same."""
        grid = self.to_scale(values)
        scaled = grid.ravel()
        seen = np.flatnonzero(np.isfinite(scaled))
        near = (self._full[:, seen] @ self._weights(scaled, seen)).reshape(values.shape)
        return self.to_unit(near + self._beyond(grid, "retrospective"))

    def filtered(self, values: Singles, hours: Iterable[int]) -> Singles:
        """Expected values at some hours given what was measured until each of them; NaN at the others."""
        grid, found = self.to_scale(values), np.full_like(values, np.nan)
        scaled, beyond, wide = grid.ravel(), self._beyond(grid, "causal"), values.shape[1]
        seen, asked = np.flatnonzero(np.isfinite(scaled)), list(hours)
        until = {hour: int(np.searchsorted(seen, (hour + 1) * wide)) for hour in asked}
        few = [one for one in until.values() if one <= MOST]
        known = self._growing(scaled, seen[: max(few)]) if len(few) > 1 else None
        for hour in asked:
            past = self._newest(seen[: until[hour]])
            weights = self._weights(scaled, past) if known is None or until[hour] > MOST else known(len(past))
            found[hour] = self._full[hour * wide : (hour + 1) * wide, past] @ weights + beyond[hour]
        return self.to_unit(found)

    def together(self, values: Singles) -> Singles:
        """How what is not known of the last hour goes together, given all that was measured: (variables, variables).

        A covariance on the scale of `to_scale`: what several imputed values of one patient must be drawn with.
        """
        scaled, wide = self.to_scale(values).ravel(), values.shape[1]
        seen = self._newest(np.flatnonzero(np.isfinite(scaled)))
        cells = slice(len(scaled) - wide, len(scaled))
        across = self._full[np.ix_(seen, np.arange(cells.start, cells.stop))]
        known = across.T @ np.linalg.solve(self._system(seen), across)
        return np.asarray(self._full[cells, cells] - known, np.float32)

    def _beyond(self, grid: Singles, product: Product) -> Singles:
        """What extremes are more than `_FAR_SD`, carried to hours around as far as a variable resembles itself.

        So one value of 200 of a leukaemia is expected again, and no other variable is moved by it.
        """
        if not (np.abs(grid) > _FAR_SD).any():
            return np.zeros_like(grid)
        near = neighbours((grid - np.clip(grid, -_FAR_SD, _FAR_SD))[None])
        return np.asarray(base(near, product)[0] * self._alike(nearest_h(near, product)[0]), np.float32)

    def _alike(self, hours: Ints) -> Singles:
        """Correlation of each variable with itself so many hours apart: (hours, variables) to the same."""
        size = len(self.log)
        own = self._full.reshape(HOURS, size, HOURS, size)[0].diagonal(axis1=0, axis2=2)  # (lags, variables)
        known = np.concatenate([own, np.zeros((1, size), np.float32)])
        return np.asarray(np.take_along_axis(known, hours, axis=0) / known[0], np.float32)

    def _weights(self, scaled: Singles, seen: Ints) -> Singles:
        return np.asarray(np.linalg.solve(self._system(seen), np.clip(scaled[seen], -_FAR_SD, _FAR_SD)), np.float32)

    def _growing(self, scaled: Singles, seen: Ints) -> Callable[[int], Singles]:
        """What `_weights` would give of the first so many measurements, for any number: one decomposition serves all.

        The inverse of a Cholesky root begins with the inverse of the root's beginning.
        """
        root = np.linalg.inv(np.linalg.cholesky(self._system(seen)))
        half = root @ np.clip(scaled[seen], -_FAR_SD, _FAR_SD)
        return lambda count: np.asarray(root[:count, :count].T @ half[:count], np.float32)

    def _system(self, seen: Ints) -> Singles:
        system = self._full.take(seen, axis=0).take(seen, axis=1)
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
