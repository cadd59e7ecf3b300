"""Several models of one drug: how much each counts for this patient, and one sample that holds them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cds_app.domain.arrays import Floats
from cds_app.simulate.kinetics.drugs import Drug
from cds_app.simulate.kinetics.patients import Patient, Placed, place
from cds_app.simulate.kinetics.posterior import Posterior, sample_posterior
from cds_app.simulate.refusals import Refusal


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Member:
    """A model that counts.

    Parameters
    ----------
    placed : Placed
    posterior : Posterior
        All of its draws.
    weight : float
        Probability of the model given the levels, among those that could be used.
    etas : ndarray (share of the draws, varying)
        Its part of the common sample; empty where it counts too little.
    left : ndarray (rows, draws) or None
        What is left of the clotting factors of that part, where levels told it.
    """

    placed: Placed
    posterior: Posterior
    weight: float
    etas: Floats
    left: Floats | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mixture:
    """A patient's sample across models.

    Parameters
    ----------
    members : tuple of Member
    left_out : tuple of (str, tuple of Refusal)
        Models that were not used for this patient, and why.
    """

    members: tuple[Member, ...]
    left_out: tuple[tuple[str, tuple[Refusal, ...]], ...]


def mix(drug: Drug, patient: Patient, *, draws: int, rng: np.random.Generator) -> Mixture:
    """Ask every model of a drug and weigh them (Hoeting, Stat Sci 1999;14:382).

    Notes
    -----
    Prior weights are the content's, among the models that are made for the patient at all stages. Every model has a
    generator of its own, so that one that falls out does not change the others.
    """
    streams = dict(zip((one.name for one in drug.models), rng.spawn(len(drug.models)), strict=True))
    kept: list[tuple[Placed, Posterior]] = []
    left_out: list[tuple[str, tuple[Refusal, ...]]] = []
    for model in drug.models:
        placed = place(model, patient)
        if isinstance(placed, tuple):
            left_out.append((model.name, placed))
            continue
        found = sample_posterior(placed, patient, draws=draws, rng=streams[model.name])
        if isinstance(found, tuple):
            left_out.append((model.name, found))
            continue
        kept.append((placed, found))
    weights = _weights(drug, kept)
    counts = share_out(weights, draws)
    members = tuple(
        Member(
            placed=placed,
            posterior=found,
            weight=float(weight),
            etas=found.etas[:count],
            left=None if found.left is None else found.left[:, :count],
        )
        for (placed, found), weight, count in zip(kept, weights, counts, strict=True)
    )
    return Mixture(members=members, left_out=tuple(left_out))


def _weights(drug: Drug, kept: Sequence[tuple[Placed, Posterior]]) -> Floats:
    if not kept:
        return np.zeros(0)
    logs = np.array([np.log(drug.weight(placed.model)) + found.log_evidence for placed, found in kept])
    raw = np.exp(logs - logs.max())
    return np.asarray(raw / raw.sum())


def share_out(weights: Floats, draws: int) -> list[int]:
    """Whole numbers in proportion to weights, with the sum ``draws``: the largest remainders get one more."""
    exact = np.asarray(weights, np.float64) * draws
    counts = np.floor(exact).astype(int)
    order = np.argsort(-(exact - counts), kind="stable")
    counts[order[: draws - int(counts.sum())]] += 1 if len(counts) else 0
    return [int(one) for one in counts]
