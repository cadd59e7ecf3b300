"""The head ``mortality``: death in hospital, from the first 48 hours in intensive care.

Stays are few, so that all of them grow the trees that are shipped. Calibration, threshold and every figure come from
cross-validation: of each stay, what trees said that had not seen it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xgboost as xgb
from numpy.typing import NDArray

from cds_app.content import Artefact
from cds_app.domain.arrays import Flags, Floats, Matrix
from cds_app.learn import outputs, population
from cds_app.learn.artefact import Finished
from cds_app.learn.calibrating import Fitted
from cds_app.learn.coverage import Told, coverage
from cds_app.learn.data_set import file_sha256
from cds_app.learn.files.challenge2012 import DATA_SET, Outcomes, Stays, load, load_outcomes
from cds_app.learn.files.stays import contradicted
from cds_app.learn.growing import Recipe
from cds_app.learn.hours.abstention import CONTRADICTORY, IN_ANOTHER_UNIT
from cds_app.learn.hours.rows import shipped_twin
from cds_app.learn.measure import groups
from cds_app.learn.plots import Seen
from cds_app.learn.roll import UNSEEN, Roll, of_stays
from cds_app.learn.shipped import Shipped
from cds_app.learn.stays import artefact, leakage
from cds_app.learn.stays.cohort import LATER_DEATHS, NAME, StayCohort, chosen, refusals, who
from cds_app.learn.stays.comparators import rivals
from cds_app.learn.stays.figures import Asked, as_many_alerts_as_deaths, measured
from cds_app.learn.stays.folds import FOLDS, REPEATS, Held, cross_tested, held
from cds_app.learn.stays.sex import told
from cds_app.score.features.stays import FEATURES, stay_features
from cds_app.score.result import Abstained, Lack
from cds_app.score.risk.calibration import Spread
from cds_app.score.risk.eligibility import stranger
from cds_app.score.risk.population import Reference

RECIPE = Recipe(
    rounds=400,
    depth=4,
    trees_per_round=3,
    eta=0.03,
    subsample=0.4,
    colsample=0.13,
    least_child_weight=1.0,
    ridge=5.0,
    kept=1.0,
    threads=1,
)
_ON_UNSEEN = "stays of the file that have a risk and did not grow the trees; the training report has figures of those"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """What was learned, and from whom.

    Parameters
    ----------
    held, said : Held
        What trees said of stays that they had not seen, and the same with what they leave out of sex and age.
    spread : Spread
        What that is of age.
    """

    stays: Stays
    cohort: StayCohort
    recipe: Recipe
    held: Held
    said: Held
    spread: Spread
    fitted: Fitted
    population: tuple[dict[str, Any], dict[str, Any]]

    @property
    def risk(self) -> Floats:
        """Of every row of the cross-validation."""
        return self.fitted.calibration.probability(self.said.margin)

    @property
    def threshold(self) -> float:
        """Of the alert."""
        return as_many_alerts_as_deaths(self.risk, self.held.label)


def train(data: Path, outcomes: Path, out: Path, seed: int, *, recipe: Recipe | None = None) -> Artefact:
    """Grow, calibrate, test by cross-validation and write an artefact.

    Parameters
    ----------
    data, outcomes : Path
        Parquet or CSV files of the challenge: measurements, and what became of the patients.
    out : Path
        Folder ``.../mortality/<version>``; is made.
    seed : int
        For folds, growing and the bootstrap.
    recipe : Recipe, optional
        How the trees are grown, in place of the head's own; its seed is replaced.

    Raises
    ------
    ContentError, DataError
        If the trees would learn from what nobody can know (`leakage.checked`).
    """
    grown = replace(recipe or RECIPE, seed=seed)
    stays = load(data)
    asked = np.flatnonzero([one is None for one in refusals(stays)])
    cohort = leakage.checked(
        lambda theirs, truth: StayCohort.of(theirs, truth, asked, seed),
        stays,
        load_outcomes(outcomes, stays.record),
        np.random.default_rng(seed),
    )
    found = held(cohort, grown)
    theirs = cohort.who.iloc[found.stay].reset_index(drop=True)
    said, spread = found.told(theirs, np.ones(len(found.stay), bool))
    made = _Made(
        stays=stays,
        cohort=cohort,
        recipe=grown,
        held=found,
        said=said,
        spread=spread,
        fitted=said.fitted(theirs, seed),
        population=known_population(cohort, np.random.default_rng(seed)),
    )
    files = {"sha256": file_sha256(data), "outcomes_sha256": file_sha256(outcomes)}
    return artefact.write(out, _finished(made, files))


def known_population(cohort: StayCohort, rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, Any]]:
    """Whom the measurements of a stay must be like, and whom that refuses.

    Scales, limits and the trial come from disjoint stays: three fifths, one, and one.
    """
    part = rng.choice(3, len(cohort.who), p=(0.6, 0.2, 0.2))
    fit, held, test = (np.flatnonzero(part == k) for k in range(3))
    known = population.fitted(shipped_twin(), cohort.rows[fit], cohort.rows[held], population.STAY)
    tried = population.Tried(
        rows=cohort.rows[test],
        who=cohort.who.iloc[test].reset_index(drop=True),
        patient=np.arange(len(test)),
        label=cohort.truth.died[test],
    )
    return known, population.reported(Reference.from_json(known, FEATURES), tried, rng)


def _finished(made: _Made, files: dict[str, str]) -> Finished:
    columns = chosen()
    return Finished(
        booster=_grown(made, [FEATURES[i].name for i in columns].index("male")),
        columns=columns,
        calibration=replace(made.fitted.calibration, spread=made.spread),
        population=made.population[0],
        report=_report(made, files),
        seen=Seen(
            label=made.held.label,
            risk=made.risk,
            threshold=made.threshold,
            design=made.cohort.rows[:, columns],
            names=[FEATURES[i].name for i in columns],
        ),
        roll=Roll.of({"fit": of_stays(made.cohort.rows)}),
    )


def _grown(made: _Made, column: int) -> xgb.Booster:
    """Trees of all stays, and the round that tells the sexes apart."""
    trees = made.cohort.grown(np.arange(len(made.cohort.who)), made.recipe)
    male = made.cohort.who["Gender"].to_numpy(np.float64)[made.held.stay]
    return told(trees, made.held.margin, made.held.label, male, column)


def _report(made: _Made, files: dict[str, str]) -> dict[str, Any]:
    cohort, fitted = made.cohort, made.fitted
    counts = {"stays": len(made.stays.record), "asked": len(cohort.who), "died": int(cohort.truth.died.sum())}
    return {
        "recipe": asdict(made.recipe),
        "trees": (made.recipe.rounds + 1) * made.recipe.trees_per_round,  # and a round for sex
        "later_deaths": LATER_DEATHS,
        "seed": made.recipe.seed,
        "split": {"by": "stratified folds", "folds": FOLDS, "repeats": REPEATS},
        "data": {**files, "credit": DATA_SET.credit_short, **counts},
        "calibration": {
            "method": fitted.method,
            "log_loss": fitted.log_loss,
            "interval_widened": fitted.widened,
        },
        "threshold": made.threshold,
        "tested": f"stays that neither trees nor calibration had seen, in {FOLDS}-fold cross-validation, {REPEATS} "
        "times over",
        **cross_tested(made.held, cohort, made.recipe.seed),
        "population": made.population[1],
    }


def evaluate(
    data: Path, outcomes: Path | None, predictions: Path, report: Path, artefact: Artefact | None = None
) -> dict[str, Any]:
    """Score every stay of a file and, where outcomes are given, measure how good the scores are.

    Stays that the trees were grown on are not measured: it would flatter them. The training report has figures of the
    same stays by trees that had not seen them.

    Parameters
    ----------
    data, outcomes : Path
        As for `train`; the outcomes need ``RecordID`` and ``In-hospital_death`` only.
    predictions : Path
        Parquet file to write, a row per stay: ``RecordID``, ``risk``, ``alert``, and ``abstained``, the reasons why
        there is no risk.
    report : Path
        JSON file to write.
    artefact : Artefact, optional
        The model; by default the latest that is shipped.
    """
    shipped = Shipped.of(NAME, artefact)
    model = shipped.model
    stays = load(data)
    rows = stay_features(stays.series, stays.stayers)
    refused = _with(refusals(stays, model.limits), stays.doubted(), IN_ANOTHER_UNIT)
    refused = _with(refused, contradicted(stays.series, len(stays.record)), CONTRADICTORY)
    refused = _with_strangers(refused, rows, model.population)
    asked = np.array([one is None for one in refused])
    margin = shipped.margins(rows)
    risk = np.where(asked, model.calibration.probability(margin), np.nan)
    alert = risk >= model.threshold
    seen = shipped.roll.part(of_stays(rows)) != UNSEEN
    found: dict[str, Any] = {
        **shipped.about(data),
        "seed": shipped.artefact.manifest["seed"],
        "stays": len(stays.record),
        "values_left_out": dict(stays.left_out),
        "stays_in_another_unit": {name: len(theirs) for name, theirs in stays.in_another_unit.items()},
        "abstained": int((~asked).sum()),
        "threshold": model.threshold,
        "labels": outcomes is not None,
        "measured": _ON_UNSEEN,
        "seen_in_training": int(seen.sum()),
    }
    if outcomes is not None:
        some = np.flatnonzero(asked & ~seen)
        truth = load_outcomes(outcomes, stays.record).of(some)
        found |= _graded(shipped, truth, who(stays).iloc[some], rows[some], margin[some])
    answers = _answers(stays, refused, risk, alert)
    outputs.write({predictions: outputs.table(answers), report: outputs.document(found)})
    return found


def _graded(shipped: Shipped, truth: Outcomes, theirs: pd.DataFrame, rows: Matrix, margin: Floats) -> dict[str, Any]:
    """How good the risks of stays are; nothing where there is none."""
    if not len(margin):
        return {}
    model, stay = shipped.model, np.arange(len(margin))
    risk = model.calibration.probability(margin)
    asked = Asked(who=theirs, stay=stay, died=truth.died, days_left=truth.days_left)
    told = Told.by(model.calibration, margin, truth.died, stay)
    return {
        **measured(asked, risk, risk >= model.threshold, rivals(rows, truth.died)),
        "interval": coverage(told, groups(theirs)),
    }


def _with(refused: Sequence[Abstained | None], wrong: Flags, name: str) -> list[Abstained | None]:
    """And those whose measurements cannot be right."""
    why = Abstained(name=NAME, reasons=(Lack(name=name, why="unsuitable"),))
    return [why if one is None and it else one for one, it in zip(refused, wrong, strict=True)]


def _with_strangers(
    refused: Sequence[Abstained | None], rows: NDArray[np.float32], known: Reference | None
) -> list[Abstained | None]:
    """And those whose measurements are jointly unlike the ones of training."""
    if known is None:
        return list(refused)
    outside = known.outsiders(rows)
    return [
        stranger(NAME, known.leads(row)) if one is None and far else one
        for one, row, far in zip(refused, rows, outside, strict=True)
    ]


def _answers(stays: Stays, refused: Sequence[Abstained | None], risk: Floats, alert: Flags) -> pd.DataFrame:
    """Where there is no risk there is no alert, and the reasons are named."""
    why = [None if one is None else ", ".join(lack.name for lack in one.reasons) for one in refused]
    known = pd.Series(alert, dtype="boolean").where(np.isfinite(risk))
    found = {"RecordID": stays.record, "risk": pd.Series(risk, dtype="Float64"), "alert": known, "abstained": why}
    return pd.DataFrame(found).astype({"abstained": "string"})
