"""A shipped risk, ready to be asked of many rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from cds_app.content import Artefact, latest
from cds_app.domain.arrays import Floats
from cds_app.learn.data_set import file_sha256
from cds_app.learn.growing import margins
from cds_app.learn.roll import FILE as ROLL
from cds_app.learn.roll import Roll
from cds_app.score.risk.model import RiskModel
from cds_app.score.trees.boosted import load_booster

OF_FIT = "fit.ubj"
"""Trees of fit patients alone, beside those that are shipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """The artefact with what is read from it."""

    artefact: Artefact
    model: RiskModel
    booster: xgb.Booster

    @classmethod
    def of(cls, name: str, artefact: Artefact | None = None) -> Shipped:
        """The artefact that is given; by default the latest of the name that is shipped."""
        artefact = artefact or latest(name)
        booster = load_booster(artefact.read_bytes("model.ubj"))
        return cls(artefact=artefact, model=RiskModel.from_artefact(artefact), booster=booster)

    def margins(self, rows: NDArray[np.float32]) -> Floats:
        """What the trees say of rows, and what is added for the age, before calibration."""
        found = margins(self.booster, rows, self.model.columns)
        return found + self.model.added(found, rows)

    @property
    def roll(self) -> Roll:
        """Whom its trees have seen."""
        return Roll.from_bytes(self.artefact.read_bytes(ROLL))

    def of_fit(self) -> Shipped:
        """The same with trees of fit patients alone."""
        return replace(self, booster=load_booster(self.artefact.read_bytes(OF_FIT)))

    def about(self, data: Path) -> dict[str, Any]:
        """What a report says of which model was asked of which file."""
        one = self.artefact
        return {
            "model": {"name": one.name, "version": one.version, "sha256": one.sha256},
            "data_sha256": file_sha256(data),
        }
