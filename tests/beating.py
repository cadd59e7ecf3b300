"""The beating circulation, which the fast surface is fitted to and held to: six compartments in steps of 1 ms.

The model is that of `cds_app.simulate.haemodynamics.reference`. Volumes are integrated, so that blood is neither made
nor lost. The source's gain of the heart period is for a resting rate of 70/min; for others it goes with the resting
period.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cds_app.domain.arrays import Floats
from cds_app.simulate.haemodynamics.reference import Baroreflex, Constants
from cds_app.simulate.haemodynamics.surface import (
    INPUTS,
    LOGARITHMIC,
    OFFSET_ML,
    OUTPUTS,
    Surface,
    levels,
    scaled,
    terms,
)

STEP_S: Final = 0.001
"""Euler step. The fastest time constant (a valve's resistance times the systolic compliance) is 2 ms."""
_COURSE_S: Final = 1.0
_SETTLED_S: Final = 45.0
_MARGIN: Final = 0.8  # fitted somewhat beyond the pressures that are answered for
LV, ARTERY, VEIN, RV, LUNG_ARTERY, LUNG_VEIN = range(6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What differs between draws, each an array of one shape. Without reflex, what the heart and vessels do.

    Parameters
    ----------
    blood_volume : array of float
        mL.
    resistance : array of float
        Peripheral, mmHg s/mL.
    vein_shift : array of float
        Added to the venous zero-pressure volume, mL: pooling.
    lv_systolic, rv_systolic : array of float
        Systolic compliance, mL/mmHg: lower is stronger.
    heart_rate : array of float
        1/min.
    arterial_compliance : array of float
        mL/mmHg.
    reflex_gain : array of float
        Multiplies the baroreflex; 0 opens the loop.
    set_point : array of float
        Of the baroreflex, mmHg.
    resistance_factor, compliance_factor : array of float
        What drugs multiply resistance and the systolic compliances with, after the reflex.
    """

    blood_volume: Floats
    resistance: Floats
    vein_shift: Floats
    lv_systolic: Floats
    rv_systolic: Floats
    heart_rate: Floats
    arterial_compliance: Floats
    reflex_gain: Floats
    set_point: Floats
    resistance_factor: Floats
    compliance_factor: Floats


Course = Callable[[float, Conditions], Conditions]
"""What holds at a time in s, from what held at the start; asked once a second."""


def reference(constants: Constants, reflex: Baroreflex, **changed: float | Floats) -> Conditions:
    """The reference adult without reflex, changed as told (``reflex_gain=1.0`` closes the loop)."""
    values: dict[str, Any] = {
        "blood_volume": constants.blood_volume_ml,
        "resistance": constants.peripheral_resistance,
        "vein_shift": 0.0,
        "lv_systolic": constants.lv_systolic_compliance,
        "rv_systolic": constants.rv_systolic_compliance,
        "heart_rate": constants.heart_rate_per_min,
        "arterial_compliance": constants.arterial_compliance,
        "reflex_gain": 0.0,
        "set_point": reflex.set_point_mmhg,
        "resistance_factor": 1.0,
        "compliance_factor": 1.0,
        **changed,
    }
    filled = np.broadcast_arrays(*(np.atleast_1d(np.asarray(one, dtype=float)) for one in values.values()))
    return Conditions(**{name: one.copy() for name, one in zip(values, filled, strict=True)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Beats:
    """Averages over whole beats, each an array (times, draws).

    ``mean_pressure``, ``systolic``, ``diastolic``, ``central_venous``, ``lung_artery``, ``wedge`` in mmHg;
    ``heart_rate`` 1/min; ``output`` mL/s; ``stroke``, ``end_diastolic`` mL. ``times_s`` (times,). ``blood_volume``
    is what the six compartments hold, mL; ``backflow`` the most negative valve flow seen, mL/s.
    """

    times_s: Floats
    mean_pressure: Floats
    systolic: Floats
    diastolic: Floats
    central_venous: Floats
    lung_artery: Floats
    wedge: Floats
    heart_rate: Floats
    output: Floats
    stroke: Floats
    end_diastolic: Floats
    blood_volume: Floats
    backflow: float

    @property
    def ejection_fraction(self) -> Floats:
        """Stroke volume over end-diastolic volume."""
        return self.stroke / self.end_diastolic

    def steady(self, name: str, last: int = 10) -> Floats:
        """Mean of the last samples of one of the arrays, by draw."""
        found: Floats = np.mean(getattr(self, name)[-last:], axis=0)
        return found


def pulsate(
    constants: Constants, reflex: Baroreflex, conditions: Conditions, duration_s: float, *, course: Course | None = None
) -> Beats:
    """Integrate the beating circulation and report the last whole beat once a second.

    Parameters
    ----------
    constants, reflex : Constants, Baroreflex
        The model.
    conditions : Conditions
        At the start; blood that ``course`` adds or takes later passes through the veins.
    duration_s : float
        At least some beats; 60 s without and 120 s with reflex are steady.
    course : callable, optional
        What changes over time.
    """
    heart = _Heart(constants, reflex, conditions)
    samples: list[Floats] = []
    seconds = int(duration_s / _COURSE_S)
    for second in range(seconds):
        if course is not None:
            heart.change(course(second * _COURSE_S, conditions))
        for _ in range(round(_COURSE_S / STEP_S)):
            heart.step()
        samples.append(np.vstack([heart.last, heart.volumes.sum(axis=0)]))
    rows = np.array(samples).transpose(1, 0, 2)
    names = [name for name in Beats.__dataclass_fields__ if name not in {"times_s", "backflow"}]
    return Beats(
        times_s=np.linspace(_COURSE_S, seconds * _COURSE_S, seconds),
        backflow=heart.backflow,
        **dict(zip(names, rows, strict=True)),
    )


class _Heart:
    """The state of all draws between two steps."""

    def __init__(self, constants: Constants, reflex: Baroreflex, conditions: Conditions) -> None:
        self.constants, self.reflex, self.now = constants, reflex, conditions
        draws = conditions.blood_volume.size
        self.volumes = np.repeat(constants.zero_volumes[:, None], draws, axis=1)
        filled = np.array([110.0, 0.0, 0.0, 110.0, 60.0, 100.0])[:, None]
        self.volumes += filled
        self.volumes[ARTERY] += 80.0 * conditions.arterial_compliance
        self.volumes[VEIN] += conditions.blood_volume - self.volumes.sum(axis=0)
        self.sensed = conditions.set_point.copy()
        self.lagged = np.zeros((4, draws))
        self.phase = np.zeros(draws)
        self.last = np.zeros((10, draws))
        self.backflow = 0.0
        self._begin(np.ones(draws, dtype=bool), first=True)

    def change(self, conditions: Conditions) -> None:
        self.volumes[VEIN] += conditions.blood_volume - self.now.blood_volume
        self.now = conditions

    def _begin(self, beats: NDArray[np.bool_], *, first: bool = False) -> None:
        """Start the next beat of some draws: its length and timing come from the reflex of now."""
        now, reflex = self.now, self.reflex
        nerves = reflex.period_beta_gain * self.lagged[1] + reflex.period_parasympathetic_gain * self.lagged[0]
        rested = 60.0 / now.heart_rate
        share = rested / (60.0 / self.constants.heart_rate_per_min)
        period = rested + now.reflex_gain * share * nerves
        root = np.sqrt(period)
        if first:
            self.period, self.onset = period, self.constants.pr_interval_s * root
            self.systole = self.constants.ventricular_systole_s * root
            self.sums = np.zeros((7, beats.size))
            self.highest, self.lowest, self.fullest = (np.full(beats.size, one) for one in (-np.inf, np.inf, 0.0))
            return
        self.period = np.where(beats, period, self.period)
        self.onset = np.where(beats, self.constants.pr_interval_s * root, self.onset)
        self.systole = np.where(beats, self.constants.ventricular_systole_s * root, self.systole)

    def _activation(self) -> Floats:
        """How far between diastole (0) and end-systole (1): rising over systole, falling in half of that."""
        x = (self.phase - self.onset) / self.systole
        rising = 0.5 - 0.5 * np.cos(np.pi * x)
        falling = 0.5 + 0.5 * np.cos(2.0 * np.pi * (x - 1.0))
        return np.where((x > 0.0) & (x < 1.5), np.where(x <= 1.0, rising, falling), 0.0)

    def _pressures(self) -> Floats:
        c, now, gain = self.constants, self.now, self.now.reflex_gain
        beta = gain * self.lagged[1] * self.reflex.lv_systolic_gain
        lv = np.maximum(now.lv_systolic + beta, self.reflex.lv_systolic_floor) * now.compliance_factor
        beta = gain * self.lagged[1] * self.reflex.rv_systolic_gain
        rv = np.maximum(now.rv_systolic + beta, self.reflex.rv_systolic_floor) * now.compliance_factor
        active = self._activation()
        stretch = self.volumes - c.zero_volumes[:, None]
        stretch[VEIN] -= now.vein_shift + gain * self.reflex.vein_zero_volume_gain * self.lagged[3]
        elastance = np.empty_like(stretch)
        elastance[LV] = (1.0 / lv - 1.0 / c.lv_diastolic_compliance) * active + 1.0 / c.lv_diastolic_compliance
        elastance[RV] = (1.0 / rv - 1.0 / c.rv_diastolic_compliance) * active + 1.0 / c.rv_diastolic_compliance
        elastance[ARTERY] = 1.0 / now.arterial_compliance
        elastance[VEIN] = 1.0 / c.venous_compliance
        elastance[LUNG_ARTERY] = 1.0 / c.lung_artery_compliance
        elastance[LUNG_VEIN] = 1.0 / c.lung_vein_compliance
        pressures = stretch * elastance
        pressures[[LV, RV, LUNG_ARTERY, LUNG_VEIN]] += c.intrathoracic_pressure
        return pressures

    def step(self) -> None:
        """One Euler step of volumes, reflex and phase."""
        c, now = self.constants, self.now
        p = self._pressures()
        toned = now.resistance - now.reflex_gain * self.reflex.resistance_gain * self.lagged[2]
        resistance = toned * now.resistance_factor
        out = np.empty_like(p)
        out[LV] = np.maximum(p[LV] - p[ARTERY], 0.0) / c.aortic_resistance
        out[ARTERY] = (p[ARTERY] - p[VEIN]) / resistance
        out[VEIN] = np.maximum(p[VEIN] - p[RV], 0.0) / c.tricuspid_resistance
        out[RV] = np.maximum(p[RV] - p[LUNG_ARTERY], 0.0) / c.pulmonic_resistance
        out[LUNG_ARTERY] = (p[LUNG_ARTERY] - p[LUNG_VEIN]) / c.lung_resistance
        out[LUNG_VEIN] = np.maximum(p[LUNG_VEIN] - p[LV], 0.0) / c.mitral_resistance
        self._note(p, out)
        self.volumes += STEP_S * (out[[LUNG_VEIN, LV, ARTERY, VEIN, RV, LUNG_ARTERY]] - out)
        self.sensed += STEP_S / self.reflex.pressure_lag_s * (p[ARTERY] - self.sensed)
        error = self.reflex.error(self.sensed, now.set_point)
        self.lagged += STEP_S / self.reflex.lags_s[:, None] * (error - self.lagged)
        self.phase += STEP_S
        ended = self.phase >= self.period - 0.5 * STEP_S
        if ended.any():
            self._finish(ended)

    def _note(self, p: Floats, out: Floats) -> None:
        self.backflow = min(self.backflow, float(out[[LV, VEIN, RV, LUNG_VEIN]].min()))
        self.sums[:6] += p
        self.sums[6] += out[LV]
        np.maximum(self.highest, p[ARTERY], out=self.highest)
        np.minimum(self.lowest, p[ARTERY], out=self.lowest)
        np.maximum(self.fullest, self.volumes[LV], out=self.fullest)

    def _finish(self, ended: NDArray[np.bool_]) -> None:
        """Write down the beats that ended here, and begin the next ones."""
        steps = np.round(self.phase / STEP_S)
        means = self.sums / steps
        vessels = [means[ARTERY], self.highest, self.lowest, means[VEIN], means[LUNG_ARTERY], means[LUNG_VEIN]]
        flows = [60.0 / (steps * STEP_S), means[6], means[6] * steps * STEP_S, self.fullest]
        self.last = np.where(ended, np.array([*vessels, *flows]), self.last)
        self.sums[:, ended] = 0.0
        self.highest[ended], self.lowest[ended], self.fullest[ended] = -np.inf, np.inf, 0.0
        self.phase[ended] = 0.0
        self._begin(ended)


def settled(constants: Constants, reflex: Baroreflex, inputs: Floats) -> Floats:
    """What the beating model settles to, (6, draws) in the order of `OUTPUTS`, for inputs (6, draws)."""
    volume = inputs[0] + constants.unstressed_volume_ml
    rest = dict(zip(INPUTS[1:], inputs[1:], strict=True))
    beats = pulsate(constants, reflex, reference(constants, reflex, blood_volume=volume, **rest), _SETTLED_S)
    pulse = beats.steady("systolic") - beats.steady("diastolic")
    flow = [beats.steady("mean_pressure"), beats.steady("output"), pulse, beats.steady("end_diastolic")]
    return np.array([*flow, beats.steady("central_venous"), beats.steady("wedge")])


def hypercube(low: Floats, high: Floats, points: int, rng: np.random.Generator) -> Floats:
    """A Latin hypercube of inputs, (6, points), even on the scale of the polynomials."""
    cells = np.array([rng.permutation(points) for _ in INPUTS])
    share = (cells + rng.random(cells.shape)) / points
    root = np.sqrt(low[0] + OFFSET_ML) * (1.0 - share[:1]) + np.sqrt(high[0] + OFFSET_ML) * share[:1]
    logs = np.log(low[1:, None]) * (1.0 - share[1:]) + np.log(high[1:, None]) * share[1:]
    return np.vstack([root**2 - OFFSET_ML, np.exp(logs)])


def fitted(inputs: Floats, found: Floats, ranges: Mapping[str, Any], degree: int) -> Floats:
    """Coefficients (6, terms) by least squares from what the beating model settled to."""
    low: Floats = np.array([ranges["range"][name][0] for name in INPUTS])
    high: Floats = np.array([ranges["range"][name][1] for name in INPUTS])
    least, most = ranges["mean_pressure_mmhg"]
    near = (found[0] >= _MARGIN * least) & (found[0] <= most / _MARGIN)
    rows = terms(scaled(inputs[:, near], low, high), levels(degree)).T
    wanted = np.vstack([np.log(found[:LOGARITHMIC, near]), found[LOGARITHMIC:, near]])
    coefficients: Floats = np.linalg.lstsq(rows, wanted.T, rcond=None)[0].T
    return coefficients


def errors(surface: Surface, inputs: Floats, found: Floats) -> dict[str, dict[str, float]]:
    """How far the surface is from the beating model: shares, and mmHg for venous and wedge pressure.

    Points count whose true mean pressure is in the range. ``missed`` is the share of those that the surface refuses,
    ``taken`` the share of answered points whose true pressure is out of range.
    """
    states = surface.states(inputs)
    true = (found[0] >= surface.least_mmhg) & (found[0] <= surface.most_mmhg)
    both = true & ~states.outside
    told: dict[str, dict[str, float]] = {}
    for at, name in enumerate(OUTPUTS):
        scale = found[at, both] if at < LOGARITHMIC else 1.0
        off: Floats = np.abs(getattr(states, name)[both] - found[at, both]) / scale
        told[name] = {
            "rms": float(np.sqrt((off**2).mean())),
            "p99": float(np.percentile(off, 99)),
            "max": float(off.max()),
        }
    told["range"] = {"missed": float((true & states.outside).sum() / true.sum()), "points": float(both.sum())}
    told["range"]["taken"] = float((~true & ~states.outside).sum() / (~states.outside).sum())
    return told


def ramp(time_s: float, start_s: float, end_s: float) -> float:
    """From 0 to 1 between two times."""
    return min(max((time_s - start_s) / (end_s - start_s), 0.0), 1.0)
