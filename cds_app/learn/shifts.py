"""Rows of test patients made to be of no patient that a model was trained on, to try the detector with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np

from cds_app.domain.arrays import Floats, Matrix
from cds_app.learn.files.challenge2019 import COLUMNS
from cds_app.score.risk.population import Reference

Shift = Callable[[Reference, Matrix, np.random.Generator], Matrix]

_ROWS = 4000
_KPA = 0.1333224  # of a mm[Hg]
_PLAUSIBLE = {one.quantity: (one.low, one.high) for one in COLUMNS}
# pairs whose usual values overlap, so that neither looks wrong in the other's place
_ALIKE = (("heart_rate", "sbp"), ("map", "dbp"), ("hemoglobin", "wbc"), ("glucose", "platelets"))
NEONATE: Mapping[str, float] = {"heart_rate": 150.0, "resp_rate": 50.0, "map": 40.0, "sbp": 60.0}
ATHLETE: Mapping[str, float] = {
    "age": 25.0, "heart_rate": 45.0, "resp_rate": 12.0, "spo2": 99.0, "body_temp": 36.6, "sbp": 118.0,
    "map": 86.0, "dbp": 70.0, "urea_nitrogen": 14.0, "creatinine": 0.9, "glucose": 88.0, "potassium": 4.2,
    "chloride": 103.0, "bicarbonate": 25.0, "calcium": 9.4, "magnesium": 2.0, "phosphate": 3.4, "hemoglobin": 15.0,
    "hematocrit": 45.0, "wbc": 6.0, "platelets": 250.0, "ph": 7.4, "pco2": 40.0,
}  # fmt: skip


def shifted(reference: Reference, rows: Matrix, rng: np.random.Generator) -> Iterator[tuple[str, Matrix]]:
    """Every shift by name, of rows drawn from those that know all the vital signs it needs.

    Parameters
    ----------
    reference : Reference
        Whose measurements are shifted.
    rows : ndarray of float32, shape (rows, len(FEATURES))
        Of test patients.
    """
    for name, (needs, shift) in SHIFTS.items():
        needed = [_place(reference, one) for one in needs if one in reference.quantities]
        able = np.flatnonzero(np.isfinite(rows[:, needed]).all(axis=1))
        drawn = np.sort(rng.permutation(able)[:_ROWS])
        yield name, shift(reference, rows[drawn].copy(), rng)


def _place(reference: Reference, quantity: str) -> int:
    """Where a row holds a quantity that the reference compares."""
    return int(reference.columns[reference.quantities.index(quantity)])


def _other_unit(
    to_wrong: Mapping[str, tuple[float, float]], reference: Reference, rows: Matrix, _: np.random.Generator
) -> Matrix:
    """Values times and plus something, kept inside the plausible limits: outside of them they would be dropped."""
    for quantity, (factor, offset) in to_wrong.items():
        (low, high), at = _PLAUSIBLE[quantity], _place(reference, quantity)
        rows[:, at] = np.clip(rows[:, at] * factor + offset, low, high)
    return rows


def _as_measured(values: Mapping[str, float], reference: Reference, rows: Matrix, _: np.random.Generator) -> Matrix:
    """Someone else's vital signs, and someone else's laboratory values where any were known."""
    for quantity in values.keys() & set(reference.quantities):
        column = rows[:, _place(reference, quantity)]
        column[np.isfinite(column)] = values[quantity]
    return rows


def _swapped(reference: Reference, rows: Matrix, rng: np.random.Generator) -> Matrix:
    """Two measurements in each other's place, where both are known."""
    pairs = [one for one in _ALIKE if {*one} <= set(reference.quantities)]
    pair = rng.integers(len(pairs), size=len(rows))
    for i, (one, other) in enumerate(pairs):
        mine, here = pair == i, [_place(reference, one), _place(reference, other)]
        rows[np.ix_(mine, here)] = rows[np.ix_(mine, here[::-1])]
    return rows


def _mixture(sds: float, reference: Reference, rows: Matrix, rng: np.random.Generator) -> Matrix:
    """Every known value so many standard deviations from the mean, up or down as a coin falls."""
    sides = rng.choice((-sds, sds), size=(len(rows), len(reference.columns)))
    return _set(reference, rows, sides)


def _wider(factor: float, reference: Reference, rows: Matrix, _: np.random.Generator) -> Matrix:
    """Every known value so many times as far from the mean as it was."""
    return _set(reference, rows, factor * reference.standardised(rows))


def _set(reference: Reference, rows: Matrix, z: Floats) -> Matrix:
    known = np.isfinite(rows[:, reference.columns])
    scaled = reference.mean + z * np.where(z < 0.0, reference.below, reference.above)
    with np.errstate(over="ignore"):
        value = np.where(np.isfinite(reference.least), np.exp(scaled), scaled)
    rows[:, reference.columns] = np.where(known, value, np.nan)
    return rows


_PRESSURES = ("sbp", "map")
_VITAL = ("heart_rate", "resp_rate", *_PRESSURES)
SHIFTS: Mapping[str, tuple[tuple[str, ...], Shift]] = {
    "temperature in Fahrenheit": (("body_temp",), partial(_other_unit, {"body_temp": (1.8, 32.0)})),
    "pressures in kPa": (_PRESSURES, partial(_other_unit, dict.fromkeys((*_PRESSURES, "dbp"), (_KPA, 0.0)))),
    "creatinine in umol/L": (("creatinine",), partial(_other_unit, {"creatinine": (88.42, 0.0)})),
    "vital signs of a newborn": (_VITAL, partial(_as_measured, NEONATE)),
    "two alike measurements swapped": (sum(_ALIKE, ()), _swapped),
    "every value 2 sd off, up or down": (_VITAL, partial(_mixture, 2.0)),
    "every value twice as far from the mean": (_VITAL, partial(_wider, 2.0)),
    "a healthy athlete of 25 at rest": (_VITAL, partial(_as_measured, ATHLETE)),
}
