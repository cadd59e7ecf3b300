"""The forward pass of an imputer's network in NumPy: what training wrote, without the library that trained it.

Hours are mixed by dilated convolutions over time, variables by dense layers. A causal network's convolutions look back
only. A test holds the outputs equal to those that training stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from cds_app.twin.windows import Product, Singles

Weights = Mapping[str, Singles]
DILATIONS = (1, 3)
_NOTHING = 1e-5  # keeps the norm of a constant hour finite


class Correction(NamedTuple):
    """What is added to the base, and the log of the error's scale: (windows, hours, variables)."""

    delta: Singles
    log_scale: Singles


def encode(weights: Weights, features: Singles, product: Product) -> Singles:
    """From features (windows, hours, features) to what is believed of the latent state of each hour: its mean.

    How unsure of it the network is, is the other half of what it says, and used in training only.
    """
    h = features @ weights["in_w"] + weights["in_b"]
    for i, dilation in enumerate(DILATIONS):
        wide = _convolved(_normed(h, weights, i), weights[f"mix{i}_w"], dilation, product) + weights[f"mix{i}_b"]
        h = h + _silu(wide) @ weights[f"out{i}_w"] + weights[f"out{i}_b"]
    both = h @ weights["latent_w"] + weights["latent_b"]
    return np.asarray(both[..., : both.shape[-1] // 2], np.float32)


def decode(weights: Weights, latent: Singles, local: Singles) -> Correction:
    """From a latent state (windows, hours, size), and what is seen of the hour itself, to the correction.

    Parameters
    ----------
    local : ndarray of float32, shape (windows, hours, features + variables)
        Of `with_guess`.
    """
    h = _silu(latent @ weights["dec_w"] + local @ weights["see_w"] + weights["dec_b"])
    both = h @ weights["head_w"] + local @ weights["skip_w"] + weights["head_b"]
    size = both.shape[-1] // 2
    return Correction(both[..., :size], both[..., size:])


def _convolved(h: Singles, kernel: Singles, dilation: int, product: Product) -> Singles:
    """Three hours at a time; kernel (3 * width, wide): earliest hour first."""
    hours = h.shape[1]
    early, late = (2 * dilation, 0) if product == "causal" else (dilation, dilation)
    padded = np.pad(h, ((0, 0), (early, late), (0, 0)))
    taps = [padded[:, i * dilation : i * dilation + hours] for i in range(3)]
    return np.asarray(np.concatenate(taps, axis=2) @ kernel, np.float32)


def _normed(h: Singles, weights: Weights, i: int) -> Singles:
    centred = h - h.mean(axis=-1, keepdims=True)
    spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + np.float32(_NOTHING))
    return np.asarray(centred / spread * weights[f"norm{i}_g"] + weights[f"norm{i}_b"], np.float32)


def _silu(x: Singles) -> Singles:
    return np.asarray(x / (1.0 + np.exp(-np.maximum(x, np.float32(-80.0)))), np.float32)
