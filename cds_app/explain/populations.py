"""Exact attributions of many rows at once: a ward, a cohort, a year of a hospital.

The tables are those that serving looks up in (`cds_app.score.trees.tree_shap`). Here compiled code goes bush by bush
over blocks of rows, so that one bush's table and one block of each column stay in the processor's cache. Importing this
module loads Numba (70 MB); serving, which explains one row at a time, does not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numba
import numpy as np

from cds_app.domain.arrays import Floats, Matrix
from cds_app.score.risk.model import RiskModel
from cds_app.score.trees.tree_shap import TreeShap

_BLOCK = 1024  # rows; more do not fit the cache, fewer spend their time on starting loops
_SIGNATURE = "void(f4[:,::1],i8[:,::1],f4[:,::1],b1[:,::1],i2[:,::1],i8[::1],i8[::1],i8[::1],f8[::1],f8[:,::1])"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attributions:
    """Why a model says what it says of many rows, in log-odds.

    Parameters
    ----------
    contributions : ndarray of float64, shape (rows, features)
        How far each feature moved each row's margin.
    base : float
        The margin where nothing is known of a row.
    """

    contributions: Floats
    base: float


def attribute(model: RiskModel, rows: Matrix) -> Attributions:
    """Attributions of many rows.

    Parameters
    ----------
    rows : ndarray of float32, shape (rows, len(FEATURES))
        As `cds_app.score.features.hours.features` makes them.

    Returns
    -------
    Attributions
        One column per entry of ``model.features``.
    """
    chosen = rows[:, model.columns]
    trees = model.trees
    found = contributions_of(trees, chosen) if isinstance(trees, TreeShap) else trees.contributions_of(chosen)
    return Attributions(contributions=found, base=trees.base)


def contributions_of(trees: TreeShap, rows: Matrix) -> Floats:
    """Contributions of many rows: (rows, features) -> (rows, features).

    The first call of a process compiles, which takes a second or two, or reads what was compiled before.

    Raises
    ------
    ValueError
        If rows have more or fewer features than the trees: compiled code does not look.
    """
    if rows.shape[1] != trees.features:
        raise ValueError("rows have another number of features than the trees")
    add = _compiled()
    found = np.empty(rows.shape)
    for at in range(0, len(rows), _BLOCK):
        columns = np.ascontiguousarray(rows[at : at + _BLOCK].T, np.float32)
        moved = np.zeros(columns.shape)
        asked = (trees.asked.feature, trees.asked.below, trees.asked.missing, trees.asked.step)
        add(columns, *asked, trees.slots, trees.feature, trees.entry, trees.table, moved)
        found[at : at + _BLOCK] = moved.T
    return found


@cache
def _compiled() -> Callable[..., None]:
    try:
        return _compile(kept=True)
    except (RuntimeError, OSError):  # no folder can be written to: compile for this process alone
        return _compile(kept=False)


def _compile(*, kept: bool) -> Callable[..., None]:
    made: Callable[..., None] = numba.njit(_SIGNATURE, nogil=True, cache=kept)(_add_block)
    return made


def _add_block(  # noqa: PLR0913, PLR0917 - compiled code takes arrays, not objects
    columns: Any,
    asked: Any,
    below: Any,
    missing: Any,
    step: Any,
    slots: Any,
    feature: Any,
    entry: Any,
    table: Any,
    moved: Any,
) -> None:
    """Add the contributions of a block of rows to ``moved``; both are (features, rows).

    The loops over rows are plain, so that the compiler can take several rows in one instruction.
    """
    rows = columns.shape[1]
    steps = np.empty(rows, np.uint32)  # unsigned: an index that may be negative would be checked each time
    for bush in range(len(slots) - 1):
        steps[:] = 0
        for n in range(asked.shape[0]):
            values, limit, yes = columns[asked[n, bush]], below[n, bush], np.uint32(step[n, bush])
            if missing[n, bush]:
                for r in range(rows):
                    steps[r] += np.uint32(0) if values[r] >= limit else yes
            else:
                for r in range(rows):
                    steps[r] += yes if values[r] < limit else np.uint32(0)
        for slot in range(slots[bush], slots[bush + 1]):
            here, there = table[entry[slot] :], moved[feature[slot]]
            for r in range(rows):
                there[r] += here[steps[r]]
