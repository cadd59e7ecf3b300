"""Fit the classic imputers: the Gaussian of surprises by EM, the twin's parameters on a window's variables, trees.

Source: Dempster AP, Laird NM, Rubin DB, J R Stat Soc B 1977;39:1 (EM).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cds_app.domain.arrays import Flags, Floats
from cds_app.learn.imputation.data import moments
from cds_app.twin.joint import Joint
from cds_app.twin.model import Dynamics
from cds_app.twin.smoother import FIELDS, Parameters
from cds_app.twin.windows import Product, Scale, Singles, neighbours, surprises

_ROUNDS = 12
_MOST_ROWS = 12_000
_LEAST_SEEN = 3  # variables of an hour, for it to say how they go together
_FAR_SD = 4.0  # surprises beyond are artefacts: they count as that much
_RIDGE = 0.01
_SPEEDS_H = (2.0, 8.0, 36.0, 400.0, 0.0)  # time constants of the joint smoother; 0: gone within the hour
_LAGS_H = (*range(13), 15, 18, 22, 27, 33, 40)
_ENOUGH_PAIRS = 2000.0  # more do not count more
_SHRINK = 0.02
_TURNS = 40
_NOISE = 1e-3
_LEAST_SHARE = 0.001  # values below are too rare to take a logarithm of
_NO_DYNAMICS = {"baseline_relaxation_h": 2160.0, "deviation_sd": 0.7, "relaxation_h": 24.0, "noise_sd": 0.2}


def fit_gaussian(z: Singles, product: Product, rng: np.random.Generator) -> tuple[Singles, Singles]:
    """Mean and covariance of the surprises of an hour, by expectation and maximisation over what was not measured."""
    rows = surprises(z, neighbours(z), product).reshape(-1, z.shape[2])
    told = np.flatnonzero(np.isfinite(rows).sum(axis=1) >= _LEAST_SEEN)
    chosen = rows[rng.choice(told, min(_MOST_ROWS, len(told)), replace=False)].astype(np.float64)
    found = np.clip(chosen, -_FAR_SD, _FAR_SD)
    mean = np.zeros(z.shape[2])
    covariance = np.diag(_spread(found) ** 2)
    for _ in range(_ROUNDS):
        mean, covariance = _step(found, mean, covariance)
    return mean.astype(np.float32), covariance.astype(np.float32)


def _spread(rows: Floats) -> Floats:
    known = np.isfinite(rows)
    total = np.where(known, rows, 0.0)
    return np.asarray(np.sqrt((total**2).sum(axis=0) / np.maximum(known.sum(axis=0), 1) + _RIDGE))


def _step(rows: Floats, mean: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    """Fill in expected values and their products, then take moments; done in parts, so that memory stays small."""
    total, products = np.zeros_like(mean), np.zeros_like(covariance)
    place = np.arange(len(mean))
    for part in np.array_split(rows, max(len(rows) // 1000, 1)):
        seen = np.isfinite(part)
        system = covariance * (seen[:, :, None] & seen[:, None, :])
        system[:, place, place] += ~seen
        known = covariance[None] * seen[:, :, None]
        gain = np.linalg.solve(system, known)  # (rows, variables seen, variables)
        apart = np.where(seen, part - mean, 0.0)
        filled = mean + np.einsum("ni,nij->nj", apart, gain)
        filled = np.where(seen, part, filled)
        left = covariance[None] - np.einsum("nij,nik->njk", known, gain)
        hidden = ~seen[:, :, None] & ~seen[:, None, :]
        total += filled.sum(axis=0)
        products += filled.T @ filled + (left * hidden).sum(axis=0)
    middle = total / len(rows)
    return middle, products / len(rows) - np.outer(middle, middle) + _RIDGE * np.eye(len(mean)) * 0.1


def smoother_parameters(quantities: Sequence[str], dynamics: Mapping[str, Dynamics], scale: Scale) -> Parameters:
    """The twin's dynamics of each variable; one that the twin does not follow moves like a slow laboratory value."""
    columns: dict[str, list[float]] = {name: [] for name in FIELDS}
    for i, quantity in enumerate(quantities):
        for name, value in _one(dynamics.get(quantity), float(scale.mean[i]), float(scale.sd[i])).items():
            columns[name].append(value)
    return Parameters.from_json(columns)


def _one(found: Dynamics | None, mean: float, sd: float) -> dict[str, float]:
    if found is not None:
        return {**{name: getattr(found, name) for name in FIELDS[:-1]}, "log": float(found.transform == "log")}
    shares = {name: value * (sd if name.endswith("_sd") else 1.0) for name, value in _NO_DYNAMICS.items()}
    return {"baseline_mean": mean, "baseline_sd": 0.7 * sd, **shares, "log": 0.0}


def fit_joint(values: Singles, log: Flags) -> Joint:
    """Parameters of the joint smoother by moments: one matrix for each time constant, nearest to what was seen at lags.

    Sums of products over all patients give the covariance of two variables at a lag. Each pair is a sum of decays; the
    matrices are fitted in turn by weighted least squares and brought back to what a covariance can be.
    """
    positive = [column[column > 0] for column in values.reshape(-1, values.shape[2]).T]
    least = np.array([np.quantile(one, _LEAST_SHARE) if len(one) else 1.0 for one in positive])
    plain = np.where(log, np.log(np.maximum(values, np.where(log, least, 1.0))), values)
    centre, spread = moments(plain)
    scaled = np.clip((plain - centre) / spread, -_FAR_SD, _FAR_SD).astype(np.float32)
    return Joint(
        log=log,
        least=least.astype(np.float32),
        centre=centre.astype(np.float32),
        spread=spread.astype(np.float32),
        hours=np.array(_SPEEDS_H, np.float32),
        parts=_parts(*_lagged(scaled)).astype(np.float32),
    )


def _lagged(scaled: Singles) -> tuple[Floats, Floats]:
    """Mean product of two variables at each lag, and of how many pairs: (lags, variables, variables)."""
    wide, hours = scaled.shape[2], scaled.shape[1]
    filled, seen = np.nan_to_num(scaled), np.isfinite(scaled).astype(np.float32)
    products: list[Floats] = []
    pairs: list[Floats] = []
    for lag in _LAGS_H:
        for source, found in ((filled, products), (seen, pairs)):
            both = source[:, : hours - lag].reshape(-1, wide).T @ source[:, lag:].reshape(-1, wide)
            found.append((both + both.T).astype(np.float64))
    count = np.stack(pairs)
    return np.stack(products) / np.maximum(count, 1.0), count


def _parts(covariance: Floats, pairs: Floats) -> Floats:
    lags = np.array(_LAGS_H, np.float64)
    decay = np.stack([np.exp(-lags / one) if one else (lags == 0).astype(np.float64) for one in _SPEEDS_H])
    weight = np.minimum(pairs, _ENOUGH_PAIRS) / _ENOUGH_PAIRS + 1e-6
    found = np.zeros((len(decay), *covariance.shape[1:]))
    for _ in range(_TURNS):
        for k, own in enumerate(decay[:, :, None, None]):
            left = covariance - np.einsum("kl,kuv->luv", decay, found) + own * found[k]
            found[k] = _possible((weight * own * left).sum(axis=0) / ((weight * own**2).sum(axis=0) + _SHRINK))
    found[-1] += _NOISE * np.eye(covariance.shape[1])
    return found


def _possible(matrix: Floats) -> Floats:
    """The nearest covariance: no direction with a negative variance."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2.0)
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T)
