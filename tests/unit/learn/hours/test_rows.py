"""What the trees learn from is what is served: a cohort filtered in lock-step against one patient's scalar tracks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cds_app.content import latest
from cds_app.learn.files.challenge2019 import QUANTITY_OF
from cds_app.learn.head import CUTS
from cds_app.learn.hours.rows import design, shipped_twin
from cds_app.score.features.hours import FEATURES, NAMES, Statics, features
from cds_app.twin.model import TwinModel
from cds_app.twin.state import track_of

_FILE_START_H = 490_000.0  # serving counts hours from 1970


@pytest.fixture(scope="module")
def twin() -> TwinModel:
    return shipped_twin()


@pytest.fixture(scope="module")
def frame(twin: TwinModel) -> pd.DataFrame:
    """Invented patients, with steps and artefacts so that every branch of the filter is taken."""
    rng = np.random.default_rng(8)
    parts = []
    for pid in range(12):
        hours = int(rng.integers(3, 60))
        part = {"pid": f"p{pid}", "Age": 60.0 + pid, "Gender": pid % 2, "HospAdmTime": -3.5}
        columns: dict[str, object] = {**part, "ICULOS": np.arange(1, hours + 1)}
        for column, quantity in QUANTITY_OF.items():
            one = twin.dynamics[quantity]
            scaled = one.baseline_mean + 2.0 * one.deviation_sd * rng.standard_t(2, hours)
            values = np.round([one.to_unit(value) for value in scaled], 3)
            columns[column] = np.where(rng.random(hours) < (0.9 if quantity == "heart_rate" else 0.3), values, np.nan)
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True).drop(columns="EtCO2")


def _served(twin: TwinModel, mine: pd.DataFrame, start_h: float) -> np.ndarray:
    tracks = {}
    for column, quantity in QUANTITY_OF.items():
        if column in mine.columns:
            seen = mine[["ICULOS", column]].dropna()
            tracks[quantity] = track_of(twin, quantity, (start_h + seen["ICULOS"]).tolist(), seen[column].tolist())
    first = mine.iloc[0]
    who = Statics(
        age_years=first["Age"],
        sex="male" if first["Gender"] else "female",
        unit_start_h=start_h,
        hours_before_unit=-first["HospAdmTime"],
    )
    return features(twin, tracks, who, start_h + mine["ICULOS"].to_numpy(float))


def test_training_rows_are_served_rows(twin: TwinModel, frame: pd.DataFrame) -> None:
    rows = design(twin, frame)
    filtered = np.array([one.aspect == "twin" for one in FEATURES])
    for pid, place in frame.groupby("pid").indices.items():
        served = _served(twin, frame[frame["pid"] == pid], _FILE_START_H)
        np.testing.assert_array_equal(rows[place][:, ~filtered], served[:, ~filtered])
        # two implementations of the filter and a clock that starts elsewhere: float32 keeps seven digits
        np.testing.assert_allclose(rows[place][:, filtered], served[:, filtered], rtol=2e-5, atol=1e-6)


def test_wanted_rows_are_those_of_the_whole(twin: TwinModel, frame: pd.DataFrame) -> None:
    wanted = np.arange(len(frame)) % 3 == 0
    np.testing.assert_array_equal(design(twin, frame, wanted), design(twin, frame)[wanted])


def test_rows_do_not_depend_on_other_patients(twin: TwinModel, frame: pd.DataFrame) -> None:
    alone = frame[frame["pid"] == "p7"].reset_index(drop=True)
    np.testing.assert_array_equal(design(twin, alone), design(twin, frame)[(frame["pid"] == "p7").to_numpy()])


def test_the_shipped_score_was_trained_on_the_shipped_twin() -> None:
    score, twin = latest("sepsis").manifest, latest("twin")
    if not any(one["aspect"] == "twin" for one in score["features"]):
        pytest.skip("the shipped score does not look at the twin")
    assert score["twin"] == {"version": twin.version, "dynamics_sha256": twin.manifest["files"]["dynamics.json"]}
    assert (score["split"]["fit_up_to"], score["split"]["calibrate_up_to"]) == CUTS
    assert {one["name"] for one in score["features"]} <= set(NAMES)
