"""What may come in as a file of stays in long form, a row for each value: refused with the parameter that is wrong.

Messages name parameters and units, never a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from cds_app.domain.arrays import Flags, Floats, Ints
from cds_app.errors import DataError
from cds_app.learn.files.suspected_units import PRESSURES, Range, misplaced, suspected, suspects
from cds_app.score.features.stays import QUANTITIES, Series

_NO_ROWS = np.empty(0, np.int64)
_MEASURED_BY = ("", "NI")  # a catheter, a cuff
_NAME = {"sbp": "SysABP", "map": "MAP", "dbp": "DiasABP"}


def refuse_units(table: pd.DataFrame, parameters: Iterable[tuple[str, str, Range]]) -> None:
    """Raise `DataError` for the first parameter that seems to be in another unit, or to hold something else.

    Parameters
    ----------
    table : pandas.DataFrame
        ``stay``, ``name``, ``hours`` and ``value``, which is known.
    parameters : iterable of (str, str, tuple of float)
        Name, the quantity that it should hold, and plausible limits of a value.
    """
    for name, quantity, limits, value, stay in _by_name(table, parameters):
        if (what := suspected(quantity, value, stay, limits)) is not None:
            raise DataError(f"{name} {what}", field=name)


def in_another_unit(table: pd.DataFrame, parameters: Iterable[tuple[str, str, Range]]) -> dict[str, Ints]:
    """Stays of which alone a parameter seems to be in another unit, by parameter, of those that have any.

    Parameters
    ----------
    table, parameters
        As for `refuse_units`.
    """
    found = {
        name: suspects(quantity, value, stay, limits)
        for name, quantity, limits, value, stay in _by_name(table, parameters)
    }
    return {name: theirs for name, theirs in found.items() if len(theirs)}


def _by_name(
    table: pd.DataFrame, parameters: Iterable[tuple[str, str, Range]]
) -> Iterator[tuple[str, str, Range, Floats, Ints]]:
    """Each parameter with its values and whose they are."""
    rows = table.groupby("name").indices
    stay, value = table["stay"].to_numpy(np.int64), table["value"].to_numpy(np.float64)
    for name, quantity, limits in parameters:
        mine = rows.get(name, _NO_ROWS)
        yield name, quantity, limits, value[mine], stay[mine]


def refuse_misplaced(table: pd.DataFrame) -> None:
    """Raise `DataError` for the first two pressures that seem to be in each other's place."""
    for device in _MEASURED_BY:
        for higher, lower, tolerance in PRESSURES:
            one, other = (f"{device}{_NAME[quantity]}" for quantity in (higher, lower))
            stay, above, below = _together(*(table[table["name"] == name] for name in (one, other)))
            if misplaced(above, below, stay, tolerance):
                raise DataError(f"{one} and {other} seem to be in each other's place", field=one)


def contradicted(series: Series, stays: int) -> Flags:
    """Stays of which most pressures of one time cannot all be right: (stays,)."""
    found = np.zeros(stays, bool)
    for higher, lower, tolerance in PRESSURES:
        stay, above, below = _together(*_measured(series, higher, lower))
        apart = pd.Series(below - above).groupby(stay).median()
        found[apart.index[apart > tolerance]] = True
    return found


def _measured(series: Series, *quantities: str) -> Iterator[pd.DataFrame]:
    for name in quantities:
        mine = series.quantity == QUANTITIES.index(name)
        yield pd.DataFrame({"stay": series.stay[mine], "hours": series.hours[mine], "value": series.value[mine]})


def _together(one: pd.DataFrame, other: pd.DataFrame) -> tuple[Ints, Floats, Floats]:
    """Stay and both values where a stay has both at one time."""
    when = ["stay", "hours"]
    both = one[[*when, "value"]].merge(other[[*when, "value"]].drop_duplicates(when), on=when)
    return both["stay"].to_numpy(np.int64), both["value_x"].to_numpy(np.float64), both["value_y"].to_numpy(np.float64)
