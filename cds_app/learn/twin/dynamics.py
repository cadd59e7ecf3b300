"""Fit how each quantity moves: population parameters, correction of the forecast, calibrated intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.optimize import minimize

from cds_app.domain.arrays import Floats
from cds_app.learn.files.challenge2019 import Column
from cds_app.learn.twin.lockstep import Samples, carried, filtered
from cds_app.learn.twin.panel import History, Panel, closed_form, history, signals, to_scale
from cds_app.twin.model import DEVICE_Z, LABORATORY_Z, Dynamics, Horizon

HORIZONS_H = (1, 2, 4, 8, 24)
SIGNALS = ("heart_rate", "map", "sbp", "dbp", "resp_rate", "spo2", "body_temp")
VITALS = frozenset(SIGNALS) | {"etco2", "fio2"}
_LOGARITHMIC = frozenset({
    "ast", "alp", "aptt", "bilirubin_direct", "bilirubin_total", "creatinine", "fibrinogen", "glucose", "lactate",
    "magnesium", "pco2", "phosphate", "platelets", "potassium", "troponin_i", "urea_nitrogen", "wbc",
})  # fmt: skip
# Stays of days cannot tell how long a personal baseline lasts. A season costs 0.1 % of accuracy against the 6 days that
# likelihood alone prefers, and keeps what is usual for a patient from one visit to the next.
_BASELINE_RELAXATION_H = 90.0 * 24.0
_LEAST_NOISE = 0.2  # of the deviation's sd: two readings within a minute never agree perfectly
_TAILS = 4.0  # degrees of freedom of the innovations' likelihood
_MOST_SAMPLES = 150_000
_MOST_ROWS = 100_000
_LEAST_PATIENTS = 200
_LEAST_TARGETS = 400


def fit_dynamics(panel: Panel, column: Column, rng: np.random.Generator) -> Dynamics | None:
    """Population parameters by maximum t-likelihood of the innovations; None when too few patients have two values.

    Parameters
    ----------
    panel : Panel
        Patients of the fit set only.
    """
    start = _start(panel, column)
    samples = _thinned(panel.samples(start), rng)
    if int((samples.counts >= 2).sum()) < _LEAST_PATIENTS:
        return None
    scale = max(start.deviation_sd, 1e-6)

    def loss(point: Floats) -> float:
        return _loss(_at(start, point, scale), samples)

    simplex = np.vstack([np.zeros(5), np.diag([0.5, 0.5, 0.5, 0.5, -0.7])])
    found = minimize(loss, np.zeros(5), method="Nelder-Mead", options={"maxfev": 140, "initial_simplex": simplex})
    return _at(start, found.x, scale)


def _start(panel: Panel, column: Column) -> Dynamics:
    quantity = column.quantity
    soft_z, gate_z = DEVICE_Z if quantity in VITALS else LABORATORY_Z
    value = panel.values[quantity]
    seen = value[np.isfinite(value)]
    log = quantity in _LOGARITHMIC
    known = np.log(seen[seen > 0]) if log else seen
    low, middle, high = np.quantile(known, [0.16, 0.5, 0.84]) if len(known) else (0.0, 0.0, 2.0)
    spread = max((high - low) / 2.0, 1e-3)
    return Dynamics(
        quantity=quantity, transform="log" if log else "identity", low=column.low, high=column.high,
        baseline_mean=float(middle), baseline_sd=0.7 * spread, baseline_relaxation_h=_BASELINE_RELAXATION_H,
        deviation_sd=0.6 * spread, relaxation_h=6.0 if quantity in VITALS else 24.0, noise_sd=0.3 * spread,
        soft_z=soft_z, gate_z=gate_z, fitted=True, unit=column.unit,
    )  # fmt: skip


def _at(start: Dynamics, point: Floats, scale: float) -> Dynamics:
    mean, baseline, deviation, relaxation, noise = (float(one) for one in point)
    deviation_sd = start.deviation_sd * np.exp(deviation)
    return replace(
        start,
        baseline_mean=start.baseline_mean + scale * mean,
        baseline_sd=float(start.baseline_sd * np.exp(baseline)),
        deviation_sd=float(deviation_sd),
        relaxation_h=float(np.clip(start.relaxation_h * np.exp(relaxation), 0.5, 500.0)),
        noise_sd=float(np.hypot(start.noise_sd * np.exp(noise), _LEAST_NOISE * deviation_sd)),
    )


def _thinned(samples: Samples, rng: np.random.Generator) -> Samples:
    share = _MOST_SAMPLES / max(len(samples.hours), 1)
    if share >= 1.0:
        return samples
    chosen = rng.random(len(samples.counts)) < share
    patient = np.repeat(np.arange(len(samples.counts)), samples.counts)
    kept = np.repeat(chosen, samples.counts)
    return Samples.of(patient[kept], samples.hours[kept], samples.values[kept])


def _loss(dynamics: Dynamics, samples: Samples) -> float:
    rows = np.arange(-1, len(samples.hours) - 1)
    rows[samples.starts] = -1
    beliefs = filtered(dynamics, samples)
    baseline, deviation, p_bb, p_bd, p_dd = carried(dynamics, beliefs, rows, samples.hours)
    variance = p_bb + 2.0 * p_bd + p_dd + dynamics.noise_sd**2
    z2 = (samples.values - baseline - deviation) ** 2 / variance
    return float(np.mean(0.5 * np.log(variance) + 0.5 * (_TAILS + 1.0) * np.log1p(z2 / _TAILS)))


def with_corrections(
    dynamics: Dynamics, fit: Panel, past: History, design: Floats, rng: np.random.Generator
) -> Dynamics:
    """Add the linear correction of the forecast per horizon: least absolute error on the signals of all vitals."""
    horizons = []
    for horizon_h in HORIZONS_H:
        target = to_scale(dynamics, fit.ahead(dynamics.quantity, horizon_h))
        rows = np.flatnonzero(np.isfinite(target))
        rows = rng.choice(rows, min(_MOST_ROWS, len(rows)), replace=False)
        mean, _ = closed_form(dynamics, past, float(horizon_h))
        found = least_absolute(design[rows], target[rows] - mean[rows])
        weights = {name: tuple(map(float, found[1 + 3 * i : 4 + 3 * i])) for i, name in enumerate(SIGNALS)}
        horizons.append(Horizon(horizon_h=float(horizon_h), intercept=float(found[0]), weights=weights))
    return replace(dynamics, horizons=tuple(horizons))


def design_matrix(model: Mapping[str, Dynamics], pasts: Mapping[str, History]) -> Floats:
    """A column of ones, then three signals of each of `SIGNALS`: array (rows, 1 + 3 * signals)."""
    blocks = [signals(model[name], pasts[name]) for name in SIGNALS]
    return np.concatenate([np.ones((len(blocks[0]), 1)), *blocks], axis=1)


def least_absolute(design: Floats, target: Floats, *, ridge: float = 1e-6, rounds: int = 30) -> Floats:
    """Regression with the smallest sum of absolute errors, by iteratively reweighted least squares.

    Source: Schlossmacher EJ, J Am Stat Assoc 1973;68:857. The first column must be ones and is not shrunk.
    """
    spread = design.var(axis=0)
    spread[0] = 0.0
    weight = np.ones(len(target))
    found: Floats = np.zeros(design.shape[1])
    for i in range(rounds):
        weighted = design * weight[:, None]
        shrink = np.diag(ridge * weight.sum() * (spread + 1e-12))
        found = np.asarray(np.linalg.solve(weighted.T @ design + shrink, weighted.T @ target), dtype=np.float64)
        error = np.abs(target - design @ found)
        least = (0.1 if i < 8 else 0.02) * float(np.median(error)) + 1e-9
        weight = 1.0 / np.maximum(error, least)
    return found


def corrected(dynamics: Dynamics, past: History, design: Floats, horizon: Horizon) -> tuple[Floats, Floats]:
    """Forecast and its uncalibrated standard deviation, transformed scale."""
    mean, sd = closed_form(dynamics, past, horizon.horizon_h)
    if horizon.weights:
        flat = np.array([horizon.intercept, *(one for name in SIGNALS for one in horizon.weights[name])])
        mean = mean + design @ flat
    return mean, sd


def with_intervals(dynamics: Dynamics, calibrate: Panel, past: History, design: Floats) -> Dynamics:
    """Add split-conformal factors: how many sd below and above the forecast 5 % of the calibration targets lie.

    Horizons with too few targets take the factors of the horizon before.
    """
    given = dynamics.horizons or tuple(Horizon(horizon_h=float(one)) for one in HORIZONS_H)
    horizons: list[Horizon] = []
    for horizon in given:
        target = to_scale(dynamics, calibrate.ahead(dynamics.quantity, int(horizon.horizon_h)))
        mean, sd = corrected(dynamics, past, design, horizon)
        z = ((target - mean) / sd)[np.isfinite(target)]
        if len(z) >= _LEAST_TARGETS:
            low, high = conformal(-z, 0.05), conformal(z, 0.05)
        elif horizons:
            low, high = horizons[-1].low_factor, horizons[-1].high_factor
        else:
            low, high = horizon.low_factor, horizon.high_factor
        horizons.append(replace(horizon, low_factor=low, high_factor=high))
    return replace(dynamics, horizons=tuple(horizons))


def conformal(score: Floats, miss: float) -> float:
    """The ``ceil((n + 1)(1 - miss))``-th smallest score (Vovk, Gammerman, Shafer 2005)."""
    rank = min(int(np.ceil((len(score) + 1) * (1.0 - miss))), len(score))
    return float(np.partition(score, rank - 1)[rank - 1])


def entry(dynamics: Dynamics) -> dict[str, Any]:
    """One quantity as `cds_app.twin.model.dynamics_of` reads it, rounded to significant digits."""
    skipped = {"quantity", "horizons", "fitted"}
    fields = {name: getattr(dynamics, name) for name in dynamics.__slots__ if name not in skipped}
    found: dict[str, Any] = {name: _rounded(value) for name, value in fields.items()}
    found["horizons"] = [_horizon_entry(one) for one in dynamics.horizons]
    return found


def _horizon_entry(horizon: Horizon) -> dict[str, Any]:
    weights = {name: [_rounded(one) for one in three] for name, three in horizon.weights.items()}
    rest = ("horizon_h", "intercept", "low_factor", "high_factor")
    return {**{name: _rounded(getattr(horizon, name)) for name in rest}, "weights": weights}


def _rounded(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def histories(model: Mapping[str, Dynamics], panel: Panel) -> dict[str, History]:
    """Every signal at every row."""
    return {name: history(model[name], panel) for name in SIGNALS}
