"""One patient's circulation over time, for many draws at once: the fitted surface inside the baroreflex.

Each step takes what drugs, bleeding and fluids do at that moment, adds what the reflex does (the same gains and lags
as the beating model), and reads the steady state off the surface. What the circulation itself needs to get there is two
lags (`Settling`): blood that is lost, given or pooled finds its place, and arteries empty, within seconds. The tests
hold whole courses to the beating model within 3 % of mean pressure.

One thing is added to the beating model's reflex: rate and contractility have a ceiling (`Ceilings`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from cds_app.domain.arrays import Floats
from cds_app.errors import ContentError
from cds_app.simulate.haemodynamics.model import FILE, values
from cds_app.simulate.haemodynamics.reference import Baroreflex, Constants
from cds_app.simulate.haemodynamics.surface import States, Surface

if TYPE_CHECKING:
    from cds_app.content import Artefact

ML_PER_S_TO_L_PER_MIN: Final = 0.06


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bodies:
    """Draws of one patient at rest, in the reference adult's size; every field an array (draws,).

    Parameters
    ----------
    size : array of float
        Blood volume over the reference's: flows and volumes of the patient are so many times those here.
    stressed_volume : array of float
        mL.
    resistance : array of float
        mmHg s/mL.
    lv_systolic, rv_systolic, arterial_compliance : array of float
        mL/mmHg.
    heart_rate : array of float
        1/min.
    set_point : array of float
        Mean pressure that the reflex defends, mmHg.
    reflex_gain, beta_gain : array of float
        Multiply the reflex, and once more its beta-sympathetic arm.
    greatest_rate : array of float
        Heart rate that is never passed, 1/min.
    """

    size: Floats
    stressed_volume: Floats
    resistance: Floats
    lv_systolic: Floats
    rv_systolic: Floats
    arterial_compliance: Floats
    heart_rate: Floats
    set_point: Floats
    reflex_gain: Floats
    beta_gain: Floats
    greatest_rate: Floats

    def of(self, rows: NDArray[np.intp]) -> Bodies:
        """The same draws in another order, some of them several times."""
        return Bodies(**{name: getattr(self, name)[rows] for name in Bodies.__dataclass_fields__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """Where the reflex ends: the lowest systolic compliances, mL/mmHg, that sympathetic drive can reach."""

    lv_systolic: float
    rv_systolic: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """Time constants, s, with which stressed volume and resistance take effect."""

    volume_lag_s: float
    resistance_lag_s: float


def settling(artefact: Artefact) -> Settling:
    """Read the lags; ContentError if one is missing."""
    try:
        return Settling(**values(artefact.read_json(FILE), "settling"))
    except TypeError as error:
        raise ContentError(f"{FILE} does not hold how the circulation settles", field=FILE) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Circulation:
    """The parts of the fast model."""

    surface: Surface
    constants: Constants
    reflex: Baroreflex
    ceilings: Ceilings
    settling: Settling


@dataclass(slots=True, kw_only=True)
class Influence:
    """What acts from outside at a moment, by draw, in the reference adult's size.

    ``volume`` and ``vein_shift`` in mL, ``set_point`` in mmHg are added; ``resistance`` and ``contractility``
    (of systolic compliance: above 1 is weaker) multiply.
    """

    volume: Floats
    vein_shift: Floats
    resistance: Floats
    contractility: Floats
    set_point: Floats

    @classmethod
    def none(cls, draws: int) -> Influence:
        """Nothing acts."""
        zero, one = np.zeros(draws), np.ones(draws)
        return cls(volume=zero, vein_shift=zero, resistance=one, contractility=one, set_point=zero)


class Loop:
    """The closed loop of all draws, from rest.

    Parameters
    ----------
    parts : Circulation
    bodies : Bodies
    step_s : float
        Length of a step.
    """

    def __init__(self, parts: Circulation, bodies: Bodies, step_s: float) -> None:
        self.surface, self.reflex, self.bodies = parts.surface, parts.reflex, bodies
        self._kept = np.exp(-step_s / parts.reflex.lags_s)[:, None]
        self._sensed_kept = float(np.exp(-step_s / parts.reflex.pressure_lag_s))
        self._volume_kept = float(np.exp(-step_s / parts.settling.volume_lag_s))
        self._resistance_kept = float(np.exp(-step_s / parts.settling.resistance_lag_s))
        self._period = 60.0 / bodies.heart_rate
        self._period_share = self._period / (60.0 / parts.constants.heart_rate_per_min)
        self._strongest = np.minimum(parts.ceilings.lv_systolic, bodies.lv_systolic)
        self._strongest_right = np.minimum(parts.ceilings.rv_systolic, bodies.rv_systolic)
        self._volume, self._resistance = bodies.stressed_volume, bodies.resistance
        self.sensed = bodies.set_point.copy()
        self.lagged = np.zeros((4, bodies.size.size))

    def step(self, influence: Influence) -> tuple[States, Floats]:
        """Move one step on; the state now, and the heart rate, 1/min."""
        inputs = self._inputs(influence)
        states = self.surface.states(inputs)
        pressure = np.where(states.outside, self.sensed, states.mean_pressure)
        self.sensed = pressure + (self.sensed - pressure) * self._sensed_kept
        error = self.reflex.error(self.sensed, self.bodies.set_point + influence.set_point)
        self.lagged = error + (self.lagged - error) * self._kept
        return states, inputs[2]

    def _inputs(self, influence: Influence) -> Floats:
        """What the surface is asked, after one step of the lags of volume and resistance."""
        bodies, reflex = self.bodies, self.reflex
        vagal, beta, artery, vein = self.lagged * bodies.reflex_gain
        beta = beta * bodies.beta_gain
        nerves = reflex.period_beta_gain * beta + reflex.period_parasympathetic_gain * vagal
        shortest = 60.0 / bodies.greatest_rate
        period = np.maximum(self._period + self._period_share * nerves, shortest)
        left = np.maximum(bodies.lv_systolic + reflex.lv_systolic_gain * beta, self._strongest)
        right = np.maximum(bodies.rv_systolic + reflex.rv_systolic_gain * beta, self._strongest_right)
        pooled = influence.vein_shift + reflex.vein_zero_volume_gain * vein
        volume = bodies.stressed_volume + influence.volume - pooled
        resistance = (bodies.resistance - reflex.resistance_gain * artery) * influence.resistance
        self._volume = volume + (self._volume - volume) * self._volume_kept
        self._resistance = resistance + (self._resistance - resistance) * self._resistance_kept
        hearts = [left * influence.contractility, right * influence.contractility]
        return np.array([self._volume, self._resistance, 60.0 / period, *hearts, bodies.arterial_compliance])
