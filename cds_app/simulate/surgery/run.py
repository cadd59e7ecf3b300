"""All draws of all plans, step by step: drugs to effects, effects to the circulation, pressure to rescue.

The draws of every plan lie behind one another in one array, the same draws in the same order: what differs between
two plans differs because of the plans (common random numbers). Nothing random happens here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cds_app.domain.arrays import Flags, Floats
from cds_app.simulate.haemodynamics.circulation import ML_PER_S_TO_L_PER_MIN, Bodies, Circulation, Influence, Loop
from cds_app.simulate.haemodynamics.drugs import Drugs
from cds_app.simulate.haemodynamics.kinetics import FluidVolume, Linear, Person, PlasmaNorepinephrine, propofol_matrix
from cds_app.simulate.surgery.depth import DepthRules
from cds_app.simulate.surgery.plan import STEP_MIN, Limits, Plan, Rates, Rescue, rates

_NG_PER_UG: Final = 1000.0
SAMPLE_STEPS: Final = 15
"""Every 30 s a sample is kept for pictures; what is counted is counted every step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What does not depend on the patient."""

    circulation: Circulation
    drugs: Drugs
    depth: DepthRules


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chances:
    """How each draw differs from a typical person: standard normal numbers, and a uniform one; (..., draws)."""

    propofol: Floats  # V1, V2, V3, CL, Q2, Q3
    hypnosis: Floats  # ke0, concentration of half effect
    propofol_effect: Floats  # size, concentration of half effect
    norepinephrine: Floats  # CL, V1, V2, made
    pressor: Floats
    crystalloid: Floats
    albumin: Floats  # uniform

    @classmethod
    def drawn(cls, rng: np.random.Generator, draws: int) -> Chances:
        """Draw all of them, in this order."""
        return cls(
            propofol=rng.standard_normal((6, draws)),
            hypnosis=rng.standard_normal((2, draws)),
            propofol_effect=rng.standard_normal((2, draws)),
            norepinephrine=rng.standard_normal((4, draws)),
            pressor=rng.standard_normal(draws),
            crystalloid=rng.standard_normal(draws),
            albumin=rng.random(draws),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """One patient in draws: at rest, and in what drugs do; ``person`` for doses by weight and covariates."""

    person: Person
    bodies: Bodies
    chances: Chances


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Course:
    """What came of it. Samples are (samples, plans, draws), the others (plans, draws).

    Parameters
    ----------
    times_min : array, (samples,)
    mean_pressure, heart_rate, output, bis : array
        mmHg, 1/min, L/min, BIS; NaN after a draw has left the range of the model, but for mean pressure where it left
        with a low one: then the least that the model answers for.
    low_min : array
        Minutes of mean pressure under the limit.
    low_longest_min : array
        The longest spell of it.
    lowest : array
        Lowest mean pressure, mmHg.
    rescued : array of bool
        Whether the rule for rescue began norepinephrine.
    rescue_most : array
        Highest rate of it, ug/kg/min.
    lowest_bis : array
    deep_min, deep_longest_min : array
        Minutes of BIS under the lower limit, and the longest spell of it.
    light_min, light_longest_min : array
        The same of BIS over the upper limit, once an induction should have worked.
    collapsed : array of bool
        Whether the draw left the range of the model with a low pressure: it stays low.
    lost : array of bool
        Whether it left otherwise: nothing is known of it from then on.
    horizon_min : float
    """

    times_min: Floats
    mean_pressure: Floats
    heart_rate: Floats
    output: Floats
    bis: Floats
    low_min: Floats
    low_longest_min: Floats
    lowest: Floats
    rescued: Flags
    rescue_most: Floats
    lowest_bis: Floats
    deep_min: Floats
    deep_longest_min: Floats
    light_min: Floats
    light_longest_min: Floats
    collapsed: Flags
    lost: Flags
    horizon_min: float


def run(model: Model, subject: Subject, plans: Sequence[Plan], *, minutes: float, low: Limits) -> Course:
    """Simulate every plan on every draw.

    Parameters
    ----------
    model : Model
    subject : Subject
        The patient, in draws.
    plans : sequence of Plan
        Checked.
    minutes : float
        Horizon.
    low : Limits
        What counts as low.
    """
    steps = round(minutes / STEP_MIN)
    theatre = _Theatre(model, subject, plans, steps)
    tally = _Tally((len(plans), theatre.draws), steps, low.low_mmhg, model)
    for at in range(steps + 1):
        pressure = tally.add(at, theatre.now(at))
        if at < steps:
            theatre.advance(at, pressure)
    return tally.course(theatre.rescue)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Now:
    """One instant of every draw of every plan: what it is, which have no answer, and which should be asleep."""

    pressure: Floats
    rate: Floats
    output: Floats
    bis: Floats
    outside: Flags
    induced: Flags


class _Theatre:
    """Everything that moves, plan after plan along one axis of plans x draws."""

    def __init__(self, model: Model, subject: Subject, plans: Sequence[Plan], steps: int) -> None:
        person, bodies, chances = subject.person, subject.bodies, subject.chances
        self.plans, self.draws = len(plans), bodies.size.size
        self.bodies = bodies.of(np.tile(np.arange(self.draws), self.plans))
        self.weight_kg, self.drugs = person.weight_kg, model.drugs
        self.loop = Loop(model.circulation, self.bodies, 60.0 * STEP_MIN)
        given = [rates(plan, steps) for plan in plans]
        self.given = {name: np.array([getattr(one, name) for one in given]) for name in Rates.__dataclass_fields__}
        begun = STEP_MIN * (steps - self.given["anaesthetised"].sum(axis=1))
        self.induced_min = np.repeat(begun + model.depth.light_from_min, self.draws)
        self._prepare_propofol(person, chances, plans)
        self._prepare_others(person, chances)
        self.rescue = _Rescues([plan.rescue for plan in plans], self.draws)
        self.stayed_ml, self.pressor, self.effect, self.asleep = np.zeros((4, self.plans * self.draws))
        self.volume_ml = np.zeros(self.plans * self.draws)

    def _tiled(self, rows: Floats) -> Floats:
        return np.tile(rows, self.plans)

    def _prepare_propofol(self, person: Person, chances: Chances, plans: Sequence[Plan]) -> None:
        drugs = self.drugs
        typical = [drugs.propofol.typical(person, drugs.fat_free_mass, opioid=plan.opioid) for plan in plans]
        between = np.exp(drugs.propofol.spread[:, None] * chances.propofol)
        parameters = np.concatenate([one[:, None] * between for one in typical], axis=1)
        slow = np.sqrt(drugs.hypnosis.ke0_variance) * chances.hypnosis[0]
        site = drugs.hypnosis.rate(person) * np.exp(self._tiled(slow))
        effect = drugs.propofol_effect
        fixed = [np.full_like(site, effect.systolic_ke_per_min), np.full_like(site, effect.diastolic_ke_per_min)]
        self.propofol = Linear(propofol_matrix(parameters, np.array([site, *fixed])), STEP_MIN)
        self.plasma_l = parameters[0]
        needs = np.sqrt(drugs.hypnosis.half_variance) * chances.hypnosis[1]
        self.half_asleep = drugs.hypnosis.half(person.age_years) * np.exp(self._tiled(needs))
        self.effect_size = np.exp(effect.size_sd * self._tiled(chances.propofol_effect[0]))
        self.effect_half = np.exp(effect.half_sd * self._tiled(chances.propofol_effect[1]))

    def _prepare_others(self, person: Person, chances: Chances) -> None:
        drugs = self.drugs
        between = np.exp(drugs.norepinephrine.spread[:, None] * chances.norepinephrine)
        parameters = np.tile(drugs.norepinephrine.typical(person)[:, None] * between, self.plans)
        self.norepinephrine = PlasmaNorepinephrine(drugs.norepinephrine, person, parameters, STEP_MIN)
        self.pressor_size = np.exp(drugs.pressor.size_sd * self._tiled(chances.pressor))
        spread = np.exp(drugs.crystalloid.spread_sd * self._tiled(chances.crystalloid))
        awake = drugs.crystalloid.matrix(spread, anaesthetised=False)
        self.crystalloid = FluidVolume(awake, drugs.crystalloid.matrix(spread, anaesthetised=True), STEP_MIN)
        low, high = drugs.albumin.least_share, drugs.albumin.most_share
        self.albumin_share = low + (high - low) * self._tiled(chances.albumin)

    def _per_draw(self, name: str, at: int) -> Floats:
        return np.repeat(self.given[name][:, at], self.draws)

    def now(self, at: int) -> _Now:
        """Where every draw is at a step: mmHg, 1/min, L/min, BIS."""
        effect, pressor = self.drugs.propofol_effect, self.drugs.pressor
        slack = 1.0 - effect.resistance_fall * self.effect
        acting = Influence(
            volume=self.volume_ml / self.bodies.size,
            vein_shift=effect.vein_shift_ml * self.effect + pressor.vein_shift_ml * self.pressor,
            resistance=slack * (1.0 + pressor.resistance_rise * self.pressor),
            contractility=1.0 + effect.systolic_compliance_rise * self.effect,
            set_point=-effect.set_point_fall_mmhg * self.effect,
        )
        states, rate = self.loop.step(acting)
        output = self.bodies.size * states.output * ML_PER_S_TO_L_PER_MIN
        return _Now(
            pressure=states.mean_pressure,
            rate=rate,
            output=output,
            bis=self.drugs.hypnosis.bis(self.asleep),
            outside=states.outside,
            induced=at * STEP_MIN >= self.induced_min,
        )

    def advance(self, at: int, pressure: Floats) -> None:
        """One step of everything that is given and lost, with the rule for rescue seeing the pressure of now."""
        held = self.propofol.step(self._per_draw("propofol", at) * self.weight_kg)
        shared = self.drugs.propofol_effect.share(held[:, 4], held[:, 5], self.effect_half)
        self.effect = self.effect_size * shared
        self.asleep = held[:, 3] / self.half_asleep
        rescue = self.rescue.step(at, pressure)
        given = (self._per_draw("norepinephrine", at) + rescue) * self.weight_kg * _NG_PER_UG
        plasma = self.norepinephrine.step(given, held[:, 0] / self.plasma_l)
        own = self.norepinephrine.own_ug_per_l
        self.pressor = self.pressor_size * self.drugs.pressor.share(plasma, own)
        asleep = self._per_draw("anaesthetised", at)
        inside = self.crystalloid.step(self._per_draw("crystalloid", at), asleep)
        gained = self.albumin_share * self._per_draw("albumin", at) - self._per_draw("loss", at)
        self.stayed_ml = self.stayed_ml + STEP_MIN * gained
        self.volume_ml = inside + self.stayed_ml


class _Rescues:
    """The rule for rescue in every draw: rates of norepinephrine, ug/kg/min."""

    def __init__(self, rules: Sequence[Rescue | None], draws: int) -> None:
        never = Rescue(below_mmhg=-np.inf, above_mmhg=np.inf)
        told = [rule or never for rule in rules]
        self._below, self._after, self._every, self._above, self._step, self._most = (
            np.repeat([float(getattr(rule, name)) for rule in told], draws)
            for name in (
                *("below_mmhg", "after_min", "every_min", "above_mmhg"),
                *("rate_ug_per_kg_per_min", "most_ug_per_kg_per_min"),
            )
        )
        self.rate, self.most, self._low_min = np.zeros((3, len(rules) * draws))
        self._changed_min = np.full(self.rate.size, -np.inf)

    def step(self, at: int, pressure: Floats) -> Floats:
        """The rates of this step."""
        now = at * STEP_MIN
        self._low_min = np.where(pressure < self._below, self._low_min + STEP_MIN, 0.0)
        free = now - self._changed_min >= self._every - 0.5 * STEP_MIN
        raised = free & (self._low_min > self._after)
        lowered = free & (pressure > self._above) & (self.rate > 0.0)
        change = self._step * (raised.astype(float) - lowered)
        self.rate = np.minimum(np.maximum(self.rate + change, 0.0), self._most)
        self._changed_min = np.where(raised | lowered, now, self._changed_min)
        self.most = np.maximum(self.most, self.rate)
        return self.rate


class _Spells:
    """Minutes in which something holds in each draw, in all and at a stretch."""

    def __init__(self, total: int) -> None:
        self.minutes, self.longest_min, self._lasting_min = np.zeros((3, total))

    def add(self, holds: Flags) -> None:
        """One step more."""
        self.minutes = self.minutes + STEP_MIN * holds
        self._lasting_min = np.where(holds, self._lasting_min + STEP_MIN, 0.0)
        self.longest_min = np.maximum(self.longest_min, self._lasting_min)


class _Tally:
    """What is counted and kept on the way; ``shape`` is plans and draws."""

    def __init__(self, shape: tuple[int, int], steps: int, low_mmhg: float, model: Model) -> None:
        self.shape, self.steps, self.low_mmhg, self.depth = shape, steps, low_mmhg, model.depth
        self.least_mmhg = model.circulation.surface.least_mmhg
        total = shape[0] * shape[1]
        self.kept: list[Floats] = []
        self.low, self.deep, self.light = (_Spells(total) for _ in range(3))
        self.lowest, self.lowest_bis, self.last = np.full((3, total), np.inf)
        self.gone = np.zeros(total, dtype=bool)

    def add(self, at: int, now: _Now) -> Floats:
        """Count an instant, and keep every some of them; mean pressure, as `Course` has it."""
        self.gone = self.gone | now.outside
        sunk = self.gone & (self.last < self.low_mmhg)
        pressure = np.where(sunk, self.least_mmhg, np.where(self.gone, np.nan, now.pressure))
        self.last = np.where(self.gone, self.last, pressure)
        bis = np.where(self.gone, np.nan, now.bis)
        self.lowest, self.lowest_bis = np.fmin(self.lowest, pressure), np.fmin(self.lowest_bis, bis)
        if at < self.steps:
            self.low.add(pressure < self.low_mmhg)
            self.deep.add(bis < self.depth.deep_below_bis)
            self.light.add((bis > self.depth.light_above_bis) & now.induced)
        if at % SAMPLE_STEPS == 0:
            gone = np.where(self.gone, np.nan, 1.0)
            self.kept.append(np.array([pressure, now.rate * gone, now.output * gone, bis]))
        return pressure

    def course(self, rescue: _Rescues) -> Course:
        """Everything counted, by plan and draw."""
        kept = np.array(self.kept).reshape(len(self.kept), 4, *self.shape)
        sunk = self.last < self.low_mmhg
        last = STEP_MIN * SAMPLE_STEPS * (len(self.kept) - 1)
        return Course(
            times_min=np.linspace(0.0, last, len(self.kept)),
            mean_pressure=kept[:, 0],
            heart_rate=kept[:, 1],
            output=kept[:, 2],
            bis=kept[:, 3],
            low_min=self.low.minutes.reshape(self.shape),
            low_longest_min=self.low.longest_min.reshape(self.shape),
            lowest=self.lowest.reshape(self.shape),
            rescued=rescue.most.reshape(self.shape) > 0.0,
            rescue_most=rescue.most.reshape(self.shape),
            lowest_bis=self.lowest_bis.reshape(self.shape),
            deep_min=self.deep.minutes.reshape(self.shape),
            deep_longest_min=self.deep.longest_min.reshape(self.shape),
            light_min=self.light.minutes.reshape(self.shape),
            light_longest_min=self.light.longest_min.reshape(self.shape),
            collapsed=(self.gone & sunk).reshape(self.shape),
            lost=(self.gone & ~sunk).reshape(self.shape),
            horizon_min=round(STEP_MIN * self.steps, 6),
        )
