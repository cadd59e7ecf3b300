"""The twin's filter on a window's grid, and the pass back over it that makes a smoother: many patients side by side.

The model is that of `cds_app.twin.filter`, a personal baseline plus a mean-reverting deviation plus noise. On a grid
nothing is set aside as an artefact: a surprising value counts in full.

Source: Rauch HE, Tung F, Striebel CT, AIAA J 1965;3:1445 (the pass back).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cds_app.domain.arrays import Floats
from cds_app.twin.windows import Product, Singles

FIELDS = (
    "baseline_mean", "baseline_sd", "baseline_relaxation_h", "deviation_sd", "relaxation_h", "noise_sd", "log",
)  # fmt: skip
_LOWEST_SD = 6.0  # "below detection" sent as 0, on a logarithmic scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The twin's dynamics, one entry for each variable of a window: arrays (variables,).

    Parameters
    ----------
    baseline_mean, baseline_sd, baseline_relaxation_h, deviation_sd, relaxation_h, noise_sd : ndarray of float64
        As in `cds_app.twin.model.Dynamics`.
    log : ndarray of bool
        Whether the scale is logarithmic.
    """

    baseline_mean: Floats
    baseline_sd: Floats
    baseline_relaxation_h: Floats
    deviation_sd: Floats
    relaxation_h: Floats
    noise_sd: Floats
    log: Floats

    @classmethod
    def from_json(cls, entry: Mapping[str, Sequence[float]]) -> Parameters:
        """Read what `to_json` wrote."""
        return cls(**{name: np.array(entry[name], np.float64) for name in FIELDS})

    def to_json(self) -> dict[str, list[float]]:
        """Plain lists."""
        return {name: getattr(self, name).tolist() for name in FIELDS}

    def to_scale(self, values: Singles) -> Floats:
        """From the canonical unit; for a logarithm, what is not positive counts as the lowest usual value."""
        lowest = np.exp(self.baseline_mean - _LOWEST_SD * self.baseline_sd)
        logged = np.log(np.maximum(values, np.where(self.log > 0, lowest, 1.0)))
        return np.where(self.log > 0, logged, values)

    def to_unit(self, scaled: Floats) -> Floats:
        """Undo `to_scale`."""
        return np.where(self.log > 0, np.exp(np.minimum(scaled, 50.0)), scaled)


class _State(NamedTuple):
    """Belief at one hour: means and covariance of baseline and deviation, (patients, variables)."""

    b: Floats
    d: Floats
    p_bb: Floats
    p_bd: Floats
    p_dd: Floats


def followed(values: Singles, of: Parameters, product: Product) -> Singles:
    """What the twin makes of windows: filtered for a causal product, smoothed for a retrospective one.

    Parameters
    ----------
    values : ndarray of float32, shape (patients, hours, variables)
        In the canonical unit, NaN where nothing was measured.
    """
    scaled = of.to_scale(values)
    ahead, after = _filtered(scaled, of)
    states = after if product == "causal" else _smoothed(ahead, after, of)
    level = np.stack([one.b + one.d for one in states], axis=1)
    return np.asarray(of.to_unit(level), np.float32)


def _filtered(scaled: Floats, of: Parameters) -> tuple[list[_State], list[_State]]:
    shape = (scaled.shape[0], scaled.shape[2])
    var_b, var_d, noise = of.baseline_sd**2, of.deviation_sd**2, of.noise_sd**2
    start = (of.baseline_mean, np.zeros_like(var_b), var_b, np.zeros_like(var_b), var_d)
    state = _State(*(np.broadcast_to(one, shape) for one in start))
    ahead, after = [], []
    for hour in range(scaled.shape[1]):
        state = _predicted(state, of) if hour else state
        ahead.append(state)
        state = _updated(state, scaled[:, hour], noise)
        after.append(state)
    return ahead, after


def _kept(of: Parameters) -> tuple[Floats, Floats]:
    return np.exp(-1.0 / of.baseline_relaxation_h), np.exp(-1.0 / of.relaxation_h)


def _predicted(state: _State, of: Parameters) -> _State:
    kept_b, kept_d = _kept(of)
    var_b, var_d = of.baseline_sd**2, of.deviation_sd**2
    return _State(
        of.baseline_mean + kept_b * (state.b - of.baseline_mean),
        kept_d * state.d,
        var_b + kept_b**2 * (state.p_bb - var_b),
        kept_b * kept_d * state.p_bd,
        var_d + kept_d**2 * (state.p_dd - var_d),
    )


def _updated(state: _State, value: Floats, noise: Floats) -> _State:
    seen = np.isfinite(value)
    c_b, c_d = state.p_bb + state.p_bd, state.p_bd + state.p_dd
    variance = c_b + c_d + noise
    difference = np.where(seen, np.nan_to_num(value) - state.b - state.d, 0.0)
    gain_b, gain_d = seen * c_b / variance, seen * c_d / variance
    return _State(
        state.b + gain_b * difference,
        state.d + gain_d * difference,
        state.p_bb - gain_b * c_b,
        state.p_bd - gain_b * c_d,
        state.p_dd - gain_d * c_d,
    )


def _smoothed(ahead: list[_State], after: list[_State], of: Parameters) -> list[_State]:
    """Means only; the pass back needs no covariance of its own for them."""
    kept_b, kept_d = _kept(of)
    later = after[-1]
    found = [later]
    for before, forecast in zip(after[-2::-1], ahead[:0:-1], strict=True):
        u = (later.b - forecast.b, later.d - forecast.d)
        determinant = forecast.p_bb * forecast.p_dd - forecast.p_bd**2
        pull_b = (forecast.p_dd * u[0] - forecast.p_bd * u[1]) / determinant
        pull_d = (forecast.p_bb * u[1] - forecast.p_bd * u[0]) / determinant
        later = before._replace(
            b=before.b + before.p_bb * kept_b * pull_b + before.p_bd * kept_d * pull_d,
            d=before.d + before.p_bd * kept_b * pull_b + before.p_dd * kept_d * pull_d,
        )
        found.append(later)
    return found[::-1]
