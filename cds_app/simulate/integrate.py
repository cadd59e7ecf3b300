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
    stepper = Stepper(now)
    kept = keep(now)
    found = np.empty((count + 1, *kept.shape))
    found[0] = kept
    for n in range(count):
        stepper.step(slope, 2 * n, now, step)
        found[n + 1] = keep(now)
    return found


class Stepper:
    """Room for one step after the other."""

    def __init__(self, like: Floats) -> None:
        self._first, self._second, self._third, self._fourth, self._between = (np.empty_like(like) for _ in range(5))

    def step(self, slope: Slope, half: int, now: Floats, step: float) -> None:
        """Move a state on by one step, in place; ``half``: half steps from the start."""
        slope(half, now, self._first)
        slope(half + 1, self._moved(now, self._first, 0.5 * step), self._second)
        slope(half + 1, self._moved(now, self._second, 0.5 * step), self._third)
        slope(half + 2, self._moved(now, self._third, step), self._fourth)
        self._second += self._third
        self._second *= 2.0
        self._second += self._first
        self._second += self._fourth
        self._second *= step / 6.0
        now += self._second

    def _moved(self, state: Floats, slope: Floats, by: float) -> Floats:
        np.multiply(slope, by, out=self._between)
        self._between += state
        return self._between


def compare(whole: Floats, halved: Floats) -> Halving:
    """How far two answers at the same times are apart, relative to the greater of each."""
    apart = np.abs(whole - halved)
    scale = np.maximum(np.maximum(np.abs(whole), np.abs(halved)), np.finfo(np.float64).tiny)
    return Halving(absolute=float(apart.max(initial=0.0)), relative=float((apart / scale).max(initial=0.0)))
