"""One interface to every model: a model, a patient's parameters, doses and times in; trajectories out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cds_app.domain.arrays import Floats
from cds_app.simulate.kinetics.anticoagulation import Factors, Mesh, spans_of
from cds_app.simulate.kinetics.courses import Course, Epoch, Structure, course
from cds_app.simulate.kinetics.models import Model
from cds_app.simulate.plans import Dose

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
    left : ndarray (rows, draws) or None
        Of an anticoagulant: what is left of the clotting factors at the last of the times.
    """

    times_h: Floats
    values: Floats
    unit: str
    area: Floats | None = None
    left: Floats | None = None


def simulate(
    model: Model, epochs: Sequence[Epoch], doses: Sequence[Dose], times_h: Floats, *, area: bool = False
) -> Trajectories:
    """What a model says of doses.

    Parameters
    ----------
    model : Model
    epochs : sequence of Epoch
        Individual parameters from `cds_app.simulate.kinetics.individual.parameters`, ascending in time. The response to
        an anticoagulant uses those of the last epoch throughout.
    doses : sequence of Dose
        History and plan together.
    times_h : ndarray (times,)
        Ascending.
    area : bool
        Whether the area under the curve is wanted, where the model's value is a plasma concentration.
    """
    given = _entering(doses, model)
    structure = Structure(
        compartments=model.file.compartments,
        steps=model.file.absorption_steps,
        effect=model.file.response == "effect-site",
    )
    if model.file.response == "hamberg-inr":
        return _anticoagulated(model, structure, epochs, given, np.asarray(times_h, np.float64))
    found = course(structure, epochs, given, times_h, area=area)
    return _scaled(found, model.file.concentration_per_mg_l, model.file.concentration_unit)


def plasma(
    model: Model, epochs: Sequence[Epoch], doses: Sequence[Dose], times_h: Floats, *, marks_h: Sequence[float] = ()
) -> Trajectories:
    """The plasma concentration, also of models whose value is an effect; in mg/L times the model's factor.

    Parameters
    ----------
    marks_h : sequence of float
        As for `cds_app.simulate.kinetics.courses.course`.
    """
    structure = Structure(compartments=model.file.compartments, steps=model.file.absorption_steps)
    found = course(structure, epochs, _entering(doses, model), times_h, marks_h=marks_h)
    return _scaled(found, model.file.concentration_per_mg_l, "mg/L")


def _entering(doses: Sequence[Dose], model: Model) -> tuple[Dose, ...]:
    """What of each dose the model is about (half of racemic warfarin), from when what is swallowed is absorbed."""
    fraction, lag_h = model.file.dose_fraction, model.file.lag_h
    if fraction == 1.0 and not lag_h:
        return tuple(doses)
    return tuple(
        Dose(
            at_h=one.at_h + lag_h if one.route == "oral" else one.at_h,
            amount_mg=one.amount_mg * fraction,
            over_h=one.over_h,
            route=one.route,
        )
        for one in doses
    )


def _scaled(found: Course, factor: float, unit: str) -> Trajectories:
    if factor == 1.0:
        return Trajectories(times_h=found.times_h, values=found.values, unit=unit, area=found.area)
    area = None if found.area is None else found.area * factor
    return Trajectories(times_h=found.times_h, values=found.values * factor, unit=unit, area=area)


def _anticoagulated(
    model: Model, structure: Structure, epochs: Sequence[Epoch], doses: Sequence[Dose], times_h: Floats
) -> Trajectories:
    first = min((one.at_h for one in doses), default=float(times_h[0]))
    start_h, end_h = min(float(times_h[0]), first), max(float(times_h[-1]), first)
    mesh = Mesh(start_h, spans_of(start_h, first, end_h), [one.at_h for one in doses])
    values = np.empty((len(times_h), len(epochs[0].parameters["CL"])))
    left = []
    for some in blocks(values.shape[1]):
        block = [only(one, some) for one in epochs]
        levels = course(structure, block, doses, mesh.nodes_h, marks_h=mesh.cuts_h).values.T
        factors = Factors(block[-1].parameters, model.file.constants)
        values[:, some] = factors.follow(levels, mesh, times_h)
        left.append(factors.left)
    unit = model.file.concentration_unit
    return Trajectories(times_h=times_h, values=values.T, unit=unit, left=np.concatenate(left, axis=1))


def blocks(draws: int) -> Iterator[slice]:
    """Some draws at a time."""
    return (slice(first, min(first + _BLOCK, draws)) for first in range(0, draws, _BLOCK))


def only(epoch: Epoch, some: slice) -> Epoch:
    """Some of the draws."""
    return Epoch(from_h=epoch.from_h, parameters={name: one[some] for name, one in epoch.parameters.items()})
