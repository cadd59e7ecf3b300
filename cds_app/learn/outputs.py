"""What a command writes: every file whole, or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pandas as pd

from cds_app.content import canonical_json
from cds_app.errors import DataError

Writer = Callable[[Path], object]


def write(files: Mapping[Path, Writer]) -> None:
    """Write beside the place of each file and, when all are whole, put them there.

    Parameters
    ----------
    files : mapping of Path to callable
        What writes a file to the path that it is given.

    Raises
    ------
    DataError
        If one cannot be written; then none is.
    """
    halves = {path: _beside(path) for path in files}
    moved = {half: path.resolve() for path, half in halves.items() if half != path}
    try:
        for path, writer in files.items():
            writer(halves[path])
        for half, whole in moved.items():
            half.replace(whole)
    except OSError as error:
        raise DataError("what was asked for cannot be written there", field="predictions, json") from error
    finally:
        for half in moved:
            with suppress(OSError):  # it is in its place, or was never begun
                half.unlink()


def table(rows: pd.DataFrame) -> Writer:
    """Rows as Parquet."""
    return lambda path: rows.to_parquet(path, index=False)


def document(found: Mapping[str, object]) -> Writer:
    """A report as JSON."""
    content = canonical_json(found)
    return lambda path: path.write_bytes(content)


def text(said: str) -> Writer:
    """Text as UTF-8."""
    return lambda path: path.write_text(said, encoding="utf-8")


def _beside(path: Path) -> Path:
    """Where a file is written before it is put in its place; a pipe or device is written to at once."""
    whole = path.resolve()
    return path if whole.exists() and not whole.is_file() else whole.with_name(whole.name + ".part")
