"""Glucose and insulin of virtual people with type 1 diabetes: the UVA/Padova model of 2008.

Dalla Man, IEEE Trans Biomed Eng 2007;54:1740; Kovatchev, J Diabetes Sci Technol 2009;3:44. Parameters of the virtual
people as in simglucose (J. Xie, MIT licence), which are content. There is no secretion: it is no model of type 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np

from cds_app.domain.arrays import Floats
from cds_app.simulate.glucose.integrate import Stepper
from cds_app.simulate.glucose.people import PMOL_PER_U, People

EATEN_G_PER_MIN: Final = 5.0
_INSULIN: Final = [5, 6, 7, 8, 9, 10, 11]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meal:
    """Carbohydrate, g, eaten from a minute on at 5 g/min."""

    at_min: int
    carbohydrate_g: float

    @property
    def end_min(self) -> int:
        """When it is eaten."""
        return self.at_min + ceil(self.carbohydrate_g / EATEN_G_PER_MIN)

    @property
    def per_min_g(self) -> float:
        """Evenly over whole minutes."""
        return self.carbohydrate_g / (self.end_min - self.at_min)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bolus:
    """Insulin under the skin within a minute, U; negative minutes are before now."""

    at_min: int
    units: float


def acting(people: People, given: Sequence[Bolus]) -> Floats:
    """What insulin given before now still does: added to the state under basal insulin, (13, people).

    Parameters
    ----------
    people : People
    given : sequence of Bolus
        Under the skin, at minutes before now.

    Notes
    -----
    Seven of the states know insulin only and are linear: what a dose adds to them does not depend on glucose. A minute
    is the same step of fourth order as in `glucose_courses`.
    """
    step, fed = _insulin_step(people)
    found = np.zeros_like(people.start)
    for one in given:
        left = np.linalg.matrix_power(step, -one.at_min - 1) @ fed[..., None]
        found[_INSULIN] += one.units * left[..., 0].T
    return found


def _insulin_step(people: People) -> tuple[Floats, Floats]:
    """Of a minute, for every virtual person: the step without insulin, and what a unit given within it leaves."""
    at, size = people.at, len(people.file.people)
    slope = np.zeros((size, len(_INSULIN), len(_INSULIN)))
    for row, column, value in (
        *((0, 0, -(at["m2"] + at["m4"])), (0, 4, at["m1"]), (0, 5, at["ka1"]), (0, 6, at["ka2"])),
        *((1, 0, at["p2u"] / at["Vi"]), (1, 1, -at["p2u"])),
        *((2, 0, at["ki"] / at["Vi"]), (2, 2, -at["ki"]), (3, 2, at["ki"]), (3, 3, -at["ki"])),
        *((4, 0, at["m2"]), (4, 4, -(at["m1"] + at["m30"]))),
        *((5, 5, -(at["ka1"] + at["kd"])), (6, 5, at["kd"]), (6, 6, -at["ka2"])),
    ):
        slope[:, row, column] = value
    whole = np.eye(len(_INSULIN))
    twice, thrice = slope @ slope, slope @ slope @ slope
    step = whole + slope + twice / 2.0 + thrice / 6.0 + twice @ twice / 24.0
    unit = np.zeros((size, len(_INSULIN)))
    unit[:, 5] = PMOL_PER_U / at["BW"]
    return step, np.einsum("nij,nj->ni", whole + slope / 2.0 + twice / 6.0 + thrice / 24.0, unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class InsulinPlan:
    """Basal rate and boluses.

    Parameters
    ----------
    name : str
    basal_u_per_h : float or None
        None: what keeps each virtual person where they start.
    boluses : tuple of Bolus
    """

    name: str
    basal_u_per_h: float | None = None
    boluses: tuple[Bolus, ...] = ()


def glucose_courses(people: People, plans: Sequence[InsulinPlan], meals: Sequence[Meal], minutes: int) -> Floats:
    """Plasma glucose at every minute, all plans in one pass.

    Parameters
    ----------
    people : People
    plans : sequence of InsulinPlan
    meals : sequence of Meal
        In order of time; one is eaten before the next begins.
    minutes : int

    Returns
    -------
    ndarray (plans, people, minutes + 1)
        mg/dL.
    """
    copies = {name: np.tile(one, len(plans)) for name, one in people.at.items()}
    now, body = np.tile(people.start, len(plans)), _Body(copies)
    stepper = Stepper(now)
    found = np.empty((minutes + 1, now.shape[1]))
    found[0] = now[3] / copies["Vg"]
    eaten = dict(_eating(meals))
    basal = np.concatenate([_basal(people, one) for one in plans])
    boluses = _boluses(people, plans)
    for minute in range(minutes):
        body.begin(minute, now, eaten, basal / 60.0 + boluses.get(minute, 0.0))
        stepper.step(body.slope, 2 * minute, now, 1.0)
        np.maximum(now, 0.0, out=now)  # amounts: rounding may leave -1e-18
        found[minute + 1] = now[3] / copies["Vg"]
    return np.ascontiguousarray(found.T).reshape(len(plans), -1, minutes + 1)


def _basal(people: People, plan: InsulinPlan) -> Floats:
    if plan.basal_u_per_h is None:
        return people.basal_u_per_h
    return np.full_like(people.basal_u_per_h, plan.basal_u_per_h)


def _boluses(people: People, plans: Sequence[InsulinPlan]) -> dict[int, Floats]:
    """Units by minute, (plans * people,)."""
    size = len(people.file.people)
    found: dict[int, Floats] = {}
    for n, plan in enumerate(plans):
        for one in plan.boluses:
            units = found.setdefault(one.at_min, np.zeros(size * len(plans)))
            units[n * size : (n + 1) * size] += one.units
    return found


def _eating(meals: Sequence[Meal]) -> Iterator[tuple[int, tuple[float, bool]]]:
    """Grams in each minute of eating, and whether a meal begins there."""
    for meal in meals:
        for minute in range(meal.at_min, meal.end_min):
            yield minute, (meal.per_min_g, minute == meal.at_min)


class _Body:
    """Slopes of the 13 states under the inputs of the minute."""

    def __init__(self, at: Mapping[str, Floats]) -> None:
        self._at = at
        self._carbohydrate_mg = 0.0
        self._insulin: Floats = np.zeros_like(at["BW"])
        self._stomach_before = np.zeros_like(at["BW"])
        self._eaten_mg = 0.0
        self._fasting = False

    def begin(
        self, minute: int, now: Floats, eaten: Mapping[int, tuple[float, bool]], insulin_u_per_min: Floats | float
    ) -> None:
        """Inputs of the next minute; the stomach remembers what was in it when the last meal began."""
        grams, begins = eaten.get(minute, (0.0, False))
        if begins:
            self._stomach_before, self._eaten_mg = now[0] + now[1], 0.0
        self._carbohydrate_mg = 1000.0 * grams
        self._eaten_mg += self._carbohydrate_mg
        self._fasting = not grams and not now[:3].any()
        self._insulin = np.asarray(insulin_u_per_min * PMOL_PER_U / self._at["BW"])

    def slope(self, _: int, x: Floats, into: Floats) -> None:
        at = self._at
        if self._fasting:
            into[:3] = 0.0
        else:
            self._digest(x, into)
        appearing = at["f"] * at["kabs"] * x[2] / at["BW"]
        produced = np.maximum(0.0, at["kp1"] - at["kp2"] * x[3] - at["kp3"] * x[8])
        excreted = at["ke1"] * np.maximum(0.0, x[3] - at["ke2"])
        into[3] = produced + appearing - at["Fsnc"] - excreted - at["k1"] * x[3] + at["k2"] * x[4]
        used = (at["Vm0"] + at["Vmx"] * x[6]) * x[4] / (at["Km0"] + x[4])
        into[4] = at["k1"] * x[3] - at["k2"] * x[4] - used
        into[5] = -(at["m2"] + at["m4"]) * x[5] + at["m1"] * x[9] + at["ka1"] * x[10] + at["ka2"] * x[11]
        insulin = x[5] / at["Vi"]
        into[6] = at["p2u"] * (insulin - at["Ib"] - x[6])
        into[7] = at["ki"] * (insulin - x[7])
        into[8] = at["ki"] * (x[7] - x[8])
        into[9] = at["m2"] * x[5] - (at["m1"] + at["m30"]) * x[9]
        into[10] = self._insulin - (at["ka1"] + at["kd"]) * x[10]
        into[11] = at["kd"] * x[10] - at["ka2"] * x[11]
        into[12] = at["ksc"] * (x[3] - x[12])

    def _digest(self, x: Floats, into: Floats) -> None:
        at, emptying = self._at, self._emptying(x[0] + x[1])
        into[0] = self._carbohydrate_mg - at["kmax"] * x[0]
        into[1] = at["kmax"] * x[0] - emptying * x[1]
        into[2] = emptying * x[1] - at["kabs"] * x[2]

    def _emptying(self, stomach: Floats) -> Floats:
        """How fast the stomach empties, /min: slowest when it is half empty."""
        at, meal = self._at, self._stomach_before + self._eaten_mg
        fed = meal > 0.0
        safe = np.where(fed, meal, 1.0)
        alpha, beta = 2.5 / (safe * (1.0 - at["b"])), 2.5 / (safe * at["d"])
        bend = np.tanh(alpha * (stomach - at["b"] * safe)) - np.tanh(beta * (stomach - at["d"] * safe)) + 2.0
        return np.asarray(np.where(fed, at["kmin"] + 0.5 * (at["kmax"] - at["kmin"]) * bend, at["kmax"]))
