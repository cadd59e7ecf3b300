"""Files of hourly rows that are not what they should be: refused with a name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from cds_app.errors import DataError
from cds_app.learn.files.challenge2019 import COLUMNS, NEEDED, VITAL_COLUMNS, Loaded, load, load_whole
from cds_app.learn.files.suspected_units import suspected
from tests.hours import ward, written

Change = Callable[[pd.DataFrame], object]


def _set(name: str, row: int, value: object) -> Change:
    def change(frame: pd.DataFrame) -> None:
        frame[name] = frame[name].astype(object)
        frame.loc[row, name] = value  # type: ignore[call-overload]

    return change


@pytest.mark.parametrize("name", [*NEEDED, *VITAL_COLUMNS])
def test_a_column_that_is_needed_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"lacks the columns {name}$"):
        load(written(ward().drop(columns=name), tmp_path), needed=(*NEEDED, *VITAL_COLUMNS))


@pytest.mark.parametrize(
    ("name", "scale", "zero", "unit"),
    [
        *[("Temp", 1.8, 32.0, "degrees Fahrenheit"), ("Temp", 1.0, 273.15, "kelvin")],
        *[(one, 1 / 7.50062, 0.0, "kPa") for one in ("SBP", "MAP", "DBP", "PaCO2", "EtCO2")],
        *[(one, 0.01, 0.0, "fractions of 1") for one in ("O2Sat", "SaO2", "Hct")],
        *[("Hgb", 10.0, 0.0, "g/L"), ("Hgb", 1 / 1.6114, 0.0, "mmol/L"), ("Fibrinogen", 0.01, 0.0, "g/L")],
        *[(one, 1000.0, 0.0, "cells per microlitre") for one in ("WBC", "Platelets")],
        *[("Creatinine", 88.42, 0.0, "umol/L"), ("Bilirubin_total", 17.1, 0.0, "umol/L")],
        *[("Bilirubin_direct", 17.1, 0.0, "umol/L"), ("BUN", 1 / 2.801, 0.0, "mmol/L")],
        *[("Calcium", 1 / 4.008, 0.0, "mmol/L"), ("Glucose", 1 / 18.016, 0.0, "mmol/L")],
        *[("Magnesium", 1 / 2.4305, 0.0, "mmol/L"), ("Phosphate", 1 / 3.0974, 0.0, "mmol/L")],
        *[("Lactate", 9.008, 0.0, "mg/dL"), ("TroponinI", 1000.0, 0.0, "ng/L")],
    ],
)
def test_a_column_in_another_unit_is_refused_with_the_unit(
    name: str, scale: float, zero: float, unit: str, tmp_path: Path
) -> None:
    frame = ward()
    frame[name] = frame[name] * scale + zero
    with pytest.raises(DataError, match=f"seems to be in {re.escape(unit)};") as caught:
        load(written(frame, tmp_path))
    assert caught.value.field == name


def _of(values: list[float], patients: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The same values of each of some patients."""
    return np.tile(np.array(values), patients), np.repeat(np.arange(patients), len(values))


@pytest.mark.parametrize(
    ("quantity", "values", "patients", "said"),
    [
        ("urea_nitrogen", [6.0, 7.0], 3, None),
        ("urea_nitrogen", [6.0, 7.0], 30, "seems to be in mmol/L"),
        ("urea_nitrogen", [5.71, 7.14], 1, "seems to be in mmol/L"),  # 16 and 20 mg/dL, divided by 2.801
        ("bilirubin_total", [17.0, 19.0], 1, None),  # somebody jaundiced
        ("bilirubin_total", [17.0, 19.0], 2, "seems to be in umol/L"),
        ("bilirubin_total", [15.39, 18.81], 1, "seems to be in umol/L"),  # 0.9 and 1.1 mg/dL, multiplied by 17.1
        ("bilirubin_total", [14.9, 15.2], 1, None),
        ("magnesium", [0.83], 2, "seems to be in mmol/L"),
        ("calcium", [1.12, 1.21], 1, None),  # ionised
        ("calcium", [2.1, 2.2], 1, "seems to be in mmol/L"),
        ("creatinine", [9.0, 11.0], 1, None),  # somebody on dialysis
        ("creatinine", [80.0], 1, "seems to be in umol/L"),
        ("heart_rate", [900.0], 3, None),
        ("heart_rate", [900.0], 30, "seems to hold another measurement"),
        ("heart_rate", [], 1, None),
    ],
)
def test_a_few_patients_may_have_unusual_values_if_another_unit_does_not_explain_them_better(
    quantity: str, values: list[float], patients: int, said: str | None
) -> None:
    column = next(one for one in COLUMNS if one.quantity == quantity)
    assert suspected(quantity, *_of(values, patients), (column.low, column.high)) == said


@pytest.mark.parametrize(
    ("name", "scale", "zero"),
    [
        *[("Temp", 1.8, 32.0), ("Temp", 1.0, 273.15), ("O2Sat", 0.01, 0.0), ("Hgb", 10.0, 0.0), ("Hct", 0.01, 0.0)],
        *[(one, 1 / 7.50062, 0.0) for one in ("SBP", "MAP", "DBP", "PaCO2", "EtCO2")],
        *[("Creatinine", 88.42, 0.0), ("Glucose", 1 / 18.016, 0.0), ("Calcium", 1 / 4.008, 0.0)],
        *[("WBC", 1000.0, 0.0), ("Platelets", 1000.0, 0.0), ("Fibrinogen", 0.01, 0.0)],
    ],
)
def test_patients_of_whom_alone_a_column_is_in_another_unit_are_found(
    name: str, scale: float, zero: float, tmp_path: Path
) -> None:
    frame = ward(30)
    mine = frame["pid"].isin(("p003", "p007", "p020"))
    frame.loc[mine, name] = frame.loc[mine, name] * scale + zero
    found = load_whole(written(frame, tmp_path))
    assert _doubted(found) == {name: {"p003", "p007", "p020"}}
    assert found.doubted().tolist() == mine.tolist()


@pytest.mark.parametrize(
    ("name", "other", "hours", "doubted"),
    [
        ("Temp", 98.6, 2, True),
        ("Temp", 98.6, 1, False),  # a slip, as the hours after it show
        ("O2Sat", 0.98, 2, True),
        ("SBP", 16.0, 2, True),
        ("Hgb", 105.0, 3, True),
        ("HR", 900.0, 5, False),  # no unit makes that a heart rate
    ],
)
def test_patients_whose_unit_changes_on_the_way_are_found(
    name: str, other: float, hours: int, doubted: bool, tmp_path: Path
) -> None:
    frame = ward(30, hours=12)
    frame.loc[frame.index[frame["pid"] == "p003"][:hours], name] = other
    assert _doubted(load_whole(written(frame, tmp_path)), at_h=12) == ({name: {"p003"}} if doubted else {})


def test_values_that_are_impossible_now_and_then_are_slips(tmp_path: Path) -> None:
    frame = ward(30, hours=24)
    frame.loc[[3, 20], "O2Sat"] = 0.98
    assert load_whole(written(frame, tmp_path)).in_another_unit == {}


def test_in_a_file_of_which_all_is_as_it_should_be_nobody_is_doubted(tmp_path: Path) -> None:
    frame = ward(30)
    frame.loc[:2, "Calcium"] = 1.15  # ionised
    frame.loc[3:5, "Bilirubin_total"] = 19.0  # jaundiced
    frame.loc[6:8, "Temp"] = [98.6, 36.9, 37.0]  # a slip
    found = load_whole(written(frame, tmp_path))
    assert _doubted(found, at_h=3) == {}
    assert np.flatnonzero(found.doubted()).tolist() == [6, 7]  # until most temperatures show that it was a slip


def _doubted(found: Loaded, at_h: int | None = None) -> dict[str, set[str]]:
    """Whose columns are in doubt, at an hour or ever."""
    then = np.ones(len(found.frame), bool) if at_h is None else found.frame["ICULOS"].eq(at_h).to_numpy()
    theirs = {name: set(found.frame.loc[rows & then, "pid"]) for name, rows in found.in_another_unit.items()}
    return {name: who for name, who in theirs.items() if who}


@pytest.mark.parametrize(
    ("one", "other"),
    [("HR", "SBP"), ("SBP", "DBP"), ("O2Sat", "HR"), ("Temp", "Resp"), ("Potassium", "Chloride"), ("Hgb", "Hct")],
)
def test_columns_in_each_other_s_place_are_refused(one: str, other: str, tmp_path: Path) -> None:
    frame = ward().assign(Potassium=4.1, Chloride=105.0)
    with pytest.raises(DataError, match="seems to hold another measurement") as caught:
        load(written(frame.rename(columns={one: other, other: one}), tmp_path))
    assert caught.value.field in (one, other)


@pytest.mark.parametrize(
    ("patients", "pressures", "field"),
    [
        (40, {"MAP": 70.0, "DBP": 75.0}, "MAP, DBP"),
        (1, {"MAP": 70.0, "DBP": 75.0}, None),  # two devices
        (1, {"MAP": 70.0, "DBP": 85.0}, "MAP, DBP"),
        (1, {"SBP": 70.0, "DBP": 71.0, "MAP": None}, "SBP, DBP"),
        (1, {"SBP": 70.0, "DBP": 60.0, "MAP": 79.0}, "SBP, MAP"),
    ],
)
def test_pressures_that_could_be_each_other_are_told_apart_by_which_is_higher(
    patients: int, pressures: dict[str, float | None], field: str | None, tmp_path: Path
) -> None:
    frame = ward(patients).assign(**pressures)
    frame.loc[0, "SBP"] = np.nan
    if field is None:
        assert len(load(written(frame, tmp_path))) == len(frame)
    else:
        with pytest.raises(DataError, match="seem to be in each other's place") as caught:
            load(written(frame, tmp_path))
        assert caught.value.field == field


def test_artefacts_among_the_pressures_of_one_patient_are_no_swap(tmp_path: Path) -> None:
    assert len(load(written(ward(1).assign(SBP=0.0, DBP=[0.0, 60.0, 61.0]), tmp_path))) == 3


@pytest.mark.parametrize("unit", [60, 3600])
def test_hours_in_minutes_or_seconds_are_refused(unit: int, tmp_path: Path) -> None:
    frame = ward(2, 4)
    frame["ICULOS"] *= unit
    with pytest.raises(DataError, match="seems to be in minutes or seconds") as caught:
        load(written(frame, tmp_path))
    assert caught.value.field == "ICULOS"


def test_values_that_are_left_out_are_counted(tmp_path: Path) -> None:
    frame = ward(6, 1)
    frame.loc[[0, 4], "Resp"] = 0.0
    found = load_whole(written(frame.assign(Gender=[1, 0, 1, 0, 2, 1]), tmp_path))
    assert found.left_out == {"Gender": 1, "Resp": 2}


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        (_set("HR", 4, "eighty"), "HR", "does not hold plain numbers, first in row 5"),
        (lambda frame: frame.__setitem__("Lactate", True), "Lactate", "does not hold plain numbers, first in row 1"),
        (lambda frame: frame.__setitem__("Age", "60"), "Age", "does not hold plain numbers, first in row 1"),
        (_set("ICULOS", 2, None), "ICULOS", "row 3"),
        (lambda frame: frame.__setitem__("ICULOS", -frame["ICULOS"]), "ICULOS", "row 1"),
        (lambda frame: frame.__setitem__("ICULOS", frame["ICULOS"] + 0.5), "ICULOS", "row 1"),
        (lambda frame: frame.__setitem__("ICULOS", np.inf), "ICULOS", "row 1"),
        (lambda frame: frame.__setitem__("SepsisLabel", 2), "SepsisLabel", "neither 0 nor 1, first in row 1"),
        (_set("pid", 5, None), "pid", "no patient, first in row 6"),
        (_set("pid", 5, " "), "pid", "no patient, first in row 6"),
        (_set("Age", 4, 130.0), "Age", "contradicts another row of the patient, first in row 5"),
        (_set("Age", 3, np.inf), "Age", "contradicts another row of the patient, first in row 5"),
        (_set("Gender", 1, 0), "Gender", "contradicts another row of the patient, first in row 2"),
        (lambda frame: frame.__setitem__("ICULOS", 1), "pid, ICULOS", "row 2 has the patient and hour of another"),
    ],
)
def test_a_wrong_cell_is_refused_by_column_and_row_and_never_shown(
    change: Change, field: str, said: str, tmp_path: Path
) -> None:
    frame = ward()
    change(frame)
    for name in ("HR", "Age", "Gender"):
        if frame[name].dtype == object:
            text = any(isinstance(one, str) for one in frame[name])
            frame[name] = frame[name].astype(str if text else float)
    frame["ICULOS"] = frame["ICULOS"].astype(float)
    with pytest.raises(DataError, match=said) as caught:
        load(written(frame, tmp_path))
    assert caught.value.field == field
    assert not re.search("eighty|60|p00", caught.value.message)


@pytest.mark.parametrize("content", [b"", b"\0pid,ICULOS\np1,1\n", b"PAR1 and then something else PAR1"])
def test_what_is_no_table_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "ward.parquet").write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as a Parquet file"):
        load(tmp_path / "ward.parquet")


def test_columns_that_pandas_made_an_index_of_are_columns(tmp_path: Path) -> None:
    frame = ward(2, 3)
    frame.set_index(["pid", "ICULOS"]).to_parquet(tmp_path / "indexed.parquet")
    pd.testing.assert_frame_equal(load(tmp_path / "indexed.parquet"), load(written(frame, tmp_path)), check_like=True)


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    whole = pa.Table.from_pandas(ward(1))
    pq.write_table(whole.append_column("HR", whole["HR"]), tmp_path / "twice.parquet")
    with pytest.raises(DataError, match="more than one column HR"):
        load(tmp_path / "twice.parquet")


def test_a_birthday_is_no_contradiction(tmp_path: Path) -> None:
    assert len(load(written(ward(1, 3).assign(Age=[60.0, np.nan, 61.0]), tmp_path))) == 3


def test_sexes_that_are_coded_otherwise_are_refused(tmp_path: Path) -> None:
    frame = ward(2)
    with pytest.raises(DataError, match="neither 0 nor 1 in a file without 0, first in row 4"):
        load(written(frame.assign(Gender=np.repeat([1, 2], 3)), tmp_path))
    assert load(written(frame.assign(Gender=np.repeat([0, 2], 3)), tmp_path))["Gender"].isna().sum() == 3


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no rows"):
        load(written(ward().iloc[:0], tmp_path))


def test_what_is_not_known_of_a_person_is_unknown(tmp_path: Path) -> None:
    frame = ward(2, 1).assign(Age=[np.inf, 60.0], Gender=[1, 3], HospAdmTime=[-np.inf, 0.0], EtCO2=None)
    found = load(written(frame, tmp_path))
    assert found["Age"].isna().tolist() == [True, False]
    assert found["Gender"].isna().tolist() == [False, True]
    assert found["HospAdmTime"].isna().tolist() == [True, False]
    assert found["EtCO2"].dtype == np.float32


def test_nullable_numbers_are_read_and_an_empty_label_is_none(tmp_path: Path) -> None:
    frame = ward(2, 2).assign(HR=pd.array([80, None, 81, 82], "Int64"), SepsisLabel=None)
    found = load(written(frame, tmp_path))
    assert found["HR"].isna().tolist() == [False, True, False, False]
    assert "SepsisLabel" not in found.columns
