"""Columns in another unit than they should be, or that hold something else.

Of every stay the median counts: how much likelier is it if the column is in another unit, given what medians of stays
are in intensive care? Stays add up, so that of many a little suffices. Of one stay 17 mg/dL of bilirubin may be so, and
is not refused for being 1 mg/dL in umol/L; unless the values betray that somebody multiplied them (`_multiplied`), or
are impossible as they are. The same is asked of each stay by itself (`suspects`), as a file may be put together of two
hospitals' records, and of some hours of it, as a device may be set otherwise; and of each stay up to each of its values
(`doubts`), as what is said of an hour must not hang on what is measured later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cds_app.domain.arrays import Flags, Floats, Ints

Range = tuple[float, float]

# A cuff's and an arterial line's; of 26,194 stays (Challenge 2019) 10 have a median farther apart.
_TWO_DEVICES_MMHG = 8.0
PRESSURES: tuple[tuple[str, str, float], ...] = (
    ("sbp", "dbp", 0.0),
    ("sbp", "map", _TWO_DEVICES_MMHG),
    ("map", "dbp", _TWO_DEVICES_MMHG),
)
"""Which pressure is the higher, which the lower, and by how much two devices may contradict it."""
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
_UKAT = (Unit("ukat/L", 60.0),)
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
    "urine_output": (Unit("litres", 1000.0),),
    "alp": _UKAT,
    "ast": _UKAT,
    "alt": _UKAT,
}


@dataclass(frozen=True, slots=True)
class Usual:
    """What medians of stays are in the canonical unit.

    Parameters
    ----------
    middle : float
        Their median.
    spread : float
        Of their logarithms: 1.4826 times the median distance from their median.
    step : float, optional
        In which values are written, where that is much the same everywhere.
    """

    middle: float
    spread: float
    step: float | None = None


# Measured: PhysioNet/CinC Challenge 2019 (32,250 stays), what it lacks in 2012 (sets a and b, 8,000 stays).
_OF_STAYS: Mapping[str, Usual] = {
    "body_temp": Usual(36.8, 0.015),
    "spo2": Usual(98.0, 0.015),
    "sao2": Usual(97.0, 0.015),
    "hematocrit": Usual(31.5, 0.175),
    "sbp": Usual(121.0, 0.154),
    "map": Usual(80.0, 0.156),
    "dbp": Usual(62.0, 0.178, 1.0),
    "etco2": Usual(33.0, 0.192, 1.0),
    "pco2": Usual(40.0, 0.148, 1.0),
    "po2": Usual(121.0, 0.374, 1.0),
    "hemoglobin": Usual(10.6, 0.179, 0.1),
    "albumin": Usual(2.95, 0.245, 0.1),
    "creatinine": Usual(0.9, 0.416, 0.01),
    "urea_nitrogen": Usual(16.0, 0.556, 1.0),
    "calcium": Usual(8.4, 0.072, 0.1),
    "bilirubin_direct": Usual(0.3, 1.629, 0.1),
    "bilirubin_total": Usual(0.75, 0.601, 0.1),
    "glucose": Usual(123.0, 0.219, 1.0),
    "chol_total": Usual(152.0, 0.290, 1.0),
    "lactate": Usual(1.65, 0.492, 0.01),
    "magnesium": Usual(2.0, 0.141, 0.1),
    "phosphate": Usual(3.35, 0.266, 0.1),
    "troponin_i": Usual(0.09, 2.656),
    "troponin_t": Usual(0.13, 1.945),
    "fibrinogen": Usual(262.0, 0.470, 1.0),
    "wbc": Usual(10.1, 0.412),
    "platelets": Usual(191.0, 0.428),
    "body_weight": Usual(80.0, 0.255),
    "urine_output": Usual(80.0, 0.697),
    "alp": Usual(72.0, 0.482),
    "ast": Usual(32.0, 0.812),
    "alt": Usual(31.0, 0.981),
}
_TAILS = 4.0  # degrees of freedom of Student's t: stays far from the middle are commoner than a normal curve has them
_LEAST = 1e-6  # whatever is lower counts as this
_NEAR_STEP = 0.01  # of a step: what single precision leaves
_MOST = 0.6  # part of the values that must be so; the others may be multiples of ten
_BEYOND_DOUBT = 6.0  # log-likelihood ratio, 400 to 1
# Of a stay, values that are impossible as they are and plausible in another unit: fewer may be slips.
_NO_SLIPS, _NO_SLIP_SHARE, _HALF = 2, 0.1, 0.5
# Ionised calcium in mmol/L, which some hospitals file with the total: left out value by value, no mistake of the file.
_ANOTHER: Mapping[str, Range] = {"calcium": (0.2, 1.6)}
# A column may hold another measurement whose values are plausible here: the median of many patients tells. Wide around
# what medians of units are; from memory, to be confirmed.
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


def suspected(quantity: str, values: Floats, person: Ints, plausible: Range) -> str | None:
    """What a column seems to hold instead of what it should, None when it may be right.

    Parameters
    ----------
    quantity : str
        Of the ontology, which the column should hold in its canonical unit.
    values : ndarray of float64, shape (values,)
        Some of its values.
    person : ndarray of int64, shape (values,)
        Whose each is.
    plausible : tuple of float
        Limits of a single value in the canonical unit.

    Returns
    -------
    str or None
        ``seems to be in kPa``, or ``seems to hold another measurement``.
    """
    usable = _usable(quantity, values)
    values, person = values[usable], person[usable]
    if not len(values):
        return None
    stays = _medians(values, person)[1]
    median = float(np.median(values))
    for unit in _ELSEWHERE.get(quantity, ()):
        usual = _OF_STAYS[quantity]
        betrayed = not _within(plausible, median) or _multiplied(usual, unit, values).mean() >= _MOST
        enough = 0.0 if betrayed else _BEYOND_DOUBT
        if _within(plausible, unit.scale * (median - unit.zero)) and _likelier(usual, unit, stays).sum() > enough:
            return f"seems to be in {unit.name}"
    odd = quantity in _USUAL and not _within(_USUAL[quantity], median)
    return "seems to hold another measurement" if odd and len(stays) >= _ENOUGH_PERSONS else None


def suspects(quantity: str, values: Floats, person: Ints, plausible: Range) -> Ints:
    """Persons whose own values seem to be in another unit, all or some, ascending.

    Asked of each as `suspected` asks of a column, of all values and so in any order. Of 40,250 stays of which nobody
    changed the unit (both challenges) 34 have such a column.
    """
    usable = np.flatnonzero(_usable(quantity, values))
    if not len(usable) or quantity not in _ELSEWHERE:
        return np.empty(0, np.int64)
    order = usable[np.argsort(person[usable], kind="stable")]
    values, person = values[order], person[order]
    last = np.append(person[1:] != person[:-1], True)
    return np.asarray(person[last][doubts(quantity, values, person, plausible)[last]])


def doubts(quantity: str, values: Floats, person: Ints, plausible: Range) -> Flags:
    """At which values those of the person up to then seem to be in another unit: (values,).

    Parameters
    ----------
    quantity, values, person, plausible
        As for `suspected`; the values of a person adjacent and in order of time.
    """
    usable = _usable(quantity, values)
    found = np.zeros(len(values), bool)
    if not usable.any() or quantity not in _ELSEWHERE:
        return found
    at = known_up_to(usable, person)
    found[at >= 0] = _doubts(quantity, values[usable], person[usable], plausible)[at[at >= 0]]
    return found


def known_up_to(known: Flags, person: Ints) -> Ints:
    """Of each row, which of the known ones is the person's latest up to then, counted among these; -1 if none: (rows,).

    Rows of a person are adjacent and in order of time.
    """
    at = np.cumsum(known) - 1
    whose = person[known]
    mine = (at >= 0) & (np.append(whose, -1)[at] == person)
    return np.where(mine, at, -1)


def medians_up_to(values: Floats, person: Ints) -> Floats:
    """Of each value the median of those of the person up to it; as `known_up_to`, NaN counts for nothing: (values,)."""
    running = pd.Series(values).groupby(person, sort=True).expanding().median()
    return np.asarray(running.droplevel(0).sort_index(), np.float64)


def _doubts(quantity: str, values: Floats, person: Ints, plausible: Range) -> Flags:
    usual, stays = _OF_STAYS[quantity], medians_up_to(values, person)
    found = np.zeros(len(values), bool)
    for unit in _ELSEWHERE[quantity]:
        count, multiplied = _counted(_multiplied(usual, unit, values), person)
        betrayed = ~_inside(plausible, stays) | (multiplied / count >= _MOST)
        enough = np.where(betrayed, 0.0, _BEYOND_DOUBT)
        found |= _inside(plausible, unit.scale * (stays - unit.zero)) & (_likelier(usual, unit, stays) > enough)
        found |= _mixed(~_inside(plausible, values) & _inside(plausible, unit.scale * (values - unit.zero)), person)
    return found


def misplaced(higher: Floats, lower: Floats, person: Ints, tolerance: float) -> bool:
    """Whether two columns, of which one must be the higher, seem to be in each other's place.

    Parameters
    ----------
    higher, lower : ndarray of float64, shape (pairs,)
        Measured at the same time; NaN is unknown.
    person : ndarray of int64, shape (pairs,)
    tolerance : float
        By how much the higher may be the lower in the median of a few patients, whom two devices measure; of many not
        at all.
    """
    both = np.isfinite(higher) & np.isfinite(lower)
    if not both.any():
        return False
    allowed = 0.0 if len(np.unique(person[both])) >= _ENOUGH_PERSONS else tolerance
    return bool(np.median(lower[both] - higher[both]) > allowed)


def _usable(quantity: str, values: Floats) -> Flags:
    """All but what is known to be filed there though it is another measurement."""
    if quantity not in _ANOTHER:
        return np.ones(len(values), bool)
    return ~_inside(_ANOTHER[quantity], values)


def _likelier(usual: Usual, unit: Unit, stays: Floats) -> Floats:
    """How much likelier the other unit is by each stay: the logarithm of the ratio, which adds up."""
    return np.asarray(_log_density(usual, unit.scale * (stays - unit.zero)) - _log_density(usual, stays))


def _multiplied(usual: Usual, unit: Unit, values: Floats) -> Flags:
    """Which values lie between the steps in which they are written, and on them if in the other unit."""
    if usual.step is None:
        return np.zeros(len(values), bool)
    here, there = values / usual.step, unit.scale * (values - unit.zero) / usual.step
    between = np.abs(here - np.rint(here)) > _NEAR_STEP
    # conversion factors are known to two parts in a thousand
    on = np.abs(there - np.rint(there)) < 2.0 * _NEAR_STEP + 0.002 * np.abs(there)
    return np.asarray(between & on & (there > 0.5))


def _mixed(betrayed: Flags, person: Ints) -> Flags:
    """Where more values of a person than slips explain can, up to then, only be in the other unit: (values,)."""
    count, wrong = _counted(betrayed, person)
    share = wrong / count
    return np.asarray(((wrong >= _NO_SLIPS) & (share >= _NO_SLIP_SHARE)) | (share >= _HALF))


def _counted(marked: Flags, person: Ints) -> tuple[Ints, Ints]:
    """Of each value how many the person has up to it, and how many of them are marked: (values,), (values,)."""
    mine = pd.Series(marked.astype(np.int64)).groupby(person)
    return np.asarray(mine.cumcount() + 1, np.int64), np.asarray(mine.cumsum(), np.int64)


def _log_density(usual: Usual, value: Floats) -> Floats:
    """Of medians of stays, but for a constant: Student's t of the logarithm."""
    z = np.log(np.maximum(value, _LEAST) / usual.middle) / usual.spread
    return np.asarray(-(_TAILS + 1.0) / 2.0 * np.log1p(z * z / _TAILS))


def _medians(values: Floats, person: Ints) -> tuple[Ints, Floats]:
    """Each person, ascending, and the median of their values."""
    order = np.lexsort((values, person))
    ordered, start = values[order], np.flatnonzero(np.diff(person[order], prepend=-1))
    size = np.diff(np.append(start, len(values)))
    medians = np.asarray((ordered[start + (size - 1) // 2] + ordered[start + size // 2]) / 2.0)
    return person[order][start], medians


def _within(limits: Range, value: float) -> bool:
    return limits[0] <= value <= limits[1]


def _inside(limits: Range, values: Floats) -> Flags:
    return np.asarray((values >= limits[0]) & (values <= limits[1]))
