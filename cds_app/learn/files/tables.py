"""Tables of patients' data in files: Parquet, or text with a line of names and one sign between the fields.

What a file is, is told by what it holds and not by its name. Messages name columns and lines, never a value.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, cast

import pandas as pd
import pyarrow as pa
import pyarrow.csv as delimited
import pyarrow.parquet as pq

from cds_app.errors import DataError

_PARQUET: Final = b"PAR1"
_GZIP: Final = b"\x1f\x8b"
_BETWEEN_FIELDS: Final = (",", "|", ";", "\t")
_LONGEST_LINE_BYTES: Final = 65_536
_TEXT: Final[Mapping[str, pa.DataType]] = {name: pa.string() for name in ("pid", "site", "set", "Time", "Parameter")}
"""Columns that would be read as numbers or times of day: 007 is another patient than 7."""


def names_in(path: Path) -> list[str]:
    """The columns of a file, in order. Raises `DataError` as `columns_of`."""
    with _reading():
        if _is_parquet(path):
            return cast(list[str], pq.read_schema(path).names)
        return next(csv.reader([_first_line(path)], delimiter=_sign(path)))


def columns_of(path: Path, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Columns of a file, all by default; of Parquet with those that pandas had made an index of.

    Raises
    ------
    DataError
        If it is neither Parquet nor text in columns, naming the line that has more fields or fewer than the first.
    """
    with _reading():
        table = pq.read_table(path, columns=names) if _is_parquet(path) else _text(path, names)
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    return frame


def _text(path: Path, names: Sequence[str] | None) -> pa.Table:
    uneven: list[delimited.InvalidRow] = []

    def refuse(row: delimited.InvalidRow) -> str:
        uneven.append(row)
        return "error"

    try:
        return delimited.read_csv(
            pa.input_stream(path, compression=_compression(path)),
            delimited.ReadOptions(use_threads=False),  # who reads in one thread knows the number of a line
            delimited.ParseOptions(delimiter=_sign(path), invalid_row_handler=refuse),
            delimited.ConvertOptions(column_types=_TEXT, include_columns=names, strings_can_be_null=True),
        )
    except pa.ArrowInvalid:
        if uneven:
            raise DataError(f"line {uneven[0].number} has more fields than the first, or fewer", field="data") from None
        raise


def _sign(path: Path) -> str:
    """What stands between fields: of the signs that may, the one that the first line holds most of."""
    return max(_BETWEEN_FIELDS, key=_first_line(path).count)


def _first_line(path: Path) -> str:
    with gzip.open(path) if _compression(path) else path.open("rb") as stream:
        line = stream.readline(_LONGEST_LINE_BYTES).decode("utf-8-sig")
    if "\0" in line or not line.strip():
        raise pa.ArrowInvalid("no text")
    return line.rstrip("\r\n")


def _is_parquet(path: Path) -> bool:
    return _begins(path, _PARQUET)


def _compression(path: Path) -> str | None:
    return "gzip" if _begins(path, _GZIP) else None


def _begins(path: Path, mark: bytes) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(mark)) == mark


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise DataError("cannot be read as a Parquet file or as text in columns", field="data") from error
