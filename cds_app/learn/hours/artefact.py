"""The folder of a risk that is asked of every hour: what it has beyond other learned risks, and its alert policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from cds_app.content import Artefact, canonical_json, content_root
from cds_app.domain.arrays import Floats, Ints
from cds_app.errors import DataError
from cds_app.learn import artefact
from cds_app.learn.artefact import REPORT, sealed
from cds_app.learn.files.challenge2019 import DATA_SET, QUANTITY_OF
from cds_app.learn.head import Head, Outcome
from cds_app.learn.hours import tuning
from cds_app.learn.measure import alert_figures
from cds_app.learn.shipped import OF_FIT
from cds_app.score.features.hours import FEATURES, Statics, features
from cds_app.score.risk.model import GOLDEN, Tier
from cds_app.services.content.model_cards import Shelf
from cds_app.twin.model import TwinModel
from cds_app.twin.state import Track, track_of

_GOLDEN = 6
_HOURS = np.arange(1.0, 21.0)
POLICY = ("budget", "chosen", "frontier")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(artefact.Finished):
    """What training made; the report has figures on test patients.

    Parameters
    ----------
    of_fit : Booster
        Trees of fit patients alone; those that are shipped were grown on everybody.
    twin : TwinModel
        Whose view of the patients the trees were grown on.
    baseline : mapping
        The plain baseline and its threshold, as JSON.
    policy : mapping
        The alert policy that finds most within its budget, and what it was worth on test patients.
    """

    of_fit: xgb.Booster
    twin: TwinModel
    tiers: tuple[Tier, ...]
    baseline: Mapping[str, Any]
    policy: Mapping[str, Any]


def write(head: Head, out: Path, made: Finished) -> Artefact:
    """Write booster, calibration, golden rows, baseline, report, plots, manifest and card into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    (out / OF_FIT).write_bytes(made.of_fit.save_raw("ubj"))
    manifest = {
        "horizon_h": head.horizon_h,
        "eligibility": head.limits.to_json(),
        "features": [asdict(FEATURES[i]) for i in made.columns],
        "quantities": sorted(QUANTITY_OF.values()),
        "tiers": [asdict(tier) for tier in made.tiers],
        "policy": dict(made.policy),
        "twin": made.report["twin"],
    }
    contents = {GOLDEN: golden(made.twin, made.booster, made.columns), "baseline.json": made.baseline}
    return artefact.write(out, made, (head.words, DATA_SET), manifest, contents)


def with_policy(before: Artefact, found: Mapping[str, Any]) -> Artefact:
    """Put the alert policy that `tuning.tuned` chose in force: in manifest, training report and card.

    Raises
    ------
    DataError
        If it does not keep to the budget, which none that was tried does then, or its worth is unknown. Nothing is
        written.
    """
    if not found["chosen"]["within_budget"]:
        raise DataError("no policy that was tried keeps to it; nothing is put in force", field="budget")
    quoted, report = tuning.quoted(found), before.read_json(REPORT)
    policy = {name: found[name] for name in POLICY}
    (before.root / REPORT).write_bytes(canonical_json({**report, "policy": policy}))
    kept = sealed(before.root, {**before.manifest, "policy": quoted})
    Shelf(content_root()).write(kept)
    return kept


def tiers(head: Head, threshold: float, truth: Outcome, risk: Floats) -> tuple[Tier, ...]:
    """The tiers with what they were worth on test patients."""
    bands = (("watch", threshold), *((name, lowest) for name, lowest in head.tiers if lowest > threshold))
    return tuple(
        _tier(name, lowest, alert_figures(truth.patient, truth.label, risk >= lowest)) for name, lowest in bands
    )


def golden(twin: TwinModel, booster: xgb.Booster, columns: Ints) -> dict[str, Any]:
    """Synthetic rows with the margins that the booster gives them now."""
    unknown = np.full(len(FEATURES), np.nan, np.float32)
    return artefact.golden_of(booster, np.stack([unknown, *_synthetic(twin, np.random.default_rng(2019))])[:, columns])


_CENTRES: Mapping[str, tuple[float, float]] = {
    "heart_rate": (90.0, 15.0),
    "spo2": (96.0, 2.0),
    "body_temp": (37.2, 0.7),
    "sbp": (118.0, 18.0),
    "map": (80.0, 12.0),
    "dbp": (62.0, 9.0),
    "resp_rate": (20.0, 4.0),
    "lactate": (2.5, 0.8),
    "wbc": (12.0, 3.0),
    "creatinine": (1.3, 0.3),
    "platelets": (180.0, 40.0),
}


def _synthetic(twin: TwinModel, rng: np.random.Generator) -> list[NDArray[np.float32]]:
    """Invented patients, not real ones."""
    found = []
    for _ in range(_GOLDEN):
        tracks: dict[str, Track] = {
            name: track_of(twin, name, _HOURS.tolist(), np.round(rng.normal(mean, sd, len(_HOURS)), 1).tolist())
            for name, (mean, sd) in _CENTRES.items()
            if rng.random() < 0.9  # some measurements are absent
        }
        who = Statics(age_years=float(rng.integers(20, 90)), sex="female", unit_start_h=0.0, hours_before_unit=3.0)
        found.append(features(twin, tracks, who, [float(rng.integers(2, len(_HOURS)))])[0])
    return found


def _tier(name: str, lowest: float, worth: Mapping[str, float]) -> Tier:
    return Tier(
        name=name,
        lowest=lowest,
        ppv=round(worth["ppv_hours"], 4),
        sensitivity=round(worth["sensitivity_hours"], 4),
        of_100=round(100 * worth["ppv_patients"]),
    )
