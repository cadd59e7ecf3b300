"""Train and evaluate the sepsis model on PhysioNet/CinC Challenge 2019 data.

Fit, calibration and test patients are disjoint (85, 7.5 and 7.5 of 100). The trees see the first, calibration and
threshold the second, and every figure in the model card comes from the third.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import xgboost as xgb
from numpy.typing import NDArray

from cds_app.content import Artefact, canonical_json, latest
from cds_app.learn import sepsis_artefact
from cds_app.learn.challenge2019 import CREDIT, Cuts, Part, file_sha256, in_part, load
from cds_app.learn.sepsis_calibrate import Fitted, calibrate
from cds_app.learn.sepsis_fit import Baseline, Recipe, Task, grow, without_measuring
from cds_app.learn.sepsis_measure import figures, groups, served
from cds_app.learn.sepsis_rows import Rows, design, shipped_twin
from cds_app.learn.utility import best_threshold, normalised_utility, stakes
from cds_app.score.features import FEATURES
from cds_app.score.risk import RiskModel
from cds_app.twin.model import TwinModel

CUTS: Cuts = (0.85, 0.925)
_ROWS_AT_ONCE = 200_000
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Rows of some patients with their model input."""

    frame: pd.DataFrame
    patient: Ints
    label: Ints
    design: NDArray[np.float32]

    @classmethod
    def of(cls, twin: TwinModel, frame: pd.DataFrame, part: Part) -> Cohort:
        """All rows of one part."""
        mine = frame[in_part(frame["pid"], part, CUTS)].reset_index(drop=True)
        label = mine["SepsisLabel"].to_numpy(np.int64)
        return cls(frame=mine, patient=Rows.of(mine).patient(), label=label, design=design(twin, mine))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A booster with all that makes its margin a probability and a decision."""

    booster: xgb.Booster
    columns: Ints
    fitted: Fitted
    threshold: float

    def risk(self, rows: NDArray[np.float32]) -> Floats:
        """Calibrated probability of every row."""
        return self.fitted.calibration.probability(_margins(self.booster, rows, self.columns))


def train(data: Path, out: Path, seed: int, *, recipe: Recipe | None = None) -> Artefact:
    """Train, calibrate, test and write an artefact.

    Parameters
    ----------
    data : Path
        Parquet file of the challenge with ``SepsisLabel``.
    out : Path
        Folder ``.../sepsis/<version>``; is made.
    seed : int
        For thinning, growing and the bootstrap.
    recipe : Recipe, optional
        How the trees are grown; its seed is replaced.
    """
    grown = replace(recipe or Recipe(), seed=seed)
    twin, frame = shipped_twin(), load(data)
    fit, task = _fit_rows(twin, frame, grown)
    held, test = Cohort.of(twin, frame, "calibrate"), Cohort.of(twin, frame, "test")
    model = _trained(fit, task, grown, np.arange(len(FEATURES), dtype=np.int64), held)
    ablated = _trained(fit, task, grown, without_measuring(), held)
    baseline = Baseline.fit(fit, task)
    limit = _baseline_threshold(baseline, held)
    report = {
        "recipe": asdict(grown),
        "seed": seed,
        "split": {"by": "SHA-256 of the patient's id", "fit_up_to": CUTS[0], "calibrate_up_to": CUTS[1]},
        "twin": _twin_used(),
        "data": {"sha256": file_sha256(data), "credit": CREDIT, **_counts(frame)},
        "calibration": {"method": model.fitted.method, "log_loss": model.fitted.log_loss},
        "threshold": model.threshold,
        "test": _measured(test.frame, test.design, risk := model.risk(test.design), risk >= model.threshold),
        "test_without_count_and_age_features": _headline(ablated, test),
        "test_baseline": _baseline_figures(baseline, limit, test),
    }
    made = sepsis_artefact.Finished(
        twin=twin,
        booster=model.booster,
        columns=model.columns,
        calibration=model.fitted.calibration,
        threshold=model.threshold,
        tiers=sepsis_artefact.tiers(model.threshold, test.patient, test.label, risk),
        baseline={**baseline.to_json(), "threshold": limit},
        report=report,
    )
    return sepsis_artefact.write(out, made)


def evaluate(data: Path, predictions: Path, report: Path, artefact: Artefact | None = None) -> dict[str, Any]:
    """Score every row of a file and, where it has labels, measure how good the scores are.

    Parameters
    ----------
    data : Path
        Parquet file with the challenge's columns; ``SepsisLabel`` and ``site`` may be absent.
    predictions : Path
        Parquet file to write: ``pid``, ``ICULOS``, ``risk``, ``alert``, sorted by patient and hour.
    report : Path
        JSON file to write.
    artefact : Artefact, optional
        The model; by default the latest that is shipped.

    Returns
    -------
    dict
        What the report holds.
    """
    artefact = artefact or latest("sepsis")
    model = RiskModel.from_artefact(artefact)
    frame = load(data)
    rows = design(shipped_twin(), frame)
    risk = _batched(model, rows)
    alert = risk >= model.threshold
    answers = pd.DataFrame({"pid": frame["pid"], "ICULOS": frame["ICULOS"], "risk": risk, "alert": alert})
    answers.to_parquet(predictions, index=False)
    found: dict[str, Any] = {
        "model": {"name": artefact.name, "version": artefact.version, "sha256": artefact.sha256},
        "seed": artefact.manifest["seed"],
        "data_sha256": file_sha256(data),
        "rows": len(frame),
        "patients": int(frame["pid"].nunique()),
        "threshold": model.threshold,
        "labels": "SepsisLabel" in frame.columns,
    }
    if found["labels"]:
        found |= _measured(frame, rows, risk, alert)
        found["baseline"] = _frozen_baseline(artefact.read_json("baseline.json"), frame, rows)
    report.write_bytes(canonical_json(found))
    return found


def _twin_used() -> dict[str, str]:
    used = latest("twin")
    return {"version": used.version, "dynamics_sha256": used.manifest["files"]["dynamics.json"]}


def _fit_rows(twin: TwinModel, frame: pd.DataFrame, recipe: Recipe) -> tuple[NDArray[np.float32], Task]:
    """Model input of the rows that are trained on, and the task on them."""
    mine = frame[in_part(frame["pid"], "fit", CUTS)].reset_index(drop=True)
    label = mine["SepsisLabel"].to_numpy(np.int64)
    task = Task.of(Rows.of(mine).patient(), label, recipe, np.random.default_rng(recipe.seed))
    wanted = np.zeros(len(mine), bool)
    wanted[task.rows] = True
    return design(twin, mine, wanted), replace(task, rows=np.arange(len(task.rows)))


def _trained(fit: NDArray[np.float32], task: Task, recipe: Recipe, columns: Ints, held: Cohort) -> Trained:
    """Grow on some features; calibrate and choose the threshold on held patients."""
    booster = grow(fit, task, recipe, columns)
    margin = _margins(booster, held.design, columns)
    fitted = calibrate(margin, held.label, held.patient, np.random.default_rng(recipe.seed))
    risk = fitted.calibration.probability(margin)
    threshold, _ = best_threshold(stakes(held.patient, held.label).gain, risk)
    return Trained(booster=booster, columns=columns, fitted=fitted, threshold=threshold)


def _margins(booster: xgb.Booster, rows: NDArray[np.float32], columns: Ints) -> Floats:
    parts = [
        booster.inplace_predict(
            np.ascontiguousarray(rows[at : at + _ROWS_AT_ONCE][:, columns]),
            predict_type="margin",
            validate_features=False,
        )
        for at in range(0, len(rows), _ROWS_AT_ONCE)
    ]
    return np.concatenate(parts).astype(np.float64)


def _batched(model: RiskModel, rows: NDArray[np.float32]) -> Floats:
    return model.calibration.probability(_margins(model.booster, rows, model.columns))


def _measured(frame: pd.DataFrame, rows: NDArray[np.float32], risk: Floats, alert: NDArray[np.bool_]) -> dict[str, Any]:
    """Figures overall, by group, and as served: silent where the service would abstain."""
    patient, label = Rows.of(frame).patient(), frame["SepsisLabel"].to_numpy(np.int64)
    parts = {
        kind: {
            name: figures(patient[mine], label[mine], risk[mine], alert[mine])
            for name, mine in found.items()
            if mine.any()
        }
        for kind, found in groups(frame).items()
    }
    given = served(sepsis_artefact.LIMITS, rows)
    as_served = {"rows": float(given.mean()), "utility": normalised_utility(patient, label, alert & given)}
    overall = {"overall": figures(patient, label, risk, alert), "as_served": as_served}
    return {**overall, **{f"by_{kind}": part for kind, part in parts.items()}}


def _frozen_baseline(content: dict[str, Any], frame: pd.DataFrame, rows: NDArray[np.float32]) -> dict[str, Any]:
    patient, label = Rows.of(frame).patient(), frame["SepsisLabel"].to_numpy(np.int64)
    margin = Baseline.from_json(content).margins(rows)
    return _short(figures(patient, label, 1.0 / (1.0 + np.exp(-margin)), margin >= content["threshold"]))


def _headline(model: Trained, test: Cohort) -> dict[str, Any]:
    risk = model.risk(test.design)
    return _short(figures(test.patient, test.label, risk, risk >= model.threshold))


def _short(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in ("auroc", "auprc", "utility") if name in found}


def _baseline_threshold(baseline: Baseline, held: Cohort) -> float:
    return best_threshold(stakes(held.patient, held.label).gain, baseline.margins(held.design))[0]


def _baseline_figures(baseline: Baseline, threshold: float, test: Cohort) -> dict[str, Any]:
    margin = baseline.margins(test.design)
    return _short(figures(test.patient, test.label, 1.0 / (1.0 + np.exp(-margin)), margin >= threshold))


def _counts(frame: pd.DataFrame) -> dict[str, dict[str, int]]:
    parts: dict[str, dict[str, int]] = {}
    for part in get_args(Part):
        mine = frame[in_part(frame["pid"], part, CUTS)]
        septic = mine.loc[mine["SepsisLabel"] > 0, "pid"].nunique()
        parts[part] = {"rows": len(mine), "patients": int(mine["pid"].nunique()), "septic_patients": int(septic)}
    return parts
