"""Train and evaluate a head on hourly rows of PhysioNet/CinC Challenge 2019 data.

Fit, calibration and test patients are disjoint. The trees see the first, calibration and
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
from cds_app.errors import ContentError
from cds_app.learn import risk_artefact
from cds_app.learn.calibrating import Fitted, calibrate
from cds_app.learn.challenge2019 import CREDIT, Part, file_sha256, in_part, load
from cds_app.learn.growing import Baseline, Recipe, Task, grow, without_measuring
from cds_app.learn.head import Flags, Floats, Head, Ints, Outcome
from cds_app.learn.measure import figures, groups, served
from cds_app.learn.onset import absent
from cds_app.learn.rows import design, shipped_twin
from cds_app.score.features import FEATURES
from cds_app.score.risk import RiskModel
from cds_app.twin.model import TwinModel

_ROWS_AT_ONCE = 200_000
_SHORT = ("auroc", "auprc", "utility")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Rows of some patients at which a head can be asked, with their model input.

    Parameters
    ----------
    frame : pandas.DataFrame
        The rows.
    truth : Outcome
        What followed.
    design : ndarray of float32, shape (rows, len(FEATURES))
    """

    frame: pd.DataFrame
    truth: Outcome
    design: NDArray[np.float32]

    @classmethod
    def of(cls, head: Head, twin: TwinModel, frame: pd.DataFrame) -> Cohort:
        """All rows of a frame at which the head can be asked.

        Raises
        ------
        ContentError
            If the frame does not say what followed.
        """
        truth = _truth(head, frame)
        chosen = np.flatnonzero(truth.asked)
        here = frame.iloc[chosen].reset_index(drop=True)
        return cls(frame=here, truth=truth.of(chosen), design=design(twin, frame, truth.asked))


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


def train(head: Head, data: Path, out: Path, seed: int, *, recipe: Recipe | None = None) -> Artefact:
    """Train, calibrate, test and write an artefact.

    Parameters
    ----------
    head : Head
        What to predict.
    data : Path
        Parquet file of the challenge, with ``SepsisLabel`` where the head needs it.
    out : Path
        Folder ``.../<head>/<version>``; is made.
    seed : int
        For thinning, growing and the bootstrap.
    recipe : Recipe, optional
        How the trees are grown, in place of the head's own; its seed is replaced.
    """
    grown = replace(recipe or head.recipe, seed=seed)
    twin, frame = shipped_twin(), load(data)
    parts = {part: frame[in_part(frame["pid"], part, head.cuts)].reset_index(drop=True) for part in get_args(Part)}
    fit, task = _fit_rows(head, twin, parts["fit"], grown)
    held, test = Cohort.of(head, twin, parts["calibrate"]), Cohort.of(head, twin, parts["test"])
    model = _trained(head, fit, task, grown, np.arange(len(FEATURES), dtype=np.int64), held)
    ablated = _trained(head, fit, task, grown, without_measuring(), held)
    baseline = Baseline.fit(fit, task)
    limit = head.threshold(held.truth, baseline.margins(held.design))
    risk = model.risk(test.design)
    report = {
        "recipe": asdict(grown),
        "seed": seed,
        "split": {"by": "SHA-256 of the patient's id", "fit_up_to": head.cuts[0], "calibrate_up_to": head.cuts[1]},
        "twin": _twin_used(),
        "data": {"sha256": file_sha256(data), "credit": CREDIT, **_counts(head, parts)},
        "calibration": {"method": model.fitted.method, "log_loss": model.fitted.log_loss},
        "threshold": model.threshold,
        "test": _measured(head, test, risk, risk >= model.threshold),
        "test_without_count_and_age_features": _headline(head, test, ablated.risk(test.design), ablated.threshold),
        "test_baseline": _headline(head, test, _expit(baseline.margins(test.design)), float(_expit(limit))),
    }
    made = risk_artefact.Finished(
        twin=twin,
        booster=model.booster,
        columns=model.columns,
        calibration=model.fitted.calibration,
        threshold=model.threshold,
        tiers=risk_artefact.tiers(head, model.threshold, test.truth, risk),
        baseline={**baseline.to_json(), "threshold": limit},
        report=report,
    )
    return risk_artefact.write(head, out, made)


def evaluate(
    head: Head, data: Path, predictions: Path, report: Path, artefact: Artefact | None = None
) -> dict[str, Any]:
    """Score every row of a file and, where it says what followed, measure how good the scores are.

    Parameters
    ----------
    head : Head
        What is predicted.
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
    artefact = artefact or latest(head.name)
    model = RiskModel.from_artefact(artefact)
    frame = load(data)
    rows = design(shipped_twin(), frame)
    risk = model.calibration.probability(_margins(model.booster, rows, model.columns))
    alert = risk >= model.threshold
    if model.limits.endpoint is not None:
        alert &= absent(model.limits.endpoint, frame)
    answers = pd.DataFrame({"pid": frame["pid"], "ICULOS": frame["ICULOS"], "risk": risk, "alert": alert})
    answers.to_parquet(predictions, index=False)
    truth = head.outcome(frame)
    found: dict[str, Any] = {
        "model": {"name": artefact.name, "version": artefact.version, "sha256": artefact.sha256},
        "seed": artefact.manifest["seed"],
        "data_sha256": file_sha256(data),
        "rows": len(frame),
        "patients": int(frame["pid"].nunique()),
        "threshold": model.threshold,
        "labels": truth is not None,
    }
    if truth is not None:
        cohort = Cohort(frame=frame[truth.asked], truth=truth.of(truth.asked), design=rows[truth.asked])
        found |= _measured(head, cohort, risk[truth.asked], alert[truth.asked])
        found["baseline"] = _frozen_baseline(head, artefact.read_json("baseline.json"), cohort)
    report.write_bytes(canonical_json(found))
    return found


def _truth(head: Head, frame: pd.DataFrame) -> Outcome:
    truth = head.outcome(frame)
    if truth is None:
        raise ContentError(f"the data do not say what followed, which {head.name} is learned from", field="data")
    return truth


def _twin_used() -> dict[str, str]:
    used = latest("twin")
    return {"version": used.version, "dynamics_sha256": used.manifest["files"]["dynamics.json"]}


def _fit_rows(head: Head, twin: TwinModel, frame: pd.DataFrame, recipe: Recipe) -> tuple[NDArray[np.float32], Task]:
    """Model input of the rows that are trained on, and the task on them."""
    task = head.task(_truth(head, frame), recipe, np.random.default_rng(recipe.seed))
    wanted = np.zeros(len(frame), bool)
    wanted[task.rows] = True
    return design(twin, frame, wanted), replace(task, rows=np.arange(len(task.rows)))


def _trained(head: Head, fit: NDArray[np.float32], task: Task, recipe: Recipe, columns: Ints, held: Cohort) -> Trained:
    """Grow on some features; calibrate and choose the threshold on held patients."""
    booster = grow(fit, task, recipe, columns)
    margin = _margins(booster, held.design, columns)
    truth = held.truth
    fitted = calibrate(margin, truth.label, truth.patient, np.random.default_rng(recipe.seed))
    threshold = head.threshold(truth, fitted.calibration.probability(margin))
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


def _measured(head: Head, cohort: Cohort, risk: Floats, alert: Flags) -> dict[str, Any]:
    """Figures overall, by group, and as served: silent where the service would abstain."""
    parts = {
        kind: {name: _figures(head, cohort.truth, risk, alert, mine) for name, mine in found.items() if mine.any()}
        for kind, found in groups(cohort.frame).items()
    }
    given = served(head.limits, cohort.design)
    as_served = {"rows": float(given.mean()), **head.merit(cohort.truth, risk, alert & given)}
    overall = {"overall": _figures(head, cohort.truth, risk, alert), "as_served": as_served}
    return {**overall, **{f"by_{kind}": part for kind, part in parts.items()}}


def _figures(head: Head, truth: Outcome, risk: Floats, alert: Flags, mine: Flags | None = None) -> dict[str, Any]:
    """The common figures and the head's own, of some rows."""
    some = truth.asked if mine is None else mine
    here = truth.of(some)
    found = figures(here.patient, here.label, risk[some], alert[some])
    return {**found, **head.merit(here, risk[some], alert[some])} if "auroc" in found else found


def _frozen_baseline(head: Head, content: dict[str, Any], cohort: Cohort) -> dict[str, Any]:
    risk = _expit(Baseline.from_json(content).margins(cohort.design))
    return _headline(head, cohort, risk, float(_expit(content["threshold"])))


def _headline(head: Head, cohort: Cohort, risk: Floats, threshold: float) -> dict[str, Any]:
    found = _figures(head, cohort.truth, risk, risk >= threshold)
    return {name: found[name] for name in _SHORT if name in found}


def _expit(margin: Floats | float) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(margin, np.float64))))


def _counts(head: Head, parts: Mapping[Part, pd.DataFrame]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for name, frame in parts.items():
        truth = _truth(head, frame)
        here = truth.of(truth.asked)
        found[name] = {
            "rows": len(here.label),
            "patients": len(np.unique(here.patient)),
            "patients_with_outcome": len(np.unique(here.patient[here.label > 0])),
        }
    return found
