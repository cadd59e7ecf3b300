"""PhysioNet/CinC Challenge 2019 in the ontology's words: the one place that knows its columns.

Source: Reyna MA et al., Early prediction of sepsis from clinical data, Crit Care Med 2020;48:210. CC BY 4.0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from cds_app.domain.arrays import Flags, Ints
from cds_app.learn.data_set import DataSet
from cds_app.learn.files import hours as rules
from cds_app.learn.files.suspected_units import PRESSURES

DATA_SET = DataSet(
    credit="PhysioNet/CinC Challenge 2019 (Reyna et al., Crit Care Med 2020), CC BY 4.0",
    credit_short="PhysioNet/CinC Challenge 2019, Reyna et al. 2020, CC BY 4.0",
    licence="CC BY 4.0",
    inclusion="Stays of at least 8 hours in the intensive care units of two hospital systems in the United States, as "
    "published; at most two weeks of each. Hours without any measurement are kept.",
    relevance="Adult intensive care with hourly vital signs and daily laboratory values. Elsewhere (wards, other "
    "countries, other habits of measuring) the model has to be checked before it is believed.",
    input="34 of them, one value an hour at most; no drugs, cultures, notes or diagnoses.",
    external="Both hospitals are in training and test data. Training in one and testing in the other is reported where "
    "it was done; no third source has been tested.",
)

Part = Literal["fit", "calibrate", "test"]
Cuts = tuple[float, float]  # fit patients are below the first, calibration patients below the second
_CUTS: Cuts = (0.70, 0.85)


@dataclass(frozen=True, slots=True)
class Column:
    """One measured column.

    Parameters
    ----------
    column : str
        Name in the file.
    quantity : str
        What the twin calls it.
    low, high : float
        Plausible limits in the canonical unit; outside is an artefact. As in ``models/ontology``, but for aPTT (from
        10 s instead of 15) and troponin (from 0.001 ng/mL instead of 0).
    unit : str
        The canonical UCUM unit, which the values are in after `load`.
    """

    column: str
    quantity: str
    low: float
    high: float
    unit: str


COLUMNS: tuple[Column, ...] = (
    Column("HR", "heart_rate", 10, 300, "/min"),
    Column("O2Sat", "spo2", 30, 100, "%"),
    Column("Temp", "body_temp", 25, 45, "Cel"),
    Column("SBP", "sbp", 30, 300, "mm[Hg]"),
    Column("MAP", "map", 20, 220, "mm[Hg]"),
    Column("DBP", "dbp", 10, 200, "mm[Hg]"),
    Column("Resp", "resp_rate", 2, 80, "/min"),
    Column("EtCO2", "etco2", 5, 150, "mm[Hg]"),
    Column("BaseExcess", "base_excess", -40, 40, "mmol/L"),
    Column("HCO3", "bicarbonate", 2, 60, "mmol/L"),
    Column("FiO2", "fio2", 21, 100, "%"),
    Column("pH", "ph", 6.5, 8.0, "[pH]"),
    Column("PaCO2", "pco2", 5, 200, "mm[Hg]"),
    Column("SaO2", "sao2", 30, 100, "%"),
    Column("AST", "ast", 1, 20000, "U/L"),
    Column("BUN", "urea_nitrogen", 1, 300, "mg/dL"),
    Column("Alkalinephos", "alp", 5, 5000, "U/L"),
    Column("Calcium", "calcium", 3, 20, "mg/dL"),
    Column("Chloride", "chloride", 60, 160, "mmol/L"),
    Column("Creatinine", "creatinine", 0.1, 30, "mg/dL"),
    Column("Bilirubin_direct", "bilirubin_direct", 0.01, 60, "mg/dL"),
    Column("Glucose", "glucose", 10, 2000, "mg/dL"),
    Column("Lactate", "lactate", 0.1, 40, "mmol/L"),
    Column("Magnesium", "magnesium", 0.3, 10, "mg/dL"),
    Column("Phosphate", "phosphate", 0.3, 20, "mg/dL"),
    Column("Potassium", "potassium", 1.0, 12, "mmol/L"),
    Column("Bilirubin_total", "bilirubin_total", 0.05, 60, "mg/dL"),
    Column("TroponinI", "troponin_i", 0.001, 500, "ng/mL"),
    Column("Hct", "hematocrit", 5, 75, "%"),
    Column("Hgb", "hemoglobin", 2, 25, "g/dL"),
    Column("PTT", "aptt", 10, 300, "s"),
    Column("WBC", "wbc", 0.01, 500, "10*3/uL"),
    Column("Fibrinogen", "fibrinogen", 20, 1500, "mg/dL"),
    Column("Platelets", "platelets", 1, 3000, "10*3/uL"),
)
QUANTITY_OF: dict[str, str] = {one.column: one.quantity for one in COLUMNS}
COLUMN_OF: dict[str, str] = {one.quantity: one.column for one in COLUMNS}
_CHECKED = tuple((one.column, one.quantity, (one.low, one.high)) for one in COLUMNS)
KEYS: tuple[str, ...] = ("pid", "site", "Age", "Gender", "Unit1", "Unit2", "HospAdmTime", "ICULOS", "SepsisLabel")
_PRESSURES = tuple((COLUMN_OF[one], COLUMN_OF[other], tolerance) for one, other, tolerance in PRESSURES)
_MARKS = ("Gender", "Unit1", "Unit2", "SepsisLabel")  # may be true or false
_NUMBERS = ("Age", "Gender", "Unit1", "Unit2", "HospAdmTime", "ICULOS", "SepsisLabel")

NEEDED: tuple[str, ...] = (*rules.KEY, "Age", "Gender", "HospAdmTime")
VITAL_COLUMNS: tuple[str, ...] = ("HR", "O2Sat", "Temp", "SBP", "MAP", "DBP", "Resp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a file holds, and what of it is in doubt.

    Parameters
    ----------
    frame : pandas.DataFrame
        As `load` returns it.
    left_out : dict of str to int
        Of every column that has any, how many values are artefacts.
    in_another_unit : dict of str to ndarray of bool, shape (rows,)
        Rows at which a column of the patient seems to be in another unit, by column, of those that have any.
    implausible : ndarray of bool, shape (rows,)
        Rows up to which half or more of the patient's values are artefacts: one that seems plausible is then by chance,
        as a base excess of 0 or -1 is where that stands for "unknown".

    What is in doubt at a row rests on the patient's rows up to it: none that follows changes what is said of it.
    """

    frame: pd.DataFrame
    left_out: dict[str, int]
    in_another_unit: dict[str, Flags]
    implausible: Flags

    def doubted(self) -> Flags:
        """Rows at which any column of the patient seems to be in another unit: (rows,)."""
        found = np.zeros(len(self.frame), bool)
        for doubted in self.in_another_unit.values():
            found |= doubted
        return found

    def contradicted(self) -> Flags:
        """Rows up to which most pressures of one hour of the patient cannot all be right: (rows,)."""
        return rules.contradicted(self.frame, _PRESSURES)


def load(path: Path, *, extra: Sequence[str] = KEYS, needed: Sequence[str] = rules.KEY) -> pd.DataFrame:
    """Hourly rows, sorted by patient and hour, measured columns in canonical units with artefacts removed.

    Parameters
    ----------
    path : Path
        Parquet or CSV file with the challenge's columns.
    extra : sequence of str
        Other columns to keep; those that the file lacks are left out.
    needed : sequence of str
        Columns that the file must have.

    Returns
    -------
    pandas.DataFrame
        One row per patient and hour; measured columns keep the file's names and are float32.

    Raises
    ------
    DataError
        Naming the column or row, if the file is not what it should be, or a column seems to be in another unit.
    """
    return load_whole(path, extra=extra, needed=needed).frame


def load_whole(path: Path, *, extra: Sequence[str] = KEYS, needed: Sequence[str] = rules.KEY) -> Loaded:
    """As `load`, with what was left out, and whose units are in doubt."""
    measured = [one.column for one in COLUMNS]
    frame = rules.read(path, [*extra, *measured], needed)
    frame = rules.with_numbers(frame, [*_NUMBERS, *measured], marks=_MARKS)
    if "SepsisLabel" in frame.columns and frame["SepsisLabel"].isna().all():
        frame = frame.drop(columns="SepsisLabel")  # nobody said what followed
    elif "SepsisLabel" in frame.columns:
        rules.refuse_labels(frame["SepsisLabel"])
    if "Gender" in frame.columns:
        rules.refuse_sexes(frame["Gender"])
    if "FiO2" in frame.columns:
        frame["FiO2"] = fio2_percent(frame["FiO2"])
    rules.refuse_units(frame, _CHECKED)
    ordered = rules.in_order(frame)
    in_another_unit = rules.in_another_unit(ordered, _CHECKED)
    before, values = ordered.notna().sum(), _values(ordered)
    found = _without_artefacts(ordered)
    rules.refuse_misplaced(found, _PRESSURES)
    left_out = before - found.notna().sum()
    return Loaded(
        frame=found,
        left_out={str(name): int(count) for name, count in left_out.items() if count},
        in_another_unit=in_another_unit,
        implausible=((values > 0) & (_values(found) <= values / 2.0)).to_numpy(bool),
    )


def _values(frame: pd.DataFrame) -> pd.Series[int]:
    """How many measured values the patient of each row has up to then."""
    found = frame[[one.column for one in COLUMNS if one.column in frame.columns]].notna().sum(axis=1)
    return found.groupby(frame["pid"]).cumsum()


def _without_artefacts(frame: pd.DataFrame) -> pd.DataFrame:
    """Values outside the plausible limits are unknown; so are infinite statics, and a sex that is neither 0 nor 1."""
    for one in COLUMNS:
        if one.column in frame.columns:
            known = frame[one.column]
            frame[one.column] = known.where(known.between(one.low - 1e-6, one.high + 1e-6)).astype(np.float32)
    for name in ("Age", "HospAdmTime", "Gender"):
        if name in frame.columns:
            known = frame[name].isin((0, 1)) if name == "Gender" else np.isfinite(frame[name])
            frame[name] = frame[name] if known.all() else frame[name].where(known)
    return frame


def fio2_percent(fraction_or_percent: pd.Series[float]) -> pd.Series[float]:
    """FiO2 in percent: the file holds fractions with some percentages among them; nothing lies between 1 and 21."""
    return fraction_or_percent.where(fraction_or_percent > 1.0, fraction_or_percent * 100.0).round(1)


def split(pid: str, cuts: Cuts = _CUTS) -> Part:
    """Which of the three disjoint sets a patient is in, by SHA-256 of the id; by default 70 %, 15 % and 15 %."""
    at = _place(pid)
    if at < cuts[0]:
        return "fit"
    return "calibrate" if at < cuts[1] else "test"


def fold_of(pids: pd.Series[str], folds: int) -> Ints:
    """Of every row, the fold of its patient: the same order of patients as in `split`, cut into equal parts."""
    return pids.map({pid: int(_place(str(pid)) * folds) for pid in pids.unique()}).to_numpy(np.int64)


def in_part(pids: pd.Series[str], part: Part, cuts: Cuts = _CUTS) -> pd.Series[bool]:
    """Which rows belong to patients of one part."""
    members = {pid for pid in pids.unique() if split(str(pid), cuts) == part}
    return pids.isin(members)


def _place(pid: str) -> float:
    """Of a patient in the order that splits follow, from 0 to below 1."""
    return int.from_bytes(hashlib.sha256(pid.encode()).digest()[:8], "big") / 2.0**64
