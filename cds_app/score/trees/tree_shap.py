"""Exact contributions of every feature to the margin of boosted trees, by looking up in tables.

One row takes a dozen NumPy calls: a serving process needs neither xgboost nor a compiler. For many rows at once see
`cds_app.explain.populations`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cds_app.domain.arrays import Flags, Floats, Ints
from cds_app.score.trees.bushes import MAX_SPLITS, Bush, bushes, expected, tables
from cds_app.score.trees.forest import Forest, Tree


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """What the bushes ask of a row: one column per bush, padded at its end with what is never true.

    Parameters
    ----------
    feature : ndarray of int64, shape (MAX_SPLITS, bushes)
    below : ndarray of float32, shape (MAX_SPLITS, bushes)
        The answer is yes where the value is less.
    missing : ndarray of bool, shape (MAX_SPLITS, bushes)
        The answer where there is no value.
    step : ndarray of int16, shape (MAX_SPLITS, bushes)
        How far a yes moves on in the bush's table.
    """

    feature: Ints
    below: NDArray[np.float32]
    missing: Flags
    step: NDArray[np.int16]

    @classmethod
    def of(cls, grown: Sequence[tuple[Tree, Bush]]) -> Asked:
        """The splits of all bushes."""
        shape = (MAX_SPLITS, len(grown))
        feature, below = np.zeros(shape, np.int64), np.full(shape, -np.inf, np.float32)
        missing, step = np.zeros(shape, np.bool_), np.zeros(shape, np.int16)
        for column, (tree, bush) in enumerate(grown):
            for n, node in enumerate(bush.splits):
                feature[n, column], below[n, column] = tree.feature[node], tree.threshold[node]
                missing[n, column], step[n, column] = tree.missing_left[node], len(bush.features) << n
        return cls(feature=feature, below=below, missing=missing, step=step)

    def steps(self, row: NDArray[np.float32]) -> NDArray[np.int16]:
        """How far the answers of a row move on in each bush's table."""
        values = row.astype(np.float32, copy=False).take(self.feature)
        yes = (values < self.below) | (np.isnan(values) & self.missing)
        found: NDArray[np.int16] = np.sum(yes * self.step, axis=0, dtype=np.int16)
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TreeShap:
    """A forest made ready to explain rows.

    A bush has a slot for each of its features. What the slot contributes stands in ``table`` at the slot's ``entry``
    plus the steps of the row's answers.

    Parameters
    ----------
    forest : Forest
    base : float
        Margin where nothing is known of a row; with the contributions it adds up to the row's margin.
    asked : Asked
    slots : ndarray of int64, shape (bushes + 1,)
        Where the slots of a bush begin.
    feature, entry, bush : ndarray of int64, shape (slots,)
    table : ndarray of float64, shape (entries,)
    """

    forest: Forest
    base: float
    asked: Asked
    slots: Ints
    feature: Ints
    entry: Ints
    bush: Ints
    table: Floats
    tolerance: ClassVar[float] = 1e-9  # of the sum of contributions and base: float64 throughout

    @classmethod
    def of(cls, forest: Forest) -> TreeShap:
        """Cut all trees into bushes and compute their tables."""
        grown = [(tree, bush) for tree in forest.trees for bush in bushes(tree)]
        base = forest.intercept + sum(expected(bush) for _, bush in grown)
        grown = [(tree, bush) for tree, bush in grown if bush.splits]  # a tree of one leaf is in the base alone
        made = tables([bush for _, bush in grown])
        width = np.array([len(bush.features) for _, bush in grown], np.int64)
        slots, start = _offsets(width), _offsets([table.size for table in made])
        return cls(
            forest=forest,
            base=base,
            asked=Asked.of(grown),
            slots=slots,
            feature=np.array([one for _, bush in grown for one in bush.features], np.int64),
            entry=np.arange(slots[-1]) + np.repeat(start[:-1] - slots[:-1], width),
            bush=np.repeat(np.arange(len(grown)), width),
            table=np.concatenate([np.empty(0), *(table.ravel() for table in made)]),
        )

    @property
    def features(self) -> int:
        """How many values a row has."""
        return self.forest.features

    def contributions(self, row: NDArray[np.float32]) -> Floats:
        """How far each feature moved the margin of one row: shape (features,).

        Parameters
        ----------
        row : ndarray of float32, shape (features,)
            NaN where there is no value.
        """
        moved = self.table.take(self.entry + self.asked.steps(row).take(self.bush))
        return np.bincount(self.feature, moved, self.features).astype(np.float64, copy=False)

    def margin(self, row: NDArray[np.float32]) -> float:
        """Margin of one row without the tables: what contributions and base have to add up to."""
        return self.forest.margin(row)


def _offsets(lengths: Sequence[int] | Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
