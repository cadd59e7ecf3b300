"""Everything that goes into the folder of a learned risk that is asked of whole stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from cds_app.content import Artefact
from cds_app.learn import risk_artefact
from cds_app.learn.challenge2012 import CREDIT
from cds_app.learn.stay_card import stay_card
from cds_app.score.eligibility import Limits
from cds_app.score.risk import Calibration
from cds_app.score.stay_features import FEATURES, QUANTITIES, UNITS, WINDOW_H, Series, Stayers, stay_features

Ints = NDArray[np.int64]
Matrix = NDArray[np.float32]

_GOLDEN = 2
_POPULATION = "Adults after 48 hours in intensive care (coronary, cardiac surgery, medical and surgical units of one \
hospital in the United States, 2001 to 2008)."


def write(
    out: Path, booster: xgb.Booster, columns: Ints, found: Calibration, limits: Limits, report: Mapping[str, Any]
) -> Artefact:
    """Write the folder of a risk that is asked of whole stays.

    Parameters
    ----------
    out : Path
        ``models/<name>/<version>``; is made.
    booster, columns : Booster, ndarray of int64
        The trees and which of `FEATURES` they read.
    found : Calibration
    limits : Limits
        For whom the service may ask.
    report : mapping
        What training found.
    """
    manifest = {
        "kind": "risk",
        "outcome": "Death before discharge from hospital.",
        "horizon_h": 0.0,  # until the end of the stay
        "population": _POPULATION,
        "eligibility": asdict(limits),
        "features_of": "stay",
        "features": [asdict(FEATURES[i]) for i in columns],
        "quantities": list(QUANTITIES),
        "threshold": report["threshold"],
        "tiers": [],  # context beside a card: nothing may be raised by it
        "split": report["split"],
        "seed": report["seed"],
        "data_sha256": report["data"]["sha256"],
        "credit": "PhysioNet/CinC Challenge 2012, sets a and b (Silva et al., Comput Cardiol 2012), ODC-BY 1.0",
        "credit_short": CREDIT,
        "licence": "ODC-BY 1.0",
    }
    contents = {
        "calibration.json": risk_artefact.curves(found),
        "golden.json": risk_artefact.golden_of(booster, _invented()[:, columns]),
        "training.json": report,
    }
    return risk_artefact.save(out, booster, contents, manifest, stay_card(out.name, manifest, report))


_CENTRES = (
    *(("heart_rate", 90.0, 15.0), ("sbp", 118.0, 18.0), ("dbp", 62.0, 9.0), ("map", 80.0, 12.0)),
    *(("resp_rate", 20.0, 4.0), ("body_temp", 37.2, 0.7), ("gcs_total", 11.0, 2.0), ("urine_output", 90.0, 30.0)),
    *(("urea_nitrogen", 28.0, 8.0), ("creatinine", 1.4, 0.3), ("lactate", 2.5, 0.8), ("platelets", 180.0, 40.0)),
)


def _invented() -> Matrix:
    """Nobody, of whom nothing is known, and invented patients."""
    rng = np.random.default_rng(2012)
    hours = np.tile(np.arange(0.5, WINDOW_H, 4.0), len(_CENTRES))
    each = len(hours) // len(_CENTRES)
    quantity = np.repeat([QUANTITIES.index(name) for name, _, _ in _CENTRES], each)
    value = np.concatenate([rng.normal(mean, sd, (_GOLDEN, each)) for _, mean, sd in _CENTRES], axis=1)
    series = Series(
        stay=np.repeat(np.arange(1, _GOLDEN + 1), len(hours)),
        quantity=np.tile(quantity, _GOLDEN),
        hours=np.tile(hours, _GOLDEN),
        value=np.asarray(np.round(value, 1), np.float64).ravel(),
    )
    age = np.array([np.nan, *rng.integers(20, 90, _GOLDEN)])
    nothing = np.full(_GOLDEN + 1, np.nan)
    unit = np.full((_GOLDEN + 1, len(UNITS)), np.nan)
    return stay_features(series, Stayers(age_years=age, male=nothing, height_cm=nothing, unit=unit))
