"""Tables as they come: Parquet, or text that differs in sign, quotes, line ends, compression and in what is missing."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest

from cds_app.errors import DataError
from cds_app.learn.files.challenge2019 import load
from cds_app.learn.files.tables import columns_of, names_in


def ward() -> pd.DataFrame:
    """Two patients whose numbers differ in their zeros only, with a column that is empty."""
    frame = pd.DataFrame({"pid": np.repeat(["007", "7"], 3), "ICULOS": [1, 2, 3] * 2, "HR": np.arange(80.0, 86.0)})
    return frame.assign(Age=60.5, Gender=1, HospAdmTime=-3.25, Temp=[np.nan, 37.2, 36.6] * 2, EtCO2=np.nan)


@pytest.mark.parametrize("sign", [",", "|", ";", "\t"])
@pytest.mark.parametrize("shape", ["plain", "quoted", "windows", "packed"])
def test_text_says_what_parquet_says(sign: str, shape: str, tmp_path: Path) -> None:
    ward().to_parquet(tmp_path / "ward.parquet")
    missing = "NaN" if sign == "|" else ""  # as the Challenge writes it
    quoting: Literal[0, 1] = 1 if shape == "quoted" else 0
    text = ward().to_csv(sep=sign, index=False, na_rep=missing, quoting=quoting)
    if shape == "windows":
        text = "\ufeff" + text.replace("\n", "\r\n")
    content = text.encode()
    (tmp_path / "ward").write_bytes(gzip.compress(content) if shape == "packed" else content)
    assert names_in(tmp_path / "ward") == list(ward().columns)
    pd.testing.assert_frame_equal(load(tmp_path / "ward"), load(tmp_path / "ward.parquet"), check_dtype=False)


def test_only_the_columns_that_are_asked_for_are_read(tmp_path: Path) -> None:
    (tmp_path / "ward.csv").write_text("pid,Note,HR\n7,wait,80\n")
    assert list(columns_of(tmp_path / "ward.csv", ["HR", "pid"]).columns) == ["HR", "pid"]


def test_times_of_day_stay_as_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "stays.csv").write_text("RecordID,Time,Parameter,Value\n1,00:07,HR,80\n1,47:30,HR,81\n")
    assert columns_of(tmp_path / "stays.csv")["Time"].tolist() == ["00:07", "47:30"]


@pytest.mark.parametrize("row", ["7,2", "7,2,secret,1"])
def test_a_line_with_more_fields_or_fewer_is_refused_by_number(row: str, tmp_path: Path) -> None:
    (tmp_path / "ward.csv").write_text(f"pid,ICULOS,HR\n7,1,80\n{row}\n")
    with pytest.raises(DataError, match="line 3 has more fields than the first, or fewer") as caught:
        columns_of(tmp_path / "ward.csv")
    assert "secret" not in caught.value.message


NO_TABLES = (
    b"",
    b"\n",
    b"\0\0\0",
    b"\xff\xfe1",
    b"\x1f\x8b no gzip",
    gzip.compress(b"", mtime=0)[:10] + b"\xff\xff",
    b"PAR1 and not PAR1",
)


@pytest.mark.parametrize("content", NO_TABLES)
def test_what_is_no_table_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "ward").write_bytes(content)
    for read in (names_in, columns_of):
        with pytest.raises(DataError, match="cannot be read as a Parquet file or as text in columns"):
            read(tmp_path / "ward")


def test_a_packed_file_that_breaks_off_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(ward().to_csv(index=False).encode())
    for length in (len(packed) // 2, len(packed) - 8, len(packed) - 1):
        (tmp_path / "ward.csv.gz").write_bytes(packed[:length])
        with pytest.raises(DataError, match="cannot be read"):
            columns_of(tmp_path / "ward.csv.gz")


def test_text_in_a_column_of_numbers_is_refused_by_column(tmp_path: Path) -> None:
    ward().astype({"HR": object}).replace({"HR": {82.0: "eighty"}}).to_csv(tmp_path / "ward.csv", index=False)
    with pytest.raises(DataError, match="does not hold plain numbers, first in row 3") as caught:
        load(tmp_path / "ward.csv")
    assert caught.value.field == "HR"
