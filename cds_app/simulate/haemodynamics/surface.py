"""The steady circulation without beating: a response surface fitted to the beating model, within stated errors.

Why: thirty minutes in 1 ms steps are 1.8 million steps; drugs, bleeding and the slow reflex arms (lags of 7 to 19 s)
move over many beats, while the circulation itself settles within a few. So the beating model is replaced by what it
settles to.

How: without reflex the steady state depends on six numbers only. Blood volume and the venous zero-pressure volume act
through their difference, the stressed volume; with it go peripheral resistance, heart rate, left and right systolic
compliance and arterial compliance. The beating model (``tests/beating.py``) was run over a Latin hypercube of these
six, in the square root of the (offset) stressed volume and the logarithm of the others, each scaled to -1 to 1;
polynomials of the total degree 5 (462 terms) were fitted by least squares to the logarithms of mean pressure, output,
pulse pressure and end-diastolic volume and to central venous and wedge pressure. The error was measured on points that
were not fitted, is stored with the coefficients, and may not exceed 3 % of mean pressure anywhere in the range. Outside
the range there is no answer: `States.outside` says so by draw, and nothing is clamped.

Size: a body with s times the reference's blood volume, all volumes and compliances s-fold and all resistances 1/s-fold,
has the same pressures and s-fold flows. The surface therefore works in the reference adult's size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cds_app.domain.arrays import Flags, Floats

INPUTS: Final = ("stressed_volume", "resistance", "heart_rate", "lv_systolic", "rv_systolic", "arterial_compliance")
OUTPUTS: Final = ("mean_pressure", "output", "pulse_pressure", "end_diastolic", "central_venous", "wedge")
LOGARITHMIC: Final = 4  # so many of the outputs, from the first, are fitted as logarithms
OFFSET_ML: Final = 264.0  # to the stressed volume before its square root is taken
_BLOCK: Final = 80
"""Draws at a time: so few that the linear algebra library starts no threads, which would cost more than the product."""


@dataclass(frozen=True, slots=True, kw_only=True)
class States:
    """Steady states by draw: mmHg, mL/s, mL; and which draws the surface does not answer for.

    Parameters
    ----------
    outside : array of bool
        An input or the mean pressure is out of range: the other numbers of that draw mean nothing.
    """

    mean_pressure: Floats
    output: Floats
    pulse_pressure: Floats
    end_diastolic: Floats
    central_venous: Floats
    wedge: Floats
    outside: Flags


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surface:
    """Polynomials over a box.

    Parameters
    ----------
    low, high : array of float, (6,)
        Limits of `INPUTS` in their units (mL, mmHg s/mL, 1/min, mL/mmHg).
    least_mmhg, most_mmhg : float
        Mean pressures that are answered for.
    coefficients : array of float, (6, terms)
        By output.
    """

    low: Floats
    high: Floats
    least_mmhg: float
    most_mmhg: float
    coefficients: Floats
    _levels: tuple[tuple[slice, NDArray[np.intp], NDArray[np.intp]], ...]

    def states(self, inputs: Floats) -> States:
        """Steady states of draws: ``inputs`` is (6, draws) in the order of `INPUTS`."""
        boxed = np.all((inputs >= self.low[:, None]) & (inputs <= self.high[:, None]), axis=0)
        inside = np.where(boxed, inputs, self._middle)
        z = scaled(inside, self.low, self.high)
        blocks = [terms(z[:, at : at + _BLOCK], self._levels) for at in range(0, z.shape[1], _BLOCK)]
        found = np.concatenate([self.coefficients @ block for block in blocks], axis=1)
        found[:LOGARITHMIC] = np.exp(found[:LOGARITHMIC])
        answered = boxed & (found[0] >= self.least_mmhg) & (found[0] <= self.most_mmhg)
        return States(**dict(zip(OUTPUTS, found, strict=True)), outside=~answered)

    @property
    def _middle(self) -> Floats:
        return (0.5 * (self.low + self.high))[:, None]


def surface_of(entry: Mapping[str, Any]) -> Surface:
    """Read ``surface.json``."""
    return Surface(
        low=np.array([entry["range"][name][0] for name in INPUTS]),
        high=np.array([entry["range"][name][1] for name in INPUTS]),
        least_mmhg=float(entry["mean_pressure_mmhg"][0]),
        most_mmhg=float(entry["mean_pressure_mmhg"][1]),
        coefficients=np.array([entry["coefficients"][name] for name in OUTPUTS]),
        _levels=levels(int(entry["degree"])),
    )


def scaled(inputs: Floats, low: Floats, high: Floats) -> Floats:
    """Inputs (6, draws) on the scale of the polynomials: -1 at ``low`` and 1 at ``high``."""

    def bent(rows: Floats) -> Floats:
        return np.vstack([np.sqrt(rows[:1] + OFFSET_ML), np.log(rows[1:])])

    first, last = bent(low[:, None]), bent(high[:, None])
    return 2.0 * (bent(inputs) - first) / (last - first) - 1.0


def levels(degree: int) -> tuple[tuple[slice, NDArray[np.intp], NDArray[np.intp]], ...]:
    """How each monomial comes from one of a degree less: rows, their parents, and the input to multiply with."""
    place: dict[tuple[int, ...], int] = {(): 0}
    found = []
    for order in range(1, degree + 1):
        named = list(combinations_with_replacement(range(len(INPUTS)), order))
        rows = slice(len(place), len(place) + len(named))
        parents = np.array([place[one[:-1]] for one in named])
        place |= {one: rows.start + at for at, one in enumerate(named)}
        found.append((rows, parents, np.array([one[-1] for one in named])))
    return tuple(found)


def terms(z: Floats, by_level: tuple[tuple[slice, NDArray[np.intp], NDArray[np.intp]], ...]) -> Floats:
    """All monomials (terms, draws) of the scaled inputs."""
    found = np.empty((by_level[-1][0].stop, z.shape[1]))
    found[0] = 1.0
    for rows, parents, inputs in by_level:
        np.multiply(found[parents], z[inputs], out=found[rows])
    return found
