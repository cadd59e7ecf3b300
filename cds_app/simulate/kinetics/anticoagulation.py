"""From S-warfarin to the INR: inhibited synthesis of clotting factors through a fast and a slow chain.

Hamberg, Clin Pharmacol Ther 2007;81:529-538. Six compartments at ``CHAIN_RATE_TIMES_MTT1 / MTT1`` each (the fast
factors) and one at ``1 / MTT2`` (the slow ones) start at 1; INR = BASE + INR_MAX (1 - A6 A7)^POWER.

The chains are linear, so that they are moved on exactly; only their input is taken to be a parabola within each step:
the one that is nearest in the mean square, found by Gauss's quadrature on every piece between two doses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, perm
from typing import Final

import numpy as np
from numpy.polynomial.legendre import leggauss, legvander

from cds_app.domain.arrays import Floats
from cds_app.simulate.kinetics.disposition import poisson

FAST: Final = 6
_NODES: Final = 3
SLOW: Final = FAST + _NODES
STEP_H: Final = 6.0
FIRST_STEP_H: Final = 3.0
FIRST_H: Final = 24.0
"""After the first dose, where a little drug inhibits much, steps are shorter for so long. Half of all steps changes no
INR at the end of one by 1 %, a third of the error of a measurement, and within one hardly any; a test holds that."""
CUT_H: Final = 0.25
"""Steps are cut within half of this of a dose: what is swallowed comes into the blood over more time than that."""
_ROWS: Final = 16
_DIGITS: Final = 9
_FEW: Final = 300
_NOTHING: Final = 1e-17
_TERMS: Final = 4
_TOUCHING_H: Final = 1e-9
_AT, _MASS = (0.5 * one.astype(np.float64) for one in leggauss(_NODES))
_AT += 0.5
_POWERS = np.linalg.inv(np.vander(1.0 - _AT, increasing=True))
"""Coefficients (powers of the time left in a step, nodes) of the parabola through values at the nodes of the step."""
_ENDS = np.vander([1.0, 0.0], _NODES, increasing=True) @ _POWERS
"""That parabola at the start and at the end of the step, (2, nodes)."""
_NEAREST = legvander(2.0 * _AT - 1.0, _NODES - 1) * (2.0 * np.arange(_NODES) + 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Equal steps."""

    from_h: float
    step_h: float
    count: int

    @property
    def ends_h(self) -> Floats:
        """End of every step."""
        return np.asarray(self.from_h + self.step_h * np.arange(1, self.count + 1))


def spans_of(start_h: float, first_h: float, end_h: float) -> tuple[Span, ...]:
    """Steps from an instant to a later one, with an edge at now; none where no time passes.

    Parameters
    ----------
    first_h : float
        The first dose.
    """
    if end_h - start_h <= _TOUCHING_H:
        return ()
    inside = (one for one in (first_h, first_h + FIRST_H, 0.0) if start_h + _TOUCHING_H < one < end_h - _TOUCHING_H)
    found: list[Span] = []
    for before, after in pairwise(sorted({start_h, *inside, end_h})):
        early = first_h - _TOUCHING_H <= before < first_h + FIRST_H - _TOUCHING_H
        found.extend(_cut(before, after, FIRST_STEP_H if early else STEP_H))
    return tuple(found)


def _cut(start_h: float, end_h: float, step_h: float) -> Iterator[Span]:
    """Whole steps, so that what comes every day comes at the same place in them; then what is left over."""
    count = floor((end_h - start_h + _TOUCHING_H) / step_h)
    rest_h = end_h - start_h - count * step_h
    if count:
        yield Span(from_h=start_h, step_h=step_h, count=count)
    if rest_h > _TOUCHING_H:
        yield Span(from_h=end_h - rest_h, step_h=rest_h, count=1)


class Mesh:
    """When the concentration is looked at: at the nodes of every piece of a step between two doses.

    Parameters
    ----------
    start_h : float
    spans : sequence of Span
        From the start on.
    doses_h : sequence of float
        When the concentration has a kink, in any order.
    """

    def __init__(self, start_h: float, spans: Sequence[Span], doses_h: Sequence[float]) -> None:
        self.spans = spans
        self.edges_h = np.concatenate([[start_h], *(one.ends_h for one in spans)])
        inside = np.array([one for one in doses_h if start_h < one < self.edges_h[-1]])
        before = self.edges_h[np.searchsorted(self.edges_h, inside) - 1]
        near = np.unique(
            np.round(before + CUT_H * np.round((inside - before) / CUT_H), _DIGITS)
        )  # few lengths of pieces
        nearest = np.abs(near[:, None] - self.edges_h).min(axis=1, initial=np.inf)
        cuts = np.sort(np.concatenate([self.edges_h, near[nearest > 2.0 * _TOUCHING_H]]))
        self.cuts_h = cuts.tolist()
        length = np.diff(cuts)
        nodes = cuts[:-1, None] + length[:, None] * _AT
        self.nodes_h = nodes.ravel()
        self._piece = np.searchsorted(cuts, self.edges_h).tolist()
        of = np.repeat(np.arange(len(self.edges_h) - 1), np.diff(self._piece))
        whole = np.diff(self.edges_h)[of]
        places = legvander((nodes - self.edges_h[of, None]) / (0.5 * whole[:, None]) - 1.0, _NODES - 1)
        self._shares = np.einsum("iq,pnq,n,p->pin", _NEAREST, places, _MASS, length / whole)

    def input_of(self, step: int, rows: Floats) -> Floats:
        """At the nodes of one step the parabola nearest to what rows (nodes, draws) say of all pieces."""
        first, end = self._piece[step], self._piece[step + 1]
        if end - first == 1:
            return rows[_NODES * first : _NODES * end]
        shares = np.concatenate(self._shares[first:end], axis=1)
        return np.asarray(np.einsum("in,nd->id", shares, rows[_NODES * first : _NODES * end]))

    def places(self, times_h: Floats) -> list[tuple[int, float]]:
        """In which step each time lies, and at which share of its length (1: its end); step -1 is the start."""
        step = np.searchsorted(self.edges_h, times_h - _TOUCHING_H) - 1
        length = np.diff(self.edges_h, append=np.inf)[step]
        share = np.divide(times_h - self.edges_h[step], length, out=np.ones_like(times_h), where=step >= 0)
        share[times_h > self.edges_h[step] + length - _TOUCHING_H] = 1.0
        return list(zip(step.tolist(), share.tolist(), strict=True))


class Factors:
    """How much is left of the clotting factors of every draw.

    Parameters
    ----------
    parameters : mapping of str to ndarray (draws,)
        ``MTT1``, ``MTT2`` (h), ``EC50`` (mg/L), ``BASE``.
    constants : mapping of str to float
        ``HILL``, ``POWER``, ``INR_MAX``, ``CHAIN_RATE_TIMES_MTT1``.
    left : ndarray (`SLOW` + 1, draws), optional
        As `left` of others was: without, nothing is used up.
    """

    def __init__(
        self, parameters: Mapping[str, Floats], constants: Mapping[str, float], left: Floats | None = None
    ) -> None:
        self._parameters = parameters
        self._constants = constants
        self._moves: dict[float, _Move] = {}
        self._left = np.ones((SLOW + 1, len(parameters["EC50"]))) if left is None else left.copy()

    @property
    def left(self) -> Floats:
        """How much is left now, (`SLOW` + 1, draws)."""
        return self._left

    def copy(self) -> Factors:
        """As they are now."""
        found = Factors(self._parameters, self._constants, self._left)
        found._moves = self._moves
        return found

    def follow(self, concentrations: Floats, mesh: Mesh, times_h: Floats) -> Floats:
        """Let time pass, step after step.

        Parameters
        ----------
        concentrations : ndarray (nodes, draws)
            S-warfarin, mg/L, at the nodes of the mesh.
        times_h : ndarray (times,)
            Ascending, from the start of the mesh to its end.

        Returns
        -------
        ndarray (times, draws)
            The INR.
        """
        synthesis = _synthesis(concentrations, self._parameters["EC50"], self._constants["HILL"])
        found = np.empty((len(times_h), self._left.shape[1]))
        places = mesh.places(times_h)
        row = sum(step < 0 for step, _ in places)
        np.multiply(self._left[0], self._left[SLOW], out=found[:row])
        step, spare = 0, np.empty_like(self._left)
        for span in mesh.spans:
            move = self._move(span.step_h)
            for _ in range(span.count):
                self._left[FAST:SLOW] = mesh.input_of(step, synthesis)
                move.on(self._left, spare)
                while row < len(places) and places[row][0] == step:
                    move.write(self._left, spare, places[row][1], found[row])
                    row += 1
                self._left, spare, step = spare, self._left, step + 1
        return self._inr(found)

    def _move(self, step_h: float) -> _Move:
        if step_h not in self._moves:
            self._moves[step_h] = _Move(self._parameters, self._constants, step_h)
        return self._moves[step_h]

    def _inr(self, found: Floats) -> Floats:
        """Of what is left of both kinds together; in its place."""
        for rows in _blocks(found):
            np.subtract(1.0, rows, out=rows)
            np.maximum(rows, 0.0, out=rows)  # rounding may leave -1e-16
            np.power(rows, self._constants["POWER"], out=rows)
            np.multiply(rows, self._constants["INR_MAX"], out=rows)
            np.add(rows, self._parameters["BASE"], out=rows)
        return found


class _Move:
    """What one length of time does to the factors.

    Those are held as `Factors` has them: the fast ones from the last to the first, their synthesis at the nodes of the
    step, the slow ones; so that what each comes from lies together.
    """

    def __init__(self, parameters: Mapping[str, Floats], constants: Mapping[str, float], step_h: float) -> None:
        self._fast = constants["CHAIN_RATE_TIMES_MTT1"] / parameters["MTT1"] * step_h
        self._slow = step_h / parameters["MTT2"]
        fast, slow = _through(self._fast, FAST), _through(self._slow, 1)
        enters = np.einsum("qn,qsd->snd", _POWERS, fast[1:])
        self._from = [np.concatenate([fast[0, : stage + 1], enters[stage]]) for stage in range(FAST)]
        self._from.append(np.concatenate([np.einsum("qn,qd->nd", _POWERS, slow[1:, 0]), slow[0]]))
        self._whole = self._padded() if len(self._slow) <= _FEW else None

    def _padded(self) -> Floats:
        """All factors from all, as they are held: one call, where a call costs more than its sums."""
        found = np.zeros((FAST + 1, SLOW + 1, len(self._slow)))
        for stage in range(FAST):
            found[FAST - 1 - stage, FAST - 1 - stage : SLOW] = self._from[stage]
        found[FAST, FAST:] = self._from[FAST]
        return found

    def on(self, now: Floats, after: Floats) -> None:
        """The factors after the step."""
        if self._whole is not None:
            found = np.einsum("ond,nd->od", self._whole, now)
            after[:FAST], after[SLOW] = found[:FAST], found[FAST]
            return
        for stage in range(FAST):
            rows = now[FAST - 1 - stage : SLOW]
            np.einsum("nd,nd->d", self._from[stage], rows, out=after[FAST - 1 - stage])
        np.einsum("nd,nd->d", self._from[FAST], now[FAST:], out=after[SLOW])

    def write(self, before: Floats, after: Floats, share: float, row: Floats) -> None:
        """What is left of both kinds together at a share of the step: by Hermite's cubic from both of its ends."""
        if share == 1.0:
            np.multiply(after[0], after[SLOW], out=row)
            return
        rest, (first, last) = 1.0 - share, _ENDS @ before[FAST:SLOW]
        row[:] = (1.0 + 2.0 * share) * rest * rest * before[0] * before[SLOW]
        row += share * rest * rest * self._slope(before, first)
        row += (1.0 + 2.0 * rest) * share * share * after[0] * after[SLOW]
        row -= share * share * rest * self._slope(after, last)

    def _slope(self, at: Floats, made: Floats) -> Floats:
        fast, slow = at[0], at[SLOW]
        return np.asarray(self._fast * (at[1] - fast) * slow + self._slow * (made - slow) * fast)


def _through(rate: Floats, stages: int) -> Floats:
    """What stays of a step's start in a chain, and what came in since: (1 + nodes, stages, draws).

    First, the share of what was in a stage that is so many stages on. Then means of t^q over when what entered t of a
    step ago has come through j stages, ``integral over 0 to 1 of rate^j t^(j - 1 + q) exp(-rate t) / (j - 1)! dt``:
    probabilities that more than so many events have happened, the rarest as a series, all of positive terms only.
    """
    exactly = poisson(rate, stages + _NODES)
    term = exactly[-1].copy()
    beyond, depth = term.copy(), stages + _NODES - 1
    while term.max() > _NOTHING:
        for _ in range(_TERMS):  # a few at once: looking costs as much as adding
            depth += 1
            term *= rate / depth
            beyond += term
    at_least = np.cumsum(np.concatenate([beyond[None], exactly[-2:0:-1]]), axis=0)[::-1]
    found = np.empty((1 + _NODES, stages, len(rate)))
    found[0] = exactly[:stages]
    power = np.ones_like(rate)
    for q in range(_NODES):
        for j in range(1, stages + 1):
            np.multiply(at_least[j + q - 1], perm(j - 1 + q, q) / power, out=found[1 + q, j - 1])
        power = power * rate
    return found


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
