"""Whether explanations hold: the same reasons for the same patient, and the top reason the one that matters most.

Rows of the highest estimate of each patient are looked at. *Stability*: every measured value is disturbed by what the
measurement itself is uncertain by, the whole course is filtered and explained anew, and the reasons are compared.
*Faithfulness*: all that the model knows of one measurement is withheld, and how far the estimate moves is compared with
the place of that measurement among the measurements. Only what may be absent in use is withheld: age and hours in the
unit are always known, and trees have not learned what to say without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xgboost as xgb

from cds_app.domain.arrays import Flags, Floats, Ints, Matrix
from cds_app.learn.files.challenge2019 import COLUMNS
from cds_app.learn.hours.rows import design
from cds_app.learn.twin.panel import to_scale, to_unit
from cds_app.score.features.hours import QUANTITIES, Feature
from cds_app.twin.model import TwinModel

PATIENTS = 300
_TIMES = 5
_TOP = 3
_WITHHELD = 5
_SHARE_OF_NOISE = 0.5  # desirable imprecision is half of the within-person variation (Fraser, Ann Clin Biochem 1997)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explainer:
    """A booster with the measurements that its features belong to.

    Parameters
    ----------
    columns : ndarray of int64, shape (features,)
        What it reads of a row of `score.features.hours`.
    features : sequence of Feature
        The same, in the same order.
    """

    booster: xgb.Booster
    columns: Ints
    features: Sequence[Feature]

    @property
    def names(self) -> list[str]:
        """Measurements, each once."""
        return list(dict.fromkeys(one.quantity for one in self.features))

    @property
    def measured(self) -> Ints:
        """Which of the names are of what may not have been measured."""
        return np.flatnonzero(np.isin(self.names, QUANTITIES))

    def margins(self, chosen: Matrix) -> Floats:
        """Margin of rows (rows, features)."""
        found = self.booster.inplace_predict(chosen, predict_type="margin", validate_features=False)
        return np.asarray(found, np.float64)

    def moved(self, chosen: Matrix) -> Floats:
        """How far each measurement moved the margin: (rows, features) -> (rows, measurements)."""
        values = self.booster.predict(xgb.DMatrix(chosen), pred_contribs=True, validate_features=False)[:, :-1]
        return np.asarray(values.astype(np.float64) @ self._belongs())

    def without(self, chosen: Matrix, measurement: Ints) -> Matrix:
        """Rows of which one measurement each is withheld: all of its features missing."""
        mine = self._belongs().T[measurement] > 0
        return np.where(mine, np.float32(np.nan), chosen)

    def _belongs(self) -> Floats:
        place = {name: i for i, name in enumerate(self.names)}
        found = np.zeros((len(self.features), len(place)))
        found[np.arange(len(self.features)), [place[one.quantity] for one in self.features]] = 1.0
        return found


def explanations(
    explainer: Explainer, twin: TwinModel, frame: pd.DataFrame, at: Flags, rng: np.random.Generator
) -> dict[str, Any]:
    """Stability and faithfulness on some rows.

    Parameters
    ----------
    frame : pandas.DataFrame
        Whole stays, as `challenge2019.load` returns them.
    at : ndarray of bool, shape (rows,)
        Which rows are explained.
    """
    chosen = design(twin, frame, at)[:, explainer.columns]
    reasons = explainer.moved(chosen)
    noisy = [design(twin, disturbed(twin, frame, rng), at)[:, explainer.columns] for _ in range(_TIMES)]
    return {
        "rows": len(chosen),
        "stability": stability(reasons, [explainer.moved(one) for one in noisy]),
        "faithfulness": faithfulness(explainer, chosen, reasons, explainer.measured, rng),
    }


def highest(patient: Ints, risk: Floats, rng: np.random.Generator) -> Flags:
    """The row of the highest estimate of each of some patients, drawn at random."""
    order = np.lexsort((-risk, patient))
    first = order[np.flatnonzero(np.diff(patient[order], prepend=-1))]
    found = np.zeros(len(risk), bool)
    found[rng.choice(first, min(PATIENTS, len(first)), replace=False)] = True
    return found


def disturbed(twin: TwinModel, frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Every value moved by a draw of its measurement error, on the scale on which the twin sees it."""
    moved = {}
    for one in COLUMNS:
        if one.column in frame.columns and (dynamics := twin.dynamics.get(one.quantity)) is not None:
            value = frame[one.column].to_numpy(np.float64)
            error = rng.normal(0.0, _SHARE_OF_NOISE * dynamics.noise_sd, len(value))
            moved[one.column] = to_unit(dynamics, to_scale(dynamics, value) + error).astype(np.float32)
    return frame.assign(**moved)


def stability(reasons: Floats, again: Sequence[Floats]) -> dict[str, float]:
    """How much of the top reasons stays: (rows, measurements) against disturbed copies of the same.

    Returns
    -------
    dict
        ``same_first``: part of rows with the same first reason; ``top_3_kept``: mean part of the first three that are
        among the first three again; ``same_direction``: part of the first reasons that kept their sign.
    """
    top, rows = _top(reasons, _TOP), np.arange(len(reasons))
    tops = [_top(one, _TOP) for one in again]
    first = top[:, 0]
    return {
        "same_first": float(np.mean([found[:, 0] == first for found in tops])),
        "top_3_kept": float(np.mean([(top[:, :, None] == found[:, None, :]).any(axis=2).mean() for found in tops])),
        "same_direction": float(np.mean([np.sign(one[rows, first]) == np.sign(reasons[rows, first]) for one in again])),
    }


def faithfulness(
    explainer: Explainer, chosen: Matrix, reasons: Floats, among: Ints, rng: np.random.Generator
) -> dict[str, Any]:
    """How far the estimate moves, in log-odds, when the first, second, ... or any other reason is withheld.

    Parameters
    ----------
    among : ndarray of int64
        Which reasons are withheld and counted.

    Returns
    -------
    dict
        ``withheld``: how many are; ``moved_by_place``: means for the first five of them; ``moved_by_other``: mean for
        one drawn from the rest;
        ``first_moves_most``: part of rows in which withholding the first moves the estimate most of these five.
    """
    whole = explainer.margins(chosen)
    order = among[np.argsort(-np.abs(reasons[:, among]), axis=1, kind="stable")]
    moved = np.stack(
        [np.abs(explainer.margins(explainer.without(chosen, order[:, k])) - whole) for k in range(_WITHHELD)], axis=1
    )
    other = order[np.arange(len(order)), rng.integers(_WITHHELD, order.shape[1], len(order))]
    return {
        "withheld": len(among),
        "moved_by_place": [float(one) for one in moved.mean(axis=0)],
        "moved_by_other": float(np.abs(explainer.margins(explainer.without(chosen, other)) - whole).mean()),
        "first_moves_most": float((moved.argmax(axis=1) == 0).mean()),
    }


def _top(reasons: Floats, count: int) -> Ints:
    return np.argsort(-np.abs(reasons), axis=1, kind="stable")[:, :count]
