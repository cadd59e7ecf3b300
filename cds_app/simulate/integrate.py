"""Fourth-order Runge-Kutta with a fixed step, for all draws at once, and how far half the step moves the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Slope = Callable[[int, Floats, Floats], None]
"""Half steps from the start, state, and where the slope goes; inputs are looked up by half steps, exact integers."""
Keep = Callable[[Floats], Floats]


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


def march(slope: Slope, state: Floats, keep: Keep, *, step: float, count: int) -> Floats:
    """What is kept of the state at every step.

    Parameters
    ----------
    slope : callable
    state : ndarray (states, draws)
        At the start; not changed.
    keep : callable
        What is kept of a state, (kept, draws).
    step : float
        Length of a step.
    count : int
        How many steps.

    Returns
    -------
    ndarray (count + 1, kept, draws)
        The first is the start.
    """
    now = np.array(state, np.float64)
    first, second, third, fourth, between = (np.empty_like(now) for _ in range(5))
    kept = keep(now)
    found = np.empty((count + 1, *kept.shape))
    found[0] = kept
    for n in range(count):
        slope(2 * n, now, first)
        _moved(now, first, 0.5 * step, between)
        slope(2 * n + 1, between, second)
        _moved(now, second, 0.5 * step, between)
        slope(2 * n + 1, between, third)
        _moved(now, third, step, between)
        slope(2 * n + 2, between, fourth)
        second += third
        second *= 2.0
        second += first
        second += fourth
        second *= step / 6.0
        now += second
        found[n + 1] = keep(now)
    return found


def _moved(state: Floats, slope: Floats, by: float, into: Floats) -> None:
    np.multiply(slope, by, out=into)
    into += state


def compare(whole: Floats, halved: Floats) -> Halving:
    """How far two answers at the same times are apart, relative to the greater of each."""
    apart = np.abs(whole - halved)
    scale = np.maximum(np.maximum(np.abs(whole), np.abs(halved)), np.finfo(np.float64).tiny)
    return Halving(absolute=float(apart.max(initial=0.0)), relative=float((apart / scale).max(initial=0.0)))
