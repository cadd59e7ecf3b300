"""Many plans for the same virtual patients: what is linear is simulated once and added up.

A concentration is the sum of what the doses given leave and of what the plan adds, and the latter grows with the dose:
plans that differ in nothing but the dose share one simulation. An anticoagulant's effect is not linear: it is simulated
for each plan on its own, but only from now on. A draw that fits the levels well stands several times in a sample: it is
simulated once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cds_app.domain.arrays import Floats
from cds_app.simulate.kinetics.anticoagulation import Factors, Mesh, spans_of
from cds_app.simulate.kinetics.averaging import Member, Mixture
from cds_app.simulate.kinetics.courses import Epoch
from cds_app.simulate.kinetics.models import Model
from cds_app.simulate.kinetics.patients import Patient
from cds_app.simulate.kinetics.simulation import Trajectories, blocks, only, plasma, simulate
from cds_app.simulate.plans import Dose, Plan
from cds_app.simulate.regimens.outcomes import Course

_Pattern = tuple[tuple[float, float, str, float], ...]


class Comparison:
    """Plans given to every virtual patient of every model.

    Parameters
    ----------
    mixture : Mixture
    patient : Patient
    times_h : ndarray (times,)
    """

    def __init__(self, mixture: Mixture, patient: Patient, times_h: Floats) -> None:
        self._patient = patient
        self._times = times_h
        self._members: list[_Linear | _Anticoagulated] = []
        backs, count = [], 0
        for one in mixture.members:
            first, back = once(one.etas)
            self._members += _parts(one, first, patient, times_h) if len(first) else ()
            backs.append(back + count)
            count += len(first)
        self._back = np.concatenate(backs)

    def course(self, plan: Plan) -> Course:
        """One plan, all draws in one stack, in the order of the members."""
        parts = [one.course(plan) for one in self._members]
        areas = [one.trajectories.area for one in parts]
        steady = [one.steady_area for one in parts]
        return Course(
            plan=plan,
            trajectories=Trajectories(
                times_h=self._times,
                values=self._stacked([one.trajectories.values for one in parts]),
                unit=parts[0].trajectories.unit,
                area=None
                if any(one is None for one in areas)
                else self._stacked([one for one in areas if one is not None]),
            ),
            steady_area=None
            if any(one is None for one in steady)
            else np.concatenate([one for one in steady if one is not None])[self._back],
        )

    def _stacked(self, parts: Sequence[Floats]) -> Floats:
        """Draws below draws, as often as they come, laid out time by time: quantiles over the draws are then fast."""
        return np.concatenate([one.T for one in parts], axis=1)[:, self._back].T


def once(etas: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where each of the draws (draws, varying) that differ stands first, and which of these each draw is."""
    every = np.arange(len(etas))
    if not etas.size:
        return every, every
    _, first, back = np.unique(etas[:, 0], return_index=True, return_inverse=True)
    return (first, back) if np.array_equal(etas[first[back]], etas) else (every, every)


def _parts(
    member: Member, draws: NDArray[np.intp], patient: Patient, times_h: Floats
) -> Iterator[_Linear | _Anticoagulated]:
    model = member.placed.model
    epochs, _ = member.placed.epochs(member.etas[draws])
    if model.file.response != "hamberg-inr":
        yield _Linear(model, epochs, patient, times_h)
        return
    for some in blocks(len(draws)):
        left = None if member.left is None else member.left[:, draws[some]]
        yield _Anticoagulated(model, [only(one, some) for one in epochs], patient, times_h, left)


class _Linear:
    """One model's part of the virtual patients."""

    def __init__(self, model: Model, epochs: Sequence[Epoch], patient: Patient, times_h: Floats) -> None:
        self._model = model
        self._epochs = epochs
        self._patient = patient
        self._times = times_h
        self._kept: dict[_Pattern, Trajectories] = {}

    def course(self, plan: Plan) -> Course:
        plain = self._model.file.response == "none"
        found = self._added(plan)
        steady = None
        if plain and plan.daily_mg is not None:
            factor = self._model.file.dose_fraction * self._model.file.concentration_per_mg_l
            now = self._epochs[-1].parameters
            absorbed = now.get("F", 1.0) if plan.doses[0].route == "oral" else 1.0
            steady = plan.daily_mg * factor * absorbed / now["CL"]
        return Course(plan=plan, trajectories=found, steady_area=steady)

    def _added(self, plan: Plan) -> Trajectories:
        """What is left of the history, and the plan's largest dose times what one mg of it adds."""
        before = self._of(self._patient.history)
        if not plan.doses:
            return before
        amount_mg = max(one.amount_mg for one in plan.doses)
        unit = self._of(_per_mg(plan.doses, amount_mg))
        area = None
        if before.area is not None and unit.area is not None:
            area = before.area + amount_mg * unit.area
        return Trajectories(
            times_h=self._times, values=before.values + amount_mg * unit.values, unit=before.unit, area=area
        )

    def _of(self, doses: Sequence[Dose]) -> Trajectories:
        pattern = _pattern(doses)
        if pattern not in self._kept:
            self._kept[pattern] = self._simulated(doses, area=self._model.file.response == "none")
        return self._kept[pattern]

    def _simulated(self, doses: Sequence[Dose], *, area: bool) -> Trajectories:
        return simulate(self._model, self._epochs, doses, self._times, area=area)


class _Anticoagulated:
    """One model's part of the virtual patients, where what is looked at is the INR.

    What is left of the clotting factors by now was found where levels were fitted, or else is from the history.
    """

    def __init__(
        self, model: Model, epochs: Sequence[Epoch], patient: Patient, times_h: Floats, left: Floats | None
    ) -> None:
        self._model = model
        self._epochs = epochs
        self._history = patient.history
        self._times = times_h
        self._first = min((one.at_h for one in patient.history), default=None)
        self._now = Factors(epochs[-1].parameters, model.file.constants, left)
        self._kept: dict[tuple[_Pattern, tuple[float, ...]], Floats] = {}
        if self._first is not None and left is None:
            mesh = self._mesh(self._first, self._first, float(times_h[0]), patient.history)
            self._now.follow(self._levels(patient.history, mesh), mesh, times_h[:0])

    def course(self, plan: Plan) -> Course:
        start_h, end_h = float(self._times[0]), float(self._times[-1])
        begun = [one.at_h for one in plan.doses[:1]] if self._first is None else [self._first]
        mesh = self._mesh(start_h, next(iter(begun), start_h), end_h, plan.doses)
        levels = self._levels(self._history, mesh)
        if plan.doses:
            amount_mg = max(one.amount_mg for one in plan.doses)
            levels = levels + amount_mg * self._levels(_per_mg(plan.doses, amount_mg), mesh)
        values = self._now.copy().follow(levels, mesh, self._times).T
        unit = self._model.file.concentration_unit
        return Course(plan=plan, trajectories=Trajectories(times_h=self._times, values=values, unit=unit))

    def _mesh(self, start_h: float, first_h: float, end_h: float, doses: Sequence[Dose]) -> Mesh:
        return Mesh(start_h, spans_of(start_h, first_h, end_h), [one.at_h for one in doses])

    def _levels(self, doses: Sequence[Dose], mesh: Mesh) -> Floats:
        """Concentrations, mg/L, (nodes, draws)."""
        key = (_pattern(doses), tuple(mesh.nodes_h.tolist()))
        if key not in self._kept:
            found = plasma(self._model, self._epochs, doses, mesh.nodes_h, marks_h=mesh.cuts_h)
            self._kept[key] = found.values.T
        return self._kept[key]


def _pattern(doses: Sequence[Dose]) -> _Pattern:
    return tuple((one.at_h, one.over_h, one.route, one.amount_mg) for one in doses)


def _per_mg(doses: Sequence[Dose], amount_mg: float) -> tuple[Dose, ...]:
    return tuple(
        Dose(at_h=one.at_h, amount_mg=one.amount_mg / amount_mg, over_h=one.over_h, route=one.route) for one in doses
    )
