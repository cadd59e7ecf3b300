"""xgboost asked for what Twinline's own engine does not read: slower, and loaded only then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from cds_app.domain.arrays import Floats
from cds_app.errors import ContentError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Boosted:
    """A booster that explains rows as `cds_app.score.trees.tree_shap.TreeShap` does.

    A booster does not survive a fork: load it in the process that uses it.
    """

    booster: xgb.Booster
    base: float
    tolerance: ClassVar[float] = 1e-4  # float32 sums of some hundred contributions

    @classmethod
    def of(cls, content: bytes) -> Boosted:
        """Load a model in UBJSON."""
        booster = load_booster(content)
        unknown = np.full((1, booster.num_features()), np.nan, np.float32)
        return cls(booster=booster, base=float(_explained(booster, unknown)[0, -1]))

    @property
    def features(self) -> int:
        """How many values a row has."""
        return int(self.booster.num_features())

    def contributions(self, row: NDArray[np.float32]) -> Floats:
        """How far each feature moved the margin of one row: shape (features,)."""
        found: Floats = self.contributions_of(row[None])[0]
        return found

    def contributions_of(self, rows: NDArray[np.float32]) -> Floats:
        """The same of many rows: (rows, features) -> (rows, features)."""
        return _explained(self.booster, rows)[:, :-1]

    def margin(self, row: NDArray[np.float32]) -> float:
        """Margin of one row."""
        found = self.booster.inplace_predict(row[None], predict_type="margin", validate_features=False)
        return float(found[0])


def _explained(booster: xgb.Booster, rows: NDArray[np.float32]) -> Floats:
    found = booster.predict(xgb.DMatrix(rows, nthread=1), pred_contribs=True, validate_features=False)
    return np.asarray(found, np.float64)


def load_booster(content: bytes) -> xgb.Booster:
    """A booster from UBJSON bytes, set to one thread.

    Raises
    ------
    ContentError
        If the bytes are no model.
    """
    booster = xgb.Booster({"nthread": 1})
    try:
        booster.load_model(bytearray(content))
    except xgb.core.XGBoostError as error:
        raise ContentError("the model cannot be read as UBJSON", field="model.ubj") from error
    return booster
