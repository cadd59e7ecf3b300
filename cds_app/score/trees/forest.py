"""Boosted trees, read out of the model file that xgboost wrote.

Only what xgboost itself would compute the same way is read: trees of numeric splits that add up to one margin. For
everything else `read_forest` raises `TreesUnsupported`, and xgboost has to be asked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cds_app.errors import ContentError, TreesUnsupported
from cds_app.score.trees import ubjson

MAX_DEPTH = 6  # splits from the root to a leaf
_ROOT = 0
_LEAF = -1  # instead of a child
_LOGISTIC = ("binary:logistic", "reg:logistic")
_IDENTITY = ("reg:squarederror",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """One tree; a node is a number, the root is 0.

    Parameters
    ----------
    feature : tuple of int
        What a node splits on.
    threshold : tuple of float
        A row goes left where its value is less, both as float32. For a leaf: what it adds to the margin.
    missing_left : tuple of bool
        Where a row goes whose value is missing.
    left, right : tuple of int
        The children; -1 for a leaf.
    cover : tuple of float
        Weight of the training rows that came through.
    """

    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    missing_left: tuple[bool, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    cover: tuple[float, ...]

    def is_leaf(self, node: int) -> bool:
        """Whether a node has no children."""
        return self.left[node] == _LEAF

    def reached(self, row: NDArray[np.float32]) -> float:
        """What the leaf of one row adds to the margin."""
        node = _ROOT
        while not self.is_leaf(node):
            value = float(row[self.feature[node]])
            goes_left = self.missing_left[node] if math.isnan(value) else value < self.threshold[node]
            node = self.left[node] if goes_left else self.right[node]
        return self.threshold[node]

    def below(self, node: int = _ROOT) -> Iterator[tuple[int, int]]:
        """Every node from one on, with its depth, parents first."""
        waiting = [(node, 0)]
        while waiting:
            node, depth = waiting.pop()
            yield node, depth
            if not self.is_leaf(node):
                waiting += (self.right[node], depth + 1), (self.left[node], depth + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """Trees that add up.

    Parameters
    ----------
    trees : tuple of Tree
    features : int
        How many values a row has.
    intercept : float
        The margin before any tree.
    """

    trees: tuple[Tree, ...]
    features: int
    intercept: float

    def margin(self, row: NDArray[np.float32]) -> float:
        """Margin of one row, by walking down every tree: slow, and as simple as the model is."""
        return self.intercept + math.fsum(tree.reached(row) for tree in self.trees)


def read_forest(content: bytes) -> Forest:
    """The trees of a model in UBJSON, as ``Booster.save_raw("ubj")`` writes it.

    Raises
    ------
    ContentError
        If the bytes are no such model.
    TreesUnsupported
        If it is one that has other boosters than plain trees, several outputs, categorical splits, deeper trees than
        `MAX_DEPTH`, a split that no training row reached, or a link that is not known here.
    """
    try:
        learner = ubjson.loads(content)["learner"]
        about, boosting = learner["learner_model_param"], learner["gradient_booster"]
        _check_kind(about, boosting["name"])
        features = int(about["num_feature"])
        return Forest(
            trees=tuple(_tree(one, features) for one in boosting["model"]["trees"]),
            features=features,
            intercept=_intercept(about["base_score"], learner["objective"]["name"]),
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ContentError("the model cannot be read as UBJSON", field="model.ubj") from error


def _check_kind(about: Mapping[str, str], booster: str) -> None:
    _require(booster == "gbtree", f"the booster is {booster}")
    outputs = max(int(about["num_class"]), int(about.get("num_target", "1")))
    _require(outputs <= 1, "the model has several outputs")


def _intercept(base_score: str, objective: str) -> float:
    """``base_score`` is on the scale of the prediction; since 3.1 it stands in brackets."""
    value = float(np.float32(base_score.strip("[]")))
    if objective in _LOGISTIC:
        return math.log(value / (1.0 - value))
    _require(objective in _IDENTITY, "the link of the objective is not known")
    return value


def _tree(content: Mapping[str, Any], features: int) -> Tree:
    tree = Tree(
        feature=tuple(content["split_indices"].tolist()),
        threshold=tuple(content["split_conditions"].tolist()),
        missing_left=tuple(content["default_left"].astype(bool).tolist()),
        left=tuple(content["left_children"].tolist()),
        right=tuple(content["right_children"].tolist()),
        cover=tuple(content["sum_hessian"].tolist()),
    )
    _require(int(content["tree_param"]["size_leaf_vector"]) <= 1, "a leaf has several values")
    _require(not content["split_type"].any(), "a split is categorical")
    _check_shape(tree, features)
    return tree


def _check_shape(tree: Tree, features: int) -> None:
    nodes = tuple(tree.below())
    _require(max(depth for _, depth in nodes) <= MAX_DEPTH, "a tree is too deep")
    splits = [node for node, _ in nodes if not tree.is_leaf(node)]
    if not all(0 <= tree.feature[node] < features for node in splits):
        raise ValueError("a split on a feature that rows do not have")
    _require(all(tree.cover[node] > 0.0 for node in splits), "no training row reached a split")


def _require(kept: bool, otherwise: str) -> None:
    if not kept:
        raise TreesUnsupported(f"these trees are not read: {otherwise}", field="model.ubj")
