"""From S-warfarin to the INR: inhibited synthesis of clotting factors through a fast and a slow chain.

Hamberg, Clin Pharmacol Ther 2007;81:529-538. Six compartments at ``CHAIN_RATE_TIMES_MTT1 / MTT1`` each (the fast
factors) and one at ``1 / MTT2`` (the slow ones) start at 1; INR = BASE + INR_MAX (1 - A6 A7)^POWER.

The chains are linear, so that they are moved on exactly; only their input is taken to be a parabola within each step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, factorial
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FAST: Final = 6
STEP_H: Final = 2.0
FIRST_STEP_H: Final = 1.0
FIRST_H: Final = 24.0
"""After the first dose, where a little drug inhibits much, steps are shorter for so long. Half of all steps changes no
INR by 1 %, a third of the error of a measurement; a test holds that."""
_ROWS: Final = 16
_NOTHING: Final = 1e-17
_TOUCHING_H: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Equal steps."""

    from_h: float
    step_h: float
    count: int

    @property
    def nodes_h(self) -> Floats:
        """Start, middle and end of every step."""
        return np.asarray(self.from_h + 0.5 * self.step_h * np.arange(2 * self.count + 1))

    @property
    def ends_h(self) -> Floats:
        """End of every step."""
        return self.nodes_h[2::2]


def spans_of(start_h: float, first_h: float, end_h: float) -> tuple[Span, ...]:
    """Steps from an instant to a later one, with an edge at now.

    Parameters
    ----------
    first_h : float
        The first dose.

    Returns
    -------
    tuple of Span
        At least one; where no time passes, one of no length.
    """
    if end_h - start_h <= _TOUCHING_H:
        return (Span(from_h=start_h, step_h=0.0, count=1),)
    inside = (one for one in (first_h, first_h + FIRST_H, 0.0) if start_h + _TOUCHING_H < one < end_h - _TOUCHING_H)
    found = []
    for before, after in pairwise(sorted({start_h, *inside, end_h})):
        early = first_h - _TOUCHING_H <= before < first_h + FIRST_H - _TOUCHING_H
        count = max(1, ceil((after - before) / (FIRST_STEP_H if early else STEP_H) - _TOUCHING_H))
        found.append(Span(from_h=before, step_h=(after - before) / count, count=count))
    return tuple(found)


def nodes_of(spans: Sequence[Span]) -> Floats:
    """Nodes of all spans, those between two of them twice."""
    return np.concatenate([one.nodes_h for one in spans])


class Factors:
    """How much is left of the clotting factors of every draw.

    Parameters
    ----------
    parameters : mapping of str to ndarray (draws,)
        ``MTT1``, ``MTT2`` (h), ``EC50`` (mg/L), ``BASE``.
    constants : mapping of str to float
        ``HILL``, ``POWER``, ``INR_MAX``, ``CHAIN_RATE_TIMES_MTT1``.
    """

    def __init__(self, parameters: Mapping[str, Floats], constants: Mapping[str, float]) -> None:
        self._parameters = parameters
        self._constants = constants
        self._left = np.ones((FAST + 1, len(parameters["EC50"])))

    def copy(self) -> Factors:
        """As they are now."""
        found = copy(self)
        found._left = self._left.copy()
        return found

    @property
    def inr(self) -> Floats:
        """Of now, (1, draws)."""
        return self._inr(self._left[FAST - 1 : FAST] * self._left[FAST])

    def follow(self, concentrations: Floats, spans: Sequence[Span]) -> Floats:
        """Let time pass, span after span.

        Parameters
        ----------
        concentrations : ndarray (nodes, draws)
            S-warfarin, mg/L, at `nodes_of` the spans.

        Returns
        -------
        ndarray (steps, draws)
            The INR at the end of every step.
        """
        synthesis = _synthesis(concentrations, self._parameters["EC50"], self._constants["HILL"])
        found = np.empty((sum(one.count for one in spans), self._left.shape[1]))
        node = row = 0
        for one in spans:
            nodes = 2 * one.count + 1
            self._step(synthesis[node : node + nodes], one.step_h, found[row : row + one.count])
            node, row = node + nodes, row + one.count
        return self._inr(found)

    def _step(self, synthesis: Floats, step_h: float, found: Floats) -> None:
        stays, first, middle, last = self._weights(step_h)
        now, after, part = self._left, np.empty_like(self._left), np.empty_like(self._left)
        for n, row in enumerate(found):
            np.multiply(first, synthesis[2 * n], out=after)
            for weight, value in ((middle, synthesis[2 * n + 1]), (last, synthesis[2 * n + 2])):
                after += np.multiply(weight, value, out=part)
            for stage in range(FAST):
                moved = part[: FAST - stage]
                after[stage:FAST] += np.multiply(stays[: FAST - stage], now[stage], out=moved)
            after[FAST] += np.multiply(stays[FAST], now[FAST], out=part[0])
            now, after = after, now
            np.multiply(now[FAST - 1], now[FAST], out=row)
        self._left = now

    def _weights(self, step_h: float) -> tuple[Floats, Floats, Floats, Floats]:
        """What moves on so many stages within a step, and what start, middle and end of the input add to each stage."""
        fast = self._constants["CHAIN_RATE_TIMES_MTT1"] / self._parameters["MTT1"] * step_h
        slow = step_h / self._parameters["MTT2"]
        stays = np.stack([*(fast**m * np.exp(-fast) / factorial(m) for m in range(FAST)), np.exp(-slow)])
        flat, linear, square = np.concatenate([_moments(fast, FAST), _moments(slow, 1)], axis=1)
        return stays, 2.0 * square - linear, 4.0 * (linear - square), flat - 3.0 * linear + 2.0 * square

    def _inr(self, left: Floats) -> Floats:
        found = np.subtract(1.0, left)
        for rows in _blocks(found):
            np.maximum(rows, 0.0, out=rows)  # rounding may leave -1e-16
            np.power(rows, self._constants["POWER"], out=rows)
            np.multiply(rows, self._constants["INR_MAX"], out=rows)
            np.add(rows, self._parameters["BASE"], out=rows)
        return found


def _moments(rate: Floats, stages: int) -> Floats:
    """Means of t^q over when what entered t of a step ago has come through j stages, (3, stages, draws).

    ``integral over 0 to 1 of rate^j t^(j - 1 + q) exp(-rate t) / (j - 1)! dt``, as a series of positive terms only.
    """
    pairs = [[(q, j) for j in range(1, stages + 1)] for q in range(3)]
    front = np.array([[factorial(j - 1 + q) / factorial(j - 1) / factorial(j + q) for q, j in row] for row in pairs])
    depth = np.array([[float(q + j) for q, j in row] for row in pairs])[:, :, None]
    term = front[:, :, None] * np.exp(-rate) * np.stack([rate**j for j in range(1, stages + 1)])
    found = term.copy()
    while term.max() > _NOTHING:
        depth += 1.0
        term *= rate / depth
        found += term
    return np.asarray(found)


def _blocks(rows: Floats) -> Iterator[Floats]:
    """Some rows at a time: as many as the nearest memory holds."""
    return (rows[first : first + _ROWS] for first in range(0, len(rows), _ROWS))


def _synthesis(concentration: Floats, ec50: Floats, hill: float) -> Floats:
    """Share of the synthesis that goes on: 1 / (1 + (concentration / EC50)^hill)."""
    found = np.maximum(concentration, 0.0)
    for rows in _blocks(found):
        np.divide(rows, ec50, out=rows)
        with np.errstate(divide="ignore"):  # of no drug: minus infinity, and nothing is inhibited
            np.log(rows, out=rows)
        np.multiply(rows, hill, out=rows)  # exp(n log x) is faster than x^n by a quarter, and the same to 15 digits
        np.exp(rows, out=rows)
        np.add(rows, 1.0, out=rows)
        np.reciprocal(rows, out=rows)
    return np.asarray(found)
