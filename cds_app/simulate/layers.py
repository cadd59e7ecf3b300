"""What was given and what is planned, laid over each other: in a linear model concentrations of doses add up.

So the history is simulated once for all plans, and plans that differ in their amounts alone are one simulation. A model
whose value is a response to concentrations is no sum, and is simulated whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cds_app.simulate.averaging import Member, Mixture
from cds_app.simulate.courses import Epoch
from cds_app.simulate.outcomes import Course
from cds_app.simulate.patients import Patient
from cds_app.simulate.plans import Dose, Plan
from cds_app.simulate.simulation import Trajectories, simulate

Floats = NDArray[np.float64]
_LINEAR: Final = ("none", "effect-site")
_Times = tuple[tuple[float, float, str], ...]


@dataclass(eq=False)
class _Layered:
    """One model of a mixture."""

    member: Member
    patient: Patient
    times_h: Floats

    def __post_init__(self) -> None:
        self._kept: dict[_Times, Trajectories] = {}

    @cached_property
    def epochs(self) -> Sequence[Epoch]:
        return self.member.placed.epochs(self.member.etas)[0]

    @property
    def _plain(self) -> bool:
        return self.member.placed.model.file.response == "none"

    @cached_property
    def _given(self) -> Trajectories | None:
        return self._simulated(self.patient.history) if self.patient.history else None

    def course(self, plan: Plan) -> Course:
        """A plan given to the model's share of the virtual patients."""
        model = self.member.placed.model
        if model.file.response in _LINEAR:
            found = _over(self._given, *self._planned(plan.doses))
        else:
            found = self._simulated((*self.patient.history, *plan.doses))
        steady = None
        if self._plain and plan.daily_mg is not None:
            daily = plan.daily_mg * model.file.dose_fraction * model.file.concentration_per_mg_l
            steady = daily / self.epochs[-1].parameters["CL"]
        return Course(plan=plan, trajectories=found, steady_area=steady)

    def _planned(self, doses: Sequence[Dose]) -> tuple[Trajectories, float]:
        """What is planned on its own, and by how much it counts: of equal doses one is simulated at 1 mg."""
        if len({one.amount_mg for one in doses}) > 1:
            return self._simulated(doses), 1.0
        key = tuple((one.at_h, one.over_h, one.route) for one in doses)
        if key not in self._kept:
            self._kept[key] = self._simulated([replace(one, amount_mg=1.0) for one in doses])
        return self._kept[key], doses[0].amount_mg

    def _simulated(self, doses: Sequence[Dose]) -> Trajectories:
        return simulate(self.member.placed.model, self.epochs, doses, self.times_h, area=self._plain)


def _over(below: Trajectories | None, above: Trajectories, times: float) -> Trajectories:
    values, area = times * above.values, None if above.area is None else times * above.area
    if below is not None:
        values += below.values
        area = None if area is None or below.area is None else area + below.area
    return replace(above, values=values, area=area)


class Layers:
    """All models of a mixture, for one patient and some instants.

    Parameters
    ----------
    mixture : Mixture
        Members without draws are left out.
    patient : Patient
    times_h : ndarray (times,)
        Ascending, hours from now.
    """

    def __init__(self, mixture: Mixture, patient: Patient, times_h: Floats) -> None:
        self._times_h = times_h
        self._parts = [_Layered(one, patient, times_h) for one in mixture.members if len(one.etas)]

    def course(self, plan: Plan) -> Course:
        """A plan given to every virtual patient of every model, in one stack."""
        parts = [one.course(plan) for one in self._parts]
        areas = [one.trajectories.area for one in parts]
        steady = [one.steady_area for one in parts]
        return Course(
            plan=plan,
            trajectories=Trajectories(
                times_h=self._times_h,
                values=np.vstack([one.trajectories.values for one in parts]),
                unit=parts[0].trajectories.unit,
                area=None
                if any(one is None for one in areas)
                else np.vstack([one for one in areas if one is not None]),
            ),
            steady_area=None
            if any(one is None for one in steady)
            else np.concatenate([one for one in steady if one is not None]),
        )
