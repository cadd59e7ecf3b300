"""What may come in as a file of hourly rows: refused with the column or row that is wrong, never repaired in silence.

Messages name columns, units and rows of the file (from 1), never a value.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cds_app.domain.arrays import Flags, Floats, Ints
from cds_app.errors import DataError
from cds_app.learn.files.suspected_units import Range, doubts, known_up_to, medians_up_to, misplaced, suspected
from cds_app.learn.files.tables import columns_of, names_in

KEY: tuple[str, ...] = ("pid", "ICULOS")
_LONGEST_H = 100_000  # eleven years: beyond, the column is something else
_HOUR_MIN = 60
_ONE_OF_EACH = {"Age": 1.0, "Gender": 0.0}  # and how far two rows of a patient may be apart
_DECIMALS = 4  # undo single precision
_LOOKED_AT = 2_000  # values of a column are enough for its median


def read(path: Path, wanted: Sequence[str], needed: Sequence[str]) -> pd.DataFrame:
    """Those of the wanted columns that a file has, rows as they stand in it.

    Raises
    ------
    DataError
        If it cannot be read, lacks a needed column or holds no rows.
    """
    names = names_in(path)
    if missing := [name for name in needed if name not in names]:
        raise DataError(f"the file lacks the columns {', '.join(missing)}", field="data")
    chosen = [name for name in wanted if name in names]
    if twice := [name for name in chosen if names.count(name) > 1]:
        raise DataError(f"the file has more than one column {twice[0]}", field="data")
    frame = columns_of(path, chosen)
    if not len(frame):
        raise DataError("the file holds no rows", field="data")
    return frame


def with_numbers(frame: pd.DataFrame, names: Iterable[str], *, marks: Container[str] = ()) -> pd.DataFrame:
    """The frame with every column that should hold numbers as numpy has them, NaN where there is none.

    Parameters
    ----------
    marks : container of str
        Columns that may hold true and false instead.

    Raises
    ------
    DataError
        Naming column and first row, if there is text or the like.
    """
    found = {name: _plain(frame[name], mark=name in marks) for name in names if name in frame.columns}
    return frame.assign(**{name: one for name, one in found.items() if one is not None})


def _plain(column: pd.Series[float], *, mark: bool) -> Floats | None:
    """Numbers of a column that is empty or nullable; None where it is plain as it stands."""
    if pd.api.types.is_numeric_dtype(column) and (mark or not pd.api.types.is_bool_dtype(column)):
        plain = isinstance(column.dtype, np.dtype)
        return None if plain else np.asarray(column.to_numpy(np.float64, na_value=np.nan), np.float64)
    if column.notna().any():
        unread = column.notna() & pd.to_numeric(column, errors="coerce").isna()
        first = _row(unread if unread.any() else column.notna())
        raise DataError(f"does not hold plain numbers, first in {first}", field=str(column.name))
    return np.full(len(column), np.nan)


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows sorted by patient and hour.

    Raises
    ------
    DataError
        Naming the row, if it says no patient or no whole hour, or repeats another row's, or contradicts an earlier one
        of the patient in who that is; naming the column, if its hours seem to be minutes.
    """
    _refuse(_nobody(frame["pid"]), "no patient", field="pid")
    hour = frame["ICULOS"].to_numpy(np.float64)
    whole = (hour >= 0) & (hour <= _LONGEST_H) & (np.floor(hour) == hour)
    _refuse(~whole, "not a whole number of hours from 0 on", field="ICULOS")
    ordered = frame.sort_values(list(KEY), kind="stable")
    if (again := _again(ordered)).any():
        at = int(ordered.index[again].min()) + 1
        raise DataError(f"row {at} has the patient and hour of another row", field="pid, ICULOS")
    _refuse_minutes(ordered)
    _refuse_others(frame)
    return ordered.reset_index(drop=True)


def _nobody(pid: pd.Series[str]) -> Flags:
    """Rows that name no patient."""
    code, known = pd.factorize(pid)
    blank = [not str(one).strip() for one in known]
    return np.asarray(np.append(blank, True).astype(bool)[code])  # a missing one has code -1


def _refuse_others(frame: pd.DataFrame) -> None:
    """A patient has one sex, and one age but for a birthday."""
    person = _person(frame)
    for name, apart in _ONE_OF_EACH.items():
        if name in frame.columns:
            said = frame[name].astype(np.float64)
            first = said.groupby(person).transform("first")
            _refuse((said - first).abs() > apart, "contradicts another row of the patient", field=name)


def _refuse_minutes(ordered: pd.DataFrame) -> None:
    """Rows of a patient that are all whole sixties apart are an hour apart, in minutes or seconds."""
    hour = ordered["ICULOS"].to_numpy(np.int64)
    steps = np.diff(hour)[np.diff(_person(ordered)) == 0]
    if len(steps) > 1 and np.gcd.reduce(steps) % _HOUR_MIN == 0:
        raise DataError("seems to be in minutes or seconds, not in hours", field="ICULOS")


def _again(ordered: pd.DataFrame) -> Flags:
    """Rows that repeat patient and hour of the row before; few have its hour, so few patients are compared."""
    hour = ordered["ICULOS"].to_numpy()
    after = 1 + np.flatnonzero(hour[1:] == hour[:-1])
    found = np.zeros(len(ordered), bool)
    found[after] = ordered["pid"].iloc[after].to_numpy() == ordered["pid"].iloc[after - 1].to_numpy()
    return found


def refuse_labels(label: pd.Series[float]) -> None:
    """Raise `DataError` if a label is neither 0 nor 1, naming the first row."""
    _refuse(~label.isin((0, 1)), "neither 0 nor 1", field=str(label.name))


def refuse_sexes(sex: pd.Series[float]) -> None:
    """Raise `DataError` if sexes are 1 and 2 instead of 0 and 1: which of both is 1 then is not known."""
    if sex.eq(2).any() and not sex.eq(0).any():
        _refuse(sex.eq(2), "neither 0 nor 1 in a file without 0", field=str(sex.name))


def refuse_units(frame: pd.DataFrame, columns: Iterable[tuple[str, str, Range]]) -> None:
    """Raise `DataError` for the first column that seems to be in another unit, or to hold something else.

    Parameters
    ----------
    columns : iterable of (str, str, tuple of float)
        Name, the quantity that it should hold, and plausible limits of a value.
    """
    for name, quantity, limits in columns:
        if name in frame.columns:
            rows = _some(frame[name])
            values = np.round(frame[name].to_numpy(np.float64)[rows], _DECIMALS)
            if (what := suspected(quantity, values, _person(frame.iloc[rows]), limits)) is not None:
                raise DataError(f"{what}; nothing is converted here", field=name)


def in_another_unit(frame: pd.DataFrame, columns: Iterable[tuple[str, str, Range]]) -> dict[str, Flags]:
    """Rows at which a column seems to be in another unit, by what it holds of the patient up to then: (rows,) each.

    Parameters
    ----------
    frame : pandas.DataFrame
        Sorted by patient and hour.
    columns : iterable of (str, str, tuple of float)
        As for `refuse_units`.

    Returns
    -------
    dict
        By column, of those that have any such row.
    """
    person = _person(frame)
    found: dict[str, Flags] = {}
    for name, quantity, limits in columns:
        if name in frame.columns:
            values = np.round(frame[name].to_numpy(np.float64), _DECIMALS)
            known = np.isfinite(values)
            doubted = doubts(quantity, values[known], person[known], limits)
            if doubted.any():
                found[name] = np.append(doubted, False)[known_up_to(known, person)]
    return found


def refuse_misplaced(frame: pd.DataFrame, pairs: Iterable[tuple[str, str, float]]) -> None:
    """Raise `DataError` for the first two columns that seem to be in each other's place.

    Parameters
    ----------
    pairs : iterable of (str, str, float)
        Which must be the higher, which the lower, and how far two devices may contradict it (`misplaced`).
    """
    for higher, lower, tolerance in pairs:
        if {higher, lower} <= set(frame.columns):
            some = frame.iloc[_some(frame[higher] + frame[lower])]
            one, other = (some[name].to_numpy(np.float64, na_value=np.nan) for name in (higher, lower))
            if misplaced(one, other, _person(some), tolerance):
                raise DataError("seem to be in each other's place", field=f"{higher}, {lower}")


def contradicted(frame: pd.DataFrame, pairs: Iterable[tuple[str, str, float]]) -> Flags:
    """Rows up to which most values of two columns in one row of the patient are the wrong way round: (rows,).

    Parameters
    ----------
    frame : pandas.DataFrame
        Sorted by patient and hour.
    pairs : iterable of (str, str, float)
        As for `refuse_misplaced`.
    """
    found, person = np.zeros(len(frame), bool), _person(frame)
    for higher, lower, tolerance in pairs:
        if {higher, lower} <= set(frame.columns):
            apart = (frame[lower] - frame[higher]).to_numpy(np.float64)
            found |= medians_up_to(apart, person) > tolerance
    return found


def _some(column: pd.Series[float]) -> Ints:
    """Evenly spread rows in which a column has a value."""
    known = np.flatnonzero(column.notna().to_numpy())
    return known[:: max(1, len(known) // _LOOKED_AT)].astype(np.int64)


def _person(rows: pd.DataFrame) -> Ints:
    """Number of the patient of each row."""
    return pd.factorize(rows["pid"])[0].astype(np.int64)


def _refuse(wrong: pd.Series[bool] | Flags, what: str, *, field: str) -> None:
    if np.any(wrong):
        raise DataError(f"{what}, first in {_row(wrong)}", field=field)


def _row(wrong: pd.Series[bool] | Flags) -> str:
    return f"row {int(np.argmax(np.asarray(wrong))) + 1}"
