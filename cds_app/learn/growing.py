"""Boosted trees, and the plain baseline they are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from cds_app.domain.arrays import Floats, Ints, Matrix
from cds_app.errors import DataError
from cds_app.score.features.hours import FEATURES, NAMES, QUANTITIES

BASELINE: tuple[str, ...] = (*(f"{one}_last" for one in QUANTITIES), "age_years", "male", "hours_in_unit")

_ROWS_AT_ONCE = 200_000  # in memory
_SURE = 20.0  # times as likely to be drawn as another feature: with 15 in 100 drawn, in 19 of 20 trees


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How the trees are grown.

    Parameters
    ----------
    trees_per_round : int
        Each sees its own rows and features; together they make one step.
    sure : tuple of str
        Features that nearly every tree may use; of the others each tree draws few. What acts a little on everybody,
        like age, is else left out by most trees, and then risks of the young run high and of the old low.
    kept : float
        Part of the hours of patients without the outcome that is trained on; their weight makes up for the rest.
    threads : int
        Is part of the recipe: it decides in which order numbers are added up.
    """

    rounds: int = 150
    depth: int = 5
    trees_per_round: int = 1
    eta: float = 0.08
    subsample: float = 0.4
    colsample: float = 0.15
    least_child_weight: float = 150.0
    ridge: float = 50.0
    bins: int = 64
    sure: tuple[str, ...] = ()
    kept: float = 0.5
    seed: int = 0
    threads: int = 2

    def parameters(self) -> dict[str, Any]:
        """As xgboost names them."""
        return {
            "objective": "binary:logistic",
            "tree_method": "hist",
            "max_depth": self.depth,
            "num_parallel_tree": self.trees_per_round,
            "eta": self.eta,
            "subsample": self.subsample,
            "colsample_bytree": self.colsample,
            "min_child_weight": self.least_child_weight,
            "reg_lambda": self.ridge,
            "max_bin": self.bins,
            "seed": self.seed,
            "nthread": self.threads,
        }

    def weights(self, names: Sequence[str]) -> Floats | None:
        """How likely each feature is drawn for a tree, beside the others; None where all are alike."""
        return np.where(np.isin(names, self.sure), _SURE, 1.0) if self.sure else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Which rows are trained on, towards what (0 or 1), and how much each counts: (rows,)."""

    rows: Ints
    target: Floats
    weight: Floats


def grow(design: Matrix, task: Task, recipe: Recipe, columns: Ints, *, names: Sequence[str] = NAMES) -> xgb.Booster:
    """Train a booster on some features.

    Parameters
    ----------
    design : ndarray of float32, shape (rows, features)
    columns : ndarray of int64
        Which features may be used.
    names : sequence of str
        Of all features.
    """
    data = xgb.QuantileDMatrix(
        np.ascontiguousarray(design[np.ix_(task.rows, columns)]),
        label=task.target,
        weight=task.weight,
        feature_names=[names[i] for i in columns],
        max_bin=recipe.bins,
        nthread=recipe.threads,
        feature_weights=recipe.weights([names[i] for i in columns]),
    )
    return xgb.train(recipe.parameters(), data, num_boost_round=recipe.rounds)


def without_measuring() -> Ints:
    """Features that do not say whether, when or how often something was measured (for the ablation)."""
    return np.array([i for i, one in enumerate(FEATURES) if one.aspect not in ("age", "count")], np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Logistic regression on last values, age, sex and hours in the unit; means stand in for what is missing."""

    mean: Floats
    scale: Floats
    weight: Floats
    intercept: float

    @classmethod
    def fit(cls, design: Matrix, task: Task) -> Baseline:
        """Fit on the same rows, targets and weights as the trees. Raises DataError where all have one outcome."""
        if task.target.min() == task.target.max():
            raise DataError("of the patients to learn from none has the outcome, or every one", field="data")
        raw = design[np.ix_(task.rows, _baseline_columns())].astype(np.float64)
        known = np.where(np.isnan(raw).all(axis=0), 0.0, raw)  # of what nobody measured there is no mean
        mean, scale = np.nanmean(known, axis=0), np.nanstd(known, axis=0)
        scale[scale == 0.0] = 1.0
        found = LogisticRegression(max_iter=200, C=1.0)
        found.fit(_standard(raw, mean, scale), task.target, sample_weight=task.weight)
        return cls(mean=mean, scale=scale, weight=found.coef_[0], intercept=float(found.intercept_[0]))

    def margins(self, design: Matrix) -> Floats:
        """Log-odds of every row."""
        raw = design[:, _baseline_columns()].astype(np.float64)
        return np.asarray(_standard(raw, self.mean, self.scale) @ self.weight + self.intercept)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {
            "features": list(BASELINE),
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "weight": self.weight.tolist(),
            "intercept": self.intercept,
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Baseline:
        """What `to_json` wrote."""
        arrays = {name: np.array(content[name], np.float64) for name in ("mean", "scale", "weight")}
        return cls(**arrays, intercept=float(content["intercept"]))


def _baseline_columns() -> Ints:
    return np.array([NAMES.index(name) for name in BASELINE], np.int64)


def _standard(raw: Floats, mean: Floats, scale: Floats) -> Floats:
    return np.nan_to_num((raw - mean) / scale, nan=0.0)


def margins(booster: xgb.Booster, rows: NDArray[np.float32], columns: Ints) -> Floats:
    """What the trees say before calibration: (rows, len(FEATURES)) -> (rows,)."""
    if not len(rows):
        return np.empty(0)
    parts = [
        booster.inplace_predict(
            np.ascontiguousarray(rows[at : at + _ROWS_AT_ONCE][:, columns]),
            predict_type="margin",
            validate_features=False,
        )
        for at in range(0, len(rows), _ROWS_AT_ONCE)
    ]
    return np.concatenate(parts).astype(np.float64)
