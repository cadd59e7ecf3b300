"""Everything that goes into the folder of a learned risk, ``models/<head>/<version>/``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from cds_app.content import Artefact, canonical_json, content_root, write_manifest
from cds_app.errors import DataError
from cds_app.learn import tuning
from cds_app.learn.challenge2019 import DATA_SET, QUANTITY_OF
from cds_app.learn.head import Floats, Head, Ints, Outcome
from cds_app.learn.measure import alert_figures
from cds_app.learn.plots import Seen, draw
from cds_app.learn.roll import FILE as ROLL
from cds_app.learn.roll import Roll
from cds_app.score.calibration import Calibration
from cds_app.score.features import FEATURES, Feature, Statics, features
from cds_app.score.population import FILE as POPULATION
from cds_app.score.risk import GOLDEN, SEAL, Tier
from cds_app.services.model_cards import Shelf
from cds_app.twin.model import TwinModel
from cds_app.twin.state import Track, track_of

_GOLDEN = 6
_HOURS = np.arange(1.0, 21.0)
_DECIMALS = 7
REPORT = "training.json"
OF_FIT = "fit.ubj"
POLICY = ("budget", "chosen", "frontier")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What training made.

    Parameters
    ----------
    of_fit : Booster, optional
        Trees of fit patients alone, where those that are shipped were grown on everybody.
    twin : TwinModel
        Whose view of the patients the trees were grown on.
    booster, columns : Booster, ndarray of int64
        The trees and which of `FEATURES` they read.
    baseline : mapping
        The plain baseline and its threshold, as JSON.
    policy : mapping
        The alert policy that finds most within its budget, and what it was worth on test patients.
    population : mapping
        Whom a patient's measurements must be like (`score.population.Reference`), as JSON.
    report : mapping
        Recipe, data, figures on test patients.
    seen : Seen
        What the plots are drawn from.
    roll : Roll
        Whom the trees have seen.
    """

    twin: TwinModel
    booster: xgb.Booster
    columns: Ints
    calibration: Calibration
    threshold: float
    tiers: tuple[Tier, ...]
    baseline: Mapping[str, Any]
    policy: Mapping[str, Any]
    population: Mapping[str, Any]
    report: Mapping[str, Any]
    seen: Seen
    roll: Roll
    of_fit: xgb.Booster | None = None


def write(head: Head, out: Path, made: Finished) -> Artefact:
    """Write booster, calibration, golden rows, baseline, report, plots, manifest and card into a folder."""
    contents = {
        "calibration.json": curves(made.calibration),
        GOLDEN: golden(made.twin, made.booster, made.columns),
        "baseline.json": made.baseline,
        POPULATION: made.population,
        REPORT: made.report,
    }
    out.mkdir(parents=True, exist_ok=True)
    if made.of_fit is not None:
        (out / OF_FIT).write_bytes(made.of_fit.save_raw("ubj"))
    manifest = _manifest(head, made, tuple(FEATURES[i] for i in made.columns))
    return save(out, made.booster, contents, manifest, made.seen, made.roll)


def save(
    out: Path,
    booster: xgb.Booster,
    contents: Mapping[str, Mapping[str, Any]],
    manifest: Mapping[str, Any],
    seen: Seen,
    roll: Roll,
) -> Artefact:
    """Write the files of a learned risk into a folder, which is made.

    Parameters
    ----------
    contents : mapping
        JSON files by name; ``training.json`` among them.
    seen : Seen
        What the plots are drawn from.
    roll : Roll
        Whom the trees have seen.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.ubj").write_bytes(booster.save_raw("ubj"))
    (out / ROLL).write_bytes(roll.to_bytes())
    for name, content in contents.items():
        (out / name).write_bytes(canonical_json(content))
    draw(out, booster, seen, manifest["seed"])
    artefact = sealed(out, manifest)
    Shelf(content_root()).write(artefact)
    return artefact


def sealed(folder: Path, manifest: Mapping[str, Any]) -> Artefact:
    """Write the manifest of a learned risk, and beside the known predictions what it says: no edit goes unseen then.

    Parameters
    ----------
    folder : Path
        With every other file in place.
    manifest : mapping
        As for `content.write_manifest`.
    """
    written = write_manifest(folder, manifest)
    seal = {**written.read_json(GOLDEN), SEAL: written.digest(without=GOLDEN)}
    (folder / GOLDEN).write_bytes(canonical_json(seal))
    return write_manifest(folder, manifest)


def with_policy(artefact: Artefact, found: Mapping[str, Any]) -> Artefact:
    """Put the alert policy that `tuning.tuned` chose in force: in manifest, training report and card.

    Raises
    ------
    DataError
        If it does not keep to the budget, which none that was tried does then. Nothing is written.
    """
    if not found["chosen"]["within_budget"]:
        raise DataError("no policy that was tried keeps to it; nothing is put in force", field="budget")
    report = artefact.read_json(REPORT)
    policy = {name: found[name] for name in POLICY}
    (artefact.root / REPORT).write_bytes(canonical_json({**report, "policy": policy}))
    kept = sealed(artefact.root, {**artefact.manifest, "policy": tuning.quoted(found)})
    Shelf(content_root()).write(kept)
    return kept


def curves(calibration: Calibration) -> dict[str, Any]:
    """A calibration as JSON."""
    content = asdict(calibration)
    spread = content.pop("spread")
    found = {name: np.round(curve, _DECIMALS).tolist() for name, curve in content.items()}
    return found if spread is None else {**found, "spread": spread}


def tiers(head: Head, threshold: float, truth: Outcome, risk: Floats) -> tuple[Tier, ...]:
    """The tiers with what they were worth on test patients."""
    bands = (("watch", threshold), *((name, lowest) for name, lowest in head.tiers if lowest > threshold))
    return tuple(
        _tier(name, lowest, alert_figures(truth.patient, truth.label, risk >= lowest)) for name, lowest in bands
    )


def golden(twin: TwinModel, booster: xgb.Booster, columns: Ints) -> dict[str, Any]:
    """Synthetic rows with the margins that the booster gives them now."""
    unknown = np.full(len(FEATURES), np.nan, np.float32)
    return golden_of(booster, np.stack([unknown, *_synthetic(twin, np.random.default_rng(2019))])[:, columns])


def golden_of(booster: xgb.Booster, rows: NDArray[np.float32]) -> dict[str, Any]:
    """Rows, none of a real patient, with the margins that the booster gives them now."""
    # what JSON gives back is what is predicted here
    kept = [[None if np.isnan(value) else float(value) for value in row] for row in rows]
    margins = booster.inplace_predict(rows, predict_type="margin", validate_features=False)
    data = xgb.DMatrix(rows[:1], nthread=1)
    base = booster.predict(data, pred_contribs=True, validate_features=False)[0, -1]
    return {"rows": kept, "margins": [float(one) for one in margins], "base_margin": float(base)}


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


def _manifest(head: Head, made: Finished, chosen: tuple[Feature, ...]) -> dict[str, Any]:
    return {
        "kind": "risk",
        "outcome": head.words.outcome,
        "horizon_h": head.horizon_h,
        "population": head.words.population,
        "eligibility": head.limits.to_json(),
        "features": [asdict(one) for one in chosen],
        "quantities": sorted(QUANTITY_OF.values()),
        "threshold": made.threshold,
        "tiers": [asdict(tier) for tier in made.tiers],
        "policy": dict(made.policy),
        "interval": made.report["interval"],
        "split": made.report["split"],
        "twin": made.report["twin"],
        "seed": made.report["seed"],
        "data_sha256": made.report["data"]["sha256"],
        "credit": DATA_SET.credit,
        "credit_short": DATA_SET.credit_short,
        "licence": DATA_SET.licence,
        "about": {**asdict(head.words), **asdict(DATA_SET)},
    }
