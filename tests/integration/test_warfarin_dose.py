"""The shipped dose of warfarin against real subjects, and from the command line. The data are not in the repository."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cds_app.content import latest
from cds_app.learn.warfarin.iwpc import load
from cds_app.score.warfarin.dose import NAME, Dose, DoseModel
from tests.service import twinline
from tests.warfarin import cells, save

_DATA = Path(os.environ.get("TWINLINE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
_FILE = _DATA / "pkpd" / "iwpc_warfarin_train.csv.gz"
_REAL = pytest.mark.skipif(not _FILE.exists(), reason=f"set TWINLINE_TEST_DATA: {_FILE.name} is not there")


def evaluate(data: Path, folder: Path, *more: str) -> Any:
    return twinline("evaluate", "warfarin-dose", "--data", str(data), "--predictions", str(folder / "out.csv"), *more)


def test_the_command_prints_the_report_that_it_writes(tmp_path: Path) -> None:
    data = save(tmp_path / "data.csv", [cells(), cells() | {"Weight (kg)": "3"}])
    done = evaluate(data, tmp_path, "--json", str(tmp_path / "out.json"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert (tmp_path / "out.csv").read_text("utf-8").splitlines()[2] == "1,,,"


def test_a_file_that_cannot_be_read_is_one_line_and_a_status(tmp_path: Path) -> None:
    data = save(tmp_path / "data.csv", [cells() | {"Age": "old"}])
    done = evaluate(data, tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "twinline: Age is not an age band in row 0, counted from 0 (row 0)\n"
    assert not (tmp_path / "out.csv").exists()


def test_other_models_still_need_a_report(tmp_path: Path) -> None:
    data = save(tmp_path / "data.csv", [cells()])
    done = twinline("evaluate", "sepsis", "--data", str(data), "--predictions", str(tmp_path / "p"))
    assert done.returncode == 2
    assert "--json" in done.stderr


@pytest.mark.data
@_REAL
def test_every_real_subject_gets_a_dose(tmp_path: Path) -> None:
    done = evaluate(_FILE, tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["rows"], report["abstained"], report["learned_from_this_file"]) == (3991, [], True)
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as stream:
        found = list(csv.DictReader(stream))
    assert [int(one["row"]) for one in found] == list(range(3991))
    assert all(0.0 < float(one["lo90"]) < float(one["dose_mg_per_week"]) < float(one["hi90"]) for one in found)


@pytest.mark.data
@_REAL
def test_what_is_not_typed_makes_every_real_interval_wider_on_average() -> None:
    model = DoseModel.from_artefact(latest(NAME))
    typed = [one for one in load(_FILE).subjects if one.cyp2c9 and one.sensitive_alleles is not None][::10]

    def width(**changed: Any) -> float:
        doses: list[Dose] = model.doses([replace(one, **changed) for one in typed])
        return sum(one.high - one.low for one in doses) / len(doses)

    assert width() < width(cyp2c9=None) < width(vkorc1={}, cyp2c9=None)
    assert width() < width(vkorc1={})


def test_the_shipped_model_is_better_than_the_published_in_cross_validation() -> None:
    report = latest(NAME).read_json("training.json")
    error, near = (report["figures"][name]["mean"] for name in ("mae_mg_per_week", "within_20_percent"))
    assert error < 8.40
    assert near > 0.45
    published = report["comparators"]["iwpc_pharmacogenetic"]
    assert error < published["mae_mg_per_week"] < report["comparators"]["fixed_35"]["mae_mg_per_week"]
    assert near > published["within_20_percent"]
    assert 0.88 <= report["figures"]["covered_90"]["mean"] <= 0.92
