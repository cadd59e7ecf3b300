"""A patient's own parameters from measured levels: the most probable ones, and a sample of all that are compatible.

In units of the spread between people (``eta = L z`` with ``L L' = omega``, so that z is standard normal beforehand).
The mode by damped Newton steps; then importance sampling with a Student t around it, mixed with the prior so that no
weight can run away (Hesterberg, Technometrics 1995;37:185); how far to trust it by the effective sample size (Kong,
J Am Stat Assoc 1994;89:278).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import lgamma, log, pi
from typing import Final

import numpy as np

from cds_app.domain.arrays import Floats, Ints
from cds_app.simulate.kinetics.models import Residual
from cds_app.simulate.kinetics.patients import Patient, Placed
from cds_app.simulate.kinetics.simulation import plasma, simulate
from cds_app.simulate.refusals import Refusal

LogDensity = Callable[[Floats], Floats]

FREEDOM: Final = 5.0
LEAST_EFFECTIVE: Final = 100.0
LEAST_SHARE: Final = 0.05
LEAST_PROPOSED: Final = 1000
FARTHEST_SD: Final = 6.0
"""Nobody is farther from the typical person in any parameter: one in a thousand million would be."""

_PRIOR_SHARE: Final = 0.1
_WIDER: Final = 1.3
_STEP: Final = 0.02
_NEWTON: Final = 12
_SCOUTS: Final = 64
_ROUNDS: Final = 3
_DAMPING = 0.5 ** np.arange(8)
_LEAST_CURVATURE: Final = 0.2
_DONE: Final = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Posterior:
    """A sample of a patient's parameters in one model.

    Parameters
    ----------
    etas : ndarray (draws, varying)
        Deviations of the logarithms, then of imputed covariates, all equally probable.
    mode : ndarray (varying,)
        The most probable deviation; zero without levels.
    log_evidence : float
        Logarithm of the probability density of the levels under the model; 0 without levels.
    effective : float
        How many independent draws the sample is worth, before it was resampled.
    strangest : float
        Greatest deviation of the mode from a typical person, in standard deviations.
    left : ndarray (rows, draws) or None
        Of an anticoagulant, where there are levels: what is left of the clotting factors now.
    """

    etas: Floats
    mode: Floats
    log_evidence: float
    effective: float
    strangest: float
    left: Floats | None = None


def sample_posterior(
    placed: Placed, patient: Patient, *, draws: int, rng: np.random.Generator
) -> Posterior | tuple[Refusal, ...]:
    """Sample a patient's parameters.

    Parameters
    ----------
    placed : Placed
    patient : Patient
    draws : int
    rng : Generator
        The only source of chance.

    Returns
    -------
    Posterior or tuple of Refusal
        A refusal where the levels cannot be brought together with the model: no sample worth trusting was found.
    """
    root = _root(placed.covariance)
    if not patient.levels or not len(root):
        return _prior(root, draws, rng)

    left: Floats | None = None

    def density(z: Floats, *, till_now: bool = False) -> Floats:
        nonlocal left
        near = np.abs(z).max(axis=1) <= FARTHEST_SD
        kept = np.where(near[:, None], z, 0.0)
        likely, left = _walked(placed, patient, kept @ root.T, till_now=till_now)
        return np.asarray(np.where(near, likely - 0.5 * np.sum(kept * kept, axis=1), -np.inf))

    mode, curvature = find_mode(density, len(root), rng)
    around = np.asarray(np.linalg.inv(curvature), np.float64)
    walking = partial(density, till_now=True)  # the last walk is that of the draws to choose from
    found = _importance(walking, mode, around, max(draws, LEAST_PROPOSED), rng)
    if found.effective < max(LEAST_EFFECTIVE, LEAST_SHARE * draws):
        limit = "could not be brought together with the doses known: check times, doses and values"
        return (Refusal(field="levels", limit=limit),)
    chosen = _systematic(found.weights, draws, rng)
    return Posterior(
        etas=found.z[chosen] @ root.T,
        left=None if left is None else left[:, chosen],
        mode=root @ mode,
        log_evidence=found.log_mean - 0.5 * len(root) * log(2.0 * pi),
        effective=found.effective,
        strangest=float(np.abs(mode).max()),
    )


def _root(covariance: Floats) -> Floats:
    return np.asarray(np.linalg.cholesky(covariance), np.float64) if len(covariance) else np.zeros((0, 0))


def _prior(root: Floats, draws: int, rng: np.random.Generator) -> Posterior:
    z = rng.standard_normal((draws, len(root)))
    return Posterior(
        etas=z @ root.T,
        mode=np.zeros(len(root)),
        log_evidence=0.0,
        effective=float(draws),
        strangest=0.0,
    )


def log_likelihood(placed: Placed, patient: Patient, etas: Floats) -> Floats:
    """Logarithm of the probability density of all levels under each draw, (draws,); -inf where it is none."""
    return _walked(placed, patient, etas, till_now=False)[0]


def _walked(placed: Placed, patient: Patient, etas: Floats, *, till_now: bool) -> tuple[Floats, Floats | None]:
    """The same; and, where the walk through time went on till now, what is left of the clotting factors then."""
    epochs, fine = placed.epochs(etas)
    effect = placed.model.file.response == "hamberg-inr"
    on = {0.0} if effect and till_now else set()
    times = np.array(sorted({one.at_h for one in patient.levels} | on))
    course = (simulate if effect else plasma)(placed.model, epochs, patient.history, times)
    predicted = course.values
    column = {at: n for n, at in enumerate(times.tolist())}
    observed = np.array([one.value for one in patient.levels])
    expected = predicted[:, [column[one.at_h] for one in patient.levels]]
    found = np.sum(log_error(placed.model.file.residual, observed, expected), axis=1)
    return np.where(fine & np.isfinite(found), found, -np.inf), course.left if on else None


def log_error(residual: Residual, observed: Floats, expected: Floats) -> Floats:
    """Logarithm of the density of each observed value, on the scale of the value itself for both kinds of error."""
    if residual.kind == "log":
        with np.errstate(divide="ignore", invalid="ignore"):
            apart = np.log(observed) - np.log(expected)
        scaled = apart / residual.proportional
        return np.asarray(-0.5 * scaled * scaled - np.log(residual.proportional * observed) - 0.5 * log(2.0 * pi))
    variance = residual.additive**2 + (residual.proportional * expected) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(-0.5 * ((observed - expected) ** 2 / variance + np.log(2.0 * pi * variance)))


def find_mode(density: LogDensity, size: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """The highest point and the curvature (negative Hessian, made positive) there.

    Begins at the best of some draws from the prior and its centre; every Newton step tries several lengths at once, and
    looks already around the end of the whole one, as a few more points cost nothing beside another walk through time.
    """
    scouts = np.vstack([np.zeros(size), rng.standard_normal((_SCOUTS, size))])
    heights = density(scouts)
    at, height = scouts[heights.argmax()], heights.max()
    slope, curvature = _derivatives(density(_around(at)), size)
    for _ in range(_NEWTON):
        tried = at + _DAMPING[:, None] * np.linalg.solve(curvature, slope)
        heights, there = np.split(density(np.vstack([tried, _around(tried[0])])), [len(tried)])
        best = int(np.nanargmax(np.where(np.isnan(heights), -np.inf, heights)))
        gain = heights[best] - height
        if not gain > 0.0:
            break
        at, height = tried[best], heights[best]
        slope, curvature = _derivatives(there if best == 0 else density(_around(at)), size)
        if gain < _DONE:
            break
    return at, curvature


def _around(at: Floats) -> Floats:
    """The points that central differences of first and second order ask for, (points, varying)."""
    size = len(at)
    moves = _STEP * np.eye(size)
    corners = [a * moves[i] + b * moves[j] for i, j in _pairs(size) for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
    return np.asarray(at + np.vstack([np.zeros((1, size)), moves, -moves, *(one[None] for one in corners)]))


def _pairs(size: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(size) for j in range(i)]


def _derivatives(heights: Floats, size: int) -> tuple[Floats, Floats]:
    """Slope and curvature from the heights `_around` a point."""
    heights = np.maximum(heights, -1e12)  # a point outside everything counts as very low, not as no number
    centre, up, down = heights[0], heights[1 : size + 1], heights[size + 1 : 2 * size + 1]
    curvature = np.diag(-(up - 2.0 * centre + down) / _STEP**2)
    for n, (i, j) in enumerate(_pairs(size)):
        a, b, c, d = heights[2 * size + 1 + 4 * n : 2 * size + 5 + 4 * n]
        curvature[i, j] = curvature[j, i] = -(a - b - c + d) / (4.0 * _STEP**2)
    values, vectors = np.linalg.eigh(curvature)
    return (up - down) / (2.0 * _STEP), (vectors * np.maximum(values, _LEAST_CURVATURE)) @ vectors.T


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Weighted:
    z: Floats
    weights: Floats
    log_mean: float
    effective: float


def _importance(density: LogDensity, centre: Floats, spread: Floats, draws: int, rng: np.random.Generator) -> _Weighted:
    """Weighted draws; where they are worth too little, again with what was learned and four times as many."""
    found = _weigh(density, centre, _WIDER * spread, draws, rng)
    for _ in range(_ROUNDS - 1):
        if found.effective >= 0.25 * draws:
            break
        centre = found.weights @ found.z
        apart = found.z - centre
        learned = (apart * found.weights[:, None]).T @ apart + 1e-6 * np.eye(len(centre))
        found = _weigh(density, centre, _WIDER * learned, 4 * draws, rng)
    return found


def _weigh(density: LogDensity, centre: Floats, spread: Floats, draws: int, rng: np.random.Generator) -> _Weighted:
    size, kept = len(centre), round(_PRIOR_SHARE * draws)
    root = _root(spread)
    normal = rng.standard_normal((draws, size))
    stretch = np.sqrt(FREEDOM / rng.chisquare(FREEDOM, draws))
    z = centre + stretch[:, None] * (normal @ root.T)
    z[:kept] = normal[:kept]
    share = kept / draws
    proposal = np.logaddexp(log(share) + _log_normal(z), log(1.0 - share) + _log_student(z, centre, root))
    heights = density(z)
    logs = np.where(np.isfinite(heights), heights - proposal, -np.inf)
    highest = logs.max()
    if not np.isfinite(highest):
        return _Weighted(z=z, weights=np.full(draws, 1.0 / draws), log_mean=-np.inf, effective=0.0)
    raw = np.exp(logs - highest)
    total = raw.sum()
    return _Weighted(
        z=z,
        weights=raw / total,
        log_mean=float(highest + np.log(total / draws)),
        effective=float(total * total / np.sum(raw * raw)),
    )


def _log_normal(z: Floats) -> Floats:
    return np.asarray(-0.5 * np.sum(z * z, axis=1) - 0.5 * z.shape[1] * log(2.0 * pi))


def _log_student(z: Floats, centre: Floats, root: Floats) -> Floats:
    size = len(centre)
    scaled = np.linalg.solve(root, (z - centre).T)
    norm = lgamma(0.5 * (FREEDOM + size)) - lgamma(0.5 * FREEDOM) - 0.5 * size * log(FREEDOM * pi)
    norm -= float(np.log(np.diag(root)).sum())
    return np.asarray(norm - 0.5 * (FREEDOM + size) * np.log1p(np.sum(scaled * scaled, axis=0) / FREEDOM))


def _systematic(weights: Floats, draws: int, rng: np.random.Generator) -> Ints:
    """Indices with probabilities by weight and as little noise as can be, in a shuffled order."""
    points = (rng.random() + np.arange(draws)) / draws
    cumulated = np.cumsum(weights)
    chosen = np.searchsorted(cumulated, points * cumulated[-1], side="right")
    return rng.permutation(np.minimum(chosen, len(weights) - 1))
