"""Which candidates make a product, and how far its intervals reach: chosen and calibrated on masked patients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import nnls

from cds_app.domain.arrays import Flags, Floats, Ints
from cds_app.learn.imputation.data import VARIABLES, Cohort
from cds_app.learn.imputation.masks import MASKS
from cds_app.learn.imputation.measure import COMPARED, FEWEST, Cells, hidden_cells, joined
from cds_app.twin.imputation import CANDIDATES, DEEP, GAPS_H, Blend, Imputer
from cds_app.twin.windows import HOURS, Product, Singles

LIVE = ("joint", "last", "boosting", *DEEP)
"""What a causal blend may use: a bedside waits for it."""
_LEVEL = 0.9
_MASKS_OF_EACH = 4  # patients: what is rarely measured is hidden oftener, so that chance chooses less
_ENOUGH = 150  # hidden cells for a quantile of their own
_COMMON_CELLS = 40.0  # what is best for all variables counts as so many cells of each
_LEAST_WEIGHT = 0.05  # less is chance
_ROUNDS = 12
_SUM_TO_ONE = 1e3


def alone(variables: int) -> Blend:
    """The joint smoother alone, with intervals of one scale."""
    ones = np.ones(variables, np.float32)
    reach = np.ones((variables, len(GAPS_H) + 2), np.float32)
    return Blend(weights={"joint": ones}, reach=reach, horizon_h=np.zeros(variables, np.int64))


def chosen(made: Imputer, select: Cohort, product: Product, seed: int) -> Blend:
    """Weights of each variable from masked patients, points and blocks alike."""
    return weighed(joined([one for part in _hidden(made, select, product, seed) for one in part]), product)


def weighed(cells: Cells, product: Product) -> Blend:
    """Weights of each variable with the least absolute error on hidden cells.

    They are not negative and sum to 1. A variable of which few cells were hidden is pulled to what is best for all.
    Where that does no better than the last value or the line on patients who did not choose it, it steps aside for
    them.
    """
    allowed = LIVE if product == "causal" else CANDIDATES
    names = [name for name in allowed if name in cells.means]
    design = np.stack([cells.means[name] for name in names], axis=1).astype(np.float64)
    truth, even = cells.truth.astype(np.float64), np.full(len(names), 1.0 / len(names))
    common = _weights(design, truth, even)
    table = np.tile(common, (len(VARIABLES), 1))
    compared = names.index(COMPARED[product])
    for i in range(len(VARIABLES)):
        if (rows := cells.variable == i).any():
            asked = design[rows], truth[rows], cells.patient[rows]
            proven = _proven(*asked, common, compared)
            table[i] = _weights(design[rows], truth[rows], common) if proven else np.eye(len(names))[compared]
    kept = np.where(table < _LEAST_WEIGHT, 0.0, table)
    kept /= kept.sum(axis=1, keepdims=True)
    weights = {name: kept[:, k].astype(np.float32) for k, name in enumerate(names)}
    return replace(alone(len(VARIABLES)), weights=weights)


def _hidden(made: Imputer, cohort: Cohort, product: Product, seed: int) -> list[list[Cells]]:
    """Of each mask several draws."""
    seeds = range(seed, seed + _MASKS_OF_EACH)
    return [[hidden_cells(made, cohort, mask, product, one) for one in seeds] for mask in MASKS]


def _proven(design: Floats, truth: Floats, patient: Ints, common: Floats, compared: int) -> bool:
    """Whether a blend errs less than what it is held against: each half of the patients judges what the other chose.

    Of too few cells nothing is proven either way, and what is best for all variables stands.
    """
    half, blend = patient % 2 == 0, np.empty_like(truth)
    if len(truth) < FEWEST or half.all() or not half.any():
        return True
    for judges in (half, ~half):
        chosen = _weights(design[~judges], truth[~judges], common)
        blend[judges] = design[judges] @ chosen
    return bool(np.abs(blend - truth).mean() < np.abs(design[:, compared] - truth).mean())


def _weights(design: Floats, truth: Floats, common: Floats) -> Floats:
    """Least absolute error by reweighted non-negative least squares, with a pull to common weights."""
    size, found = design.shape[1], common
    ones = np.full((1, size), _SUM_TO_ONE)
    spread = float(np.abs(truth - design @ common).mean()) + 1e-9
    pull = np.sqrt(_COMMON_CELLS) * spread * np.eye(size)
    for _ in range(_ROUNDS):
        error = np.abs(truth - design @ found)
        weight = np.sqrt(spread / np.maximum(error, 0.05 * spread))[:, None]
        system = np.concatenate([design * weight, pull, ones * spread])
        wanted = np.concatenate([truth * weight[:, 0], pull @ common, [_SUM_TO_ONE * spread]])
        # normal equations first: the same minimum, and the size of the problem no longer depends on the cells
        square = np.linalg.cholesky(system.T @ system + 1e-9 * np.eye(size)).T
        found, _ = nnls(square, np.linalg.solve(square.T, system.T @ wanted))
    return np.asarray(found / found.sum(), np.float64)


def calibrated(made: Imputer, calibrate: Cohort, product: Product, seed: int) -> Blend:
    """How many scales a 90 % interval reaches, by variable and class of gap: split-conformal (Vovk et al. 2005).

    Points and blocks count alike, for intervals calibrated on points alone do not hold on blocks. A class with too few
    cells takes what holds for its variable and for its class among all, whichever is wider known.
    """
    parts = [joined(one) for one in _hidden(made, calibrate, product, seed)]
    cells = joined(parts)
    weight = np.concatenate([np.full(len(one.truth), 1.0 / len(one.truth)) for one in parts])
    score = np.abs(cells.truth - cells.mean) / cells.scale
    classes = len(GAPS_H) + 2
    everywhere = np.array([_quantile(score, weight, cells.gap == k) or np.nan for k in range(classes)])
    everywhere = np.where(np.isnan(everywhere), np.nanmax(everywhere), everywhere)
    reach = np.empty((len(VARIABLES), classes), np.float32)
    for i in range(len(VARIABLES)):
        reach[i] = _of_variable(cells, (score, weight, everywhere), i)
    return replace(made.blends[product], reach=reach, horizon_h=horizons(cells))


def horizons(cells: Cells) -> Ints:
    """The upper end of the longest class of gaps with enough cells of each variable: none of never measured."""
    ends = np.array([*GAPS_H, HOURS])
    measured = cells.gap < len(ends)
    count = np.zeros((len(VARIABLES), len(ends)), np.int64)
    np.add.at(count, (cells.variable[measured], cells.gap[measured]), 1)
    return np.asarray(np.where(count >= _ENOUGH, ends, 0).max(axis=1), np.int64)


def _of_variable(cells: Cells, given: tuple[Singles, Floats, Floats], i: int) -> Floats:
    score, weight, everywhere = given
    mine = cells.variable == i
    whole = _quantile(score, weight, mine)
    usual = _quantile(score, weight, np.ones_like(mine)) or 1.0
    share = 1.0 if whole is None else whole / usual  # how much harder this variable is than others
    own = [_quantile(score, weight, mine & (cells.gap == k)) for k in range(len(everywhere))]
    return np.array([one if one is not None else far * share for one, far in zip(own, everywhere, strict=True)])


def _quantile(score: Singles, weight: Floats, rows: Flags) -> float | None:
    """The weighted ``ceil((n + 1) level)``-th smallest score; None of too few."""
    count = int(rows.sum())
    if count < _ENOUGH:
        return None
    order = np.argsort(score[rows], kind="stable")
    total = np.cumsum(weight[rows][order])
    place = int(np.searchsorted(total, min(_LEVEL * (1.0 + 1.0 / count), 1.0) * total[-1]))
    return float(score[rows][order][min(place, count - 1)])
