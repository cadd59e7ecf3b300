"""Columns in another unit than they should be, or that hold something else, told by their median."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Range = tuple[float, float]

_ENOUGH_PERSONS = 30  # the median of fewer may be unusual without being wrong


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit in use elsewhere: canonical value = ``scale`` * (value - ``zero``)."""

    name: str
    scale: float
    zero: float = 0.0


_KPA = (Unit("kPa", 7.50062),)
_FRACTION = (Unit("fractions of 1", 100.0),)
_PER_UL = (Unit("cells per microlitre", 0.001),)
_BILIRUBIN = (Unit("umol/L", 1 / 17.10),)
_NG_PER_L = (Unit("ng/L", 0.001),)
# molar masses as in models/ontology: mg/dL = mmol/L * g/mol / 10
_ELSEWHERE: Mapping[str, tuple[Unit, ...]] = {
    "body_temp": (Unit("degrees Fahrenheit", 1 / 1.8, 32.0), Unit("kelvin", 1.0, 273.15)),
    "spo2": _FRACTION,
    "sao2": _FRACTION,
    "hematocrit": _FRACTION,
    "sbp": _KPA,
    "map": _KPA,
    "dbp": _KPA,
    "etco2": _KPA,
    "pco2": _KPA,
    "po2": _KPA,
    "hemoglobin": (Unit("g/L", 0.1), Unit("mmol/L", 1.6114)),
    "albumin": (Unit("g/L", 0.1),),
    "creatinine": (Unit("umol/L", 1 / 88.42),),
    "urea_nitrogen": (Unit("mmol/L", 2.801),),
    "calcium": (Unit("mmol/L", 4.008),),
    "bilirubin_direct": _BILIRUBIN,
    "bilirubin_total": _BILIRUBIN,
    "glucose": (Unit("mmol/L", 18.016),),
    "chol_total": (Unit("mmol/L", 38.67),),
    "lactate": (Unit("mg/dL", 1 / 9.008),),
    "magnesium": (Unit("mmol/L", 2.4305),),
    "phosphate": (Unit("mmol/L", 3.0974),),
    "troponin_i": _NG_PER_L,
    "troponin_t": _NG_PER_L,
    "fibrinogen": (Unit("g/L", 100.0),),
    "wbc": _PER_UL,
    "platelets": _PER_UL,
    "body_weight": (Unit("pounds", 0.45359),),
}
# Where a value in the other unit is plausible in ours too, or may be another measurement's, the median of many patients
# in intensive care tells. Wide around what medians of units are; from memory, to be confirmed.
_USUAL: Mapping[str, Range] = {
    "heart_rate": (60.0, 112.0),
    "resp_rate": (11.0, 32.0),
    "body_temp": (35.0, 38.6),
    "spo2": (90.0, 100.0),
    "sbp": (92.0, 160.0),
    "map": (62.0, 108.0),
    "dbp": (42.0, 90.0),
    "etco2": (20.0, 60.0),
    "ph": (7.2, 7.55),
    "pco2": (25.0, 70.0),
    "po2": (60.0, 300.0),
    "hemoglobin": (7.5, 17.0),
    "hematocrit": (22.0, 50.0),
    "platelets": (80.0, 400.0),
    "albumin": (1.8, 4.6),
    "sodium": (128.0, 150.0),
    "potassium": (3.2, 5.2),
    "chloride": (92.0, 118.0),
    "bicarbonate": (16.0, 34.0),
    "creatinine": (0.4, 4.0),
    "glucose": (80.0, 250.0),
    "urea_nitrogen": (9.0, 60.0),
    "bilirubin_direct": (0.05, 5.0),
    "bilirubin_total": (0.25, 6.0),
    "lactate": (0.6, 6.0),
    "magnesium": (1.4, 3.5),
    "phosphate": (2.0, 7.0),
    "troponin_i": (0.005, 40.0),
    "troponin_t": (0.005, 10.0),
    "body_weight": (50.0, 120.0),
}


def suspected(quantity: str, values: NDArray[np.float64], persons: Callable[[], int], plausible: Range) -> str | None:
    """What a column seems to hold instead of what it should, None when it may be right.

    Parameters
    ----------
    quantity : str
        Of the ontology, which the column should hold in its canonical unit.
    values : ndarray of float64, shape (values,)
        Some of its values.
    persons : callable
        From how many patients they are; asked only where it matters.
    plausible : tuple of float
        Limits of a single value in the canonical unit.

    Returns
    -------
    str or None
        ``seems to be in kPa``, or ``seems to hold another measurement``.
    """
    if not len(values):
        return None
    median = float(np.median(values))
    usual = _USUAL.get(quantity, plausible)
    many = not _within(usual, median) and quantity in _USUAL and persons() >= _ENOUGH_PERSONS
    limits = usual if many else plausible
    if _within(limits, median):
        return None
    units = _ELSEWHERE.get(quantity, ())
    fits = (f"seems to be in {one.name}" for one in units if _within(limits, one.scale * (median - one.zero)))
    return next(fits, "seems to hold another measurement" if many else None)


def misplaced(higher: NDArray[np.float64], lower: NDArray[np.float64], persons: Callable[[], int]) -> bool:
    """Whether two columns, of which one must be the higher, seem to be in each other's place.

    Parameters
    ----------
    higher, lower : ndarray of float64
        Values; NaN is unknown.
    persons : callable
        From how many patients they are; asked only where it matters.
    """
    one, other = (value[np.isfinite(value)] for value in (higher, lower))
    if not len(one) or not len(other) or np.median(one) >= np.median(other):
        return False
    return persons() >= _ENOUGH_PERSONS


def _within(limits: Range, value: float) -> bool:
    return limits[0] <= value <= limits[1]
