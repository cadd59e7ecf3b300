"""Where drugs and fluids are in the body over time: linear compartments of many draws, stepped exactly.

Amounts and volumes are those of the patient, not of the reference adult. Rates hold over a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from cds_app.domain.arrays import Floats

_TAYLOR: Final = 14
_WEEKS_A_YEAR: Final = 52.18
_TERM_WEEKS: Final = 40.0
REFERENCE_KG: Final = 70.0
_REFERENCE_YEARS: Final = 35.0
_REFERENCE_CM: Final = 170.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who is given a drug: completed years, kg, cm."""

    age_years: float
    sex: Literal["female", "male"]
    weight_kg: float
    height_cm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FatFreeMass:
    """Fat-free mass of Al-Sallami (2015), with the parameters of `models/circulation`."""

    base: float
    male_offset: float
    male_slope: float
    male_asymptote: float
    male_half_age: float
    male_power: float
    female_offset: float
    female_slope: float
    female_asymptote: float
    female_half_age: float
    female_power: float

    def of(self, person: Person) -> float:
        """Fat-free mass, kg."""
        bmi = person.weight_kg / (person.height_cm / 100.0) ** 2
        top, half, power = self.male_asymptote, self.male_half_age, self.male_power
        offset, slope = self.male_offset, self.male_slope
        if person.sex == "female":
            top, half, power = self.female_asymptote, self.female_half_age, self.female_power
            offset, slope = self.female_offset, self.female_slope
        grown = top + (1.0 - top) / (1.0 + (person.age_years / half) ** power)
        return float(grown * self.base * person.weight_kg / (offset + slope * bmi))


@dataclass(frozen=True, slots=True, kw_only=True)
class PropofolKinetics:
    """Three compartments of Eleveld (2018), arterial: L, L/min, and variances between persons of the logarithm."""

    v1_l: float
    v2_l: float
    v3_l: float
    clearance_male_l_per_min: float
    clearance_female_l_per_min: float
    q2_l_per_min: float
    q3_l_per_min: float
    clearance_half_weeks: float
    clearance_slope: float
    v2_age: float
    clearance_opioid_age: float
    v1_half_weight_kg: float
    v3_opioid_age: float
    q3_half_weeks: float
    q2_child: float
    v1_variance: float
    v2_variance: float
    v3_variance: float
    clearance_variance: float
    q2_variance: float
    q3_variance: float

    @property
    def spread(self) -> Floats:
        """Standard deviations of the logarithms of V1, V2, V3, CL, Q2, Q3."""
        volumes = (self.v1_variance, self.v2_variance, self.v3_variance)
        found: Floats = np.sqrt([*volumes, self.clearance_variance, self.q2_variance, self.q3_variance])
        return found

    def typical(self, person: Person, fat_free: FatFreeMass, *, opioid: bool) -> Floats:
        """V1, V2, V3 in L and CL, Q2, Q3 in L/min of a typical person, with or without an opioid beside it."""
        reference = Person(age_years=35.0, sex="male", weight_kg=REFERENCE_KG, height_cm=_REFERENCE_CM)
        age, weight = person.age_years, person.weight_kg
        beside = 1.0 if opioid else 0.0
        relative = weight / REFERENCE_KG
        v1 = self.v1_l * self._sigmoid(weight) / self._sigmoid(REFERENCE_KG)
        v2 = self.v2_l * relative * np.exp(self.v2_age * (age - _REFERENCE_YEARS))
        lean = fat_free.of(person) / fat_free.of(reference)
        v3 = self.v3_l * lean * np.exp(self.v3_opioid_age * age * beside)
        clearance = self.clearance_female_l_per_min if person.sex == "female" else self.clearance_male_l_per_min
        clearance *= relative**0.75 * self._grown(age) * np.exp(self.clearance_opioid_age * age * beside)
        ripe, ripe_reference = self._ripe(age), self._ripe(_REFERENCE_YEARS)
        q2 = self.q2_l_per_min * (v2 / self.v2_l) ** 0.75 * (1.0 + self.q2_child * (1.0 - ripe))
        q3 = self.q3_l_per_min * (v3 / self.v3_l) ** 0.75 * ripe / ripe_reference
        return np.array([v1, v2, v3, clearance, q2, q3])

    def _sigmoid(self, weight_kg: float) -> float:
        return weight_kg / (weight_kg + self.v1_half_weight_kg)

    def _grown(self, age_years: float) -> float:
        weeks = age_years * _WEEKS_A_YEAR + _TERM_WEEKS
        powered = weeks**self.clearance_slope
        return float(powered / (powered + self.clearance_half_weeks**self.clearance_slope))

    def _ripe(self, age_years: float) -> float:
        weeks = age_years * _WEEKS_A_YEAR + _TERM_WEEKS
        return weeks / (weeks + self.q3_half_weeks)


def propofol_matrix(parameters: Floats, site_rates: Floats) -> Floats:
    """Rates per minute, (draws, 3 + sites, 3 + sites): amounts in mg, then concentrations at effect sites in mg/L.

    Parameters
    ----------
    parameters : array of float, (6, draws)
        V1, V2, V3, CL, Q2, Q3.
    site_rates : array of float, (sites, draws)
        Equilibration with the plasma, 1/min.
    """
    v1, v2, v3, clearance, q2, q3 = parameters
    sites = site_rates.shape[0]
    found = np.zeros((v1.size, 3 + sites, 3 + sites))
    found[:, 0, 0] = -(clearance + q2 + q3) / v1
    found[:, 1, 0], found[:, 0, 1], found[:, 1, 1] = q2 / v1, q2 / v2, -q2 / v2
    found[:, 2, 0], found[:, 0, 2], found[:, 2, 2] = q3 / v1, q3 / v3, -q3 / v3
    for at, rate in enumerate(site_rates, start=3):
        found[:, at, 0], found[:, at, at] = rate / v1, -rate
    return found


class Linear:
    """Compartments stepped exactly with an input into the first that is constant over a step.

    Parameters
    ----------
    matrix : array of float, (draws, n, n)
        Rates per minute.
    step_min : float
    """

    def __init__(self, matrix: Floats, step_min: float) -> None:
        draws, n, _ = matrix.shape
        augmented = np.zeros((draws, n + 1, n + 1))
        augmented[:, :n, :n] = matrix
        augmented[:, 0, n] = 1.0
        whole = exponential(augmented * step_min)
        self._kept = np.ascontiguousarray(whole[:, :n, :n])
        self._gained = np.ascontiguousarray(whole[:, :n, n])
        self.held = np.zeros((draws, n))

    def step(self, rate: Floats) -> Floats:
        """Move one step on with an input per minute; what the compartments hold then, (draws, n)."""
        self.held = np.matmul(self._kept, self.held[:, :, None])[:, :, 0] + self._gained * rate[:, None]
        return self.held


class FluidVolume:
    """Volumes that leave the blood at one of two speeds, by draw: awake, or anaesthetised.

    Parameters
    ----------
    awake, anaesthetised : array of float, (draws, n, n)
        Rates per minute.
    step_min : float
    """

    def __init__(self, awake: Floats, anaesthetised: Floats, step_min: float) -> None:
        self._awake, self._anaesthetised = Linear(awake, step_min), Linear(anaesthetised, step_min)
        self.held = self._awake.held

    def step(self, rate_ml_per_min: Floats, anaesthetised: Floats) -> Floats:
        """Move one step on; what is in the blood then, mL. ``anaesthetised`` is 1 or 0."""
        self._awake.held = self._anaesthetised.held = self.held
        awake, asleep = self._awake.step(rate_ml_per_min), self._anaesthetised.step(rate_ml_per_min)
        self.held = np.where(anaesthetised[:, None] > 0.0, asleep, awake)
        return self.held[:, 0]


def exponential(matrices: Floats) -> Floats:
    """Matrix exponentials of a stack, by scaling, a Taylor series and squaring."""
    largest = float(np.abs(matrices).sum(axis=-1).max(initial=0.0))
    halvings = max(0, int(np.ceil(np.log2(max(largest, 1e-300)))) + 1)
    small = matrices / 2.0**halvings
    unit = np.broadcast_to(np.eye(matrices.shape[-1]), matrices.shape)
    total: Floats = unit.copy()
    term = unit
    for order in range(1, _TAYLOR):
        term = term @ small / order
        total = total + term
    for _ in range(halvings):
        total = total @ total
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class NorepinephrineKinetics:
    """Two compartments of Li (2024) with the body's own norepinephrine; propofol lowers clearance."""

    clearance_l_per_min: float
    clearance_age: float
    clearance_propofol: float
    v1_l: float
    q_l_per_min: float
    v2_l: float
    made_ng_per_min: float
    lag_s: float
    clearance_variance: float
    v1_variance: float
    v2_variance: float
    made_variance: float

    @property
    def spread(self) -> Floats:
        """Standard deviations of the logarithms of CL, V1, V2 and what is made."""
        found: Floats = np.sqrt([self.clearance_variance, self.v1_variance, self.v2_variance, self.made_variance])
        return found

    def typical(self, person: Person) -> Floats:
        """CL in L/min, V1 and V2 in L and what is made in ng/min, of a typical person without propofol."""
        relative = person.weight_kg / REFERENCE_KG
        slowed = np.exp(self.clearance_age * (person.age_years - _REFERENCE_YEARS))
        clearance = self.clearance_l_per_min * relative**0.75 * slowed
        made = self.made_ng_per_min * relative**0.75
        return np.array([clearance, self.v1_l * relative, self.v2_l * relative, made])


class PlasmaNorepinephrine:
    """Its plasma concentration over time; from the body's own, which is in balance at first.

    Parameters
    ----------
    kinetics : NorepinephrineKinetics
    person : Person
    parameters : array of float, (4, draws)
        CL, V1, V2 and what is made.
    step_min : float
    """

    def __init__(self, kinetics: NorepinephrineKinetics, person: Person, parameters: Floats, step_min: float) -> None:
        self._propofol, self._step = kinetics.clearance_propofol, step_min
        self._clearance, self._v1, self._v2, self._made = parameters
        self._q = kinetics.q_l_per_min * (person.weight_kg / REFERENCE_KG) ** 0.75
        self.own_ug_per_l = self._made / self._clearance / 1000.0
        concentration = self._made / self._clearance
        self._central, self._outer = concentration * self._v1, concentration * self._v2
        self._queue = [np.zeros_like(self._v1)] * round(kinetics.lag_s / 60.0 / step_min)

    def step(self, given_ng_per_min: Floats, propofol_ug_per_ml: Floats) -> Floats:
        """One trapezoidal step (clearance moves with propofol); the concentration then, ug/L."""
        self._queue.append(given_ng_per_min)
        rate = self._queue.pop(0) + self._made
        out = self._clearance * np.exp(self._propofol * propofol_ug_per_ml) / self._v1
        over, back, half = self._q / self._v1, self._q / self._v2, 0.5 * self._step
        lost = 1.0 + half * (out + over)
        central = self._central * (2.0 - lost) + half * back * self._outer + self._step * rate
        outer = self._outer * (1.0 - half * back) + half * over * self._central
        wide = 1.0 + half * back
        self._central = (central * wide + half * back * outer) / (lost * wide - half * half * back * over)
        self._outer = (outer + half * over * self._central) / wide
        found: Floats = self._central / self._v1 / 1000.0
        return found
