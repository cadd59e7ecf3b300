"""Tasks: windows with some cells hidden, and what the joint smoother makes of what is left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cds_app.domain.arrays import Flags, Ints
from cds_app.twin.joint import Joint
from cds_app.twin.windows import Product, Scale, Singles


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is asked, and of whom: arrays (windows, hours, variables), but for ``statics``.

    Parameters
    ----------
    truth, left : ndarray of float32
        Standardised, NaN where not measured; ``left`` without what is hidden.
    hidden : ndarray of bool
    guess : ndarray of float32
        What the joint smoother says, standardised; NaN in hours of which a causal product is not asked.
    statics : ndarray of float32, shape (windows, statics)
    """

    truth: Singles
    left: Singles
    hidden: Flags
    guess: Singles
    statics: Singles

    def of(self, chosen: Flags | Ints) -> Task:
        """Some of the windows."""
        return Task(
            truth=self.truth[chosen], left=self.left[chosen], hidden=self.hidden[chosen], guess=self.guess[chosen],
            statics=self.statics[chosen],
        )  # fmt: skip


def together(tasks: list[Task]) -> Task:
    """Several tasks as one."""
    return Task(**{name: np.concatenate([getattr(one, name) for one in tasks]) for name in Task.__slots__})


def task(values: Singles, statics: Singles, hidden: Flags, models: tuple[Scale, Joint], product: Product) -> Task:
    """Hide cells of windows and ask the joint smoother.

    Parameters
    ----------
    values : ndarray of float32, shape (windows, hours, variables)
        In the canonical unit, NaN where not measured.
    """
    scale, joint = models
    left = np.where(hidden, np.nan, values).astype(np.float32)
    if product == "causal":
        said = [joint.filtered(one, np.flatnonzero(asked.any(axis=1))) for one, asked in zip(left, hidden, strict=True)]
    else:
        said = [joint.smoothed(one) for one in left]
    return Task(
        truth=scale.to_z(values),
        left=scale.to_z(left),
        hidden=hidden,
        guess=scale.to_z(np.stack(said)),
        statics=statics,
    )
