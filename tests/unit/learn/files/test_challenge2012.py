"""Bad files are refused with the column and the row, or lead to an abstention: never to a number."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cds_app.errors import DataError
from cds_app.learn.files.challenge2012 import load, load_outcomes
from cds_app.learn.files.stays import contradicted
from cds_app.learn.stays.cohort import refusals
from cds_app.score.features.stays import QUANTITIES, stay_features

Row = tuple[int, str, str, Any]
CHARTED = ("HR", "MAP", "SysABP", "NISysABP", "RespRate", "GCS", "Urine", "Na", "K", "BUN")
Save = Callable[[pd.DataFrame], Path]


def stay(record: int, age: float = 70.0, *, hours: Iterable[int] = range(0, 48, 6)) -> list[Row]:
    """An invented stay."""
    described = {"Age": age, "Gender": 1.0, "Height": -1.0, "ICUType": 3.0}
    who: list[Row] = [(record, "00:00", name, value) for name, value in described.items()]
    charted = [(record, f"{hour:02d}:15", name, 10.0 + hour + i) for hour in hours for i, name in enumerate(CHARTED)]
    kept = [row if row[2] != "Na" else (*row[:3], 138.0) for row in charted]
    return [*who, *kept]


def frame(*rows: Row) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["RecordID", "Time", "Parameter", "Value"])


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def _save(data: pd.DataFrame) -> Path:
        path = tmp_path / "data.parquet"
        data.to_parquet(path)
        return path

    return _save


def values(save: Save, data: pd.DataFrame, quantity: str) -> list[float]:
    series = load(save(data)).series
    return [float(one) for one in series.value[series.quantity == QUANTITIES.index(quantity)]]


@pytest.mark.parametrize("name", ["RecordID", "Time", "Parameter", "Value"])
def test_a_missing_column_is_named(save: Save, name: str) -> None:
    with pytest.raises(DataError, match=f"lack the column {name}"):
        load(save(frame(*stay(1)).drop(columns=name)))


@pytest.mark.parametrize(
    ("column", "wrong", "said"),
    [
        ("Value", "high", "Value is no number in row 7"),
        ("Time", "noon", "Time is no hh:mm in row 7"),
        ("Time", None, "Time is no hh:mm in row 7"),
        ("RecordID", 1.5, "RecordID is no whole number in row 7"),
        ("RecordID", None, "RecordID is no whole number in row 7"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_row(save: Save, column: str, wrong: object, said: str) -> None:
    data = frame(*stay(1))
    values = data[column].astype(object).tolist()
    values[6] = wrong
    data[column] = [str(one) for one in values] if isinstance(wrong, str) else values
    with pytest.raises(DataError, match=said):
        load(save(data))


def test_an_empty_file_and_no_parquet_are_refused(save: Save, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no row"):
        load(save(frame()))
    (tmp_path / "text").write_text("RecordID")
    with pytest.raises(DataError, match="cannot be read as a Parquet file"):
        load(tmp_path / "text")


def test_a_patient_described_twice_and_differently_is_refused(save: Save) -> None:
    with pytest.raises(DataError, match="Age is given twice and differently in row"):
        load(save(frame(*stay(1), (1, "00:00", "Age", 71.0))))


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("Temp", 98.6, "Temp seems to be in degrees Fahrenheit"),
        ("SysABP", 15.7, "SysABP seems to be in kPa"),
        ("Creatinine", 97.0, "Creatinine seems to be in umol/L"),
        ("Albumin", 31.0, "Albumin seems to be in g/L"),
        ("Urine", 0.08, "Urine seems to be in litres"),
        ("Platelets", 190_000.0, "Platelets seems to be in cells per microlitre"),
        ("HR", 118.0, "HR seems to hold another measurement"),
    ],
)
def test_a_parameter_in_another_unit_or_s_place_is_refused(save: Save, name: str, value: float, what: str) -> None:
    rows = [(record, f"0{hour}:00", name, value) for record in range(30) for hour in range(2)]
    with pytest.raises(DataError, match=what) as caught:
        load(save(frame(*rows)))
    assert caught.value.field == name
    assert str(value) not in caught.value.message


@pytest.mark.parametrize(
    ("higher", "lower", "stays"),
    [
        (("MAP", 63.0), ("DiasABP", 69.0), 30),
        (("MAP", 63.0), ("DiasABP", 78.0), 1),
        (("NISysABP", 60.0), ("NIDiasABP", 61.0), 1),
    ],
)
def test_pressures_in_each_other_s_place_are_refused(
    save: Save, higher: tuple[str, float], lower: tuple[str, float], stays: int
) -> None:
    rows = [(record, "01:00", name, value) for record in range(stays) for name, value in (higher, lower)]
    with pytest.raises(DataError, match=f"{higher[0]} and {lower[0]} seem to be in each other's place"):
        load(save(frame(*rows)))


def test_two_devices_may_differ_in_one_stay(save: Save) -> None:
    assert len(load(save(frame((1, "01:00", "MAP", 63.0), (1, "01:00", "DiasABP", 69.0)))).record) == 1


def test_an_artefact_of_one_stay_is_no_swap(save: Save) -> None:
    assert len(load(save(frame((1, "01:00", "SysABP", 0.0), (1, "01:00", "MAP", 80.0)))).record) == 1


@pytest.mark.parametrize(("column", "wrong"), [("Value", "80"), ("Value", True), ("RecordID", "1")])
def test_numbers_in_text_or_marks_are_refused(save: Save, column: str, wrong: str | bool) -> None:
    with pytest.raises(DataError, match=f"{column} is no plain number in row 1"):
        load(save(frame(*stay(1)).assign(**{column: wrong})))


def test_what_is_left_out_is_counted(save: Save) -> None:
    rows = [
        (1, "01:00", "pH", 735.0),
        (1, "02:00", "pH", 7.35),
        (1, "00:00", "Weight", -1.0),
        (1, "03:00", "WBC", None),
        (1, "04:00", "WBC", np.inf),
    ]
    assert load(save(frame(*rows))).left_out == {"WBC": 1, "pH": 1}


def test_nothing_is_converted(save: Save) -> None:
    found = load(save(frame(*((1, f"{hour:02}:00", "Temp", 97.7 if hour == 7 else 36.5) for hour in range(12)))))
    assert found.series.value.tolist() == [36.5] * 11
    assert found.left_out == {"Temp": 1}
    assert not found.doubted().any()  # a slip


def test_stays_of_which_alone_a_parameter_is_in_another_unit_are_found(save: Save) -> None:
    usual = {"Temp": 37.0, "NISysABP": 120.0, "Albumin": 3.0, "HR": 80.0}
    other = {2: {"Temp": 98.6}, 4: {"NISysABP": 16.0, "Albumin": 30.0}}
    not_known = [(2, f"{hour:02}:00", "Temp", -1.0) for hour in range(2, 6)]
    rows = [
        (record, "01:00", name, other.get(record, usual).get(name, usual[name]))
        for record in range(1, 30)
        for name in usual
    ]
    found = load(save(frame(*rows, *not_known)))
    assert {name: theirs.tolist() for name, theirs in found.in_another_unit.items()} == {
        "Temp": [1],
        "NISysABP": [3],
        "Albumin": [3],
    }
    assert np.flatnonzero(found.doubted()).tolist() == [1, 3]


def test_stays_of_which_most_pressures_cannot_all_be_right_are_found(save: Save) -> None:
    rows = [
        (record, f"0{hour}:00", name, value)
        for record, low in ((1, 60.0), (2, 60.0), (3, 140.0))
        for hour in range(3)
        for name, value in (("SysABP", 120.0), ("DiasABP", 140.0 if (record, hour) == (2, 1) else low))
    ]
    found = load(save(frame(*rows)))
    assert contradicted(found.series, len(found.record)).tolist() == [False, False, True]


def test_ids_that_could_be_taken_for_one_another_are_refused(save: Save) -> None:
    longest = 2**53
    assert load(save(frame(*stay(longest), *stay(longest - 1)))).record.tolist() == [longest - 1, longest]
    with pytest.raises(DataError, match="RecordID is too long a number in row 1"):
        load(save(frame(*stay(longest + 2), *stay(longest))))


def test_neither_order_nor_repetition_of_rows_matters(save: Save) -> None:
    data = frame(*stay(2), *stay(1, hours=range(0, 48, 5)))
    once = load(save(data))
    again = load(save(pd.concat([data, data.iloc[::3]]).sample(frac=1.0, random_state=5)))
    assert once.record.tolist() == again.record.tolist() == [1, 2]
    np.testing.assert_array_equal(stay_features(once.series, once.stayers), stay_features(again.series, again.stayers))


@pytest.mark.parametrize(
    ("parameter", "value", "quantity", "found"),
    [
        ("Temp", 37.0, "body_temp", [37.0]),
        ("Temp", 0.0, "body_temp", []),
        ("FiO2", 0.4, "fio2", [40.0]),
        ("FiO2", 40.0, "fio2", [40.0]),
        ("pH", 735.0, "ph", []),
        ("Weight", -1.0, "body_weight", []),
        ("WBC", np.inf, "wbc", []),
        ("WBC", None, "wbc", []),
        ("Shoe", 43.0, "wbc", []),
    ],
)
def test_values_are_in_the_ontologys_unit_or_left_out(
    save: Save, parameter: str, value: float | None, quantity: str, found: list[float]
) -> None:
    assert values(save, frame((1, "03:00", parameter, value)), quantity) == pytest.approx(found)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (stay(1), None),
        (stay(1, age=0.0), ["too-young"]),
        (stay(1, age=17.0), ["too-young"]),
        (stay(1, age=130.0), ["age-unknown"]),
        (stay(1)[1:], ["age-unknown"]),
        (stay(1)[:4], ["nothing-measured"]),
        (stay(1)[:5], ["few-measurements"]),
        ([(1, "00:00", "RecordID", 1.0)], ["age-unknown", "nothing-measured"]),
        ([(*row[:3], None) for row in stay(1)], ["age-unknown", "nothing-measured"]),
        (stay(1, hours=[49, 50]), ["nothing-measured"]),
    ],
)
def test_where_there_is_no_basis_the_reason_is_said(save: Save, rows: list[Row], why: list[str] | None) -> None:
    (found,) = refusals(load(save(frame(*rows))))
    assert (found and [one.name for one in found.reasons]) == why


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ({"RecordID": [1]}, "lack the column In-hospital_death"),
        ({"RecordID": [1, 2], "In-hospital_death": [0, 2]}, "neither 0 nor 1 in row 2"),
        ({"RecordID": [1, 2], "In-hospital_death": ["no", "yes"]}, "no number in row 1"),
        ({"RecordID": [1, 1], "In-hospital_death": [0, 0]}, "second time in row 2"),
        ({"RecordID": [2], "In-hospital_death": [0]}, "lack a stay"),
    ],
)
def test_outcomes_that_do_not_fit_are_refused(save: Save, outcomes: dict[str, list[Any]], said: str) -> None:
    with pytest.raises(DataError, match=said):
        load_outcomes(save(pd.DataFrame(outcomes)), np.array([1]))


def test_a_later_death_is_counted_from_discharge(save: Save) -> None:
    rows = {"RecordID": [3, 1, 2], "In-hospital_death": [0, 0, 1]}
    found = load_outcomes(
        save(pd.DataFrame({**rows, "Survival": [-1, 40, 5], "Length_of_stay": [10, 10, 5]})), np.array([1, 2, 3])
    )
    assert found.died.tolist() == [0, 1, 0]
    assert found.days_after_discharge.tolist() == [30.0, 0.0, np.inf]
    np.testing.assert_array_equal(found.days_left, [np.nan, 3.0, np.nan])
    bare = load_outcomes(save(pd.DataFrame(rows)), np.array([1]))
    assert bare.days_after_discharge.tolist() == [np.inf]
    assert np.isnan(bare.days_left).all()
