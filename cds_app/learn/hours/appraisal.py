"""A head measured as a critic would: beside what it has to beat, by group, with intervals, and at what cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from cds_app.domain.arrays import Flags, Floats
from cds_app.learn.growing import Baseline
from cds_app.learn.head import Head
from cds_app.learn.hours import comparators
from cds_app.learn.hours.cohort import Cohort
from cds_app.learn.hours.comparators import Comparator
from cds_app.learn.hours.rows import shipped_fresh_h
from cds_app.learn.measure import Scored, by_groups, figures, served
from cds_app.learn.resampling import DRAWS, Resamples, interval

_SEED = 2019


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What was said of patients by trees, calibration and threshold that do not know them.

    Parameters
    ----------
    risk : ndarray of float64, shape (rows,)
    said : ndarray of float64, shape (rows,)
        The risk, NaN where no number is given.
    threshold : float, or ndarray of float64, shape (rows,)
        Of the live alert; of every row its own where each is judged by others.
    interval : dict
        How often the interval of the risk held (`learn.coverage`).
    tested : str
        Who they are, in words.
    """

    cohort: Cohort
    risk: Floats
    said: Floats
    threshold: float | Floats
    interval: dict[str, Any]
    tested: str


def appraised(
    head: Head, cohort: Cohort, risk: Floats, threshold: float | Floats, baseline: Mapping[str, Any]
) -> dict[str, Any]:
    """Figures overall, as served, by group, and of every comparator on the same rows.

    Parameters
    ----------
    cohort : Cohort
        Patients that the head has not seen.
    risk : ndarray of float64, shape (rows,)
        NaN where no number is given.
    threshold : float, or ndarray of float64, shape (rows,)
        Of the live alert; of every row its own where patients are judged by trees of others.
    baseline : mapping
        The frozen logistic regression with its threshold in log-odds, as ``baseline.json`` holds it.
    """
    scored = Scored.at(cohort.at_risk(head.horizon_h), risk, threshold)
    drawn = Resamples.drawn(int(scored.at_risk.patient.max()) + 1, np.random.default_rng(_SEED))
    return {
        "overall": _figures(head, scored, drawn, np.ones(len(risk), bool)),
        "as_served": _as_served(head, cohort, scored, drawn),
        **by_groups(cohort.frame, lambda mine: _figures(head, scored, drawn, mine)),
        "comparators": _compared(head, cohort, scored, drawn, baseline),
        "bootstrap": {"by": "patient", "draws": DRAWS, "level": 0.95, "seed": _SEED},
    }


def headline(head: Head, cohort: Cohort, risk: Floats, threshold: float) -> dict[str, Any]:
    """The few figures of a variant, without intervals."""
    scored = Scored.at(cohort.at_risk(head.horizon_h), risk, threshold)
    once = Resamples(np.ones((int(scored.at_risk.patient.max()) + 1, 1)))
    found = _figures(head, scored, once, np.ones(len(risk), bool))
    return {name: found[name] for name in ("auroc", "auprc", "utility") if name in found}


def logistic(baseline: Mapping[str, Any], cohort: Cohort) -> Comparator:
    """The frozen logistic regression. It learned the head's decision, so its score is no probability of the outcome."""
    margin = Baseline.from_json(dict(baseline)).margins(cohort.design)
    return Comparator(
        title="logistic regression on last values",
        score=expit(margin),
        threshold=float(expit(np.asarray(baseline["threshold"], np.float64))),
    )


def expit(margin: Floats) -> Floats:
    """Probability of log-odds."""
    with np.errstate(over="ignore"):  # of what is beyond all measure it is 0
        return np.asarray(1.0 / (1.0 + np.exp(-margin)))


def _figures(head: Head, scored: Scored, drawn: Resamples, mine: Flags) -> dict[str, Any]:
    """The common figures and the head's own, of some rows."""
    some = scored.of(mine)
    found = figures(some, drawn)
    if "auroc" not in found:
        return found
    own = head.merit(some.at_risk, some.alert, drawn)
    between = {name: interval(one) for name, one in own.items()}
    return {**found, **_measured(own), "intervals": {**found["intervals"], **between}}


def _as_served(head: Head, cohort: Cohort, scored: Scored, drawn: Resamples) -> dict[str, Any]:
    """As the service does: silent where it would abstain."""
    given = served(head.limits, cohort.design)
    return {"rows": float(given.mean()), **_measured(head.merit(scored.at_risk, scored.alert & given, drawn))}


def _measured(own: Mapping[str, Floats]) -> dict[str, float | None]:
    """The head's own figures; None for one that is undefined on these rows."""
    return {name: float(one[0]) if np.isfinite(one[0]) else None for name, one in own.items()}


def _compared(
    head: Head, cohort: Cohort, scored: Scored, drawn: Resamples, baseline: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    found = {
        **comparators.bedside(cohort.design, shipped_fresh_h(comparators.READ)),
        "logistic": logistic(baseline, cohort),
    }
    if head.own is not None:
        found["last_value"] = comparators.last_value(head.own, cohort.design, float(scored.alert.mean()))
    uncalibrated = partial(figures, drawn=drawn, calibrated=False)
    return {name: comparators.beside(scored, one, drawn, uncalibrated) for name, one in found.items()}
