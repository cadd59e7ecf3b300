"""The twin's filter for thousands of patients at once: the same arithmetic, sample by sample in lock-step.

Samples lie flat, patient after patient. Step ``k`` updates the ``k``-th sample of every patient that has one.
`tests/verification` checks that the result equals `cds_app.twin.filter`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cds_app.domain.arrays import Floats, Ints
from cds_app.twin.filter import Parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Values of one quantity of many patients.

    Parameters
    ----------
    hours, values : array (n,)
        Patient after patient, ascending in time; values on the transformed scale.
    starts, counts : array (patients,)
        Where each patient's samples begin, and how many there are; only patients with samples.
    """

    hours: Floats
    values: Floats
    starts: Ints
    counts: Ints

    @classmethod
    def of(cls, patient: Ints, hours: Floats, values: Floats) -> Samples:
        """Group rows that are sorted by patient and time."""
        _, starts, counts = np.unique(patient, return_index=True, return_counts=True)
        return cls(hours=hours, values=values, starts=starts.astype(np.int64), counts=counts.astype(np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Beliefs:
    """Belief, innovation and weight per row; arrays (n,)."""

    hours: Floats
    baseline: Floats
    deviation: Floats
    p_bb: Floats
    p_bd: Floats
    p_dd: Floats
    z: Floats
    weight: Floats
    pending: Floats


def filtered(dynamics: Parameters, samples: Samples) -> Beliefs:
    """Belief after every sample."""
    out = np.empty((8, len(samples.hours)))
    order = np.argsort(-samples.counts, kind="stable")
    starts, counts = samples.starts[order], samples.counts[order]
    last = np.empty((7, 0))
    for k in range(int(counts[0]) if len(counts) else 0):
        rows = starts[: np.searchsorted(-counts, -k, side="left")] + k
        hours, values = samples.hours[rows], samples.values[rows]
        before = _prior(dynamics, hours) if k == 0 else _predicted(dynamics, last[:, : len(rows)], hours)
        after = _updated(dynamics, before, values, first=k == 0)
        out[:, rows] = after
        last = np.concatenate([hours[None], after[:5], after[7:]])
    names = ("baseline", "deviation", "p_bb", "p_bd", "p_dd", "z", "weight", "pending")
    return Beliefs(hours=samples.hours, **dict(zip(names, out, strict=True)))


def carried(dynamics: Parameters, beliefs: Beliefs, rows: Ints, hours: Floats) -> Floats:
    """Beliefs of chosen rows carried forward to later instants; row -1 stands for the prior.

    Returns
    -------
    array (5, n)
        Baseline, deviation and their covariances.
    """
    seen = np.where(rows < 0, 0, rows)
    names = ("hours", "baseline", "deviation", "p_bb", "p_bd", "p_dd", "pending")
    last = np.stack([getattr(beliefs, name)[seen] for name in names])
    return np.where(rows < 0, _prior(dynamics, hours)[:5], _predicted(dynamics, last, hours)[:5])


def _prior(dynamics: Parameters, hours: Floats) -> Floats:
    start = (dynamics.baseline_mean, 0.0, dynamics.baseline_sd**2, 0.0, dynamics.deviation_sd**2, 0.0)
    return np.repeat(np.array(start)[:, None], len(hours), axis=1)


def _predicted(dynamics: Parameters, last: Floats, hours: Floats) -> Floats:
    before_h, baseline, deviation, p_bb, p_bd, p_dd, pending = last
    kept_b = np.exp((before_h - hours) / dynamics.baseline_relaxation_h)
    kept_d = np.exp((before_h - hours) / dynamics.relaxation_h)
    mean, var_b, var_d = dynamics.baseline_mean, dynamics.baseline_sd**2, dynamics.deviation_sd**2
    return np.stack(
        [
            mean + kept_b * (baseline - mean),
            kept_d * deviation,
            var_b + kept_b * kept_b * (p_bb - var_b),
            kept_b * kept_d * p_bd,
            var_d + kept_d * kept_d * (p_dd - var_d),
            pending,
        ]
    )


def _updated(dynamics: Parameters, before: Floats, values: Floats, *, first: bool) -> Floats:
    baseline, deviation, p_bb, p_bd, p_dd, pending = before
    noise = dynamics.noise_sd**2
    difference = values - baseline - deviation
    variance = p_bb + 2.0 * p_bd + p_dd + noise
    z = difference / np.sqrt(variance)
    size, sign = np.abs(z), np.sign(z)
    surprising = (size > dynamics.soft_z) & (not first)
    gated = (size > dynamics.gate_z) & (not first)
    stepped = surprising & (pending * sign >= np.where(gated, 2.0, 1.0))
    soft = np.where(surprising, (dynamics.soft_z / np.maximum(size, 1e-9)) ** 2, 1.0)
    weight = np.where(stepped, 1.0, np.where(gated, 0.0, soft))
    opened = np.where(stepped, difference * difference - variance, 0.0)
    p_dd = p_dd + opened
    variance = variance + opened + noise / np.where(weight > 0.0, weight, 1.0) - noise
    c_b, c_d = p_bb + p_bd, p_bd + p_dd
    used = weight > 0.0
    gain_b, gain_d = np.where(used, c_b / variance, 0.0), np.where(used, c_d / variance, 0.0)
    return np.stack(
        [
            baseline + gain_b * difference,
            deviation + gain_d * difference,
            p_bb - gain_b * c_b,
            p_bd - gain_b * c_d,
            p_dd - gain_d * c_d,
            z,
            weight,
            np.where(stepped | ~surprising, 0.0, np.where(gated, 2.0, 1.0) * sign),
        ]
    )
