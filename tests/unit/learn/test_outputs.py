"""A command's files appear whole and together, or not at all."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cds_app.errors import DataError
from cds_app.learn import outputs


def _listed(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_all_files_are_written(tmp_path: Path) -> None:
    rows, report, said = (tmp_path / name for name in ("rows.parquet", "report.json", "said.svg"))
    rows.write_bytes(b"of yesterday")
    outputs.write(
        {
            rows: outputs.table(pd.DataFrame({"one": [1, 2]})),
            report: outputs.document({"n": 2}),
            said: outputs.text("é"),
        }
    )
    assert _listed(tmp_path) == ["report.json", "rows.parquet", "said.svg"]
    assert pd.read_parquet(rows)["one"].tolist() == [1, 2]
    assert (report.read_text("utf-8"), said.read_text("utf-8")) == ('{\n  "n": 2\n}\n', "é")


@pytest.mark.parametrize("second", ["no/such/folder.json", "taken/report.json"])
def test_where_one_cannot_be_written_none_is(tmp_path: Path, second: str) -> None:
    first, taken = tmp_path / "said.txt", tmp_path / "taken"
    first.write_text("of yesterday")
    taken.write_text("no folder")
    with pytest.raises(DataError, match="cannot be written"):
        outputs.write({first: outputs.text("of today"), tmp_path / second: outputs.document({})})
    assert _listed(tmp_path) == ["said.txt", "taken"]
    assert first.read_text() == "of yesterday"


def test_a_writer_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_text("half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        outputs.write({tmp_path / "whole.txt": outputs.text("whole"), tmp_path / "half.txt": fail})
    assert _listed(tmp_path) == []


def test_a_link_stays_a_link_and_a_device_a_device(tmp_path: Path) -> None:
    link, target = tmp_path / "link.txt", tmp_path / "target.txt"
    link.symlink_to(target)
    outputs.write({link: outputs.text("there"), Path("/dev/null"): outputs.text("gone")})
    assert (link.is_symlink(), target.read_text()) == (True, "there")
    assert Path("/dev/null").is_char_device()
