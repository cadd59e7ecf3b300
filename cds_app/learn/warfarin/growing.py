"""The two models of the weekly dose of warfarin are fitted here, and their errors on people held out.

Few people lack a genotype, and those that do come from few places. So that the answer for them rests on more, every
person is also shown, with a small weight, as if one gene or both had not been typed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import xgboost as xgb
from sklearn.linear_model import HuberRegressor

from cds_app.domain.arrays import Flags, Floats, Ints, Matrix
from cds_app.score.warfarin.dose import Linear, Spread, alleles, typed_genes
from cds_app.score.warfarin.features import FEATURES, Filling, terms, without

HIDDEN: Final[Mapping[str, tuple[str, ...]]] = {
    "both": (),
    "cyp2c9_only": ("vkorc1",),
    "vkorc1_only": ("cyp2c9",),
    "neither": ("vkorc1", "cyp2c9"),
}
"""Which genes are hidden so that only these are typed."""
_FALLS: Final = ("age_decade", "vkorc1", "cyp2c9_2", "cyp2c9_3", "cyp2c9_rare", "amiodarone", "takes_amiodarone")
_RISES: Final = (
    *("height_cm", "weight_kg", "carbamazepine", "phenytoin", "rifampicin", "takes_inducer"),
    *("inr_target", "inr_low", "inr_high"),
)
"""What is known to lower and to raise the dose: no tree may say otherwise."""
_TAIL: Final = 0.05
_LEAST_OF_MEDIAN: Final = 0.25
_CONSTANT: Final = 1e-9  # of the mean: a smaller spread is rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How both are fitted.

    Parameters
    ----------
    rounds, depth, eta, subsample, colsample, least_child_weight
        Of the trees, on the square root of the dose with squared error.
    epsilon, ridge : float
        Of the linear part: where Huber's loss turns from squared to absolute, in standard deviations of the error, and
        the penalty per hundred people.
    share_of_trees : float
        In the mean of the two.
    hidden_weight : float
        Of each person shown once more with a genotype hidden.
    folds, repeats : int
        Of the cross-validation.
    """

    rounds: int = 500
    depth: int = 4
    eta: float = 0.02
    subsample: float = 0.5
    colsample: float = 0.2
    least_child_weight: float = 10.0
    epsilon: float = 1.1
    ridge: float = 0.3
    share_of_trees: float = 0.5
    hidden_weight: float = 0.05
    folds: int = 10
    repeats: int = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fitted:
    """Both models, and what fills in for unknown measures."""

    linear: Linear
    booster: xgb.Booster
    filling: Filling
    share_of_trees: float

    def roots(self, rows: Matrix) -> Floats:
        """Square roots of the dose: (people, features) -> (people,)."""
        grown = self.booster.predict(xgb.DMatrix(rows, nthread=1)).astype(np.float64)
        linear = self.linear.of(terms(rows, self.filling)[1])
        return self.share_of_trees * grown + (1.0 - self.share_of_trees) * linear


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """What was said of people whom the models had not seen.

    Parameters
    ----------
    rows : ndarray of float32, shape (people, features)
    root : ndarray of float64, shape (people,)
        The square root of the dose that they needed.
    fold : ndarray of int64, shape (repeats, people)
    said : mapping of str to ndarray of float64, shape (repeats, people)
        Estimates of the square root, by which genes were left to be seen; "both" hides nothing.
    """

    rows: Matrix
    root: Floats
    fold: Ints
    said: Mapping[str, Floats]

    def spreads(self, *, but_fold: tuple[int, int] | None = None) -> dict[str, Spread]:
        """Spread of the errors for each set of genes.

        Parameters
        ----------
        but_fold : tuple of int, optional
            Repeat and fold whose people are left out; only that repeat is looked at then. All by default.
        """
        found = {typed: self._spread(typed, but_fold) for typed in HIDDEN}
        wider = self._widening(found, but_fold)
        return {
            typed: replace(spread, low=wider * spread.low, high=wider * spread.high) if HIDDEN[typed] else spread
            for typed, spread in found.items()
        }

    def _widening(self, spreads: Mapping[str, Spread], but_fold: tuple[int, int] | None) -> float:
        """How much wider intervals must be to hold for people whose genes really were not typed; at least 1."""
        repeats, kept = self._kept(but_fold)
        typed = np.array(typed_genes(self.rows))
        parts = []
        for name in (one for one, genes in HIDDEN.items() if genes):
            who = np.flatnonzero(kept & (typed == name))
            parts += [_beyond(spreads[name], self.rows[who], self.said["both"][repeats][:, who], self.root[who])]
        beyond = np.concatenate(parts, axis=1)
        return max(1.0, _conformal(beyond, 2.0 * _TAIL)) if beyond.size else 1.0

    def _kept(self, but_fold: tuple[int, int] | None) -> tuple[list[int], Flags]:
        """Which repeats and which people are looked at."""
        if but_fold is None:
            return list(range(len(self.fold))), np.ones(len(self.root), bool)
        repeat, fold = but_fold
        return [repeat], self.fold[repeat] != fold

    def _spread(self, typed: str, but_fold: tuple[int, int] | None) -> Spread:
        repeats, kept = self._kept(but_fold)
        shown = without(self.rows, *HIDDEN[typed])
        who = np.flatnonzero(kept & (np.array(typed_genes(shown)) == typed))
        return _spread(shown[who], self.said[typed][repeats][:, who], self.root[who])

    def intervals(self, typed: str) -> tuple[Floats, Floats]:
        """Ends of the 90 % intervals, as roots, each from the errors of people in other folds: (repeats, people)."""
        shown = without(self.rows, *HIDDEN[typed])
        found = np.array(typed_genes(shown))
        low, high = np.empty_like(self.said[typed]), np.empty_like(self.said[typed])
        for repeat, fold in _cells(self.fold):
            spreads = self.spreads(but_fold=(repeat, fold))
            for name, spread in spreads.items():
                who = np.flatnonzero((self.fold[repeat] == fold) & (found == name))
                ends = spread.interval(self.said[typed][repeat, who], shown[who])
                low[repeat, who], high[repeat, who] = ends
        return low, high


def fit(rows: Matrix, dose_mg: Floats, recipe: Recipe, seed: int) -> Fitted:
    """Fit both models.

    Parameters
    ----------
    rows : ndarray of float32, shape (people, features)
    dose_mg : ndarray of float64, shape (people,)
        mg a week.
    """
    filling = Filling.of(rows)
    shown = [without(rows, *genes) for genes in HIDDEN.values()]
    weight = np.concatenate([np.full(len(rows), recipe.hidden_weight if genes else 1.0) for genes in HIDDEN.values()])
    root = np.tile(np.sqrt(dose_mg), len(shown))
    everybody = np.concatenate(shown)
    return Fitted(
        linear=_linear(everybody, root, weight, filling, recipe),
        booster=_grown(everybody, root, weight, recipe, seed),
        filling=filling,
        share_of_trees=recipe.share_of_trees,
    )


def held(rows: Matrix, dose_mg: Floats, recipe: Recipe, seed: int) -> Held:
    """Cross-validate: each person is estimated by models that had not seen them, once in every repeat."""
    rng = np.random.default_rng(seed)
    parts = np.arange(len(rows)) % recipe.folds
    fold = np.stack([rng.permutation(parts) for _ in range(recipe.repeats)])
    said = {typed: np.empty(fold.shape) for typed in HIDDEN}
    for repeat, one in _cells(fold):
        out = fold[repeat] == one
        fitted = fit(rows[~out], dose_mg[~out], recipe, seed)
        for typed, genes in HIDDEN.items():
            said[typed][repeat, out] = fitted.roots(without(rows[out], *genes))
    return Held(rows=rows, root=np.sqrt(dose_mg), fold=fold, said=said)


def _cells(fold: Ints) -> Iterator[tuple[int, int]]:
    return ((repeat, one) for repeat in range(len(fold)) for one in range(int(fold.max()) + 1))


def _linear(rows: Matrix, root: Floats, weight: Floats, filling: Filling, recipe: Recipe) -> Linear:
    names, values = terms(rows, filling)
    centre = np.average(values, axis=0, weights=weight)
    scale = np.sqrt(np.average((values - centre) ** 2, axis=0, weights=weight))
    scale[scale < _CONSTANT * np.maximum(np.abs(centre), 1.0)] = 1.0
    people = len(rows) / len(HIDDEN)
    model = HuberRegressor(epsilon=recipe.epsilon, alpha=recipe.ridge * people / 100.0, max_iter=2000)
    model.fit((values - centre) / scale, root, sample_weight=weight)
    return Linear(names=names, centre=centre, scale=scale, weight=model.coef_, intercept=float(model.intercept_))


def _grown(rows: Matrix, root: Floats, weight: Floats, recipe: Recipe, seed: int) -> xgb.Booster:
    options: dict[str, Any] = {
        "objective": "reg:squarederror",
        "max_depth": recipe.depth,
        "eta": recipe.eta,
        "subsample": recipe.subsample,
        "colsample_bynode": recipe.colsample,
        "min_child_weight": recipe.least_child_weight,
        "monotone_constraints": tuple((one in _RISES) - (one in _FALLS) for one in FEATURES),
        "nthread": 1,
        "seed": seed,
    }
    return xgb.train(options, xgb.DMatrix(rows, label=root, weight=weight, nthread=1), recipe.rounds)


def _spread(rows: Matrix, said: Floats, root: Floats) -> Spread:
    """Least squares of the absolute error, then the tails of the errors in units of that.

    Parameters
    ----------
    said : ndarray of float64, shape (repeats, people)
    """
    error = root - said
    sensitive, variant = alleles(rows)
    design = np.stack([np.stack([np.ones(len(root)), one, sensitive, variant], axis=1) for one in said])
    flat = design.reshape(-1, design.shape[-1])
    found = np.linalg.lstsq(flat, np.abs(error).ravel(), rcond=None)[0]
    least = _LEAST_OF_MEDIAN * float(np.median(np.abs(error)))
    unit = error / np.maximum(design @ found, least)
    return Spread(
        intercept=float(found[0]),
        per_root=float(found[1]),
        per_sensitive=float(found[2]),
        per_variant=float(found[3]),
        least=least,
        low=-_conformal(-unit),
        high=_conformal(unit),
    )


def _beyond(spread: Spread, rows: Matrix, said: Floats, root: Floats) -> Floats:
    """Errors in units of the way from the estimate to the end of its interval: above 1 it did not hold."""
    error = root - said
    expected = np.stack([spread.expected(one, rows) for one in said])
    return np.where(error < 0.0, error / (spread.low * expected), error / (spread.high * expected))


def _conformal(unit: Floats, tail: float = _TAIL) -> float:
    """What all but a tail stay below, with the correction for a finite sample: (repeats, people), mean of repeats."""
    people = unit.shape[1]
    part = min(np.ceil((people + 1) * (1.0 - tail)) / people, 1.0)
    return float(np.mean(np.quantile(unit, part, axis=1, method="higher")))
