"""Rows for which no number is given, and why: there is no basis for one, or the patient is outside the population.

How fresh the measurements must be is the service's own limit (`measure.served`) and is reported as ``as_served``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cds_app.domain.arrays import Flags, Floats
from cds_app.score.features.hours import NAMES, QUANTITIES
from cds_app.score.risk.eligibility import Ineligible, Limits
from cds_app.score.risk.population import Reference

NOTHING_MEASURED = "nothing-measured"
CONTRADICTORY = "contradictory-pressures"
IN_ANOTHER_UNIT = "in-another-unit"
IMPLAUSIBLE = "implausible-values"
_OLDEST_YEARS = 120.0  # beyond, an age is a mistake of the record


def abstained(
    limits: Limits,
    rows: NDArray[np.float32],
    population: Reference | None = None,
    *,
    in_another_unit: Flags | None = None,
    contradicted: Flags | None = None,
    implausible: Flags | None = None,
) -> NDArray[np.object_]:
    """Reason per row, None where a number is given.

    Parameters
    ----------
    limits : Limits
        Of the head.
    rows : ndarray of float32, shape (rows, len(FEATURES))
    population : Reference, optional
        Whom the measurements must be like.
    in_another_unit : ndarray of bool, shape (rows,), optional
        Rows at which a column of the patient seems to be in another unit than it should be.
    contradicted : ndarray of bool, shape (rows,), optional
        Rows up to which most pressures of one hour of the patient cannot all be right.
    implausible : ndarray of bool, shape (rows,), optional
        Rows up to which half or more of the patient's values cannot be.

    Returns
    -------
    ndarray of object, shape (rows,)
        ``age-unknown``, ``too-young``, ``nothing-measured`` (in the stay, up to then), ``in-another-unit`` (a column of
        the patient seems to be, up to then), ``contradictory-pressures`` (the patient's mostly are up to then, or the
        last systolic one is below the diastolic one), ``implausible-values`` (half or more up to then cannot be),
        ``outside-population``, ``too-late`` (longer in the unit than anyone whom the model was trained on) or None.
    """
    years = rows[:, NAMES.index("age_years")]
    last = rows[:, [NAMES.index(f"{one}_last") for one in QUANTITIES]]
    reason = np.full(len(rows), None, dtype=object)
    if population is not None:
        reason[population.outsiders(rows)] = Ineligible.OUTSIDE.value
    reason[_upside_down(rows)] = CONTRADICTORY
    if contradicted is not None:
        reason[contradicted] = CONTRADICTORY
    reason[rows[:, NAMES.index("hours_in_unit")] > limits.max_hours_in_unit] = Ineligible.TOO_LATE.value
    if in_another_unit is not None:
        reason[in_another_unit] = IN_ANOTHER_UNIT
    if implausible is not None:
        reason[implausible] = IMPLAUSIBLE
    reason[np.isnan(last).all(axis=1)] = NOTHING_MEASURED
    reason[years < limits.min_age_years] = Ineligible.TOO_YOUNG.value
    reason[~((years >= 0.0) & (years <= _OLDEST_YEARS))] = Ineligible.AGE_UNKNOWN.value
    return reason


def _upside_down(rows: NDArray[np.float32]) -> Flags:
    """Where the last systolic pressure is below the diastolic one of the same hour."""
    last = [rows[:, NAMES.index(f"{name}_last")] for name in ("sbp", "dbp")]
    age = [rows[:, NAMES.index(f"{name}_age_h")] for name in ("sbp", "dbp")]
    found: Flags = (last[0] < last[1]) & (age[0] == age[1])
    return found


def silenced(limits: Limits, rows: NDArray[np.float32], risk: Floats, population: Reference | None) -> Floats:
    """The risk of every row, NaN where none is given."""
    return where_given(abstained(limits, rows, population), risk)


def where_given(reason: NDArray[np.object_], risk: Floats) -> Floats:
    """The risk, NaN where there is a reason to give none."""
    return np.where(pd.isna(reason), risk, np.nan)
