"""Train a head on hourly rows of PhysioNet/CinC Challenge 2019 data.

Fit, calibration and test patients are disjoint. The trees see the first, threshold and alert policy the second, and
every figure in the model card comes from the third. The calibration sees the second and, of a head with folds, also the
first: each patient by trees that were grown on others.

Of a head whose shipped trees are grown on everybody (`learn.everybody`) all figures but four come from crossing. Alert
policy, ablation, transfer and the trial of explanations take too long for that: they rest on trees of fit patients,
which are kept beside the shipped ones.
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
from cds_app.learn.appraisal import Judged, appraised, headline
from cds_app.learn.calibrating import Fitted, Groups, calibrate
from cds_app.learn.challenge2019 import DATA_SET, Part, file_sha256, in_part, load
from cds_app.learn.cohort import Cohort, Fit, truth_of
from cds_app.learn.crossing import Evidence, cross_graded, crossed
from cds_app.learn.evaluating import NEEDED, covered, stays_of, tuned_of
from cds_app.learn.everybody import Crossed, Everybody
from cds_app.learn.faithfulness import Explainer, explanations, highest
from cds_app.learn.growing import Baseline, Recipe, grow, without_measuring
from cds_app.learn.head import Floats, Head, Ints
from cds_app.learn.margins import margins
from cds_app.learn.plots import Seen
from cds_app.learn.rows import design, shipped_twin
from cds_app.learn.transfer import transfer
from cds_app.learn.tuning import Stays
from cds_app.score.features import FEATURES
from cds_app.score.population import Reference
from cds_app.twin.model import TwinModel

_SEED_OF_EXPLANATIONS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """Trees of fit patients with all that makes their margin a probability and a decision.

    Parameters
    ----------
    crossed : Evidence, optional
        Of fit patients, each by trees of others.
    everybody : tuple of Crossed and Booster, optional
        Where all patients grow the trees that are shipped: what trees of others said of each, and those trees.
    """

    booster: xgb.Booster
    columns: Ints
    fitted: Fitted
    threshold: float
    crossed: Evidence | None = None
    everybody: tuple[Crossed, xgb.Booster] | None = None

    def risk(self, rows: NDArray[np.float32]) -> Floats:
        """Calibrated probability of every row."""
        return self.fitted.calibration.probability(margins(self.booster, rows, self.columns))

    @property
    def shipped(self) -> xgb.Booster:
        """The trees that are served."""
        return self.everybody[1] if self.everybody else self.booster


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """What trees are grown, calibrated and tested on."""

    head: Head
    twin: TwinModel
    recipe: Recipe
    frames: Mapping[Part, pd.DataFrame]
    fit: Fit
    held: Cohort
    test: Cohort
    everybody: Everybody | None

    @classmethod
    def of(cls, head: Head, frame: pd.DataFrame, recipe: Recipe) -> _Bench:
        """Patients in their parts, and the check that nothing leaks from one into another."""
        twin = shipped_twin()
        parts = {part: frame[in_part(frame["pid"], part, head.cuts)].reset_index(drop=True) for part in get_args(Part)}
        leakage.check(parts, partial(design, twin), np.random.default_rng(recipe.seed))
        everybody = Everybody.of(head, twin, frame, recipe) if head.everybody else None
        return cls(
            head=head,
            twin=twin,
            recipe=recipe,
            frames=parts,
            everybody=everybody,
            fit=everybody.fit() if everybody else Fit.of(head, twin, parts["fit"], recipe),
            held=Cohort.of(head, twin, parts["calibrate"]),
            test=Cohort.of(head, twin, parts["test"]),
        )

    @property
    def rng(self) -> np.random.Generator:
        """Chance from the recipe's seed, from its beginning."""
        return np.random.default_rng(self.recipe.seed)

    def trained(self) -> Trained:
        """Grow on all features; calibrate on patients that the trees have not seen, choose the threshold on held."""
        columns = np.arange(len(FEATURES), dtype=np.int64)
        booster = grow(self.fit.design, self.fit.task, self.recipe, columns)
        if self.everybody:
            return self._of_everybody(self.everybody, booster, columns)
        seen = Evidence.of(self.held, margins(booster, self.held.design, columns))
        if not self.head.folds:
            return self._decided(booster, columns, seen, among=seen.among())
        kept = seen.thinned(self.recipe.kept, self.rng)
        fit = crossed(self.fit, self.recipe, columns, self.head.folds)
        seen = fit.joined(kept)
        return replace(self._decided(booster, columns, seen, among=seen.among()), crossed=fit)

    def ablated(self) -> dict[str, Any]:
        """Figures of the same recipe without features of whether, when and how often something was measured."""
        columns = without_measuring()
        return self.on_test(grow(self.fit.design, self.fit.task, self.recipe, columns), columns)

    def on_test(self, booster: xgb.Booster, columns: Ints) -> dict[str, Any]:
        """Figures of trees of fit patients, calibrated on held and measured on test patients."""
        model = self._decided(booster, columns, Evidence.of(self.held, margins(booster, self.held.design, columns)))
        return headline(self.head, self.test, model.risk(self.test.design), model.threshold)

    def _of_everybody(self, everybody: Everybody, booster: xgb.Booster, columns: Ints) -> Trained:
        crossed = everybody.crossed(self.recipe, columns, booster)
        fitted = crossed.fitted(self.recipe.seed)
        return Trained(
            booster=booster,
            columns=columns,
            fitted=fitted,
            threshold=crossed.threshold(fitted.calibration.probability(crossed.margin)),
            everybody=(crossed, everybody.grown(self.recipe, columns)),
        )

    def _decided(self, booster: xgb.Booster, columns: Ints, seen: Evidence, *, among: Groups | None = None) -> Trained:
        fitted = calibrate(seen.margin, seen.label, seen.patient, self.rng, among=among)
        risk = fitted.calibration.probability(margins(booster, self.held.design, columns))
        threshold = self.head.threshold(self.held.truth, risk)
        return Trained(booster=booster, columns=columns, fitted=fitted, threshold=threshold)


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
    bench = _Bench.of(head, load(data, needed=NEEDED), replace(recipe or head.recipe, seed=seed))
    return risk_artefact.write(head, out, _finished(bench, bench.trained(), file_sha256(data)))


def _finished(bench: _Bench, model: Trained, data_sha256: str) -> risk_artefact.Finished:
    head, test = bench.head, bench.test
    baseline = Baseline.fit(bench.fit.design, bench.fit.task)
    plain = {
        **baseline.to_json(),
        "threshold": head.threshold(bench.held.truth, baseline.margins(bench.held.design)),
    }
    known = population.fitted(bench.twin, bench.fit.design, bench.held.design)
    reference = Reference.from_json(known)
    judged = _judged(bench, model, reference)
    policy = tuned_of(head, _stays(bench, model, reference), None, tuning.BUDGET)
    report = {
        **_how(bench, model, data_sha256),
        **_found(bench, model, judged, plain),
        "policy": {name: policy[name] for name in risk_artefact.POLICY},
        "population": population.reported(reference, population.Tried.of(test), bench.rng),
    }
    return risk_artefact.Finished(
        twin=bench.twin,
        booster=model.shipped,
        of_fit=model.booster if model.everybody else None,
        columns=model.columns,
        calibration=model.fitted.calibration,
        threshold=model.threshold,
        tiers=risk_artefact.tiers(head, model.threshold, judged.cohort.truth, judged.risk),
        baseline=plain,
        policy=tuning.quoted(policy),
        population=known,
        report=report,
        seen=_seen(model, judged),
    )


def _how(bench: _Bench, model: Trained, data_sha256: str) -> dict[str, Any]:
    """How the model was made, and of whom."""
    head = bench.head
    return {
        "recipe": asdict(bench.recipe),
        "seed": bench.recipe.seed,
        "split": {"by": "SHA-256 of the patient's id", "fit_up_to": head.cuts[0], "calibrate_up_to": head.cuts[1]},
        "twin": _twin_used(),
        "data": {"sha256": data_sha256, "credit": DATA_SET.credit_short, **_counts(head, bench.frames)},
        "calibration": {
            "method": model.fitted.method,
            "log_loss": model.fitted.log_loss,
            "folds": head.folds or head.everybody,
            "interval_widened": model.fitted.widened,
        },
        "threshold": model.threshold,
    }


def _judged(bench: _Bench, model: Trained, reference: Reference) -> Judged:
    """What is measured: what was said of everybody by trees of others, else of test patients."""
    if model.everybody:
        return model.everybody[0].judged(bench.recipe.seed, reference)
    test, risk = bench.test, model.risk(bench.test.design)
    return Judged(
        cohort=test,
        risk=risk,
        said=silenced(bench.head.limits, test.design, risk, reference),
        threshold=model.threshold,
        interval=covered(model.fitted.calibration, margins(model.booster, test.design, model.columns), test),
        tested=f"{len(np.unique(test.truth.patient))} patients whom neither trees nor calibration have seen",
    )


def _found(bench: _Bench, model: Trained, judged: Judged, plain: Mapping[str, Any]) -> dict[str, Any]:
    """Figures of the risk that is given, of its variants, and of its interval and explanations."""
    head, test = bench.head, bench.test
    others = model.crossed and cross_graded(model.crossed, head.folds, bench.recipe.seed)
    return {
        **({"fit_by_others": others} if others else {}),
        **({"test_of_fit_trees": bench.on_test(model.booster, model.columns)} if model.everybody else {}),
        "tested": judged.tested,
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
    explainer = Explainer(booster=model.booster, columns=model.columns, features=[FEATURES[i] for i in model.columns])
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
