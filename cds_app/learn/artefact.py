"""What goes into the folder of every learned risk, ``models/<head>/<version>/``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from cds_app.content import Artefact, canonical_json, content_root, write_manifest
from cds_app.domain.arrays import Ints
from cds_app.learn.data_set import DataSet
from cds_app.learn.head import Words
from cds_app.learn.plots import Seen, draw
from cds_app.learn.roll import FILE as ROLL
from cds_app.learn.roll import Roll
from cds_app.score.risk.calibration import Calibration
from cds_app.score.risk.model import GOLDEN, SEAL
from cds_app.score.risk.population import FILE as POPULATION
from cds_app.services.content.model_cards import Shelf

_DECIMALS = 7
REPORT = "training.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What training made.

    Parameters
    ----------
    booster, columns : Booster, ndarray of int64
        The trees and which features they read.
    population : mapping
        Whom a patient's measurements must be like (`score.risk.population.Reference`), as JSON.
    report : mapping
        Recipe, data, split, seed, threshold, and figures on patients who were not seen.
    seen : Seen
        What the plots are drawn from.
    roll : Roll
        Whom the trees have seen.
    """

    booster: xgb.Booster
    columns: Ints
    calibration: Calibration
    population: Mapping[str, Any]
    report: Mapping[str, Any]
    seen: Seen
    roll: Roll


def write(
    out: Path,
    made: Finished,
    about: tuple[Words, DataSet],
    manifest: Mapping[str, Any],
    contents: Mapping[str, Mapping[str, Any]],
) -> Artefact:
    """Write the files of a learned risk into a folder, which is made.

    Parameters
    ----------
    about : tuple of (Words, DataSet)
        What is said of the risk and of its data.
    manifest, contents : mapping
        What the manifest says beyond what it says of every learned risk; JSON files beyond theirs, by name.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.ubj").write_bytes(made.booster.save_raw("ubj"))
    (out / ROLL).write_bytes(made.roll.to_bytes())
    common = {"calibration.json": curves(made.calibration), POPULATION: made.population, REPORT: made.report}
    for name, content in {**common, **contents}.items():
        (out / name).write_bytes(canonical_json(content))
    draw(out, made.booster, made.seen, made.report["seed"])
    artefact = sealed(out, {**_manifest(made.report, *about), **manifest})
    Shelf(content_root()).write(artefact)
    return artefact


def _manifest(report: Mapping[str, Any], words: Words, data: DataSet) -> dict[str, Any]:
    return {
        "kind": "risk",
        "outcome": words.outcome,
        "population": words.population,
        **{name: report[name] for name in ("threshold", "interval", "split", "seed")},
        "data_sha256": report["data"]["sha256"],
        "credit": data.credit,
        "credit_short": data.credit_short,
        "licence": data.licence,
        "about": {**asdict(words), **asdict(data)},
    }


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


def curves(calibration: Calibration) -> dict[str, Any]:
    """A calibration as JSON."""
    content = asdict(calibration)
    spread = content.pop("spread")
    found = {name: np.round(curve, _DECIMALS).tolist() for name, curve in content.items()}
    return found if spread is None else {**found, "spread": spread}


def golden_of(booster: xgb.Booster, rows: NDArray[np.float32]) -> dict[str, Any]:
    """Rows, none of a real patient, with the margins that the booster gives them now."""
    # what JSON gives back is what is predicted here
    kept = [[None if np.isnan(value) else float(value) for value in row] for row in rows]
    margins = booster.inplace_predict(rows, predict_type="margin", validate_features=False)
    data = xgb.DMatrix(rows[:1], nthread=1)
    base = booster.predict(data, pred_contribs=True, validate_features=False)[0, -1]
    return {"rows": kept, "margins": [float(one) for one in margins], "base_margin": float(base)}
