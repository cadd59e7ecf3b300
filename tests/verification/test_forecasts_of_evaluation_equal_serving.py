"""What `twinline evaluate forecast` writes is what the serving code says, patient by patient and row by row."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cds_app.content import latest
from cds_app.domain.ontology import Ontology
from cds_app.learn.data_set import file_sha256
from cds_app.learn.files import challenge2019 as source
from cds_app.learn.twin import forecast as evaluation
from cds_app.learn.twin import joint
from cds_app.learn.twin.panel import Panel, history
from cds_app.score.deviation import standardised
from cds_app.twin.model import TwinModel
from cds_app.twin.outlook import expected
from cds_app.twin.state import TwinState, track_of

USUAL = {"HR": 85, "MAP": 80, "SBP": 120, "DBP": 62, "Resp": 18, "O2Sat": 97, "Temp": 37}
SPREAD = {"HR": 12, "MAP": 9, "SBP": 15, "DBP": 8, "Resp": 4, "O2Sat": 1.5, "Temp": 0.5}
NUMBERS = ["mean", "lo90", "hi90"]
COLUMNS = ["variable", "ICULOS", "horizon_h", *NUMBERS]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    blocks = []
    for patient, rows in (("p1", 20), ("p2", 1), ("p3", 35)):
        block = pd.DataFrame({"pid": patient, "ICULOS": np.arange(1, rows + 1)})
        for column, usual in USUAL.items():
            value = np.minimum(usual + SPREAD[column] * rng.standard_t(3, rows), 100 if column == "O2Sat" else 999)
            block[column] = np.where(rng.random(rows) < 0.3, np.nan, value)
        blocks.append(block)
    blocks[2].loc[:5, "HR"] = np.nan
    blocks[0].loc[10, "HR"] = 0.0
    return pd.concat(blocks, ignore_index=True).sample(frac=1.0, random_state=1)


@pytest.fixture(scope="module")
def model() -> TwinModel:
    ontology = Ontology(version="", sha256="", variables={}, concepts={}, unit_synonyms={})
    return TwinModel.from_artefact(latest("twin"), ontology)


def _state(model: TwinModel, rows: pd.DataFrame) -> TwinState:
    tracks = {}
    for column, quantity in source.QUANTITY_OF.items():
        if column in rows and rows[column].notna().any():
            seen = rows[rows[column].notna()]
            tracks[quantity] = track_of(model, quantity, list(seen["ICULOS"]), list(seen[column].astype(float)))
    return TwinState(model_sha256=model.sha256, tracks=tracks)


@pytest.fixture(scope="module")
def written(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, Path, Path]:
    folder = tmp_path_factory.mktemp("forecast")
    frame.to_parquet(folder / "data.parquet")
    evaluation.evaluate(folder / "data.parquet", folder / "out.parquet", folder / "out.json")
    return pd.read_parquet(folder / "out.parquet"), folder / "data.parquet", folder / "out.json"


def test_every_row_variable_and_horizon_has_one_prediction(
    frame: pd.DataFrame, written: tuple[pd.DataFrame, Path, Path]
) -> None:
    found = written[0]
    assert set(found.columns) == {"pid", *COLUMNS, "abstained"}
    assert len(found) == len(frame) * 6 * 3
    assert not found.duplicated(["pid", "ICULOS", "variable", "horizon_h"]).any()
    assert found[["pid", "variable", "ICULOS", "horizon_h"]].notna().all().all()
    said = found[found["abstained"].isna()]
    assert (said["lo90"] < said["mean"]).all()
    assert (said["mean"] <= said["hi90"]).all()


def test_nothing_is_forecast_of_what_was_never_measured_and_no_such_target_is_counted(
    frame: pd.DataFrame, written: tuple[pd.DataFrame, Path, Path]
) -> None:
    found = written[0]
    ordered = frame.sort_values(["pid", "ICULOS"]).assign(HR=lambda it: it["HR"].where(it["HR"] > 0))
    unknown = ordered.groupby("pid")["HR"].ffill().isna().to_numpy()
    pulse = found[(found["variable"] == "HR") & (found["horizon_h"] == 4)].sort_values(["pid", "ICULOS"])
    assert unknown.sum() >= 6
    assert pulse["abstained"].eq("never-measured").fillna(value=False).tolist() == unknown.tolist()
    assert (pulse[NUMBERS].isna().all(axis=1) == unknown).all()
    assert (found[NUMBERS].isna().all(axis=1) == found["abstained"].notna()).all()
    key = ["pid", "ICULOS"]
    ahead = ordered[[*key, "HR"]].assign(ICULOS=ordered["ICULOS"] - 4).rename(columns={"HR": "target"}).dropna()
    both = pulse.merge(ahead, on=key)
    known = both[both["abstained"].isna()]
    table = json.loads(written[2].read_text("utf-8"))["table"]
    (row,) = [one for one in table if (one["variable"], one["horizon_h"]) == ("HR", 4)]
    assert row["targets"] - row["targets_without_last_value"] == len(known) < len(both) == row["targets"]
    inside = known["target"].between(known["lo90"], known["hi90"])
    assert row["coverage"] == pytest.approx(inside.mean(), abs=1e-4)


def test_no_later_hour_changes_an_earlier_forecast(
    frame: pd.DataFrame, written: tuple[pd.DataFrame, Path, Path], tmp_path: Path
) -> None:
    frame[frame["ICULOS"] <= 12].to_parquet(tmp_path / "data.parquet")
    evaluation.evaluate(tmp_path / "data.parquet", tmp_path / "out.parquet", tmp_path / "out.json")
    keys = ["variable", "horizon_h", "pid", "ICULOS"]
    whole, some = (
        one.sort_values(keys).reset_index(drop=True) for one in (written[0], pd.read_parquet(tmp_path / "out.parquet"))
    )
    early = whole[whole["ICULOS"] <= 12].reset_index(drop=True)
    pd.testing.assert_frame_equal(early, some, check_exact=True)


@pytest.mark.parametrize(
    ("change", "horizon_h", "said"),
    [
        (lambda frame: frame.assign(HR=np.nan), 4, {"mae": None, "ratio": None, "coverage": None, "targets": 0}),
        (lambda frame: frame[frame["ICULOS"] == 1], 1, {"mae": None, "ratio": None, "coverage": None, "targets": 0}),
        (lambda frame: frame.assign(HR=85.0), 8, {"locf_mae": 0.0, "ratio": None}),
    ],
)
def test_what_no_target_says_is_none_and_never_a_number(
    frame: pd.DataFrame,
    tmp_path: Path,
    change: Callable[[pd.DataFrame], pd.DataFrame],
    horizon_h: int,
    said: dict[str, float | None],
) -> None:
    change(frame).to_parquet(tmp_path / "data.parquet")
    evaluation.evaluate(tmp_path / "data.parquet", tmp_path / "out.parquet", tmp_path / "out.json")
    found = json.loads((tmp_path / "out.json").read_text("utf-8"))
    (row,) = [one for one in found["table"] if (one["variable"], one["horizon_h"]) == ("HR", horizon_h)]
    assert {name: row[name] for name in said} == said
    assert found["mean_ratio"][f"{horizon_h}h"] is None


def test_predictions_are_those_of_the_serving_code(model: TwinModel, written: tuple[pd.DataFrame, Path, Path]) -> None:
    found, data, _ = written
    for pid, rows in source.load(data).groupby("pid"):
        state = _state(model, rows)
        for variable, at, horizon_h, *written_three in found.loc[found["pid"] == pid, COLUMNS].to_numpy().tolist():
            quantity = source.QUANTITY_OF[variable]
            track = state.tracks.get(quantity)
            if track is None or not track.until(at):
                assert np.isnan(written_three).all()
                continue
            median, _, low, high = expected(model, state.tracks, quantity, at, horizon_h)
            to_unit = model.dynamics[quantity].to_unit
            serving = (to_unit(median), to_unit(low), to_unit(high))
            assert written_three == pytest.approx(serving, rel=1e-6)  # stored with single precision


def test_standardised_deviations_of_training_are_those_of_serving(
    model: TwinModel, written: tuple[pd.DataFrame, Path, Path]
) -> None:
    rows = source.load(written[1])
    rows = rows[rows["pid"] == "p3"].reset_index(drop=True)
    panel = Panel.of(rows, source.QUANTITY_OF)
    state = _state(model, rows)
    compared = 0
    for quantity, track in state.tracks.items():
        trained = joint.standardised(model.dynamics[quantity], history(model.dynamics[quantity], panel))
        for at, z in zip(panel.hours, trained, strict=True):
            if np.isfinite(z):
                assert z == pytest.approx(standardised(model.dynamics[quantity], track, float(at)), abs=1e-9)
                compared += 1
    assert compared > 100


def test_the_report_compares_with_the_last_value_carried_forward(written: tuple[pd.DataFrame, Path, Path]) -> None:
    report = json.loads(written[2].read_text())
    assert report["patients"] == 3
    assert report["data_sha256"] == file_sha256(written[1])
    assert {(one["variable"], one["horizon_h"]) for one in report["table"]} == {
        (variable, horizon_h) for variable in evaluation.EVALUATED for horizon_h in (1, 4, 8)
    }
    assert all(one["mae"] == pytest.approx(one["ratio"] * one["locf_mae"], rel=1e-3) for one in report["table"])
