"""Windows: one patient's measurements on a grid of hours and variables, and what an imputer may see of them.

A window has `HOURS` hourly bins; a bin holds the mean of what was measured within the hour, NaN where nothing was.
Filtering sees the past of a bin only, smoothing sees all of the window: two products that are never mixed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cds_app.domain.arrays import Flags, Floats, Ints

Singles = NDArray[np.float32]
Product = Literal["causal", "retrospective"]

HOURS = 48
PRODUCTS: tuple[Product, ...] = ("causal", "retrospective")
_FADES_H = 6.0  # time constant with which "measured lately" fades
_CYCLES = 2  # of the day, as sine and cosine of the hour in the window


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Mean and standard deviation of each variable among the patients that an imputer was trained on.

    Parameters
    ----------
    mean, sd : ndarray of float32, shape (variables,)
        In the variable's unit.
    """

    mean: Singles
    sd: Singles

    def to_z(self, values: Singles) -> Singles:
        """Standardise: (..., variables)."""
        return np.asarray((values - self.mean) / self.sd, np.float32)

    def to_unit(self, z: Singles) -> Singles:
        """Undo `to_z`."""
        return np.asarray(z * self.sd + self.mean, np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """The measurements next to each bin, in standard deviations: arrays (windows, hours, variables).

    Parameters
    ----------
    seen : ndarray of bool
        Whether the bin itself was measured; then it is its own neighbour.
    before, after : ndarray of int64
        Hour of the newest measurement up to the bin, -1 for none; of the next from the bin on, `HOURS` for none.
    last, next : ndarray of float32
        What they said, NaN for none.
    """

    seen: Flags
    before: Ints
    after: Ints
    last: Singles
    next: Singles


def who(age_years: Floats, male: Floats, height_cm: Floats, unit: Floats) -> Singles:
    """Who patients are, for a network: (patients, statics), 0 where unknown, each with a mark of being known.

    Parameters
    ----------
    age_years, male, height_cm : ndarray of float64, shape (patients,)
        NaN where unknown; male is 1 or 0.
    unit : ndarray of float64, shape (patients, kinds of unit)
        1 for the kind of intensive care unit; NaN where unknown.
    """
    columns = [(age_years - 64.0) / 17.0, male - 0.5, (height_cm - 169.0) / 11.0, *unit.T]
    known = [np.isfinite(one) for one in columns[:4]]
    return np.asarray(np.stack([*(np.nan_to_num(one) for one in columns), *known], axis=1), np.float32)


def neighbours(z: Singles) -> Neighbours:
    """Look up the measurements next to each bin of standardised windows."""
    seen, hours = np.isfinite(z), z.shape[1]
    hour = np.arange(hours)[None, :, None]
    before = np.maximum.accumulate(np.where(seen, hour, -1), axis=1)
    after = np.minimum.accumulate(np.where(seen, hour, hours)[:, ::-1], axis=1)[:, ::-1]
    last = np.take_along_axis(z, np.maximum(before, 0), axis=1)
    following = np.take_along_axis(z, np.minimum(after, hours - 1), axis=1)
    return Neighbours(seen=seen, before=before, after=after, last=last, next=following)


def nearest_h(near: Neighbours, product: Product) -> Ints:
    """Hours to the nearest measurement that a product may see; as many as a window has where there is none."""
    hours = near.seen.shape[1]
    hour = np.arange(hours)[None, :, None]
    far = np.where(near.before >= 0, hour - near.before, hours)
    if product == "retrospective":
        far = np.minimum(far, np.where(near.after < hours, near.after - hour, hours))
    return far


def carried(near: Neighbours) -> Singles:
    """The last value, or the population's mean (0) before the first."""
    return np.nan_to_num(near.last)


def interpolated(near: Neighbours) -> Singles:
    """Linear between two measurements, the nearest one before the first and after the last, else the mean (0)."""
    hour = np.arange(near.seen.shape[1], dtype=np.float32)[None, :, None]
    width = np.maximum(near.after - near.before, 1).astype(np.float32)
    share = (hour - near.before) / width
    between = near.last + (near.next - near.last) * share
    nearest = np.where(np.isnan(near.last), near.next, near.last)
    return np.asarray(np.nan_to_num(np.where(np.isfinite(between), between, nearest)), np.float32)


def base(near: Neighbours, product: Product) -> Singles:
    """What every imputer is held against: the last value in filtering, the line in smoothing."""
    return carried(near) if product == "causal" else interpolated(near)


def surprises(z: Singles, near: Neighbours, product: Product) -> Singles:
    """How far each measurement is from what its own neighbours alone would say; NaN where nothing was measured.

    What several variables did together within one hour is seen in these, whatever their levels.
    """
    hours = z.shape[1]
    empty = np.full_like(z[:, :1], np.nan)
    none = np.full_like(near.before[:, :1], -1)
    others = Neighbours(
        seen=np.zeros_like(near.seen),
        before=np.concatenate([none, near.before[:, :-1]], axis=1),
        after=np.concatenate([near.after[:, 1:], none + hours + 1], axis=1),
        last=np.concatenate([empty, near.last[:, :-1]], axis=1),
        next=np.concatenate([near.next[:, 1:], empty], axis=1),
    )
    return np.asarray(z - base(others, product), np.float32)


def inputs(z: Singles, near: Neighbours, statics: Singles, product: Product) -> Singles:
    """What a network sees of each hour: (windows, hours, features).

    Of each variable: the base, whether it was measured, how surprising that was, how lately (and how soon again), its
    neighbours against the base, its mean so far (or in the window). Then who the patient is, and the hour. Nothing of a
    later hour is in the features of a causal product.

    Parameters
    ----------
    z : ndarray of float32, shape (windows, hours, variables)
    near : Neighbours
        Of ``z``.
    statics : ndarray of float32, shape (windows, statics)
        Standardised, 0 where unknown.
    """
    hour = np.arange(z.shape[1], dtype=np.float32)[None, :, None]
    guess, seen = base(near, product), near.seen.astype(np.float32)
    since = np.where(near.before >= 0, np.exp((near.before - hour) / _FADES_H), 0.0)
    blocks = [_soft(guess), seen, since, _soft(np.nan_to_num(surprises(z, near, product)))]
    total, count = np.cumsum(np.nan_to_num(z), axis=1), np.cumsum(seen, axis=1)
    if product == "causal":
        blocks += [_soft(_previous(z, near)), _soft(total / np.maximum(count, 1.0)), np.log1p(count) / 4.0]
    else:
        until = np.where(near.after < z.shape[1], np.exp((hour - near.after) / _FADES_H), 0.0)
        middle = total[:, -1:] / np.maximum(count[:, -1:], 1.0)
        edges = [_soft(np.nan_to_num(one - guess)) for one in (near.last, near.next)]
        blocks += [until, *edges, np.broadcast_to(_soft(middle), z.shape)]
    blocks += [np.broadcast_to(statics[:, None, :], (*z.shape[:2], statics.shape[1])), _clock(z.shape)]
    return np.concatenate(blocks, axis=2, dtype=np.float32)


def with_guess(features: Singles, guess: Singles, near: Neighbours, product: Product) -> Singles:
    """Features, and how far the joint smoother's guess is from the base: (windows, hours, features + variables)."""
    return np.concatenate([features, _soft(np.nan_to_num(guess - base(near, product)))], axis=2)


def _previous(z: Singles, near: Neighbours) -> Singles:
    """The change from the measurement before the last one to the last one; 0 without two."""
    shifted = np.full_like(near.last, np.nan)
    shifted[:, 1:] = near.last[:, :-1]  # at a measured bin: what was the last one an hour earlier
    changes = np.where(near.seen, z - shifted, 0.0)
    change = np.take_along_axis(changes, np.maximum(near.before, 0), axis=1)
    return np.asarray(np.nan_to_num(np.where(near.before >= 0, change, 0.0)), np.float32)


def _soft(z: NDArray[np.floating]) -> Singles:
    """Large values count by their logarithm: a network sees illness, and no artefact drowns the rest."""
    return np.asarray(np.arcsinh(z), np.float32)


def _clock(shape: tuple[int, ...]) -> Singles:
    hour = np.arange(shape[1], dtype=np.float32)
    turns = [turn(2.0 * np.pi * hour / (24.0 * cycle)) for cycle in range(1, _CYCLES + 1) for turn in (np.sin, np.cos)]
    each = np.stack([hour / shape[1], np.exp(-hour / _FADES_H), *turns], axis=1)
    return np.broadcast_to(each.astype(np.float32), (shape[0], *each.shape))
