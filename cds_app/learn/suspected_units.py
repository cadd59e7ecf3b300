"""Columns in another unit than they should be, told by their median."""

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
# molar masses as in models/ontology: mg/dL = mmol/L * g/mol / 10
_ELSEWHERE: Mapping[str, tuple[Unit, ...]] = {
    "Temp": (Unit("degrees Fahrenheit", 1 / 1.8, 32.0), Unit("kelvin", 1.0, 273.15)),
    "O2Sat": _FRACTION,
    "SaO2": _FRACTION,
    "Hct": _FRACTION,
    "SBP": _KPA,
    "MAP": _KPA,
    "DBP": _KPA,
    "EtCO2": _KPA,
    "PaCO2": _KPA,
    "Hgb": (Unit("g/L", 0.1), Unit("mmol/L", 1.6114)),
    "Creatinine": (Unit("umol/L", 1 / 88.42),),
    "BUN": (Unit("mmol/L", 2.801),),
    "Calcium": (Unit("mmol/L", 4.008),),
    "Bilirubin_direct": _BILIRUBIN,
    "Bilirubin_total": _BILIRUBIN,
    "Glucose": (Unit("mmol/L", 18.016),),
    "Lactate": (Unit("mg/dL", 1 / 9.008),),
    "Magnesium": (Unit("mmol/L", 2.4305),),
    "Phosphate": (Unit("mmol/L", 3.0974),),
    "TroponinI": (Unit("ng/L", 0.001),),
    "Fibrinogen": (Unit("g/L", 100.0),),
    "WBC": _PER_UL,
    "Platelets": _PER_UL,
}
# Where a value in the other unit is plausible in ours too, the median of many patients in intensive care tells.
_USUAL: Mapping[str, Range] = {
    "EtCO2": (20.0, 60.0),
    "PaCO2": (25.0, 70.0),
    "Hgb": (7.5, 17.0),
    "BUN": (9.0, 60.0),
    "Bilirubin_direct": (0.05, 5.0),
    "Bilirubin_total": (0.25, 6.0),
    "Lactate": (0.6, 6.0),
    "Magnesium": (1.4, 3.5),
    "Phosphate": (2.0, 7.0),
    "TroponinI": (0.005, 40.0),
}


def suspected(column: str, values: NDArray[np.float64], persons: Callable[[], int], plausible: Range) -> str | None:
    """Name of the unit that a column seems to be in, None when it may be in its own.

    Parameters
    ----------
    column : str
        Of the challenge.
    values : ndarray of float64, shape (values,)
        Some of its values.
    persons : callable
        From how many patients they are; asked only where it matters.
    plausible : tuple of float
        Limits of a single value in the canonical unit.
    """
    if not len(values):
        return None
    median = float(np.median(values))
    limits = plausible
    if _within(plausible, median) and column in _USUAL and persons() >= _ENOUGH_PERSONS:
        limits = _USUAL[column]
    if _within(limits, median):
        return None
    fits = (one.name for one in _ELSEWHERE.get(column, ()) if _within(limits, one.scale * (median - one.zero)))
    return next(fits, None)


def _within(limits: Range, value: float) -> bool:
    return limits[0] <= value <= limits[1]
