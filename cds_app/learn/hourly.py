"""Train a head on hourly rows of PhysioNet/CinC Challenge 2019 data.

Fit, calibration and test patients are disjoint. The trees see the first, calibration and threshold the second, and
every figure in the model card comes from the third.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import xgboost as xgb
from numpy.typing import NDArray

from cds_app.content import Artefact, latest
from cds_app.learn import leakage, population, risk_artefact, tuning
from cds_app.learn.abstention import silenced
from cds_app.learn.appraisal import appraised, headline
from cds_app.learn.calibrating import Fitted, calibrate
from cds_app.learn.challenge2019 import DATA_SET, Part, file_sha256, in_part, load
from cds_app.learn.cohort import Cohort, Fit, truth_of
from cds_app.learn.evaluating import NEEDED, stays_of, tuned_of
from cds_app.learn.faithfulness import Explainer, explanations, highest
from cds_app.learn.growing import Baseline, Recipe, grow, without_measuring
from cds_app.learn.head import Floats, Head, Ints
from cds_app.learn.margins import margins
from cds_app.learn.plots import Seen
from cds_app.learn.rows import design, shipped_twin
from cds_app.learn.transfer import transfer
from cds_app.score.features import FEATURES
from cds_app.score.population import Reference
from cds_app.twin.model import TwinModel

_SEED_OF_EXPLANATIONS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A booster with all that makes its margin a probability and a decision."""

    booster: xgb.Booster
    columns: Ints
    fitted: Fitted
    threshold: float

    def risk(self, rows: NDArray[np.float32]) -> Floats:
        """Calibrated probability of every row."""
        return self.fitted.calibration.probability(margins(self.booster, rows, self.columns))


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
    twin, frame = shipped_twin(), load(data, needed=NEEDED)
    parts = {part: frame[in_part(frame["pid"], part, head.cuts)].reset_index(drop=True) for part in get_args(Part)}
    leakage.check(parts, partial(design, twin), np.random.default_rng(seed))
    fit = Fit.of(head, twin, parts["fit"], grown)
    held, test = Cohort.of(head, twin, parts["calibrate"]), Cohort.of(head, twin, parts["test"])
    model = _trained(head, fit, grown, np.arange(len(FEATURES), dtype=np.int64), held)
    baseline = Baseline.fit(fit.design, fit.task)
    plain = {**baseline.to_json(), "threshold": head.threshold(held.truth, baseline.margins(held.design))}
    risk = model.risk(test.design)
    known = population.fitted(twin, fit.design, held.design)
    reference = Reference.from_json(known)
    tiers = risk_artefact.tiers(head, model.threshold, test.truth, risk)
    stays = (stays_of(head, held, model.risk(held.design), reference), stays_of(head, test, risk, reference))
    policy = tuned_of(head, stays, tiers, tuning.BUDGET)
    report = {
        "recipe": asdict(grown),
        "seed": seed,
        "split": {"by": "SHA-256 of the patient's id", "fit_up_to": head.cuts[0], "calibrate_up_to": head.cuts[1]},
        "twin": _twin_used(),
        "data": {"sha256": file_sha256(data), "credit": DATA_SET.credit_short, **_counts(head, parts)},
        "calibration": {"method": model.fitted.method, "log_loss": model.fitted.log_loss},
        "threshold": model.threshold,
        "tested": f"{len(np.unique(test.truth.patient))} patients whom neither trees nor calibration have seen",
        "policy": {name: one for name, one in policy.items() if name != "settings"},
        "test": appraised(head, test, silenced(head.limits, test.design, risk, reference), model.threshold, plain),
        "population": population.reported(reference, test, np.random.default_rng(seed)),
        "test_without_count_and_age_features": _ablated(head, fit, grown, held, test),
        "transfer": transfer(head, fit, held, test, grown),
        "explanations": _explained(head, twin, model, parts["test"], test),
    }
    made = risk_artefact.Finished(
        twin=twin,
        booster=model.booster,
        columns=model.columns,
        calibration=model.fitted.calibration,
        threshold=model.threshold,
        tiers=tiers,
        baseline=plain,
        policy=tuning.quoted(policy),
        population=known,
        report=report,
        seen=_seen(model, test, risk),
    )
    return risk_artefact.write(head, out, made)


def _twin_used() -> dict[str, str]:
    used = latest("twin")
    return {"version": used.version, "dynamics_sha256": used.manifest["files"]["dynamics.json"]}


def _trained(head: Head, fit: Fit, recipe: Recipe, columns: Ints, held: Cohort) -> Trained:
    """Grow on some features; calibrate and choose the threshold on held patients."""
    booster = grow(fit.design, fit.task, recipe, columns)
    margin = margins(booster, held.design, columns)
    truth = held.truth
    fitted = calibrate(margin, truth.label, truth.patient, np.random.default_rng(recipe.seed))
    threshold = head.threshold(truth, fitted.calibration.probability(margin))
    return Trained(booster=booster, columns=columns, fitted=fitted, threshold=threshold)


def _ablated(head: Head, fit: Fit, recipe: Recipe, held: Cohort, test: Cohort) -> dict[str, Any]:
    """Figures of the same recipe without features of whether, when and how often something was measured."""
    model = _trained(head, fit, recipe, without_measuring(), held)
    return headline(head, test, model.risk(test.design), model.threshold)


def _explained(head: Head, twin: TwinModel, model: Trained, frame: pd.DataFrame, test: Cohort) -> dict[str, Any]:
    """Whether the explanations of the highest estimates hold."""
    rng = np.random.default_rng(_SEED_OF_EXPLANATIONS)
    chosen = highest(test.truth.patient, model.risk(test.design), rng)
    at = np.zeros(len(frame), bool)
    at[np.flatnonzero(truth_of(head, frame).asked)[chosen]] = True
    theirs = frame["pid"].isin(frame.loc[at, "pid"]).to_numpy()
    explainer = Explainer(booster=model.booster, columns=model.columns, features=[FEATURES[i] for i in model.columns])
    return explanations(explainer, twin, frame[theirs].reset_index(drop=True), at[theirs], rng)


def _seen(model: Trained, test: Cohort, risk: Floats) -> Seen:
    return Seen(
        label=test.truth.label,
        risk=risk,
        threshold=model.threshold,
        design=test.design[:, model.columns],
        names=[FEATURES[i].name for i in model.columns],
    )


def _counts(head: Head, parts: Mapping[Part, pd.DataFrame]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for name, frame in parts.items():
        truth = truth_of(head, frame)
        here = truth.of(truth.asked)
        found[name] = {
            "rows": len(here.label),
            "patients": len(np.unique(here.patient)),
            "patients_with_outcome": len(np.unique(here.patient[here.label > 0])),
        }
    return found
