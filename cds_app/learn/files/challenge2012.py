"""PhysioNet/CinC Challenge 2012 in the ontology's words: the one place that knows its parameters.

Source: Silva I et al., Predicting in-hospital mortality of ICU patients: the PhysioNet/Computing in Cardiology
Challenge 2012, Comput Cardiol 2012;39:245. ODC-BY 1.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cds_app.domain.arrays import Flags, Floats, Ints
from cds_app.errors import DataError
from cds_app.learn.data_set import DataSet
from cds_app.learn.files.challenge2019 import fio2_percent
from cds_app.learn.files.stays import in_another_unit, refuse_misplaced, refuse_units
from cds_app.learn.files.tables import columns_of
from cds_app.score.features.stays import HEIGHT_CM, QUANTITIES, UNITS, WINDOW_H, Series, Stayers

DATA_SET = DataSet(
    credit="PhysioNet/CinC Challenge 2012, sets a and b (Silva et al., Comput Cardiol 2012), ODC-BY 1.0",
    credit_short="PhysioNet/CinC Challenge 2012, Silva et al. 2012, ODC-BY 1.0",
    licence="ODC-BY 1.0",
    inclusion="Stays of at least 48 hours in the coronary, cardiac surgery, medical and surgical intensive care units "
    "of one hospital in the United States, 2001 to 2008; the first 48 hours of each.",
    relevance="Adult intensive care. Mortality has fallen since these data were gathered: local recalibration comes "
    "before any use.",
    input="The first 48 hours of them; kind of unit and height where known; no drugs, diagnoses or wishes of the "
    "patient.",
    external="No other source has been tested. Set c of the same challenge was not looked at.",
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One measured parameter.

    Parameters
    ----------
    name : str
        In the file.
    quantity : str
        In the ontology.
    low, high : float
        Plausible limits in the canonical unit, as in ``models/ontology`` but for adults' weight; outside is an
        artefact.
    """

    name: str
    quantity: str
    low: float
    high: float


PARAMETERS: tuple[Parameter, ...] = (
    Parameter("HR", "heart_rate", 10, 300),
    Parameter("RespRate", "resp_rate", 2, 80),
    Parameter("Temp", "body_temp", 25, 45),
    Parameter("SysABP", "sbp", 30, 300),
    Parameter("NISysABP", "sbp", 30, 300),
    Parameter("DiasABP", "dbp", 10, 200),
    Parameter("NIDiasABP", "dbp", 10, 200),
    Parameter("MAP", "map", 20, 220),
    Parameter("NIMAP", "map", 20, 220),
    Parameter("GCS", "gcs_total", 3, 15),
    Parameter("Urine", "urine_output", 0, 5000),
    Parameter("FiO2", "fio2", 21, 100),
    Parameter("pH", "ph", 6.5, 8.0),
    Parameter("PaCO2", "pco2", 5, 200),
    Parameter("PaO2", "po2", 10, 700),
    Parameter("SaO2", "sao2", 30, 100),
    Parameter("Lactate", "lactate", 0.1, 40),
    Parameter("HCO3", "bicarbonate", 2, 60),
    Parameter("BUN", "urea_nitrogen", 1, 300),
    Parameter("Creatinine", "creatinine", 0.1, 30),
    Parameter("Na", "sodium", 90, 200),
    Parameter("K", "potassium", 1.0, 12),
    Parameter("Glucose", "glucose", 10, 2000),
    Parameter("Mg", "magnesium", 0.3, 10),
    Parameter("WBC", "wbc", 0.01, 500),
    Parameter("HCT", "hematocrit", 5, 75),
    Parameter("Platelets", "platelets", 1, 3000),
    Parameter("Bilirubin", "bilirubin_total", 0.05, 60),
    Parameter("ALP", "alp", 5, 5000),
    Parameter("AST", "ast", 1, 20000),
    Parameter("ALT", "alt", 1, 20000),
    Parameter("Albumin", "albumin", 0.5, 7),
    Parameter("Cholesterol", "chol_total", 40, 1000),
    Parameter("TroponinI", "troponin_i", 0, 500),
    Parameter("TroponinT", "troponin_t", 0, 100),
    Parameter("Weight", "body_weight", 20, 350),
    Parameter("MechVent", "ventilation", 1, 1),
)
_PLACE = {one.name: i for i, one in enumerate(PARAMETERS)}
_OF_ITS_OWN = frozenset({"fio2", "ventilation"})  # a fraction or percents; a mark
_CHECKED = tuple((one.name, one.quantity, (one.low, one.high)) for one in PARAMETERS if one.quantity not in _OF_ITS_OWN)
_COLUMNS = ("RecordID", "Time", "Parameter", "Value")
_WHO = ("Age", "Gender", "Height", "ICUType")
_OLDEST = 120.0
_MISSING = -1.0
_LONGEST = 2.0**53  # beyond, whole numbers next to each other are the same float64
_TIME = re.compile(r"(\d{1,3}):([0-5]\d)")
_DIED = "In-hospital_death"
_SURVIVAL = ("Survival", "Length_of_stay")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stays:
    """Stays of a file, sorted by number.

    Parameters
    ----------
    record : ndarray of int64, shape (stays,)
        ``RecordID``.
    series : Series
        Artefacts removed, canonical units.
    left_out : mapping of str to int
        How many values of each parameter are artefacts, of those that have any.
    in_another_unit : mapping of str to ndarray of int64
        Places in ``record`` of stays of which alone a parameter seems to be in another unit, of those that have any.
    """

    record: Ints
    stayers: Stayers
    series: Series
    left_out: Mapping[str, int]
    in_another_unit: Mapping[str, Ints]

    def doubted(self) -> Flags:
        """Stays of which any parameter seems to be in another unit: (stays,)."""
        found = np.zeros(len(self.record), bool)
        for theirs in self.in_another_unit.values():
            found[theirs] = True
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What became of each stay: (stays,).

    Parameters
    ----------
    died : ndarray of int64
        1 where the patient died in hospital.
    days_after_discharge : ndarray of float64
        When the patient died, days after discharge; infinite where nobody knows of a death.
    days_left : ndarray of float64
        From the end of the first 48 hours to death in hospital, in days; NaN where nobody knows it or lived.
    """

    died: Ints
    days_after_discharge: Floats
    days_left: Floats

    def of(self, stays: Ints) -> Outcomes:
        """Some of the stays."""
        return Outcomes(
            died=self.died[stays],
            days_after_discharge=self.days_after_discharge[stays],
            days_left=self.days_left[stays],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Every plausible measurement of a file, under the file's own parameters.

    Parameters
    ----------
    record : ndarray of int64, shape (stays,)
        ``RecordID``, ascending.
    stay, parameter : ndarray of int64, shape (samples,)
        Places in ``record`` and in `PARAMETERS`.
    hours, value : ndarray of float64, shape (samples,)
        Since admission to the unit; in the canonical unit.
    left_out, in_another_unit : mapping
        As in `Stays`.
    """

    record: Ints
    stayers: Stayers
    stay: Ints
    parameter: Ints
    hours: Floats
    value: Floats
    left_out: Mapping[str, int]
    in_another_unit: Mapping[str, Ints]


def load(path: Path) -> Stays:
    """Stays as the model looks at them; rows that say the same twice count once, and their order does not matter.

    Parameters
    ----------
    path : Path
        Table with ``RecordID``, ``Time`` (hh:mm since admission to the unit), ``Parameter`` and ``Value``.

    Raises
    ------
    DataError
        Naming the column, and the row counted from 1, when one is missing or cannot be read, or when a patient is
        described twice and differently; naming the parameter, when its values seem to be in another unit or to be
        of another measurement.
    """
    found = load_samples(path)
    quantity = np.array([QUANTITIES.index(one.quantity) for one in PARAMETERS], np.int64)[found.parameter]
    series = Series(stay=found.stay, quantity=quantity, hours=found.hours, value=found.value)
    return Stays(
        record=found.record,
        stayers=found.stayers,
        series=series,
        left_out=found.left_out,
        in_another_unit=found.in_another_unit,
    )


def load_samples(path: Path, part: str | None = None) -> Samples:
    """Measurements of the first `WINDOW_H` hours under the file's own parameters: a cuff's and a catheter's are two.

    Parameters
    ----------
    path : Path
        As for `load`.
    part : str, optional
        Only stays of this ``set``; all by default.

    Raises
    ------
    DataError
        As `load`; when no stay is of the part.
    """
    frame = _read(path, _COLUMNS if part is None else (*_COLUMNS, "set"))
    if part is not None:
        frame = frame[frame["set"] == part].reset_index(drop=True)
        if frame.empty:
            raise DataError("the data hold no stay of that set", field="set")
    _refuse_names(frame)
    record = _numbers(frame, "RecordID", whole=True).astype(np.int64)
    hours, value = _hours(frame), _numbers(frame, "Value")
    known, stay = np.unique(record, return_inverse=True)
    table = pd.DataFrame({"stay": stay, "name": frame["Parameter"], "hours": hours, "value": value})
    early = hours <= WINDOW_H
    measured = table[table["value"].notna() & table["value"].ne(_MISSING) & early]
    refuse_units(measured, _CHECKED)
    who = {name: _described(table, name, len(known)) for name in _WHO}
    which, canonical, plausible = _plausible(table)
    kept = plausible & early
    refuse_misplaced(table[kept])
    said = early & table["value"].ne(_MISSING) & frame["Value"].notna()
    artefacts = table.loc[(which >= 0) & said & ~plausible, "name"]
    return Samples(
        record=known,
        stayers=_stayers(who),
        stay=table["stay"].to_numpy(np.int64)[kept],
        parameter=which[kept],
        hours=hours[kept],
        value=canonical[kept],
        left_out={str(name): int(count) for name, count in artefacts.value_counts().sort_index().items()},
        in_another_unit=in_another_unit(measured, _CHECKED),
    )


def load_outcomes(path: Path, record: Ints) -> Outcomes:
    """What became of stays.

    Parameters
    ----------
    path : Path
        Table with ``RecordID`` and ``In-hospital_death``; ``Survival`` and ``Length_of_stay`` may be absent.
    record : ndarray of int64
        The stays.

    Raises
    ------
    DataError
        When a column is missing or cannot be read, or a stay is not there exactly once.
    """
    frame = _read(path, ("RecordID", _DIED))
    number, died = _numbers(frame, "RecordID", whole=True).astype(np.int64), _numbers(frame, _DIED, whole=True)
    _refuse(~np.isin(died, (0.0, 1.0)), _DIED, "is neither 0 nor 1")
    _refuse(pd.Series(number).duplicated().to_numpy(), "RecordID", "names a stay for the second time")
    place = pd.Index(number).get_indexer(pd.Index(record))
    if (place < 0).any():
        raise DataError("the outcomes lack a stay of the data", field="RecordID")
    whole = Outcomes(
        died=died.astype(np.int64), days_after_discharge=_days_after(frame), days_left=_days_left(frame, died)
    )
    return whole.of(place)


def _days_after(frame: pd.DataFrame) -> Floats:
    if not set(_SURVIVAL) <= set(frame.columns):
        return np.full(len(frame), np.inf)
    survival, stay = (_numbers(frame, name) for name in _SURVIVAL)
    return np.where(survival > 0, survival - stay, np.inf)


def _days_left(frame: pd.DataFrame, died: Floats) -> Floats:
    if _SURVIVAL[0] not in frame.columns:
        return np.full(len(frame), np.nan)
    survival = _numbers(frame, _SURVIVAL[0])  # whole days since admission to the unit; -1 is not known
    return np.where((died > 0) & (survival > 0), np.maximum(survival - WINDOW_H / 24.0, 0.0), np.nan)


def _read(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    frame = columns_of(path)
    if missing := [name for name in columns if name not in frame.columns]:
        raise DataError(f"the data lack the column {missing[0]}", field=missing[0])
    if frame.empty:
        raise DataError("the data hold no row", field="data")
    return frame


def _numbers(frame: pd.DataFrame, name: str, *, whole: bool = False) -> Floats:
    """A column as numbers; a missing one is NaN, where only whole ones are wanted it is refused."""
    column = frame[name]
    known = column.notna().to_numpy(bool)
    found = np.asarray(pd.to_numeric(column, errors="coerce"), np.float64)
    _refuse(np.isnan(found) & known, name, "is no number")
    mark = pd.api.types.is_bool_dtype(column) and not whole
    _refuse(known & (mark or not pd.api.types.is_numeric_dtype(column)), name, "is no plain number")
    if whole:
        _refuse(~(np.isfinite(found) & (found == np.rint(found))), name, "is no whole number")
        _refuse(np.abs(found) > _LONGEST, name, "is too long a number")
        return found
    # four decimals undo the file's single precision
    return np.asarray(np.round(np.where(np.isfinite(found), found, np.nan), 4), np.float64)


def _hours(frame: pd.DataFrame) -> Floats:
    code, written = pd.factorize(frame["Time"])
    known = [float(at[1]) + float(at[2]) / 60.0 if (at := _TIME.fullmatch(str(one))) else np.nan for one in written]
    found = np.append(known, np.nan)[code]  # a missing one has code -1
    _refuse(np.isnan(found), "Time", "is no hh:mm")
    return found


def _refuse(wrong: Flags, name: str, what: str) -> None:
    if wrong.any():
        raise DataError(f"{name} {what} in row {int(np.argmax(wrong)) + 1}", field=name)


def _refuse_names(frame: pd.DataFrame) -> None:
    """A name that would be known if it were spelled as in the challenge: to leave its values out would go unseen."""
    known = {*_PLACE, *_WHO}
    alike = {one.casefold() for one in known}
    code, written = pd.factorize(frame["Parameter"])
    meant = [one not in known and str(one).strip().casefold() in alike for one in written]
    _refuse(np.append(meant, False)[code].astype(bool), "Parameter", "is not spelled as in the challenge")


def _described(table: pd.DataFrame, name: str, stays: int) -> Floats:
    """One descriptor of every stay; NaN where it is not given."""
    mine = table[(table["name"] == name) & table["value"].notna() & (table["value"] >= 0)]
    mine = mine.drop_duplicates(["stay", "value"])
    if (again := mine["stay"].duplicated()).any():
        raise DataError(f"{name} is given twice and differently in row {mine.index[again][0] + 1}", field=name)
    found = np.full(stays, np.nan)
    found[mine["stay"]] = mine["value"]
    return found


def _stayers(who: dict[str, Floats]) -> Stayers:
    age, gender, height, kind = (who[name] for name in _WHO)
    kinds = np.arange(1.0, len(UNITS) + 1)
    known = np.isin(kind, kinds)[:, None]
    return Stayers(
        age_years=np.where(age <= _OLDEST, age, np.nan),
        male=np.where(np.isin(gender, (0.0, 1.0)), gender, np.nan),
        height_cm=np.where((height >= HEIGHT_CM[0]) & (height <= HEIGHT_CM[1]), height, np.nan),
        unit=np.where(known, (kind[:, None] == kinds).astype(np.float64), np.nan),
    )


def _plausible(table: pd.DataFrame) -> tuple[Ints, Floats, Flags]:
    """Each row's place in `PARAMETERS`, its value in the canonical unit, and whether it is a plausible measurement."""
    code, names = pd.factorize(table["name"])
    which = np.array([*(_PLACE.get(name, -1) for name in names), -1], np.int64)[code]
    value = _canonical(which, table["value"].to_numpy(np.float64))
    low, high = (np.array([getattr(one, end) for one in PARAMETERS])[which] for end in ("low", "high"))
    return which, value, (which >= 0) & (value >= low) & (value <= high)


def _canonical(which: Ints, value: Floats) -> Floats:
    """FiO2 in percent; the rest are in the canonical unit already."""
    found = value.copy()
    oxygen = which == _PLACE["FiO2"]
    found[oxygen] = fio2_percent(pd.Series(value[oxygen]))
    return found
