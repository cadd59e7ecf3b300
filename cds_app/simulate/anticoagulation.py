"""From S-warfarin to the INR: inhibited synthesis of clotting factors through a fast and a slow chain.

Hamberg, Clin Pharmacol Ther 2007;81:529-538. Six compartments at ``CHAIN_RATE_TIMES_MTT1 / MTT1`` each (the fast
factors) and one at ``1 / MTT2`` (the slow ones) start at 1; INR = BASE + INR_MAX (1 - A6 A7)^POWER.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cds_app.simulate.integrate import march

Floats = NDArray[np.float64]
FAST: Final = 6
_ROWS: Final = 16
STEP_H: Final = 1.0
"""Half of it changes no INR by 0.5 %, a sixth of the error of a measurement; a test holds that."""


def inr_course(
    concentrations: Floats, parameters: Mapping[str, Floats], constants: Mapping[str, float], *, step_h: float = STEP_H
) -> Floats:
    """The INR at every whole step.

    Parameters
    ----------
    concentrations : ndarray (draws, 2 steps + 1)
        S-warfarin, mg/L, at every half step.
    parameters : mapping of str to ndarray (draws,)
        ``MTT1``, ``MTT2`` (h), ``EC50`` (mg/L), ``BASE``.
    constants : mapping of str to float
        ``HILL``, ``POWER``, ``INR_MAX``, ``CHAIN_RATE_TIMES_MTT1``.

    Returns
    -------
    ndarray (draws, steps + 1)
    """
    synthesis = _synthesis(concentrations.T, parameters["EC50"], constants["HILL"])
    fast = constants["CHAIN_RATE_TIMES_MTT1"] / parameters["MTT1"]
    rates = np.stack([*([fast] * FAST), 1.0 / parameters["MTT2"]])

    def slope(half: int, state: Floats, into: Floats) -> None:
        into[0] = into[FAST] = synthesis[half]
        into[1:FAST] = state[: FAST - 1]
        into -= state
        into *= rates

    def left(state: Floats) -> Floats:
        return np.asarray(state[FAST - 1] * state[FAST])

    factors = march(slope, np.ones_like(rates), left, step=step_h, count=(len(synthesis) - 1) // 2)
    for rows in _blocks(factors):
        np.subtract(1.0, rows, out=rows)
        np.maximum(rows, 0.0, out=rows)  # rounding may leave -1e-16
        np.power(rows, constants["POWER"], out=rows)
        np.multiply(rows, constants["INR_MAX"], out=rows)
        np.add(rows, parameters["BASE"], out=rows)
    return np.asarray(factors.T)


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
