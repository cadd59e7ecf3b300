"""Train a head on hourly rows of PhysioNet/CinC Challenge 2019 data.

The trees that are shipped are grown on everybody; calibration, threshold and figures come from crossing
(`everybody`). Alert policy, ablation, transfer and the trial of explanations take too long for that. They rest on trees
of fit patients, which are kept beside the shipped ones: chosen on calibration patients, measured on test ones.
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
from cds_app.domain.arrays import Floats, Ints
from cds_app.learn import population
from cds_app.learn.calibrating import Fitted, calibrate
from cds_app.learn.data_set import file_sha256
from cds_app.learn.files.challenge2019 import DATA_SET, Part, in_part, load
from cds_app.learn.growing import Baseline, Recipe, grow, margins, without_measuring
from cds_app.learn.head import CUTS, FOLDS, Head
from cds_app.learn.hours import artefact, leakage, tuning
from cds_app.learn.hours.appraisal import Judged, appraised, headline
from cds_app.learn.hours.cohort import Cohort, Fit, truth_of
from cds_app.learn.hours.evaluating import NEEDED, stays_of, tuned_of
from cds_app.learn.hours.everybody import Crossed, Everybody
from cds_app.learn.hours.faithfulness import Explainer, explanations, highest
from cds_app.learn.hours.rows import design, shipped_twin
from cds_app.learn.hours.transfer import transfer
from cds_app.learn.hours.tuning import Stays
from cds_app.learn.plots import Seen
from cds_app.learn.roll import Roll, of_hours
from cds_app.score.features.hours import FEATURES
from cds_app.score.risk.population import Reference
from cds_app.twin.model import TwinModel

_SEED_OF_EXPLANATIONS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """Trees with all that makes their margin a probability and a decision.

    Parameters
    ----------
    shipped, of_fit : Booster
        Grown on everybody, and on fit patients alone.
    crossed : Crossed
        What trees of others said of each patient.
    """

    shipped: xgb.Booster
    of_fit: xgb.Booster
    columns: Ints
    crossed: Crossed
    fitted: Fitted
    threshold: float

    def risk(self, rows: NDArray[np.float32]) -> Floats:
        """Calibrated probability of every row of patients who did not grow the trees of fit patients."""
        return self.fitted.calibration.probability(margins(self.of_fit, rows, self.columns))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """What trees are grown, calibrated and tested on."""

    head: Head
    twin: TwinModel
    recipe: Recipe
    frames: Mapping[Part, pd.DataFrame]
    everybody: Everybody
    fit: Fit
    held: Cohort
    test: Cohort

    @classmethod
    def of(cls, head: Head, frame: pd.DataFrame, recipe: Recipe) -> _Bench:
        """Patients in their parts, and the check that nothing leaks from one into another."""
        twin = shipped_twin()
        parts = {part: frame[in_part(frame["pid"], part, CUTS)].reset_index(drop=True) for part in get_args(Part)}
        leakage.check(parts, partial(design, twin), np.random.default_rng(recipe.seed))
        everybody = Everybody.of(head, twin, frame, recipe)
        return cls(
            head=head,
            twin=twin,
            recipe=recipe,
            frames=parts,
            everybody=everybody,
            fit=everybody.fit(),
            held=Cohort.of(head, twin, parts["calibrate"]),
            test=Cohort.of(head, twin, parts["test"]),
        )

    @property
    def rng(self) -> np.random.Generator:
        """Chance from the recipe's seed, from its beginning."""
        return np.random.default_rng(self.recipe.seed)

    def trained(self) -> Trained:
        """Grow on all features; calibrate and choose the threshold by trees that have not seen the patient."""
        columns = np.arange(len(FEATURES), dtype=np.int64)
        of_fit = grow(self.fit.design, self.fit.task, self.recipe, columns)
        crossed = self.everybody.crossed(self.recipe, columns, of_fit)
        fitted = crossed.fitted(self.recipe.seed)
        return Trained(
            shipped=self.everybody.grown(self.recipe, columns),
            of_fit=of_fit,
            columns=columns,
            crossed=crossed,
            fitted=fitted,
            threshold=crossed.threshold(fitted.calibration.probability(crossed.margin)),
        )

    def ablated(self) -> dict[str, Any]:
        """Figures of the same recipe without features of whether, when and how often something was measured."""
        columns = without_measuring()
        return self.on_test(grow(self.fit.design, self.fit.task, self.recipe, columns), columns)

    def on_test(self, booster: xgb.Booster, columns: Ints) -> dict[str, Any]:
        """Figures of trees of fit patients, calibrated on held and measured on test patients."""
        held, test = (margins(booster, one.design, columns) for one in (self.held, self.test))
        found = calibrate(held, self.held.truth.label, self.held.truth.patient, self.rng).calibration
        threshold = self.head.threshold(self.held.truth, found.probability(held))
        return headline(self.head, self.test, found.probability(test), threshold)


def train(head: Head, data: Path, out: Path, seed: int, *, recipe: Recipe | None = None) -> Artefact:
    """Train, calibrate, test and write an artefact.

    Parameters
    ----------
    head : Head
        What to predict.
    data : Path
        Parquet or CSV file of the challenge, with ``SepsisLabel`` where the head needs it.
    out : Path
        Folder ``.../<head>/<version>``; is made.
    seed : int
        For thinning, growing and the bootstrap.
    recipe : Recipe, optional
        How the trees are grown, in place of the head's own; its seed is replaced.
    """
    bench = _Bench.of(head, load(data, needed=NEEDED), replace(recipe or head.recipe, seed=seed))
    return artefact.write(head, out, _finished(bench, bench.trained(), file_sha256(data)))


def _finished(bench: _Bench, model: Trained, data_sha256: str) -> artefact.Finished:
    head, test = bench.head, bench.test
    baseline = Baseline.fit(bench.fit.design, bench.fit.task)
    plain = {
        **baseline.to_json(),
        "threshold": head.threshold(bench.held.truth, baseline.margins(bench.held.design)),
    }
    known = population.fitted(bench.twin, bench.fit.design, bench.held.design)
    reference = Reference.from_json(known)
    judged = model.crossed.judged(bench.recipe.seed, reference)
    policy = tuned_of(head, _stays(bench, model, reference), None, tuning.BUDGET)
    report = {
        **_how(bench, model, data_sha256),
        **_found(bench, model, judged, plain),
        "policy": {name: policy[name] for name in artefact.POLICY},
        "population": population.reported(reference, test.tried(), bench.rng),
    }
    return artefact.Finished(
        twin=bench.twin,
        booster=model.shipped,
        of_fit=model.of_fit,
        columns=model.columns,
        calibration=model.fitted.calibration,
        tiers=artefact.tiers(head, model.threshold, judged.cohort.truth, judged.risk),
        baseline=plain,
        policy=tuning.quoted(policy),
        population=known,
        report=report,
        seen=_seen(model, judged),
        roll=rolled(bench.frames),
    )


def rolled(frames: Mapping[Part, pd.DataFrame]) -> Roll:
    """Whom the trees have seen, by part."""
    return Roll.of({part: of_hours(frame) for part, frame in frames.items()})


def _how(bench: _Bench, model: Trained, data_sha256: str) -> dict[str, Any]:
    """How the model was made, and of whom."""
    head = bench.head
    return {
        "recipe": asdict(bench.recipe),
        "seed": bench.recipe.seed,
        "split": {"by": "SHA-256 of the patient's id", "fit_up_to": CUTS[0], "calibrate_up_to": CUTS[1]},
        "twin": _twin_used(),
        "data": {"sha256": data_sha256, "credit": DATA_SET.credit_short, **_counts(head, bench.frames)},
        "calibration": {
            "method": model.fitted.method,
            "log_loss": model.fitted.log_loss,
            "folds": FOLDS,
            "interval_widened": model.fitted.widened,
        },
        "threshold": model.threshold,
    }


def _found(bench: _Bench, model: Trained, judged: Judged, plain: Mapping[str, Any]) -> dict[str, Any]:
    """Figures of the risk that is given, of its variants, and of its interval and explanations."""
    head, test = bench.head, bench.test
    return {
        "tested": judged.tested,
        "test_of_fit_trees": bench.on_test(model.of_fit, model.columns),
        "interval": judged.interval,
        "test": appraised(head, judged.cohort, judged.said, judged.threshold, plain),
        "test_without_count_and_age_features": bench.ablated(),
        "transfer": transfer(head, bench.fit, bench.held, test, bench.recipe),
        "explanations": _explained(head, bench.twin, model, bench.frames["test"], test),
    }


def _stays(bench: _Bench, model: Trained, reference: Reference) -> tuple[Stays, Stays]:
    """Stays on which the alert policy is chosen, and those on which it is measured."""
    held, test = (stays_of(bench.head, one, model.risk(one.design), reference) for one in (bench.held, bench.test))
    return held, test


def _twin_used() -> dict[str, str]:
    used = latest("twin")
    return {"version": used.version, "dynamics_sha256": used.manifest["files"]["dynamics.json"]}


def _explained(head: Head, twin: TwinModel, model: Trained, frame: pd.DataFrame, test: Cohort) -> dict[str, Any]:
    """Whether the explanations of the highest estimates hold."""
    rng = np.random.default_rng(_SEED_OF_EXPLANATIONS)
    chosen = highest(test.truth.patient, model.risk(test.design), rng)
    at = np.zeros(len(frame), bool)
    at[np.flatnonzero(truth_of(head, frame).asked)[chosen]] = True
    theirs = frame["pid"].isin(frame.loc[at, "pid"]).to_numpy()
    explainer = Explainer(booster=model.of_fit, columns=model.columns, features=[FEATURES[i] for i in model.columns])
    return explanations(explainer, twin, frame[theirs].reset_index(drop=True), at[theirs], rng)


def _seen(model: Trained, judged: Judged) -> Seen:
    return Seen(
        label=judged.cohort.truth.label,
        risk=judged.risk,
        threshold=model.threshold,
        design=judged.cohort.design[:, model.columns],
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
