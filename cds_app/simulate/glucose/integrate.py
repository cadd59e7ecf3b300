"""Fourth-order Runge-Kutta with a fixed step, for all draws at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cds_app.domain.arrays import Floats

Slope = Callable[[int, Floats, Floats], None]
"""Half steps from the start, state, and where the slope goes; inputs are looked up by half steps, exact integers."""


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
