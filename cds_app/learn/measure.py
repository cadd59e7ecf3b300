"""How good a risk is: discrimination, calibration and what its alerts cost, as plain numbers for a report."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from cds_app.score.eligibility import Limits
from cds_app.score.features import NAMES, VITALS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

AGE_BANDS: tuple[tuple[str, float, float], ...] = (
    ("under 18", 0.0, 18.0),
    ("18-44", 18.0, 45.0),
    ("45-64", 45.0, 65.0),
    ("65-79", 65.0, 80.0),
    ("80 and over", 80.0, 200.0),
)
_BINS = 10
_FEWEST = 10  # below, figures of a group are noise and are not given


def figures(patient: Ints, label: Ints, risk: Floats, alert: Flags) -> dict[str, Any]:
    """All figures of one group of rows; adjacent rows of a patient in order of time.

    Returns
    -------
    dict
        ``auroc``, ``auprc``, ``calibration``, counts, and what an alert costs; only counts when fewer than ten
        patients had the outcome.
    """
    counts = {
        "rows": len(label),
        "patients": len(np.unique(patient)),
        "patients_with_outcome": len(np.unique(patient[label > 0])),
    }
    if counts["patients_with_outcome"] < _FEWEST:
        return counts
    return {
        **counts,
        "auroc": float(roc_auc_score(label, risk)),
        "auprc": float(average_precision_score(label, risk)),
        "alerts": alert_figures(patient, label, alert),
        "calibration": calibration(label, risk),
    }


def alert_figures(patient: Ints, label: Ints, alert: Flags) -> dict[str, float]:
    """Hours and patients that an alert rule finds."""
    alerted, with_outcome = np.unique(patient[alert]), np.unique(patient[label > 0])
    both = len(np.intersect1d(alerted, with_outcome, assume_unique=True))
    found = float(label[alert].sum())
    return {
        "hours_alerted": float(alert.mean()),
        "ppv_hours": found / max(int(alert.sum()), 1),
        "sensitivity_hours": found / max(int(label.sum()), 1),
        "patients_alerted": len(alerted) / len(np.unique(patient)),
        "ppv_patients": both / max(len(alerted), 1),
        "sensitivity_patients": both / max(len(with_outcome), 1),
    }


def calibration(label: Ints, risk: Floats) -> dict[str, Any]:
    """Slope and intercept of the outcome on the log-odds of the risk, expected calibration error, reliability.

    The error is the mean distance over ten bins of equal size, weighted by their rows.
    """
    log_odds = np.log(np.clip(risk, 1e-9, 1 - 1e-9) / (1 - np.clip(risk, 1e-9, 1 - 1e-9)))
    intercept, slope = logistic_line(log_odds, label.astype(np.float64), np.ones(len(label)))
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
        beta = beta + step * min(1.0, 1.0 / np.abs(step).max())  # long steps overshoot when positives are rare
        if np.abs(step).max() < 1e-9:  # far below what a figure shows
            break
    return float(beta[0] - beta[1] * centre / scale), float(beta[1] / scale)


def served(limits: Limits, rows: NDArray[np.float32]) -> Flags:
    """In which rows the service would give a number: `score.eligibility.eligible`, for a whole design at once.

    But for the endpoint, which a design cannot tell: `learn.onset.absent` says that of a whole frame.
    """
    ages = rows[:, [NAMES.index(f"{one}_age_h") for one in VITALS]]
    years, hours = rows[:, NAMES.index("age_years")], rows[:, NAMES.index("hours_in_unit")]
    recent = np.fmin.reduce(ages, axis=1) <= limits.max_silence_h
    fresh = (ages <= limits.fresh_vital_h).sum(axis=1) >= limits.min_fresh_vitals
    there = (hours >= limits.min_hours_in_unit) & (hours <= limits.max_hours_in_unit)
    return np.asarray(recent & fresh & there & (years >= limits.min_age_years))


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
