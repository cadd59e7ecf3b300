"""Exact solution of one to three compartments, with absorption through a chain and an effect compartment.

A mammillary system is similar to a symmetric matrix, so it falls into modes that decay on their own, whatever its
parameters: equal rates, no exchange and no clearance included. Each mode is kept as its share of the central
concentration.

Gibaldi and Perrier, Pharmacokinetics, 2nd edition 1982; Abuhelwa, J Pharmacokinet Pharmacodyn 2015;42:321.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from cds_app.domain.arrays import Floats

_NODES, _WEIGHTS = (one.astype(np.float64) for one in np.polynomial.legendre.leggauss(20))
_NEAR: Final = 5.0  # below this difference of exponents the recursion for the chain loses digits and quadrature none
_CLOSE: Final = 0.1  # below this one the difference of two decays loses digits
_FLAT: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposition:
    """Where a drug goes, for many draws of the parameters at once.

    Parameters
    ----------
    clearance : ndarray (draws,)
        L/h.
    rates : ndarray (modes, draws)
        Decay of the modes, /h, none negative.
    shares : ndarray (modes, draws)
        Concentration that one mg in the central compartment adds to each mode, /L; they sum to 1/V1.
    amounts : ndarray (compartments, modes, draws)
        Amount in each compartment, mg, per mg/L of each mode.
    volumes : ndarray (compartments, draws)
        L.
    chain_rate : ndarray (draws,)
        Rate of every step of absorption, /h.
    steps : int
        How many steps; 0: nothing is absorbed.
    effect_rate : ndarray (draws,) or None
        Equilibration with the effect site, /h.
    """

    clearance: Floats
    rates: Floats
    shares: Floats
    amounts: Floats
    volumes: Floats
    chain_rate: Floats
    steps: int = 0
    effect_rate: Floats | None = None


def disposition(
    parameters: Mapping[str, Floats], *, compartments: int, steps: int = 0, effect: bool = False
) -> Disposition:
    """Find the modes.

    Parameters
    ----------
    parameters : mapping of str to ndarray (draws,)
        ``CL``, ``V1``, and with more compartments ``Q2``, ``V2``, ``Q3``, ``V3`` in L/h and L; ``KA`` in /h with steps
        of absorption; ``KE0`` in /h with an effect site.
    compartments : {1, 2, 3}
    steps : int
        Compartments that an oral dose passes, each at the rate ``KA``.
    effect : bool
        Whether the effect site is followed too.
    """
    volumes = np.stack([parameters[f"V{n}"] for n in range(1, compartments + 1)])
    exchange = np.stack([parameters[f"Q{n}"] for n in range(2, compartments + 1)]) if compartments > 1 else volumes[:0]
    clearance = np.broadcast_to(parameters["CL"], volumes[0].shape)
    rates, vectors = _modes(clearance, volumes, exchange)
    roots = np.sqrt(volumes)
    outputs = vectors[0] / roots[0]  # (modes, draws)
    per_unit = np.divide(1.0, outputs, out=np.zeros_like(outputs), where=np.abs(outputs) > 0.0)
    return Disposition(
        clearance=clearance,
        rates=rates,
        shares=outputs * outputs,
        amounts=roots[:, None] * vectors * per_unit,
        volumes=volumes,
        chain_rate=parameters["KA"] if steps else np.zeros_like(rates[0]),
        steps=steps,
        effect_rate=parameters["KE0"] if effect else None,
    )


def _modes(clearance: Floats, volumes: Floats, exchange: Floats) -> tuple[Floats, Floats]:
    """Eigenvalues (modes, draws) and orthonormal vectors (compartments, modes, draws) of the symmetric form."""
    count = len(volumes)
    if count == 1:
        return (clearance / volumes[0])[None], np.ones((1, 1, *clearance.shape))
    if count == 2:
        return _two(clearance, volumes, exchange[0])
    matrix = np.zeros((len(clearance), count, count))
    matrix[:, 0, 0] = (clearance + exchange.sum(axis=0)) / volumes[0]
    for n in range(1, count):
        matrix[:, n, n] = exchange[n - 1] / volumes[n]
        matrix[:, 0, n] = matrix[:, n, 0] = -exchange[n - 1] / np.sqrt(volumes[0] * volumes[n])
    rates, vectors = np.linalg.eigh(matrix)
    return np.maximum(rates.T, 0.0), np.ascontiguousarray(np.moveaxis(vectors, 0, -1))


def _two(clearance: Floats, volumes: Floats, exchange: Floats) -> tuple[Floats, Floats]:
    """A rotation; the slow rate from the determinant, which has no cancellation."""
    central, peripheral = (clearance + exchange) / volumes[0], exchange / volumes[1]
    between = exchange / np.sqrt(volumes[0] * volumes[1])
    fast = 0.5 * (central + peripheral) + np.hypot(0.5 * (central - peripheral), between)
    product = clearance * exchange / (volumes[0] * volumes[1])
    slow = np.divide(product, fast, out=np.zeros_like(fast), where=fast > 0.0)
    angle = 0.5 * np.arctan2(-2.0 * between, central - peripheral)
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.stack([fast, slow]), np.stack([np.stack([cosine, -sine]), np.stack([sine, cosine])])


@dataclass(slots=True)
class Body:
    """What is in the body now. `advance` and the doses change it.

    Parameters
    ----------
    where : Disposition
    modes : ndarray (modes, draws)
        Share of each mode in the central concentration, mg/L.
    chain : list of ndarray (draws,)
        Amounts on the way in, mg, the dose's compartment first.
    effect : ndarray (draws,) or None
        Concentration at the effect site.
    """

    where: Disposition
    modes: Floats
    chain: list[Floats]
    effect: Floats | None
    kept: dict[float, _Step] = field(default_factory=dict)

    @classmethod
    def empty(cls, where: Disposition) -> Body:
        """Nothing given yet."""
        zero = np.zeros_like(where.rates[0])
        return cls(
            where=where,
            modes=np.zeros_like(where.rates),
            chain=[zero.copy() for _ in range(where.steps)],
            effect=None if where.effect_rate is None else zero.copy(),
        )

    def write(self, row: Floats) -> None:
        """Put the central concentration, mg/L, into an array (draws,): a sum that is twice as fast as ``np.sum``."""
        first, *others = self.modes
        if not others:
            row[:] = first
            return
        np.add(first, others[0], out=row)
        for one in others[1:]:
            np.add(row, one, out=row)

    @property
    def amount(self) -> Floats:
        """In the whole body and on the way in, mg, (draws,)."""
        settled = np.einsum("jid,id->d", self.where.amounts, self.modes)
        return np.asarray(settled + sum(self.chain))

    def inject(self, amount_mg: Floats | float) -> None:
        """A bolus into the central compartment."""
        self.modes += self.where.shares * amount_mg

    def swallow(self, amount_mg: Floats | float) -> None:
        """A dose at the start of the chain."""
        self.chain[0] = self.chain[0] + amount_mg

    def advance(self, dt_h: float, rate_mg_per_h: float = 0.0) -> None:
        """Let time pass while an infusion runs at a constant rate into the central compartment."""
        step = self.kept.get(dt_h)
        if step is None:
            step = self.kept[dt_h] = _Step(self.where, dt_h)
        if self.effect is not None and self.where.effect_rate is not None:
            moved = self.where.effect_rate * dt_h
            self.effect = step.effect(self.effect, self.modes, moved, rate_mg_per_h)
        self.modes *= step.decay
        if rate_mg_per_h:
            self.modes += step.infused * rate_mg_per_h
        if self.chain:
            self.modes, self.chain = step.absorbed(self.modes, self.chain)

    def moved(self, where: Disposition) -> Body:
        """The same amounts under other parameters."""
        amounts = np.einsum("jid,id->jd", self.where.amounts, self.modes)
        # The vectors are orthogonal: the inverse of `amounts`, which holds them scaled, is its transpose, scaled back.
        weights = where.amounts * where.shares / where.volumes[:, None]
        return Body(
            where=where,
            modes=np.einsum("jid,jd->id", weights, amounts),
            chain=self.chain,
            effect=self.effect,
        )


class _Step:
    """What one length of time does, worked out once."""

    def __init__(self, where: Disposition, dt_h: float) -> None:
        self._where = where
        self._dt = dt_h
        self.decay = np.exp(-where.rates * dt_h)
        self._infused: Floats | None = None
        self._chain: tuple[Floats, Floats] | None = None

    @property
    def infused(self) -> Floats:
        """Concentration added to each mode per mg/h of an infusion, (modes, draws)."""
        if self._infused is None:
            self._infused = self._where.shares * self._dt * _mean_decay(self._where.rates * self._dt)
        return self._infused

    @property
    def through(self) -> tuple[Floats, Floats]:
        """Poisson weights (steps, draws) of moving on, and what arrives in each mode (steps, modes, draws)."""
        if self._chain is None:
            self._chain = self._through_chain()
        return self._chain

    def absorbed(self, modes: Floats, chain: list[Floats]) -> tuple[Floats, list[Floats]]:
        """Modes and chain after the step; ``modes`` have decayed already."""
        stays, arrives = self.through
        if len(chain) == 1:
            modes += arrives[0] * chain[0]
            chain[0] *= stays[0]
            return modes, chain
        after = [sum((chain[k] * stays[j - k] for k in range(j + 1)), start=0.0 * chain[j]) for j in range(len(chain))]
        for k, amount in enumerate(chain):
            modes = modes + arrives[len(chain) - 1 - k] * amount
        return modes, after

    def _through_chain(self) -> tuple[Floats, Floats]:
        where = self._where
        moved = where.chain_rate * self._dt
        stays = poisson(moved, where.steps)
        held = _meeting(where.rates * self._dt, moved, self.decay, stays[0], where.steps)
        return stays, _entering(where.shares * moved, moved, held)

    def effect(self, effect: Floats, modes: Floats, moved: Floats, rate_mg_per_h: float) -> Floats:
        """The effect site after the step, from the modes before it; ``moved``: its rate times the step."""
        where = self._where
        left = np.exp(-moved)
        reached = moved * _meeting(where.rates * self._dt, moved, self.decay, left, 1)[0]
        after = effect * left + np.sum(reached * modes, axis=0)
        if not rate_mg_per_h:
            return np.asarray(after)
        flat = where.rates * self._dt < _FLAT
        safe = np.where(flat, 1.0, where.rates)
        rising = np.where(flat, self._dt - self._dt * _mean_decay(moved), (-np.expm1(-moved) - reached) / safe)
        return np.asarray(after + np.sum(where.shares * rising, axis=0) * rate_mg_per_h)


def _mean_decay(exponent: Floats) -> Floats:
    """(1 - exp(-x)) / x, 1 where x is 0."""
    return np.divide(-np.expm1(-exponent), exponent, out=np.ones_like(exponent), where=exponent > 0.0)


def poisson(mean: Floats, count: int) -> Floats:
    """Probabilities of 0, 1, 2 ... events, (count, draws)."""
    found = np.empty((count, len(mean)))
    np.exp(-mean, out=found[0])
    for n in range(1, count):
        np.multiply(found[n - 1], mean / n, out=found[n])
    return found


def _entering(first: Floats, moved: Floats, held: Floats) -> Floats:
    """What arrives in each mode from the last, the second last ... step of absorption, (steps, modes, draws)."""
    for m in range(len(held)):
        held[m] *= first
        first = first * (moved / (m + 1))
    return held


def _meeting(a: Floats, b: Floats, decayed_a: Floats, decayed_b: Floats, count: int) -> Floats:
    """Integrals of u^m exp(-b u - a (1 - u)) over 0 to 1 for m below ``count``: (count, modes, draws).

    In closed form for m = 0; above, by recursion where the exponents differ enough and else by a quadrature that is
    exact to rounding there. ``decayed``: exp(-a), exp(-b).
    """
    difference = b - a
    found = np.empty((count, *difference.shape))
    apart = np.abs(difference)
    with np.errstate(divide="ignore", invalid="ignore"):
        np.divide(decayed_a - decayed_b, difference, out=found[0])
    if apart.min(initial=np.inf) < _CLOSE:
        np.copyto(found[0], np.exp(-np.minimum(a, b)) * _mean_decay(apart), where=apart < _CLOSE)
    near = apart < _NEAR
    safe = np.where(near, 1.0, difference)
    nodes, weights = 0.5 * (_NODES + 1.0), 0.5 * _WEIGHTS
    smooth = None
    for m in range(1, count):
        found[m] = (m * found[m - 1] - decayed_b) / safe
        if near.any():
            if smooth is None:
                smooth = [np.exp(-b * u - a * (1.0 - u)) * w for u, w in zip(nodes, weights, strict=True)]
            np.copyto(found[m], sum(u**m * one for u, one in zip(nodes, smooth, strict=True)), where=near)
    return found
