"""Our own TreeSHAP against its definition, summed over all coalitions in float64, and against xgboost.

The definition is met to 1e-9. xgboost adds in float32, where a hundred terms of size one carry an error of some 1e-6;
it is met to 1e-5.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import factorial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from numpy.typing import NDArray

from cds_app.content import content_root
from cds_app.explain.populations import contributions_of
from cds_app.score.trees.boosted import load_booster
from cds_app.score.trees.forest import Forest, Tree, read_forest
from cds_app.score.trees.tree_shap import TreeShap

DEFINITION, FLOAT32 = 1e-9, 1e-5
SHIPPED = sorted((content_root() / "models").glob("*/*/model.ubj"))

Matrix = NDArray[np.float32]
Coalitions = NDArray[np.bool_]


def worth(tree: Tree, row: Matrix, known: Mapping[int, Coalitions], node: int = 0) -> NDArray[np.float64]:
    """What a tree is expected to say, for each coalition: ``known`` tells in which of them a feature is known."""
    if tree.is_leaf(node):
        return np.asarray(tree.threshold[node])
    feature, left, right = tree.feature[node], tree.left[node], tree.right[node]
    of_left, of_right = (worth(tree, row, known, child) for child in (left, right))
    value = row[feature]
    goes_left = tree.missing_left[node] if np.isnan(value) else value < np.float32(tree.threshold[node])
    both = (tree.cover[left] * of_left + tree.cover[right] * of_right) / tree.cover[node]
    return np.where(known[feature], of_left if goes_left else of_right, both)


def players_of(tree: Tree) -> list[int]:
    return sorted({tree.feature[node] for node, _ in tree.below() if not tree.is_leaf(node)})


def shapley_values(tree: Tree, row: Matrix) -> dict[int, float]:
    """By their definition: a player's gain, averaged over all coalitions of the others by size."""
    players = players_of(tree)
    coalitions = np.arange(1 << len(players))
    known = {player: (coalitions >> n & 1).astype(bool) for n, player in enumerate(players)}
    worths = np.broadcast_to(worth(tree, row, known), coalitions.shape)
    sizes = sum(known.values(), start=np.zeros(len(coalitions), int))
    weights = np.array([factorial(s) * factorial(len(players) - s - 1) for s in range(len(players))])
    found = {}
    for n, player in enumerate(players):
        without = coalitions[~known[player]]
        gain = worths[without | 1 << n] - worths[without]
        found[player] = float(gain @ weights[sizes[without]] / factorial(len(players)))
    return found


def contributions_by_definition(forest: Forest, row: Matrix) -> NDArray[np.float64]:
    found = np.zeros(forest.features)
    for tree in forest.trees:
        for feature, value in shapley_values(tree, row).items():
            found[feature] += value
    return found


def base_by_definition(forest: Forest) -> float:
    nothing = np.full(forest.features, np.nan, np.float32)
    unknown = {feature: np.zeros(1, bool) for feature in range(forest.features)}
    return forest.intercept + sum(float(worth(tree, nothing, unknown).item()) for tree in forest.trees)


def data(seed: int, features: int, rows: int = 1500) -> tuple[Matrix, NDArray[np.float64]]:
    """Values on a grid, so that many lie at a threshold exactly; a fifth are missing; the last feature is constant."""
    rng = np.random.default_rng(seed)
    x = (np.round(rng.normal(size=(rows, features)) * 8) / 7).astype(np.float32)
    x[rng.random(x.shape) < 0.2] = np.nan
    x[:, -1] = 1.0
    known = np.nan_to_num(x)
    score = known[:, 0] * known[:, 1 % features] + np.isnan(x[:, 0]) - known[:, 2 % features] + rng.normal(size=rows)
    return x, score.astype(np.float64)


def grown(seed: int, features: int, **options: Any) -> xgb.Booster:
    x, y = data(seed, features)
    objective = options.setdefault("objective", "binary:logistic")
    label = (y > 0).astype(float) if "logistic" in objective else y
    return xgb.train({"nthread": 1, "seed": seed, **options}, xgb.DMatrix(x, label=label, nthread=1), 15)


def edges(forest: Forest, rng: np.random.Generator, count: int) -> Matrix:
    """Rows of thresholds, their float32 neighbours, infinities and missing values."""
    cuts = [tree.threshold[node] for tree in forest.trees for node, _ in tree.below() if not tree.is_leaf(node)]
    exact = np.array(cuts or [0.0], np.float32)
    beside = (exact, np.nextafter(exact, np.float32(-np.inf)), np.nextafter(exact, np.float32(np.inf)))
    rest = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0], np.float32)
    pool = np.concatenate([*beside, np.repeat(rest, len(exact) // 8 + 1)])
    return rng.choice(pool, (count, forest.features))


MODELS: list[dict[str, Any]] = [
    *({"features": 6, "max_depth": depth} for depth in range(1, 7)),
    {"features": 2, "max_depth": 6},  # the same feature again and again on one way
    {"features": 3, "max_depth": 5, "objective": "reg:squarederror", "base_score": 7.25},
    {"features": 6, "max_depth": 4, "base_score": 0.03, "num_parallel_tree": 3, "subsample": 0.5},
    {"features": 6, "max_depth": 6, "grow_policy": "lossguide", "max_leaves": 9},  # lopsided
    {"features": 4, "max_depth": 3, "gamma": 1e9},  # one leaf each
    {"features": 4, "max_depth": 3, "gamma": 20.0},  # some of one leaf
    {"features": 6, "max_depth": 6, "min_child_weight": 0.0, "reg_lambda": 0.0},
]


@pytest.fixture(params=enumerate(MODELS), ids=lambda one: "-".join(f"{k}={v}" for k, v in one[1].items()))
def booster(request: pytest.FixtureRequest) -> xgb.Booster:
    seed, options = request.param
    return grown(seed, **options)


def test_contributions_meet_the_definition(booster: xgb.Booster) -> None:
    forest = read_forest(bytes(booster.save_raw("ubj")))
    shap = TreeShap.of(forest)
    assert shap.base == pytest.approx(base_by_definition(forest), abs=DEFINITION)
    rows = np.concatenate([data(99, forest.features, 3)[0], edges(forest, np.random.default_rng(5), 5)])
    for row in rows:
        moved = shap.contributions(row)
        np.testing.assert_allclose(moved, contributions_by_definition(forest, row), atol=DEFINITION)
        assert moved.sum() + shap.base == pytest.approx(shap.margin(row), abs=DEFINITION)


def test_contributions_and_margins_equal_those_of_xgboost(booster: xgb.Booster) -> None:
    shap = TreeShap.of(read_forest(bytes(booster.save_raw("ubj"))))
    rows = edges(shap.forest, np.random.default_rng(6), 200)
    margins = booster.inplace_predict(rows, predict_type="margin", validate_features=False)
    np.testing.assert_allclose([shap.margin(row) for row in rows], margins, atol=FLOAT32, rtol=1e-6)
    finite = np.where(np.isinf(rows), np.nan, rows)  # xgboost takes no infinity here
    theirs = booster.predict(xgb.DMatrix(finite, nthread=1), pred_contribs=True)
    np.testing.assert_allclose(shap.base, theirs[:, -1], atol=FLOAT32)
    np.testing.assert_allclose([shap.contributions(row) for row in finite], theirs[:, :-1], atol=FLOAT32)


def test_many_rows_are_explained_as_each_alone(booster: xgb.Booster) -> None:
    shap = TreeShap.of(read_forest(bytes(booster.save_raw("ubj"))))
    rows = edges(shap.forest, np.random.default_rng(7), 1030)  # more than a block
    each = np.array([shap.contributions(row) for row in rows])
    np.testing.assert_array_equal(contributions_of(shap, rows), each)


def test_a_share_of_nought_is_no_division_by_nought() -> None:
    tree = Tree(
        feature=(0, 1, 0, 0, 0),
        threshold=(0.5, 0.25, 3.0, 1.0, -2.0),
        missing_left=(True, False, False, False, False),
        left=(1, 3, -1, -1, -1),
        right=(2, 4, -1, -1, -1),
        cover=(10.0, 10.0, 0.0, 10.0, 0.0),
    )
    forest = Forest(trees=(tree,), features=2, intercept=0.0)
    for row in np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, np.nan]], np.float32):
        found = TreeShap.of(forest).contributions(row)
        np.testing.assert_allclose(found, contributions_by_definition(forest, row), atol=DEFINITION)


@pytest.mark.parametrize("model", SHIPPED, ids=lambda path: "-".join(path.parts[-3:-1]))
def test_every_shipped_model_is_explained_as_xgboost_does(model: Path) -> None:
    booster, shap = load_booster(model.read_bytes()), TreeShap.of(read_forest(model.read_bytes()))
    rows = moved_about(model.parent, 300)
    theirs = booster.predict(xgb.DMatrix(rows, nthread=1), pred_contribs=True, validate_features=False)
    ours = contributions_of(shap, rows)
    np.testing.assert_allclose(ours, theirs[:, :-1], atol=1e-6)
    assert shap.base == pytest.approx(float(theirs[0, -1]), abs=1e-6)
    for row, moved in zip(rows[:40], ours, strict=False):
        np.testing.assert_array_equal(shap.contributions(row), moved)
        assert moved.sum() + shap.base == pytest.approx(shap.margin(row), abs=DEFINITION)


@pytest.mark.parametrize("model", SHIPPED, ids=lambda path: "-".join(path.parts[-3:-1]))
def test_a_shipped_model_meets_the_definition(model: Path) -> None:
    shap = TreeShap.of(read_forest(model.read_bytes()))
    few = tuple(tree for tree in shap.forest.trees if len(players_of(tree)) <= 10)  # 1024 coalitions
    some = Forest(trees=few[:10], features=shap.forest.features, intercept=0.0)
    assert some.trees
    for row in moved_about(model.parent, 1):
        ours = TreeShap.of(some).contributions(row)
        np.testing.assert_allclose(ours, contributions_by_definition(some, row), atol=DEFINITION)


def moved_about(folder: Path, count: int) -> Matrix:
    """The golden (invented) rows, each value moved a little and a fifth of them removed."""
    rng = np.random.default_rng(4)
    kept = json.loads((folder / "golden.json").read_text())["rows"]
    golden = np.array([[np.nan if value is None else value for value in row] for row in kept], np.float32)
    rows = golden[rng.integers(0, len(golden), count)] * rng.normal(1.0, 0.1, (count, golden.shape[1]))
    rows[rng.random(rows.shape) < 0.2] = np.nan
    return rows.astype(np.float32)
