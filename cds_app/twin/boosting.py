"""Boosted trees of one fixed depth in NumPy: one small ensemble for each variable corrects the joint smoother."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cds_app.domain.arrays import Flags, Ints
from cds_app.twin.windows import Singles

_CELLS_AT_ONCE = 16_384


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trees:
    """Complete trees, level by level: node ``i`` has the children ``2 i + 1`` (below the limit) and ``2 i + 2``.

    Parameters
    ----------
    feature : ndarray of int16, shape (variables, trees, nodes)
    limit : ndarray of float32, shape (variables, trees, nodes)
        Infinite where a tree does not split.
    leaf : ndarray of float32, shape (variables, trees, nodes + 1)
    """

    feature: NDArray[np.int16]
    limit: Singles
    leaf: Singles

    def correction(self, local: Singles, asked: Flags) -> Singles:
        """What is added to the joint smoother: (..., features) to (..., variables); 0 where it is not asked for.

        Parameters
        ----------
        asked : ndarray of bool, shape (..., variables)
        """
        rows, cells = local.reshape(-1, local.shape[-1]), asked.reshape(-1, asked.shape[-1])
        found = np.zeros(cells.shape, np.float32)
        row, variable = np.nonzero(cells)
        for start in range(0, len(row), _CELLS_AT_ONCE):
            some = slice(start, start + _CELLS_AT_ONCE)
            found[row[some], variable[some]] = self._of(rows, row[some], variable[some])
        return found.reshape(asked.shape)

    def _of(self, rows: Singles, row: Ints, variable: Ints) -> Singles:
        nodes = self.feature.shape[2]
        tree, which = np.arange(self.feature.shape[1])[None, :], variable[:, None]
        place = np.zeros((len(row), tree.shape[1]), np.int64)
        for _ in range(int(np.log2(nodes + 1))):
            seen = rows[row[:, None], self.feature[which, tree, place]]
            place = 2 * place + 1 + (seen >= self.limit[which, tree, place])
        return np.asarray(self.leaf[which, tree, place - nodes].sum(axis=1), np.float32)
