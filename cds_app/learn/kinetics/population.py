"""A population model from the levels of some people: expectation by importance sampling, maximisation in closed form.

Monte Carlo parametric expectation maximisation (Bauer and Guzy 2004; Walker, Biometrics 1996;52:934): every parameter
is ``TV * size * exp(eta)``, so that the next typical value is the mean of what the people's own posteriors say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from scipy.optimize import minimize

from cds_app.domain.arrays import Floats
from cds_app.learn.kinetics.subjects import Subject
from cds_app.simulate.kinetics.models import Model, ModelFile, Residual, model_of
from cds_app.simulate.kinetics.patients import Placed, place
from cds_app.simulate.kinetics.posterior import Posterior, log_error, sample_posterior
from cds_app.simulate.kinetics.simulation import plasma

_DRAWS: Final = 200
_LEAST_OMEGA2: Final = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """What is known of a model before its numbers are.

    Parameters
    ----------
    formulas : mapping of str to (unit, formula)
        Every formula holds its own typical value, ``TV_CL`` for ``CL``.
    begin : mapping of str to float
        Typical values to begin with.
    residual : Residual
        To begin with; ``combined``.
    fixed : mapping of str to (unit, formula)
        Parameters that the data say too little of: the same in everybody.
    iterations : int
        After so many nothing moves any more but by chance.
    """

    drug: str
    compartments: int
    steps: int
    formulas: Mapping[str, tuple[str, str]]
    begin: Mapping[str, float]
    residual: Residual
    fixed: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    iterations: int = 30


def fit(sketch: Sketch, subjects: Sequence[Subject], *, seed: int) -> Model:
    """Estimate typical values, covariance and residual error.

    Parameters
    ----------
    seed : int
        All chance comes from it.
    """
    typical, residual = dict(sketch.begin), sketch.residual
    covariance = np.diag(np.full(len(sketch.formulas), 0.2))
    rng = np.random.default_rng(seed)
    for _ in range(sketch.iterations):
        model = written(sketch, typical, covariance, residual)
        found = [_posterior(model, one, rng) for one in subjects]
        etas = np.stack([one.etas for _, one in found])  # (subjects, draws, parameters)
        shift = etas.mean(axis=(0, 1))
        typical = {name: typical[name] * float(np.exp(by)) for name, by in zip(typical, shift, strict=True)}
        apart = etas - shift
        covariance = np.einsum("sdi,sdj->ij", apart, apart) / (etas.shape[0] * etas.shape[1])
        pairs = [_pairs(*row, subject) for row, subject in zip(found, subjects, strict=True)]
        residual = _error(residual, pairs)
    return written(sketch, typical, covariance, residual)


def written(sketch: Sketch, typical: Mapping[str, float], covariance: Floats, residual: Residual) -> Model:
    """The model with numbers in it."""
    names = list(sketch.formulas)
    variances = np.maximum(np.diag(covariance), _LEAST_OMEGA2)
    body: dict[str, Any] = {
        "drug": sketch.drug,
        "compartments": sketch.compartments,
        "absorption_steps": sketch.steps,
        "concentration_unit": "mg/L",
        "constants": {f"TV_{name}": typical[name] for name in names},
        "parameters": [
            {"name": name, "unit": unit, "value": text, "omega2": float(variances[n])}
            for n, (name, (unit, text)) in enumerate(sketch.formulas.items())
        ]
        + [{"name": name, "unit": unit, "value": text} for name, (unit, text) in sketch.fixed.items()],
        "covariances": [
            {"of": [names[i], names[j]], "value": float(covariance[i, j])} for i in range(len(names)) for j in range(i)
        ],
        "omega2_convention": "variance of the logarithm, estimated",
        "residual": residual.model_dump(),
        "validity": {},
        "population": "the subjects that it was estimated from",
        "source": "estimated here",
        "tags": ["G"],
        "needs_review": True,
    }
    return model_of(ModelFile.model_validate(body), name=f"{sketch.drug}-estimated", version="0", sha256="")


def _posterior(model: Model, subject: Subject, rng: np.random.Generator) -> tuple[Placed, Posterior]:
    known = subject.known(len(subject.levels))
    placed = place(model, known)
    if isinstance(placed, tuple):
        raise ValueError(f"{subject.name}: {placed[0].field} {placed[0].limit}")
    found = sample_posterior(placed, known, draws=_DRAWS, rng=rng)
    if isinstance(found, tuple):
        raise ValueError(f"{subject.name}: {found[0].limit}")
    return placed, found


def _pairs(placed: Placed, found: Posterior, subject: Subject) -> tuple[Floats, Floats]:
    """Observed (levels,) and expected (draws, levels)."""
    times = np.array(sorted({one.at_h for one in subject.levels}))
    expected = plasma(placed.model, placed.epochs(found.etas)[0], subject.doses, times).values
    column = {at: n for n, at in enumerate(times.tolist())}
    observed = np.array([one.value for one in subject.levels])
    return observed, expected[:, [column[one.at_h] for one in subject.levels]]


def _error(residual: Residual, pairs: Sequence[tuple[Floats, Floats]]) -> Residual:
    """The combined error under which the levels are most probable, given the draws."""

    def cost(logs: Floats) -> float:
        proportional, additive = (float(one) for one in np.exp(logs))
        tried = Residual(kind="combined", proportional=proportional, additive=additive)
        return -float(sum(log_error(tried, observed, expected).mean(axis=0).sum() for observed, expected in pairs))

    begin = np.log([max(residual.proportional, 0.01), max(residual.additive, 0.01)])
    best = minimize(cost, begin, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-3}).x
    proportional, additive = (float(one) for one in np.exp(np.clip(best, -7.0, 7.0)))
    return Residual(kind="combined", proportional=proportional, additive=additive)
