"""Fourth-order Runge-Kutta with a fixed step, for all draws at once, and how far half the step moves the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Slope = Callable[[int, Floats], Floats]
"""(half step counted from the start, state) -> slope; inputs are looked up by half steps, which are exact integers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Halving:
    """What half the step changed.

    Parameters
    ----------
    absolute, relative : float
        Greatest difference between the answers at the same times.
    """

    absolute: float
    relative: float


def march(slope: Slope, state: Floats, *, step: float, count: int) -> Floats:
    """States at every step.

    Parameters
    ----------
    slope : callable
    state : ndarray (states, draws)
        At the start; not changed.
    step : float
        Length of a step.
    count : int
        How many steps.

    Returns
    -------
    ndarray (count + 1, states, draws)
        The first is the start.
    """
    found = np.empty((count + 1, *state.shape))
    found[0] = state
    for n in range(count):
        now = found[n]
        first = slope(2 * n, now)
        second = slope(2 * n + 1, now + 0.5 * step * first)
        third = slope(2 * n + 1, now + 0.5 * step * second)
        fourth = slope(2 * n + 2, now + step * third)
        found[n + 1] = now + step / 6.0 * (first + 2.0 * (second + third) + fourth)
    return found


def compare(whole: Floats, halved: Floats) -> Halving:
    """How far two answers at the same times are apart, relative to the greater of each."""
    apart = np.abs(whole - halved)
    scale = np.maximum(np.maximum(np.abs(whole), np.abs(halved)), np.finfo(np.float64).tiny)
    return Halving(absolute=float(apart.max(initial=0.0)), relative=float((apart / scale).max(initial=0.0)))
