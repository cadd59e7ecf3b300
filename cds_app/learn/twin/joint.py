"""How standardised deviations go together: shrunk correlation, and the reference distribution of the joint index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cds_app.domain.arrays import Floats
from cds_app.learn.twin.dynamics import VITALS
from cds_app.learn.twin.panel import History, Panel, history
from cds_app.score.deviation import decomposed
from cds_app.twin.model import Dynamics

PERCENTS = (0.0, 0.1, 1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 100.0)
FRESH_VITAL_H, FRESH_LAB_H = 4.0, 24.0
# A setting is no deviation of the patient; this data's SaO2 holds venous samples among the arterial ones.
LEFT_OUT = frozenset({"fio2", "sao2", "bilirubin_direct", "fibrinogen", "troponin_i"})
_BANDS = (3, 5, 8, 12, 17, 22)
_EVERY_H = 6
_LEAST_ROWS = 300
_LEAST_EIGENVALUE = 0.05


def standardised(dynamics: Dynamics, past: History) -> Floats:
    """`cds_app.score.deviation.standardised` at every row; NaN where the quantity is not fresh."""
    fresh_h = FRESH_VITAL_H if dynamics.quantity in VITALS else FRESH_LAB_H
    variance = dynamics.deviation_sd**2
    usual = np.sqrt(np.maximum(variance - past.belief[4], 0.25 * variance))
    z = past.belief[1] / (usual * dynamics.deviation_scale)
    return np.where(past.age_h <= fresh_h, z, np.nan)


def deviations(model: Mapping[str, Dynamics], panel: Panel, names: Sequence[str]) -> Floats:
    """Standardised deviations at every sixth hour: array (rows, quantities)."""
    chosen = panel.hours % _EVERY_H == 0
    columns = [standardised(model[name], history(model[name], panel))[chosen] for name in names]
    return np.stack(columns, axis=1)


def scaled(dynamics: Dynamics, panel: Panel) -> Dynamics:
    """With the standard deviation of standardised deviations, values beyond 6 counted as 6."""
    z = deviations({dynamics.quantity: dynamics}, panel, (dynamics.quantity,))
    seen = np.clip(z[np.isfinite(z)], -6.0, 6.0)
    if len(seen) < _LEAST_ROWS:
        return dynamics
    return replace(dynamics, deviation_scale=float(np.sqrt(np.mean(seen**2))))


def correlation(z: Floats) -> tuple[Floats, float]:
    """Pairwise-complete correlation, shrunk towards independence (Schaefer J, Strimmer K, 2005), positive definite.

    Returns
    -------
    tuple of (array, float)
        The correlation matrix and the share of independence in it.
    """
    seen = np.isfinite(z)
    bounded = np.where(seen, np.clip(z, -4.0, 4.0), 0.0)
    pairs = (seen.T.astype(float) @ seen.astype(float)).clip(1.0)
    squares = (bounded**2).T @ seen.astype(float)
    raw = (bounded.T @ bounded) / np.sqrt(np.maximum(squares * squares.T, 1e-12))
    off = ~np.eye(len(raw), dtype=bool)
    noise = ((1.0 - raw**2) ** 2 / pairs)[off].sum()
    shrink = float(np.clip(noise / (raw[off] ** 2).sum(), 0.02, 1.0))
    values, vectors = np.linalg.eigh(np.where(off, (1.0 - shrink) * raw, 1.0))
    lifted = (vectors * np.maximum(values, _LEAST_EIGENVALUE)) @ vectors.T
    scale = 1.0 / np.sqrt(np.diag(lifted))
    return lifted * np.outer(scale, scale), shrink


def quantiles(z: Floats, matrix: Floats, rng: np.random.Generator) -> list[tuple[int, list[float]]]:
    """Quantiles of the joint index per band of the number of quantities in it."""
    counts = np.isfinite(z).sum(axis=1)
    found = []
    for at_least, below in zip(_BANDS, (*_BANDS[1:], 10_000), strict=True):
        rows = z[(counts >= at_least) & (counts < below)]
        if len(rows) < _LEAST_ROWS and at_least <= z.shape[1]:
            rows = thinned(z[counts >= at_least], at_least, rng)
        if len(rows) >= _LEAST_ROWS:
            index = [_index(row, matrix) for row in rows]
            found.append((at_least, [float(f"{one:.5g}") for one in np.percentile(index, PERCENTS)]))
    return found


def thinned(z: Floats, quantities: int, rng: np.random.Generator) -> Floats:
    """Rows with all but a few randomly chosen quantities taken away."""
    order = np.where(np.isfinite(z), rng.random(z.shape), 2.0)
    limit = np.sort(order, axis=1)[:, quantities - 1 : quantities]
    return np.where(order <= limit, z, np.nan)


def _index(z: Floats, matrix: Floats) -> float:
    seen = np.flatnonzero(np.isfinite(z))
    return float(decomposed(z[seen], matrix[np.ix_(seen, seen)]).mean())


def joint_entry(
    model: Mapping[str, Dynamics], fit: Panel, calibrate: Panel, rng: np.random.Generator
) -> dict[str, Any]:
    """``correlation.json``: correlation from the fit set, quantiles from the calibration set."""
    names = sorted(name for name in model if name not in LEFT_OUT)
    matrix, shrink = correlation(deviations(model, fit, names))
    matrix = np.round(matrix, 4)
    return {
        "quantities": names,
        "correlation": matrix.tolist(),
        "shrinkage": round(shrink, 4),
        "percents": list(PERCENTS),
        "quantiles": quantiles(deviations(model, calibrate, names), matrix, rng),
        "how": (
            "Standardised deviations every 6 h of each stay; vitals at most 4 h old, laboratory values at most 24 h. "
            "Correlation from the fit patients, quantiles of the index from the calibration patients, by how many "
            "quantities are in it; numbers that are too rare, by taking quantities away at random."
        ),
    }
