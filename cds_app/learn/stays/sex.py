"""What trees leave out of sex, in one last round that may use nothing else.

Sex acts a little on everybody, and each tree draws few features: most leave it out, so that risks of women run high and
of men low. How far is found on stays that the trees had not seen, as for a calibration; on their own they would be too
sure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xgboost as xgb

from cds_app.domain.arrays import Flags, Floats, Ints
from cds_app.learn.measure import logistic_line

# everything that the trees before may have been grown with is said anew: a booster keeps it
_ROUND: Mapping[str, Any] = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "max_depth": 1,
    "reg_lambda": 0.0,
    "min_child_weight": 0.0,
    "subsample": 1.0,
    "colsample_bytree": 1.0,
    "nthread": 1,
}


def moved(margin: Floats, label: Ints, male: Floats, some: Flags) -> Floats:
    """Margins with what some rows say that they leave out of sex; of whom it is not known nothing is: (rows,)."""
    intercept, slope = _line(margin[some], label[some])
    risk = 1.0 / (1.0 + np.exp(-(intercept + slope * margin)))
    found = margin.copy()
    for sex in (0.0, 1.0):
        theirs = male == sex
        used = theirs & some
        if used.any():
            found[theirs] += (label - risk)[used].sum() / (risk * (1.0 - risk))[used].sum() / slope
    return found


def told(booster: xgb.Booster, margin: Floats, label: Ints, male: Floats, column: int) -> xgb.Booster:
    """The trees and one more round, which moves margins as `moved` does; of whom the sex is unknown as of one of them.

    Parameters
    ----------
    booster : Booster
        Grown on all stays.
    margin, label, male : ndarray, shape (rows,)
        What trees said of stays that they had not seen, and what followed.
    column : int
        Where the booster has ``male``.
    """
    rows = np.full((len(margin), booster.num_features()), np.nan, np.float32)
    rows[:, column] = male  # nothing else can be split on
    known = np.isfinite(male).astype(np.float64)
    data = xgb.DMatrix(rows, label=label, weight=known, feature_names=booster.feature_names, nthread=1)
    data.set_base_margin(np.zeros(len(rows)))
    grown = booster.predict(data, output_margin=True).astype(np.float64)
    intercept, slope = _line(margin, label)
    data.set_base_margin(intercept + slope * margin - grown)
    return xgb.train({**_ROUND, "eta": 1.0 / slope}, data, num_boost_round=1, xgb_model=booster)


def _line(margin: Floats, label: Ints) -> tuple[float, float]:
    """Intercept and slope of the calibration."""
    return logistic_line(margin, label.astype(np.float64), np.ones(len(margin)))
