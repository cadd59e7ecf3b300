"""One interface to every model: a model, a patient's parameters, doses and times in; trajectories out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cds_app.simulate.anticoagulation import STEP_H, inr_course
from cds_app.simulate.courses import Course, Epoch, Structure, course
from cds_app.simulate.models import Model
from cds_app.simulate.plans import Dose

Floats = NDArray[np.float64]
_BLOCK: Final = 2000  # draws at a time: what a question usually asks, and no more memory than that


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectories:
    """What was simulated.

    Parameters
    ----------
    times_h : ndarray (times,)
        Hours from now.
    values : ndarray (draws, times)
        In the unit of the model (``mg/L``, ``ng/mL``, ``INR``); at the instant of a dose, just before it.
    unit : str
    area : ndarray (draws, times) or None
        Area under the plasma concentration since the first event, unit times hours.
    """

    times_h: Floats
    values: Floats
    unit: str
    area: Floats | None = None


def simulate(
    model: Model, epochs: Sequence[Epoch], doses: Sequence[Dose], times_h: Floats, *, area: bool = False
) -> Trajectories:
    """What a model says of doses.

    Parameters
    ----------
    model : Model
    epochs : sequence of Epoch
        Individual parameters from `cds_app.simulate.individual.parameters`, ascending in time. The response to an
        anticoagulant uses those of the last epoch throughout.
    doses : sequence of Dose
        History and plan together.
    times_h : ndarray (times,)
        Ascending.
    area : bool
        Whether the area under the curve is wanted, where the model's value is a plasma concentration.
    """
    given = _part(doses, model.file.dose_fraction)
    structure = Structure(compartments=model.file.compartments, steps=model.file.absorption_steps)
    if model.file.response == "hamberg-inr":
        return _anticoagulated(model, structure, epochs, given, np.asarray(times_h, np.float64))
    effect = model.file.response == "effect-site"
    found = course(structure, epochs, given, times_h, watched="effect" if effect else "central", area=area)
    return _scaled(found, model.file.concentration_per_mg_l, model.file.concentration_unit)


def plasma(model: Model, epochs: Sequence[Epoch], doses: Sequence[Dose], times_h: Floats) -> Trajectories:
    """The plasma concentration, also of models whose value is an effect; in mg/L times the model's factor."""
    structure = Structure(compartments=model.file.compartments, steps=model.file.absorption_steps)
    found = course(structure, epochs, _part(doses, model.file.dose_fraction), times_h, area=True)
    return _scaled(found, model.file.concentration_per_mg_l, "mg/L")


def _part(doses: Sequence[Dose], fraction: float) -> tuple[Dose, ...]:
    """What of each dose the model is about: half of racemic warfarin."""
    if fraction == 1.0:
        return tuple(doses)
    return tuple(
        Dose(at_h=one.at_h, amount_mg=one.amount_mg * fraction, over_h=one.over_h, route=one.route) for one in doses
    )


def _scaled(found: Course, factor: float, unit: str) -> Trajectories:
    if factor == 1.0:
        return Trajectories(times_h=found.times_h, values=found.values, unit=unit, area=found.area)
    area = None if found.area is None else found.area * factor
    return Trajectories(times_h=found.times_h, values=found.values * factor, unit=unit, area=area)


def _anticoagulated(
    model: Model, structure: Structure, epochs: Sequence[Epoch], doses: Sequence[Dose], times_h: Floats
) -> Trajectories:
    """On a grid of whole steps from the first dose; between two of them the INR is taken to be straight."""
    start = min([float(times_h[0]), *(one.at_h for one in doses)])
    count = max(1, ceil((float(times_h[-1]) - start) / STEP_H))
    halves: Floats = start + 0.5 * STEP_H * np.arange(2 * count + 1, dtype=np.float64)
    at = (times_h - start) / STEP_H
    below = np.minimum(at.astype(np.int64), count - 1)
    share = at - below
    values = np.empty((len(epochs[0].parameters["CL"]), len(times_h)))
    for first in range(0, len(values), _BLOCK):
        some = slice(first, first + _BLOCK)
        block = [_only(one, some) for one in epochs]
        levels = course(structure, block, doses, halves).values
        inr = inr_course(levels, block[-1].parameters, model.file.constants)
        values[some] = inr[:, below] * (1.0 - share) + inr[:, below + 1] * share
    return Trajectories(times_h=times_h, values=values, unit=model.file.concentration_unit)


def _only(epoch: Epoch, some: slice) -> Epoch:
    """Some of the draws."""
    return Epoch(from_h=epoch.from_h, parameters={name: one[some] for name, one in epoch.parameters.items()})
