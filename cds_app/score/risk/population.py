"""Whether a patient's measurements are jointly like those that a model was trained on; where not, no number is given.

Every value alone may be plausible. The distance is Mahalanobis's over the values that are known, divided by how many
they are (Mahalanobis PC, Proc Natl Inst Sci India 1936;2:49). It is taken twice, of the vital signs alone and of
everything: what is wrong with a few vital signs would drown among many laboratory values that are as usual.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cds_app.domain.arrays import Flags, Floats, Ints
from cds_app.errors import ContentError
from cds_app.score.deviation import decomposed
from cds_app.score.features.hours import FEATURES, VITALS, Feature

FILE = "population.json"
PARTS = ("vital_signs", "everything")
_EACH = np.arange(len(PARTS))
_LEADS = 3  # more would not fit the summary of a card
_LEAST_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """The population that a model was trained on.

    Parameters
    ----------
    quantities : tuple of str
        What is compared, vital signs first: measurements and ``age``.
    columns : ndarray of int64, shape (quantities,)
        Where they are in a row of the model's input: last values, or means of a whole stay.
    least : ndarray of float64, shape (quantities,)
        Values on a logarithmic scale count as at least this, in the canonical unit; NaN where the scale is the unit's.
    on_log : ndarray of int64
        Which of the quantities have a logarithmic scale.
    mean, below, above : ndarray of float64, shape (quantities,)
        On that scale: mean, and what counts as one standard deviation below and above it.
    correlation : ndarray of float64, shape (quantities, quantities)
        Shrunk, positive definite.
    vital_signs : int
        How many of the quantities, from the first on, are vital signs.
    limits : ndarray of float64, shape (2, quantities + 1)
        Of each of `PARTS`, per number of values that it knows: the distance beyond which a patient is outside.
    """

    quantities: tuple[str, ...]
    columns: Ints
    least: Floats
    on_log: Ints
    mean: Floats
    below: Floats
    above: Floats
    correlation: Floats
    vital_signs: int
    limits: Floats

    @classmethod
    def from_json(cls, content: Mapping[str, Any], known: Sequence[Feature] = FEATURES) -> Reference:
        """Read what training wrote.

        Parameters
        ----------
        content : mapping
        known : sequence of Feature
            What a row of the model's input holds.

        Raises
        ------
        ContentError
            If a part is missing, a feature unknown, or the correlation not that of these features.
        """
        place = {one.name: i for i, one in enumerate(known)}
        try:
            entries = content["features"]
            columns = np.array([place[one["feature"]] for one in entries], np.int64)
            least, mean, below, above = (
                np.array([one[key] for one in entries], np.float64) for key in ("least", "mean", "below", "above")
            )
            correlation = np.array(content["correlation"], np.float64).reshape(len(columns), len(columns))
            limits = np.stack([_per_number(content["limits"][part], len(columns)) for part in PARTS])
            np.linalg.cholesky(correlation)
        except (KeyError, TypeError, ValueError, np.linalg.LinAlgError) as error:
            raise ContentError("the population is incomplete", field=FILE) from error
        quantities = tuple(known[i].quantity for i in columns)
        return cls(
            quantities=quantities,
            columns=columns,
            least=least,
            on_log=np.flatnonzero(np.isfinite(least)),
            mean=mean,
            below=below,
            above=above,
            correlation=correlation,
            vital_signs=sum(1 for _ in takewhile(VITALS.__contains__, quantities)),
            limits=limits,
        )

    def standardised(self, rows: NDArray[np.float32]) -> Floats:
        """Values of one or many rows in standard deviations from the mean; NaN where not known."""
        apart = rows[..., self.columns].astype(np.float64)
        on_log = self.on_log
        apart[..., on_log] = np.log(np.maximum(apart[..., on_log], self.least[on_log]))
        apart -= self.mean
        return np.asarray(apart / np.where(apart < 0.0, self.below, self.above))

    def distances(self, rows: NDArray[np.float32]) -> Floats:
        """Distance of rows in each of `PARTS`, NaN where no value is known: from (rows, len(FEATURES)) to (rows, 2)."""
        z = self.standardised(rows)
        patterns, pattern = np.unique(np.isfinite(z), axis=0, return_inverse=True)
        order = np.argsort(pattern.ravel(), kind="stable")
        ends = np.cumsum(np.bincount(pattern.ravel(), minlength=len(patterns)))
        found = np.empty((len(z), len(PARTS)))
        for known, mine in zip(patterns, np.split(order, ends), strict=False):  # behind the last end is nothing
            found[mine] = self._distances(z[np.ix_(mine, known)].T, known).T
        return found

    def _distances(self, z: Floats, known: Flags) -> Floats:
        """Of one or many rows that know the same, shape (known, ...): (2, ...).

        The factor is triangular, so the first whitened values are those that the vital signs alone would have.
        """
        whitened = np.linalg.solve(np.linalg.cholesky(self.correlation[known][:, known]), z)
        whitened *= whitened
        return np.array([_mean(whitened[: np.count_nonzero(known[: self.vital_signs])]), _mean(whitened)])

    def known(self, rows: NDArray[np.float32]) -> Ints:
        """How many values are known of one or many rows, in each of `PARTS`: shape (2,) or (rows, 2)."""
        known = np.isfinite(rows[..., self.columns])
        return np.stack([known[..., : self.vital_signs].sum(axis=-1), known.sum(axis=-1)], axis=-1)

    def beyond(self, row: NDArray[np.float32]) -> Floats:
        """Distance of one row over its limits: above 1 is outside; NaN where no value is known."""
        z = self.standardised(row)
        known = np.isfinite(z)
        vital_signs, everything = np.count_nonzero(known[: self.vital_signs]), np.count_nonzero(known)
        limits = np.array((self.limits[0, vital_signs], self.limits[1, everything]))
        return np.asarray(self._distances(z[known], known) / limits)

    def outside(self, row: NDArray[np.float32]) -> bool:
        """Whether one row of shape (len(FEATURES),) lies beyond a limit."""
        return bool((self.beyond(row) > 1.0).any())

    def outsiders(self, rows: NDArray[np.float32]) -> Flags:
        """`outside` of many rows, shape (rows, len(FEATURES))."""
        return np.asarray((self.distances(rows) / self.limits[_EACH, self.known(rows)] > 1.0).any(axis=1))

    def leads(self, row: NDArray[np.float32]) -> tuple[str, ...]:
        """The quantities that a row's distance is mostly made of, greatest first, as `deviation.decomposed` has it.

        What hardly adds to it is not named: it is as in those that the model was trained on.
        """
        vital_signs, everything = np.nan_to_num(self.beyond(row))
        z = self.standardised(row)[: self.vital_signs if vital_signs > everything else None]
        known = np.flatnonzero(np.isfinite(z))
        parts = decomposed(z[known], self.correlation[known][:, known])
        first = [i for i in np.argsort(-parts, kind="stable")[:_LEADS] if parts[i] >= _LEAST_SHARE * parts.sum()]
        return tuple(self.quantities[known[i]] for i in first)


def _mean(squares: Floats) -> Floats:
    return squares.sum(axis=0) / len(squares) if len(squares) else np.full(squares.shape[1:], np.nan)


def _per_number(bands: Sequence[tuple[int, float]], most: int) -> Floats:
    """The limit for every number of values, from bands "from this many on"; none below the first."""
    found = np.full(most + 1, np.inf)
    for at_least, limit in bands:
        found[at_least:] = limit
    return found
