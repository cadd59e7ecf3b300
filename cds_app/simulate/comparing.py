"""Many plans for the same virtual patients: what is linear is simulated once and added up.

A concentration is the sum of what the doses given leave and of what the plan adds, and the latter grows with the dose:
plans that differ in nothing but the dose share one simulation. An anticoagulant's effect is not linear: each plan is
simulated on its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cds_app.simulate.averaging import Member, Mixture
from cds_app.simulate.outcomes import Course
from cds_app.simulate.patients import Patient
from cds_app.simulate.plans import Dose, Plan
from cds_app.simulate.simulation import Trajectories, simulate

Floats = NDArray[np.float64]
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
        self._members = [_Linear(one, patient, times_h) for one in mixture.members if len(one.etas)]

    def course(self, plan: Plan) -> Course:
        """One plan, all draws in one stack, in the order of the members."""
        parts = [one.course(plan) for one in self._members]
        areas = [one.trajectories.area for one in parts]
        steady = [one.steady_area for one in parts]
        return Course(
            plan=plan,
            trajectories=Trajectories(
                times_h=self._times,
                values=_stacked([one.trajectories.values for one in parts]),
                unit=parts[0].trajectories.unit,
                area=None if any(one is None for one in areas) else _stacked([one for one in areas if one is not None]),
            ),
            steady_area=None
            if any(one is None for one in steady)
            else np.concatenate([one for one in steady if one is not None]),
        )


class _Linear:
    """One model's part of the virtual patients."""

    def __init__(self, member: Member, patient: Patient, times_h: Floats) -> None:
        self._model = member.placed.model
        self._epochs, _ = member.placed.epochs(member.etas)
        self._patient = patient
        self._times = times_h
        self._kept: dict[_Pattern, Trajectories] = {}

    def course(self, plan: Plan) -> Course:
        plain = self._model.file.response == "none"
        linear = self._model.file.response != "hamberg-inr"
        found = self._added(plan) if linear else self._simulated((*self._patient.history, *plan.doses), area=False)
        steady = None
        if plain and plan.daily_mg is not None:
            factor = self._model.file.dose_fraction * self._model.file.concentration_per_mg_l
            steady = plan.daily_mg * factor / self._epochs[-1].parameters["CL"]
        return Course(plan=plan, trajectories=found, steady_area=steady)

    def _added(self, plan: Plan) -> Trajectories:
        """What is left of the history, and the plan's largest dose times what one mg of it adds."""
        amount_mg = max(one.amount_mg for one in plan.doses)
        before, unit = self._of(self._patient.history), self._of(_per_mg(plan.doses, amount_mg))
        area = None
        if before.area is not None and unit.area is not None:
            area = before.area + amount_mg * unit.area
        return Trajectories(
            times_h=self._times, values=before.values + amount_mg * unit.values, unit=before.unit, area=area
        )

    def _of(self, doses: Sequence[Dose]) -> Trajectories:
        pattern = tuple((one.at_h, one.over_h, one.route, one.amount_mg) for one in doses)
        if pattern not in self._kept:
            self._kept[pattern] = self._simulated(doses, area=self._model.file.response == "none")
        return self._kept[pattern]

    def _simulated(self, doses: Sequence[Dose], *, area: bool) -> Trajectories:
        return simulate(self._model, self._epochs, doses, self._times, area=area)


def _per_mg(doses: Sequence[Dose], amount_mg: float) -> tuple[Dose, ...]:
    return tuple(
        Dose(at_h=one.at_h, amount_mg=one.amount_mg / amount_mg, over_h=one.over_h, route=one.route) for one in doses
    )


def _stacked(parts: Sequence[Floats]) -> Floats:
    """Draws below draws, laid out time by time: quantiles over the draws are then fast."""
    return np.concatenate([one.T for one in parts], axis=1).T
