"""Grow the trees of imputation: one small ensemble for each variable, on what the joint smoother gets wrong."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xgboost as xgb

from cds_app.learn.imputation.tasks import Task
from cds_app.twin.boosting import Trees
from cds_app.twin.windows import Product, Singles, inputs, neighbours, with_guess

ROUNDS = 60
DEPTH = 4
_FEWEST = 200  # hidden cells, for trees to be grown at all
_MOST = 12_000  # more rows of one variable add time and little else
_PARAMETERS = {
    "objective": "reg:absoluteerror", "tree_method": "hist", "max_depth": DEPTH, "eta": 0.12, "subsample": 0.7,
    "colsample_bytree": 0.3, "min_child_weight": 20, "lambda": 5.0, "max_bin": 64, "nthread": 1, "base_score": 0.0,
}  # fmt: skip


def grow(tasks: Task, product: Product, seed: int) -> Trees:
    """Trees for every variable; those of a variable with few hidden cells correct nothing."""
    rng, wide = np.random.default_rng(seed), tasks.left.shape[2]
    near = neighbours(tasks.left)
    features = inputs(tasks.left, near, tasks.statics, product)
    local = with_guess(features, tasks.guess, near, product)
    nodes = 2**DEPTH - 1
    found = Trees(
        feature=np.zeros((wide, ROUNDS, nodes), np.int16),
        limit=np.full((wide, ROUNDS, nodes), np.inf, np.float32),
        leaf=np.zeros((wide, ROUNDS, nodes + 1), np.float32),
    )
    for i in range(wide):
        window, hour = np.nonzero(tasks.hidden[:, :, i])
        if len(window) < _FEWEST:
            continue
        kept = rng.permutation(len(window))[:_MOST]
        place = (window[kept], hour[kept])
        left = tasks.truth[..., i][place] - tasks.guess[..., i][place]
        table = xgb.DMatrix(local[place], label=left)
        booster = xgb.train({**_PARAMETERS, "seed": seed}, table, num_boost_round=ROUNDS)
        _fill(found, i, booster)
    return found


def _fill(found: Trees, variable: int, booster: xgb.Booster) -> None:
    """Write grown trees as complete ones: below a leaf that comes early, both ways lead to it."""
    trees: list[Any] = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]["trees"]
    for k, tree in enumerate(trees):
        _node(tree, 0, (found.feature[variable, k], found.limit[variable, k], found.leaf[variable, k]), 0)


def _node(tree: Any, source: int, target: tuple[Any, Singles, Singles], place: int) -> None:
    feature, limit, leaf = target
    if tree["left_children"][source] < 0:
        if place >= len(limit):
            leaf[place - len(limit)] = tree["split_conditions"][source]
            return
        for child in (2 * place + 1, 2 * place + 2):
            _node(tree, source, target, child)
        return
    feature[place], limit[place] = tree["split_indices"][source], tree["split_conditions"][source]
    _node(tree, tree["left_children"][source], target, 2 * place + 1)
    _node(tree, tree["right_children"][source], target, 2 * place + 2)
