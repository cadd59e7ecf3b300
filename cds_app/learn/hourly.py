"""Train and evaluate a head on hourly rows of PhysioNet/CinC Challenge 2019 data.

Fit, calibration and test patients are disjoint. The trees see the first, calibration and
threshold the second, and every figure in the model card comes from the third.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import xgboost as xgb
from numpy.typing import NDArray

from cds_app.content import Artefact, canonical_json, latest
from cds_app.errors import DataError
from cds_app.learn import leakage, population, risk_artefact, tuning
from cds_app.learn.abstention import abstained
from cds_app.learn.appraisal import appraised, headline, logistic
from cds_app.learn.calibrating import Fitted, calibrate
from cds_app.learn.challenge2019 import (
    COLUMNS,
    DATA_SET,
    NEEDED,
    VITAL_COLUMNS,
    Part,
    file_sha256,
    in_part,
    load,
)
from cds_app.learn.cohort import Cohort, Fit, truth_of
from cds_app.learn.faithfulness import Explainer, explanations, highest
from cds_app.learn.growing import Baseline, Recipe, grow, without_measuring
from cds_app.learn.head import Flags, Floats, Head, Ints
from cds_app.learn.margins import margins
from cds_app.learn.measure import served
from cds_app.learn.onset import absent
from cds_app.learn.plots import Seen
from cds_app.learn.rows import design, shipped_twin
from cds_app.learn.tradeoff import drawn
from cds_app.learn.transfer import transfer
from cds_app.learn.tuning import Stays
from cds_app.score.boosted import load_booster
from cds_app.score.features import FEATURES
from cds_app.score.population import Reference
from cds_app.score.risk import RiskModel, Tier
from cds_app.twin.model import TwinModel

_SEED_OF_EXPLANATIONS = 300
_NEEDED = (*NEEDED, *VITAL_COLUMNS)


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
    twin, frame = shipped_twin(), load(data, needed=_NEEDED)
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
    stays = (_stays(head, held, model.risk(held.design), reference), _stays(head, test, risk, reference))
    policy = _tuned(head, stays, tiers, tuning.BUDGET)
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
        "test": appraised(head, test, _silenced(head, test.design, risk, reference), model.threshold, plain),
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
        Parquet file to write: ``pid``, ``ICULOS``, ``risk``, ``alert``, ``abstained``, sorted by patient and hour.
        Where no number is given, ``risk`` is null, ``alert`` false and ``abstained`` the reason; else it is null.
        Nobody is alerted of who is in the predicted state already.
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
    frame = load(data, needed=_NEEDED)
    rows = design(shipped_twin(), frame)
    reason = abstained(head.limits, rows, model.population)
    risk = _where_given(
        reason,
        model.calibration.probability(margins(load_booster(artefact.read_bytes("model.ubj")), rows, model.columns)),
    )
    alert = risk >= model.threshold
    if model.limits.endpoint is not None:
        alert &= absent(model.limits.endpoint, frame)
    _answers(frame, risk, alert, reason).to_parquet(predictions, index=False)
    truth = head.outcome(frame)
    found: dict[str, Any] = {
        "model": {"name": artefact.name, "version": artefact.version, "sha256": artefact.sha256},
        "seed": artefact.manifest["seed"],
        "data_sha256": file_sha256(data),
        "rows": len(frame),
        "columns_not_in_file": [one.column for one in COLUMNS if one.column not in frame.columns],
        "patients": int(frame["pid"].nunique()),
        "threshold": model.threshold,
        "abstained": pd.Series(reason).value_counts().sort_index().to_dict(),
        "labels": truth is not None,
    }
    if truth is not None and truth.asked.any():
        cohort = Cohort(frame=frame[truth.asked], truth=truth.of(truth.asked), design=rows[truth.asked])
        baseline = artefact.read_json("baseline.json")
        rival = logistic(baseline, cohort)
        found |= appraised(head, cohort, risk[truth.asked], model.threshold, baseline)
        found["baseline"] = headline(head, cohort, rival.score, rival.threshold)
    report.write_bytes(canonical_json(found))
    return found


def tune(
    head: Head,
    data: Path,
    report: Path,
    budget: float,
    *,
    drawing: Path | None = None,
    artefact: Artefact | None = None,
) -> dict[str, Any]:
    """Sweep the alert policy: chosen on the calibration patients of a file, measured on its test patients.

    Parameters
    ----------
    head : Head
    data : Path
        Parquet file with the challenge's columns and what the head needs to know what followed.
    report : Path
        JSON file to write.
    budget : float
        Alerts per 100 patient-days.
    drawing : Path, optional
        SVG file to write: alerts against what they find.
    artefact : Artefact, optional
        The model; by default the latest that is shipped.

    Returns
    -------
    dict
        What the report holds.

    Raises
    ------
    DataError
        If no calibration or no test patient had the outcome.
    """
    artefact = artefact or latest(head.name)
    model, frame, twin = RiskModel.from_artefact(artefact), load(data, needed=_NEEDED), shipped_twin()
    stays = []
    for part in ("calibrate", "test"):
        cohort = Cohort.of(head, twin, frame[in_part(frame["pid"], part, head.cuts)].reset_index(drop=True))
        if not cohort.truth.label.any():
            raise DataError(f"no {part} patient of the file had the outcome", field="data")
        margin = margins(load_booster(artefact.read_bytes("model.ubj")), cohort.design, model.columns)
        stays.append(_stays(head, cohort, model.calibration.probability(margin), model.population))
    found = {
        "model": {"name": artefact.name, "version": artefact.version, "sha256": artefact.sha256},
        "data_sha256": file_sha256(data),
        "patients": {"calibrate": stays[0].patients, "test": stays[1].patients},
        **_tuned(head, (stays[0], stays[1]), model.tiers, budget),
    }
    report.write_bytes(canonical_json(found))
    if drawing is not None:
        drawing.write_text(drawn(found, head.words.title), encoding="utf-8")
    return found


def _stays(head: Head, cohort: Cohort, risk: Floats, reference: Reference | None) -> Stays:
    """Stays with the risk where the service gives one."""
    given = served(head.limits, cohort.design)
    said = _silenced(head, cohort.design, risk, reference)
    return Stays(course=cohort.course(head.horizon_h), risk=np.where(given, said, np.nan))


def _tuned(head: Head, stays: tuple[Stays, Stays], tiers: Sequence[Tier], budget: float) -> dict[str, Any]:
    policy = tuning.shipped_policy()
    return tuning.tuned(*stays, policy, head.name, tuning.live(tiers, policy, head.name), budget)


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


def _silenced(head: Head, rows: NDArray[np.float32], risk: Floats, reference: Reference | None) -> Floats:
    return _where_given(abstained(head.limits, rows, reference), risk)


def _where_given(reason: NDArray[np.object_], risk: Floats) -> Floats:
    """The risk, NaN where there is a reason to give none."""
    return np.where(pd.isna(reason), risk, np.nan)


def _answers(frame: pd.DataFrame, risk: Floats, alert: Flags, reason: NDArray[np.object_]) -> pd.DataFrame:
    """What is written of every row."""
    said = pd.Series(reason, dtype="string")
    return pd.DataFrame(
        {"pid": frame["pid"], "ICULOS": frame["ICULOS"], "risk": risk, "alert": alert, "abstained": said}
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
