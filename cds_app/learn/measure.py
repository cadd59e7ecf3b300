"""How good a risk is: discrimination, calibration and what its alerts cost, as plain numbers for a report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from cds_app.domain.arrays import Flags, Floats, Ints
from cds_app.learn.burden import HoursAtRisk, begins, burden
from cds_app.learn.resampling import Ranking, Resamples, interval, ratio
from cds_app.score.features.hours import NAMES, VITALS
from cds_app.score.risk.eligibility import Limits

AGE_BANDS: tuple[tuple[str, float, float], ...] = (
    ("under 18", 0.0, 18.0),
    ("18-44", 18.0, 45.0),
    ("45-64", 45.0, 65.0),
    ("65-79", 65.0, 80.0),
    ("80 and over", 80.0, 200.0),
)
_BINS = 10
_LINE_BINS = 250
_DRAWS_OF_CHANCE, _SEED_OF_CHANCE = 400, 2019
_SHARES = (
    *("hours_alerted", "ppv_hours", "sensitivity_hours"),
    *("patients_alerted", "ppv_patients", "sensitivity_patients"),
)
_FEWEST = 10  # below, figures of a group are noise and are not given


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Rows with a score and what it would alert of.

    Parameters
    ----------
    at_risk : HoursAtRisk
        Whose rows, when, and what followed.
    score : ndarray of float64, shape (rows,)
        NaN where no number is given; such an hour is silent, and counts for alerts but not for discrimination.
    alert : ndarray of bool, shape (rows,)
    given : ndarray of bool, shape (rows,)
        Where an alert begins.
    """

    at_risk: HoursAtRisk
    score: Floats
    alert: Flags
    given: Flags

    @classmethod
    def at(cls, at_risk: HoursAtRisk, score: Floats, threshold: float | Floats) -> Scored:
        """Alert of every hour at or above a threshold, one of all or its own; where a number is lacking, of none."""
        alert = score >= threshold
        return cls(at_risk=at_risk, score=score, alert=alert, given=begins(at_risk.patient, alert))

    def of(self, rows: Flags) -> Scored:
        """Some of the rows."""
        return Scored(
            at_risk=self.at_risk.of(rows), score=self.score[rows], alert=self.alert[rows], given=self.given[rows]
        )


def figures(scored: Scored, drawn: Resamples, *, calibrated: bool = True) -> dict[str, Any]:
    """All figures of one group of rows, with 95 % intervals by patient.

    Parameters
    ----------
    drawn : Resamples
        Of all patients; those without a row in the group count for nothing.
    calibrated : bool
        Whether the score is a probability, so that calibration can be asked of it.

    Returns
    -------
    dict
        What `graded` finds, and ``alerts``, what an alert costs; ``intervals`` holds [low, high] under the same names.
        Only counts when fewer than ten patients had the outcome.
    """
    found = graded(scored, drawn, calibrated=calibrated)
    if "auroc" not in found:
        return found
    alerts = burden(scored.at_risk, scored.alert, scored.given, drawn)
    between = {**found["intervals"], "alerts": {name: interval(one) for name, one in alerts.items()}}
    return {**found, "alerts": {name: or_none(one[0]) for name, one in alerts.items()}, "intervals": between}


def graded(scored: Scored, drawn: Resamples, *, calibrated: bool = True) -> dict[str, Any]:
    """``auroc``, ``auprc``, ``calibration`` and counts of one group of rows, whatever is alerted of; see `figures`."""
    patient, label = scored.at_risk.patient, scored.at_risk.label
    counts = {
        "rows": len(label),
        "patients": len(np.unique(patient)),
        "patients_with_outcome": len(np.unique(patient[label > 0])),
    }
    here = scored.of(np.isfinite(scored.score))
    if len(np.unique(here.at_risk.patient[here.at_risk.label > 0])) < _FEWEST or here.at_risk.label.all():
        return counts
    ranking = ranked(scored, drawn)
    found: dict[str, Any] = {**counts, **discrimination(scored)}
    intervals: dict[str, Any] = {"auroc": interval(ranking.auroc()), "auprc": interval(ranking.auprc())}
    if calibrated:
        chance = error_by_chance(here.at_risk.patient, here.at_risk.label, here.score)
        found["calibration"] = {**calibration(here.at_risk.label, here.score), "ece_by_chance": chance}
        again = calibration_again(here, drawn)
        intervals["calibration"] = {name: interval(one) for name, one in again.items()}
    return {**found, "intervals": intervals}


def discrimination(scored: Scored) -> dict[str, float]:
    """AUROC and AUPRC of the rows that have a number."""
    known = np.isfinite(scored.score)
    label, score = scored.at_risk.label[known], scored.score[known]
    return {"auroc": float(roc_auc_score(label, score)), "auprc": float(average_precision_score(label, score))}


def ranked(scored: Scored, drawn: Resamples) -> Ranking:
    """Ranking of the rows that have a number, in every resample."""
    known = np.isfinite(scored.score)
    return Ranking.of(drawn, scored.at_risk.patient[known], scored.at_risk.label[known], scored.score[known])


def difference(scored: Scored, other: Scored, drawn: Resamples) -> dict[str, Any]:
    """How much better a score ranks than another, on the rows where both give a number, with intervals."""
    known = np.isfinite(scored.score) & np.isfinite(other.score)
    one, two = scored.of(known), other.of(known)
    first, second = ranked(one, drawn), ranked(two, drawn)
    apart = {"auroc": first.auroc() - second.auroc(), "auprc": first.auprc() - second.auprc()}
    exact, against = discrimination(one), discrimination(two)
    return {
        name: {"value": exact[name] - against[name], "interval": interval(drawn_apart)}
        for name, drawn_apart in apart.items()
    }


def alert_figures(patient: Ints, label: Ints, alert: Flags) -> dict[str, float]:
    """Hours and patients that an alert rule finds."""
    dense = np.unique(patient, return_inverse=True)[1].astype(np.int64)
    once = Resamples(np.ones((int(dense.max(initial=-1)) + 1, 1)))
    at_risk = HoursAtRisk(patient=dense, hour=np.arange(len(dense), dtype=np.float64), label=label, horizon_h=0.0)
    found = burden(at_risk, alert, alert, once)
    return {name: float(np.nan_to_num(found[name][0])) for name in _SHARES}


def calibration(label: Ints, risk: Floats) -> dict[str, Any]:
    """Slope and intercept of the outcome on the log-odds of the risk, expected calibration error, reliability.

    The error is the mean distance over ten bins of equal size, weighted by their rows.
    """
    intercept, slope = logistic_line(log_odds(risk), label.astype(np.float64), np.ones(len(label)))
    order = np.array_split(np.argsort(risk, kind="stable"), _BINS)
    table = [
        {"rows": len(rows), "predicted": float(risk[rows].mean()), "observed": float(label[rows].mean())}
        for rows in order
        if len(rows)
    ]
    error = sum(one["rows"] * abs(one["predicted"] - one["observed"]) for one in table) / len(label)
    return {
        "slope": slope,
        "intercept": intercept,
        "ece": error,
        "mean_predicted": float(risk.mean()),
        "observed": float(label.mean()),
        "reliability": table,
    }


def calibration_again(scored: Scored, drawn: Resamples) -> dict[str, Floats]:
    """Slope, intercept and calibration error of every resample; rows stay in the bins of the whole."""
    label, risk = scored.at_risk.label, scored.score
    fine, coarse = (_equal_bins(risk, bins) for bins in (_LINE_BINS, _BINS))
    middle = np.bincount(fine, log_odds(risk)) / np.bincount(fine)
    rows, positive = (_in_bins(scored, drawn, fine, one) for one in (np.ones(len(risk)), label.astype(np.float64)))
    usable = (positive.sum(axis=0) > 0) & (positive.sum(axis=0) < rows.sum(axis=0))
    lines = np.full((2, len(usable)), np.nan)
    for k in np.flatnonzero(usable):
        lines[:, k] = logistic_line(middle, positive[:, k], rows[:, k])
    counted, apart = (_in_bins(scored, drawn, coarse, one) for one in (np.ones(len(risk)), risk - label))
    error = ratio(np.abs(apart).sum(axis=0), counted.sum(axis=0))
    return {"slope": lines[1], "intercept": lines[0], "ece": error}


def error_by_chance(patient: Ints, label: Ints, risk: Floats) -> float:
    """Calibration error that 19 of 20 samples of as many patients stay below when the risk is right.

    All distances between risk and outcome of a patient change their sign together, or none (wild bootstrap by cluster;
    Cameron, Gelbach and Miller 2008): what is left of the error in the bins is chance. An error below it says nothing
    against the risk.
    """
    dense = np.unique(patient, return_inverse=True)[1].astype(np.int64)
    sign = np.random.default_rng(_SEED_OF_CHANCE).choice((-1.0, 1.0), (int(dense.max()) + 1, _DRAWS_OF_CHANCE))
    apart = Resamples(sign).binned(dense, _equal_bins(risk, _BINS), _BINS, risk - label)
    return float(np.quantile(np.abs(apart).sum(axis=0) / len(label), 0.95))


def log_odds(risk: Floats) -> Floats:
    """Log-odds, kept finite."""
    kept = np.clip(risk, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(kept / (1 - kept)))


def _equal_bins(risk: Floats, bins: int) -> Ints:
    """Bins as `np.array_split` cuts sorted rows."""
    place = np.empty(len(risk), np.int64)
    for k, rows in enumerate(np.array_split(np.argsort(risk, kind="stable"), min(bins, len(risk)))):
        place[rows] = k
    return place


def _in_bins(scored: Scored, drawn: Resamples, place: Ints, value: Floats) -> Floats:
    return drawn.binned(scored.at_risk.patient, place, int(place.max()) + 1, value)


def or_none(value: float) -> float | None:
    """The number, or None where it is none."""
    return float(value) if np.isfinite(value) else None


def logistic_line(x: Floats, positive: Floats, rows: Floats, steps: int = 50) -> tuple[float, float]:
    """Intercept and slope of a logistic regression on one variable, by Newton's method.

    Parameters
    ----------
    x, positive, rows : ndarray of float64, shape (n,)
        Value, number of positive rows and number of rows at it.
    """
    centre, scale = float(np.average(x, weights=rows)), float(x.std()) or 1.0
    z = (x - centre) / scale
    design = np.stack((np.ones_like(z), z))
    rate = positive.sum() / rows.sum()
    beta = np.array([np.log(rate / (1.0 - rate)), 0.0])
    for _ in range(steps):
        p = 1.0 / (1.0 + np.exp(-(beta @ design)))
        weight = rows * p * (1.0 - p)
        step = np.linalg.solve((design * weight) @ design.T + 1e-9 * np.eye(2), design @ (positive - rows * p))
        longest = float(np.abs(step).max())
        beta = beta + step / max(1.0, longest)  # long steps overshoot when positives are rare
        if longest < 1e-9:  # far below what a figure shows
            break
    return float(beta[0] - beta[1] * centre / scale), float(beta[1] / scale)


def served(limits: Limits, rows: NDArray[np.float32]) -> Flags:
    """In which rows the service would give a number: `score.risk.eligibility.eligible`, for a whole design at once.

    But for the endpoint, which a design cannot tell: `learn.hours.onset.absent` says that of a whole frame.
    """
    ages = rows[:, [NAMES.index(f"{one}_age_h") for one in VITALS]]
    years, hours = rows[:, NAMES.index("age_years")], rows[:, NAMES.index("hours_in_unit")]
    recent = np.fmin.reduce(ages, axis=1) <= limits.max_silence_h
    fresh = (ages <= limits.fresh_vital_h).sum(axis=1) >= limits.min_fresh_vitals
    there = (hours >= limits.min_hours_in_unit) & (hours <= limits.max_hours_in_unit)
    return np.asarray(recent & fresh & there & (years >= limits.min_age_years))


def by_groups(frame: pd.DataFrame, figures_of: Callable[[Flags], dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """``by_sex``, ``by_age`` and, where the file names it, ``by_site``: figures of every group that is there."""
    return {
        f"by_{kind}": {name: figures_of(mine) for name, mine in found.items() if mine.any()}
        for kind, found in groups(frame).items()
    }


def groups(frame: pd.DataFrame) -> dict[str, dict[str, Flags]]:
    """Rows by sex, age band and, where the file names it, site."""
    age, gender = frame["Age"].to_numpy(np.float64), frame["Gender"].to_numpy(np.float64)
    found: dict[str, dict[str, Flags]] = {
        "sex": {"female": gender == 0, "male": gender == 1},
        "age": {name: (age >= low) & (age < high) for name, low, high in AGE_BANDS},
    }
    if "site" in frame.columns:
        site = frame["site"].astype(str).to_numpy()
        found["site"] = {name: site == name for name in sorted(set(site))}
    return found
