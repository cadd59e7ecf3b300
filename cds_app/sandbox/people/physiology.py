"""Courses of illness as numbers: where each quantity is heading, and how a living body wanders around that line.

Every course is a set of waypoints over a healthy default. Quantities do not wander independently: one slow common
"stress" moves heart rate and breathing up and pressure down together. What follows from others is computed: mean
pressure from systolic and diastolic, bicarbonate from lactate, chloride from the anion gap, pH from bicarbonate and
pCO2 (Henderson-Hasselbalch), haematocrit from haemoglobin.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Waypoints = tuple[tuple[float, float], ...]

NORMAL: Final[Mapping[str, float]] = {
    "heart_rate": 76.0,
    "resp_rate": 15.0,
    "spo2": 97.0,
    "temperature": 36.8,
    "systolic": 124.0,
    "diastolic": 74.0,
    "gcs": 15.0,
    "fio2": 21.0,
    "oxygen_flow": 0.0,
    "urine": 75.0,
    "creatinine": 0.9,
    "bun": 14.0,
    "potassium": 4.1,
    "sodium": 139.0,
    "buffer": 25.0,  # bicarbonate that there would be without lactate, mmol/L
    "glucose": 108.0,
    "calcium": 9.2,
    "magnesium": 2.0,
    "bilirubin": 0.6,
    "lactate": 1.1,
    "wbc": 7.6,
    "platelets": 240.0,
    "haemoglobin": 13.4,
    "pco2": 40.0,
    "po2": 90.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wander:
    """Common part, own part (standard deviations in the quantity's unit) and the bounds of what can be."""

    common: float = 0.0
    own: float = 0.0
    low: float = 0.0
    high: float = math.inf


_STEADY: Final = _Wander()
_WANDERS: Final[Mapping[str, _Wander]] = {
    "heart_rate": _Wander(common=1.8, own=1.6, low=30.0),
    "resp_rate": _Wander(common=0.5, own=0.6, low=6.0),
    "spo2": _Wander(common=-0.2, own=0.5, low=60.0, high=100.0),
    "temperature": _Wander(common=0.03, own=0.07),
    "systolic": _Wander(common=-1.5, own=2.5, low=50.0),
    "diastolic": _Wander(common=-1.0, own=1.6, low=30.0),
    "urine": _Wander(common=-2.0, own=6.0),
    "creatinine": _Wander(own=0.02, low=0.3),
    "bun": _Wander(own=0.5, low=3.0),
    "potassium": _Wander(own=0.06, low=2.0),
    "sodium": _Wander(own=0.6),
    "glucose": _Wander(common=1.0, own=6.0, low=50.0),
    "calcium": _Wander(own=0.08),
    "magnesium": _Wander(own=0.04),
    "bilirubin": _Wander(own=0.03, low=0.1),
    "lactate": _Wander(common=0.02, own=0.08, low=0.4),
    "wbc": _Wander(own=0.3, low=0.5),
    "platelets": _Wander(own=5.0, low=5.0),
    "haemoglobin": _Wander(own=0.12, low=4.0),
    "pco2": _Wander(own=0.8, low=15.0),
    "po2": _Wander(own=2.0, low=30.0),
}
_PERSISTENCE: Final = 0.8  # of a deviation from one hour to the next
_ANION_GAP: Final = 12.0  # mmol/L, at a lactate of 1 mmol/L
_BUFFERED: Final = 0.9  # mmol/L of bicarbonate that 1 mmol/L of lactate uses up


class Body:
    """One patient's physiology over a stay: `value` at any hour.

    Parameters
    ----------
    course : mapping of str to waypoints
        ``(hour, value)`` pairs in ascending hours; what is not named stays at `NORMAL`.
    hours : int
        Length of the stay.
    rng : numpy.random.Generator
        Source of everything that is drawn.
    """

    def __init__(self, course: Mapping[str, Waypoints], hours: int, rng: np.random.Generator) -> None:
        unknown = course.keys() - NORMAL.keys()
        if unknown:
            raise KeyError(f"no such quantity in a course: {sorted(unknown)}")
        self._grid = np.arange(hours + 2, dtype=float)
        common = _wandering(len(self._grid), rng)
        self._lines = {name: self._line(name, course, common, rng) for name in NORMAL}

    def _line(
        self, name: str, course: Mapping[str, Waypoints], common: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float64]:
        points = course.get(name, ((0.0, NORMAL[name]),))
        line = np.interp(self._grid, [hour for hour, _ in points], [value for _, value in points])
        wander = _WANDERS.get(name, _STEADY)
        own = _wandering(len(self._grid), rng)
        moved: NDArray[np.float64] = np.clip(line + wander.common * common + wander.own * own, wander.low, wander.high)
        return moved

    def value(self, name: str, hour: float) -> float:
        """A quantity, measured or derived, in the unit in which the chart writes it."""
        derived = _DERIVED.get(name)
        return derived(self, hour) if derived else float(np.interp(hour, self._grid, self._lines[name]))


def _wandering(steps: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A stationary first-order autoregression of unit variance."""
    shocks = rng.standard_normal(steps)
    found = np.empty(steps)
    found[0] = shocks[0]
    for step in range(1, steps):
        found[step] = _PERSISTENCE * found[step - 1] + math.sqrt(1 - _PERSISTENCE**2) * shocks[step]
    return found


def _mean_pressure(body: Body, hour: float) -> float:
    low = body.value("diastolic", hour)
    return low + (body.value("systolic", hour) - low) / 3.0


def _bicarbonate(body: Body, hour: float) -> float:
    return max(4.0, body.value("buffer", hour) - _BUFFERED * (body.value("lactate", hour) - 1.0))


def _chloride(body: Body, hour: float) -> float:
    gap = _ANION_GAP + body.value("lactate", hour) - 1.0
    return body.value("sodium", hour) - body.value("bicarbonate", hour) - gap


def _ph(body: Body, hour: float) -> float:
    """Henderson-Hasselbalch: 0.03 mmol/L of carbon dioxide dissolve per mmHg."""
    return 6.1 + math.log10(body.value("bicarbonate", hour) / (0.03 * body.value("pco2", hour)))


def _haematocrit(body: Body, hour: float) -> float:
    return 3.0 * body.value("haemoglobin", hour)


_DERIVED: Final = {
    "mean_pressure": _mean_pressure,
    "bicarbonate": _bicarbonate,
    "chloride": _chloride,
    "ph": _ph,
    "haematocrit": _haematocrit,
}
