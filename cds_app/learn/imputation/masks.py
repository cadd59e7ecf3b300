"""What is hidden from an imputer to see how well it finds it: single cells, or hours of some channels."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from cds_app.domain.arrays import Flags

Mask = Literal["point", "block"]
MASKS: tuple[Mask, ...] = get_args(Mask)
POINT_SHARE = 0.1
BLOCK_H = 6
BLOCK_CHANNELS = 0.5
_ALL_CHANNELS = 0.2  # of training blocks: the whole monitor is off
_TRAINING_SHARES = (0.08, 0.2)
_TRAINING_BLOCKS_H = (3, 10)


def masked(seen: Flags, mask: Mask, rng: np.random.Generator) -> Flags:
    """Cells to hide, of those that were measured.

    Parameters
    ----------
    seen : ndarray of bool, shape (patients, hours, variables)
    mask : {"point", "block"}
        One cell in ten, or six hours of each patient, the same of every second channel.
    """
    if mask == "point":
        return np.asarray(seen & (rng.random(seen.shape, np.float32) < POINT_SHARE))
    lengths = np.full(len(seen), BLOCK_H)
    return np.asarray(seen & _blocks(seen.shape, lengths, np.full(len(seen), BLOCK_CHANNELS), rng))


def training_mask(seen: Flags, rng: np.random.Generator) -> Flags:
    """Half of the patients miss single cells, the other half hours of some or all channels and a few cells too."""
    patients = len(seen)
    block = rng.random(patients) < 0.5
    share = np.where(block, _TRAINING_SHARES[0] / 2.0, rng.uniform(*_TRAINING_SHARES, patients))
    points = rng.random(seen.shape, np.float32) < share[:, None, None]
    channels = np.where(rng.random(patients) < _ALL_CHANNELS, 1.0, BLOCK_CHANNELS)
    lengths = rng.integers(*_TRAINING_BLOCKS_H, patients)
    return np.asarray(seen & (points | (block[:, None, None] & _blocks(seen.shape, lengths, channels, rng))))


def _blocks(shape: tuple[int, ...], lengths: object, channels: object, rng: np.random.Generator) -> Flags:
    size, share = np.asarray(lengths), np.asarray(channels)
    start = rng.integers(0, shape[1] - size + 1)[:, None, None]
    hour = np.arange(shape[1])[None, :, None]
    hit = rng.random((shape[0], 1, shape[2])) < share[:, None, None]
    return np.asarray((hour >= start) & (hour < start + size[:, None, None]) & hit)
