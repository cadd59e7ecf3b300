"""The population detector on real patients. Needs real data that is not in the repository."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cds_app.learn import population
from cds_app.learn.files.challenge2019 import in_part, load
from cds_app.learn.hours.cohort import Cohort
from cds_app.learn.hours.rows import shipped_twin
from cds_app.learn.hours.sepsis import SEPSIS
from cds_app.score.risk.population import Reference

_DATA = Path(os.environ.get("TWINLINE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
_FILE = _DATA / "icu" / "physionet2019_train.parquet"

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not _FILE.exists(), reason=f"set TWINLINE_TEST_DATA: {_FILE.name} is not there"),
]


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    twin, frame = shipped_twin(), load(_FILE)
    frame = frame[frame["pid"].isin(np.sort(frame["pid"].unique())[1::6])]
    cuts = (0.3, 0.65)  # limits want many rows, scales few
    parts = [frame[in_part(frame["pid"], part, cuts)] for part in ("fit", "calibrate", "test")]
    fit, held, test = (Cohort.of(SEPSIS, twin, one.reset_index(drop=True)) for one in parts)
    reference = Reference.from_json(population.fitted(twin, fit.design, held.design))
    return population.reported(reference, test.tried(), np.random.default_rng(7))


def test_few_of_the_models_own_patients_are_refused(report: dict[str, Any]) -> None:
    assert report["overall"]["refused"] < 0.006
    assert report["with_outcome"]["refused"] < 0.01  # the sickest are whom the model is for
    assert all(one["refused"] < 0.01 for one in report["by_sex"].values())


def test_strangers_are_refused_and_the_healthy_are_not(report: dict[str, Any]) -> None:
    refused = {name: one["refused"] for name, one in report["shifted"].items()}
    assert refused["temperature in Fahrenheit"] > 0.9
    assert refused["vital signs of a newborn"] > 0.8
    assert refused["every value 2 sd off, up or down"] > 0.8
    assert refused["a healthy athlete of 25 at rest"] < 0.01
