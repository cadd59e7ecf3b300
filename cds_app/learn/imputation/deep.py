"""Train the two deep imputers, a VAE and a GAN; the one place that knows torch (extra ``deep``).

Both are zero-initialised corrections of the joint smoother (in filtering, of its forward half): before the first step
they are the smoother, exactly. Their forward pass is that of `cds_app.twin.network`, written once more for gradients.

Sources: Kingma DP, Welling M, arXiv:1312.6114 (VAE); Yoon J et al., GAIN, arXiv:1806.02920 (generator, discriminator
and hint over masks).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from cds_app.learn.imputation.tasks import Task
from cds_app.twin.network import DILATIONS
from cds_app.twin.windows import Product, Singles, inputs, neighbours, with_guess

Kind = Literal["vae", "gan"]
Tensors = dict[str, Any]
KINDS: tuple[Kind, ...] = ("vae", "gan")
_LATENT = 48
_DECODER = 128
_NOISE_SD = 0.1  # of the generator's noise in the latent state
_PRIOR_WEIGHT = 2e-4
_ADVERSARY_WEIGHT = 0.05
_HINT = 0.9  # of the mask that the discriminator is told
_L1_WEIGHT = 2.0
_CRITIC_WIDTH = 96
_CLIP = 1.0
_WARM = 0.08  # of the steps, before the rate falls along a cosine


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is trained.

    Parameters
    ----------
    width, wide : int
        Of an hour's state, and inside its blocks.
    rate : float
        Highest learning rate.
    """

    width: int = 64
    wide: int = 96
    epochs: int = 6
    batch: int = 64
    rate: float = 3e-3
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a step sees and is asked: tensors (patients, hours, ...)."""

    features: Any
    local: Any
    guess: Any
    truth: Any
    hidden: Any
    seen: Any


def train(kind: Kind, product: Product, tasks: Task, recipe: Recipe) -> dict[str, Singles]:
    """Weights of one network, as `cds_app.twin.network` reads them.

    Parameters
    ----------
    tasks : Task
        Of the patients to fit, several masks of each.
    """
    rng = np.random.default_rng(recipe.seed)
    _repeatable(recipe.seed)
    batches = _batches(tasks, product, recipe, rng)
    steps = recipe.epochs * (len(tasks.left) // recipe.batch)
    first = next(batches)
    weights = initial(first.features.shape[-1], tasks.left.shape[2], recipe)
    critic = _critic(tasks.left.shape[2]) if kind == "gan" else {}
    optimiser = torch.optim.AdamW(list(weights.values()), lr=recipe.rate, weight_decay=1e-3)
    against = torch.optim.Adam(list(critic.values()), lr=recipe.rate / 4) if critic else None
    for step, batch in enumerate(batches):
        if step == steps:
            break
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * _pace(step / steps)
        loss, made = _loss(kind, weights, batch, product)
        if against is not None:
            loss = loss + _ADVERSARY_WEIGHT * _fooled(critic, batch, made)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(weights.values()), _CLIP)
        optimiser.step()
        if against is not None:
            against.zero_grad()
            _told_apart(critic, batch, made.detach()).backward()
            against.step()
    return {name: one.detach().numpy().astype(np.float32) for name, one in weights.items()}


def _repeatable(seed: int) -> None:
    """The same seed gives the same weights, to the bit, on one kind of processor."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    torch.manual_seed(seed)


def initial(features: int, variables: int, recipe: Recipe) -> Tensors:
    """Weights before the first step: every correction is 0."""
    shapes = {"in": (features, recipe.width), "latent": (recipe.width, 2 * _LATENT), "dec": (_LATENT, _DECODER)}
    found: Tensors = {}
    for name, (rows, columns) in shapes.items():
        found |= _dense(name, rows, columns)
    for i in range(len(DILATIONS)):
        found |= _dense(f"mix{i}", 3 * recipe.width, recipe.wide) | _dense(f"out{i}", recipe.wide, recipe.width, 0.3)
        found |= {f"norm{i}_g": torch.ones(recipe.width), f"norm{i}_b": torch.zeros(recipe.width)}
    local = features + variables
    found |= {"see_w": torch.randn(local, _DECODER) * (0.5 / local**0.5), "skip_w": torch.zeros(local, 2 * variables)}
    found |= {"head_w": torch.zeros(_DECODER, 2 * variables), "head_b": torch.zeros(2 * variables)}
    return {name: one.requires_grad_() for name, one in found.items()}


def _dense(name: str, rows: int, columns: int, gain: float = 1.0) -> Tensors:
    return {f"{name}_w": torch.randn(rows, columns) * (gain / rows**0.5), f"{name}_b": torch.zeros(columns)}


def _batches(tasks: Task, product: Product, recipe: Recipe, rng: np.random.Generator) -> Iterator[Batch]:
    while True:
        order = rng.permutation(len(tasks.left))
        for at in range(0, len(order) - recipe.batch + 1, recipe.batch):
            yield batch_of(tasks.of(order[at : at + recipe.batch]), product)


def batch_of(tasks: Task, product: Product) -> Batch:
    """Windows with some cells hidden, as the network sees them, and what was hidden."""
    near = neighbours(tasks.left)
    features = inputs(tasks.left, near, tasks.statics, product)
    return Batch(
        features=torch.from_numpy(features),
        local=torch.from_numpy(with_guess(features, tasks.guess, near, product)),
        guess=torch.from_numpy(np.nan_to_num(tasks.guess)),
        truth=torch.from_numpy(np.nan_to_num(tasks.truth)),
        hidden=torch.from_numpy(tasks.hidden.astype(np.float32)),
        seen=torch.from_numpy(np.isfinite(tasks.truth).astype(np.float32)),
    )


def encode(weights: Tensors, features: Any, product: Product) -> tuple[Any, Any]:
    """`cds_app.twin.network.encode`, with gradients."""
    h = features @ weights["in_w"] + weights["in_b"]
    for i, dilation in enumerate(DILATIONS):
        early, late = (2 * dilation, 0) if product == "causal" else (dilation, dilation)
        width = (h.shape[-1],)
        normed = torch.nn.functional.layer_norm(h, width, weights[f"norm{i}_g"], weights[f"norm{i}_b"])
        padded = torch.nn.functional.pad(normed, (0, 0, early, late))
        taps = [padded[:, j * dilation : j * dilation + h.shape[1]] for j in range(3)]
        wide = torch.cat(taps, 2) @ weights[f"mix{i}_w"] + weights[f"mix{i}_b"]
        h = h + torch.nn.functional.silu(wide) @ weights[f"out{i}_w"] + weights[f"out{i}_b"]
    mean, log_sd = (h @ weights["latent_w"] + weights["latent_b"]).chunk(2, -1)
    return mean, log_sd


def decode(weights: Tensors, latent: Any, local: Any) -> tuple[Any, Any]:
    """`cds_app.twin.network.decode`, with gradients."""
    h = torch.nn.functional.silu(latent @ weights["dec_w"] + local @ weights["see_w"] + weights["dec_b"])
    delta, log_scale = (h @ weights["head_w"] + local @ weights["skip_w"] + weights["head_b"]).chunk(2, -1)
    return delta, log_scale


def _loss(kind: Kind, weights: Tensors, batch: Batch, product: Product) -> tuple[Any, Any]:
    """Absolute error and Laplace likelihood of what was hidden; of a VAE also the distance from its prior."""
    mean, log_sd = encode(weights, batch.features, product)
    bounded = log_sd.clamp(-6.0, 2.0)
    spread = bounded.exp() if kind == "vae" else torch.full_like(mean, _NOISE_SD)
    delta, log_scale = decode(weights, mean + spread * torch.randn_like(mean), batch.local)
    made = batch.guess + delta
    error, size = (made - batch.truth).abs(), log_scale.clamp(-4.0, 4.0)
    asked = batch.hidden.sum().clamp(min=1.0)
    loss = ((_L1_WEIGHT * error + error * (-size).exp() + size) * batch.hidden).sum() / asked
    if kind == "vae":
        prior = 0.5 * (mean**2 + (2.0 * bounded).exp() - 1.0 - 2.0 * bounded).sum(-1).mean()
        loss = loss + _PRIOR_WEIGHT * prior
    return loss, made


def _pace(done: float) -> float:
    if done < _WARM:
        return done / _WARM + 1e-3
    return 0.5 * (1.0 + float(np.cos(np.pi * (done - _WARM) / (1.0 - _WARM)))) + 1e-3


def _critic(variables: int) -> Tensors:
    found = _dense("c_in", 3 * 2 * variables, _CRITIC_WIDTH) | _dense("c_out", _CRITIC_WIDTH, variables)
    return {name: one.requires_grad_() for name, one in found.items()}


def _judged(critic: Tensors, batch: Batch, made: Any) -> tuple[Any, Any, Any]:
    """The discriminator's logits per cell, what is true of each, and which cells it was not told."""
    shown = batch.seen - batch.hidden
    complete = shown * batch.truth + batch.hidden * made
    told = (torch.rand_like(shown) < _HINT).float()
    seen = torch.cat([torch.asinh(complete), told * shown + 0.5 * (1.0 - told)], 2)
    padded = torch.nn.functional.pad(seen, (0, 0, 1, 1))
    hours = seen.shape[1]
    wide = torch.cat([padded[:, i : i + hours] for i in range(3)], 2) @ critic["c_in_w"] + critic["c_in_b"]
    logits = torch.nn.functional.silu(wide) @ critic["c_out_w"] + critic["c_out_b"]
    return logits, shown, (1.0 - told) * batch.seen


def _fooled(critic: Tensors, batch: Batch, made: Any) -> Any:
    """How well the discriminator sees through what was made, for the generator to lower."""
    logits, _, asked = _judged(critic, batch, made)
    cells = asked * batch.hidden
    return (torch.nn.functional.softplus(-logits) * cells).sum() / cells.sum().clamp(min=1.0)


def _told_apart(critic: Tensors, batch: Batch, made: Any) -> Any:
    logits, shown, asked = _judged(critic, batch, made)
    each = torch.nn.functional.binary_cross_entropy_with_logits(logits, shown, reduction="none")
    return (each * asked).sum() / asked.sum().clamp(min=1.0)


def outputs(
    weights: Mapping[str, Singles], features: Singles, local: Singles, product: Product
) -> tuple[Singles, Singles]:
    """Correction and log scale of trained weights, computed by torch: what the NumPy forward pass must equal."""
    tensors = {name: torch.from_numpy(one) for name, one in weights.items()}
    with torch.no_grad():
        mean, _ = encode(tensors, torch.from_numpy(features), product)
        delta, log_scale = decode(tensors, mean, torch.from_numpy(local))
    return delta.numpy(), log_scale.numpy()
