"""Margins of many rows, in pieces that fit into memory."""

from __future__ import annotations

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

_ROWS_AT_ONCE = 200_000


def margins(booster: xgb.Booster, rows: NDArray[np.float32], columns: NDArray[np.int64]) -> NDArray[np.float64]:
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
