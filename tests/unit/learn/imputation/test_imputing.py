"""Imputation as the command line does it: what is hidden, what is measured, what is refused, what is written."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from cds_app.__main__ import twinline as cli
from cds_app.content import latest
from cds_app.errors import ContentError, DataError
from cds_app.learn.imputation.blend import horizons, weighed
from cds_app.learn.imputation.classics import fit_gaussian, fit_joint
from cds_app.learn.imputation.data import VARIABLES, Part, in_part, read, scale_of, statics
from cds_app.learn.imputation.fit import deep
from cds_app.learn.imputation.imputing import evaluate
from cds_app.learn.imputation.masks import BLOCK_H, MASKS, masked, training_mask
from cds_app.learn.imputation.measure import Cells
from cds_app.learn.imputation.tasks import task
from cds_app.twin.imputation import GAPS_H, Imputer
from cds_app.twin.windows import HOURS, PRODUCTS, Singles, inputs, neighbours, with_guess

PATIENTS = 12
TORCH = importlib.util.find_spec("torch") is not None


def rows(patients: int = PATIENTS, seed: int = 5) -> Iterator[tuple[int, str, str, float]]:
    """Invented stays whose pressures go together."""
    rng = np.random.default_rng(seed)
    for record in range(1000, 1000 + patients):
        yield from (
            (record, "00:00", name, value) for name, value in (("Age", 60.0), ("Gender", 1.0), ("ICUType", 2.0))
        )
        level = 80.0 + 10.0 * rng.normal()
        for hour in range(HOURS):
            level += 0.1 * (80.0 - level) + 3.0 * rng.normal()
            for name, value in (
                ("MAP", level),
                ("SysABP", 1.5 * level),
                ("DiasABP", 0.75 * level),
                ("HR", 170.0 - level),
            ):
                if rng.random() < 0.7:
                    yield record, f"{hour:02d}:10", name, round(float(value + 0.5 * rng.normal()), 1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("impute") / "data.parquet"
    pd.DataFrame(list(rows()), columns=["RecordID", "Time", "Parameter", "Value"]).to_parquet(path)
    return path


def test_an_hour_is_the_mean_of_what_was_measured_within_it(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        [(1, "03:05", "HR", 80.0), (1, "03:50", "HR", 90.0), (1, "48:00", "HR", 70.0), (1, "04:00", "Height", 170.0)],
        columns=["RecordID", "Time", "Parameter", "Value"],
    )
    frame.to_parquet(tmp_path / "one.parquet")
    cohort = read(tmp_path / "one.parquet")
    assert cohort.values[0, 3, VARIABLES.index("HR")] == 85.0
    assert np.isfinite(cohort.values).sum() == 1


def test_what_a_cuff_and_a_catheter_said_are_two_variables(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        [(1, "00:05", "MAP", 80.0), (1, "00:50", "NIMAP", 70.0)], columns=["RecordID", "Time", "Parameter", "Value"]
    )
    frame.to_parquet(tmp_path / "two.parquet")
    values = read(tmp_path / "two.parquet").values[0, 0]
    assert (values[VARIABLES.index("MAP")], values[VARIABLES.index("NIMAP")]) == (80.0, 70.0)


def test_parts_are_disjoint_and_hold_everybody() -> None:
    record = np.arange(500)
    parts = np.stack([in_part(record, part) for part in get_args(Part)])
    assert (parts.sum(axis=0) == 1).all()


def test_masks_hide_measured_cells_only_and_a_block_is_one_of_six_hours() -> None:
    seen = np.random.default_rng(0).random((60, HOURS, 6)) < 0.5
    for mask in MASKS:
        hidden = masked(seen, mask, np.random.default_rng(1))
        assert not (hidden & ~seen).any()
    everything = masked(np.ones_like(seen), "block", np.random.default_rng(1))
    hours = everything.any(axis=2)
    assert (hours.sum(axis=1) <= BLOCK_H).all()
    assert 0.04 < everything.mean() < 0.09
    assert 0.08 < masked(np.ones_like(seen), "point", np.random.default_rng(1)).mean() < 0.12
    assert 0.05 < training_mask(np.ones_like(seen), np.random.default_rng(1)).mean() < 0.25


def cells(truth: Singles, **means: Singles) -> Cells:
    """Hidden cells of the first variable, one of each patient."""
    zeros = np.zeros(len(truth), np.int64)
    flat = {name: np.ones(len(truth), np.float32) for name in ("compared", "mean", "low", "high", "scale")}
    return Cells(patient=np.arange(len(truth)), variable=zeros, gap=zeros, truth=truth, means=means, **flat)


@pytest.mark.parametrize("good", [True, False])
def test_a_blend_steps_aside_where_it_is_no_better(good: bool) -> None:
    truth, error = np.random.default_rng(7).normal(0.0, 1.0, (2, 400)).astype(np.float32)
    other = truth + 0.05 * error if good else error
    made = cells(truth, last=truth + 0.1 * error, boosting=other, joint=error, vae=error, gan=error)
    weights = weighed(made, "causal").weights
    assert weights["last"][0] == (0.0 if good else 1.0)
    assert weights["boosting"][0] == (1.0 if good else 0.0)


def test_a_horizon_ends_where_few_cells_were_hidden() -> None:
    made = cells(np.zeros(400, np.float32))
    gap = np.repeat([0, 3, 5, len(GAPS_H) + 1], (200, 150, 40, 10))
    assert horizons(replace(made, gap=gap))[:2].tolist() == [GAPS_H[3], 0]


def test_the_joint_smoother_learns_what_goes_together(data: Path) -> None:
    values = read(data).values
    joint = fit_joint(values, np.zeros(len(VARIABLES), np.bool_))
    systolic, mean = VARIABLES.index("SysABP"), VARIABLES.index("MAP")
    whole = joint.parts.sum(axis=0)
    assert whole[systolic, mean] / np.sqrt(whole[systolic, systolic] * whole[mean, mean]) > 0.8
    assert all(np.linalg.eigvalsh(one).min() > -1e-4 for one in joint.parts)


def test_a_gaussian_of_surprises_has_a_covariance(data: Path) -> None:
    values = read(data).values
    mean, covariance = fit_gaussian(scale_of(values).to_z(values), "retrospective", np.random.default_rng(0))
    assert np.isfinite(mean).all()
    assert np.linalg.eigvalsh(covariance).min() > 0.0
    systolic, pulse = VARIABLES.index("SysABP"), VARIABLES.index("HR")
    assert covariance[systolic, VARIABLES.index("MAP")] > 0.0 > covariance[systolic, pulse]


def test_the_figures_show_every_candidate_and_are_the_same_for_the_same_seed(data: Path, tmp_path: Path) -> None:
    told = [tmp_path / name for name in ("a.json", "b.json")]
    for one in told:
        arguments = [
            "evaluate",
            "imputation",
            "--data",
            str(data),
            "--mask",
            "block",
            "--seed",
            "4",
            "--json",
            str(one),
        ]
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 0, result.output
    assert told[0].read_bytes() == told[1].read_bytes()
    found = json.loads(told[0].read_text())["products"]
    assert set(found) == set(PRODUCTS)
    assert set(found["retrospective"]["candidates"]) == {
        "last",
        "linear",
        "smoother",
        "gaussian",
        "joint",
        "boosting",
        "vae",
        "gan",
    }
    assert found["retrospective"]["ratio"] < found["retrospective"]["candidates"]["linear"]["ratio"] == 1.0
    assert set(found["causal"]["groups"]) == {"sex", "age", "unit"}


def test_where_the_last_value_is_never_wrong_there_is_no_ratio_to_it(tmp_path: Path) -> None:
    steady = [(record, f"{hour:02d}:00", "HR", 80.0) for record in range(20) for hour in range(HOURS)]
    pd.DataFrame(steady, columns=["RecordID", "Time", "Parameter", "Value"]).to_parquet(tmp_path / "steady.parquet")
    found = evaluate(tmp_path / "steady.parquet", tmp_path / "out.json", "point", 0)["products"]["retrospective"]
    assert found["compared_mae"] == 0.0
    assert found["ratio"] is None
    assert found["ratio_interval"] == []
    assert found["candidates"]["joint"]["ratio"] is None
    assert {one["ratio"] for one in found["not_at_random"].values() if "ratio" in one} == {None}


@pytest.mark.parametrize("command", [("evaluate", "imputation"), ("train", "imputation"), ("demo",)])
def test_a_seed_below_0_is_refused_before_the_work(data: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    files = () if command == ("demo",) else ("--data", str(data))
    result = CliRunner().invoke(cli, [*command, *files, "--seed", "-1"])
    assert result.exit_code == 2
    assert "Invalid value for '--seed': -1" in result.output


def test_every_hour_of_every_variable_is_completed_and_what_was_measured_stands(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    result = CliRunner().invoke(cli, ["impute", "--data", str(data), "--out", str(out), "--causal"])
    assert result.exit_code == 0, result.output
    found = pd.read_parquet(out)
    assert list(found.columns) == ["RecordID", "hour", "variable", "mean", "lo90", "hi90"]
    assert len(found) == PATIENTS * HOURS * len(VARIABLES)
    assert np.isfinite(found[["mean", "lo90", "hi90"]].to_numpy()).all()
    measured = read(data).values.reshape(-1)
    assert np.array_equal(found["mean"].to_numpy()[np.isfinite(measured)], measured[np.isfinite(measured)])
    assert not out.with_name("out.parquet.part").exists()


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("Time", "noon", "Time is no hh:mm in row 3"),
        ("Value", "high", "Value is no number in row 3"),
        ("Parameter", "icutype ", "Parameter is not spelled as in the challenge in row 3"),
    ],
)
def test_a_bad_file_is_refused_with_the_column_and_the_row(tmp_path: Path, column: str, value: str, said: str) -> None:
    frame = pd.DataFrame(list(rows(1)), columns=["RecordID", "Time", "Parameter", "Value"]).astype({column: "object"})
    frame.loc[2, column] = value
    frame[column] = frame[column].astype(str)
    frame.to_parquet(tmp_path / "bad.parquet")
    out = tmp_path / "out.parquet"
    result = CliRunner().invoke(cli, ["impute", "--data", str(tmp_path / "bad.parquet"), "--out", str(out)])
    assert result.exit_code != 0
    assert isinstance(result.exception, DataError)
    assert said in str(result.exception)
    assert not out.exists()


def test_a_file_without_measurements_of_the_first_two_days_is_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame([(1, "60:05", "HR", 80.0)], columns=["RecordID", "Time", "Parameter", "Value"])
    frame.to_parquet(tmp_path / "late.parquet")
    with pytest.raises(DataError, match="no measurement of the first 48 hours"):
        read(tmp_path / "late.parquet")


def test_of_a_file_in_which_next_to_nothing_can_be_hidden_there_is_no_figure(tmp_path: Path) -> None:
    frame = pd.DataFrame([(1, "02:05", "HR", 80.0)], columns=["RecordID", "Time", "Parameter", "Value"])
    frame.to_parquet(tmp_path / "one.parquet")
    with pytest.raises(ContentError, match="too few for a figure"):
        evaluate(tmp_path / "one.parquet", tmp_path / "out.json", "point", 0)
    assert not (tmp_path / "out.json").exists()


@pytest.mark.skipif(TORCH, reason="torch is installed")
def test_without_torch_training_says_what_is_lacking(data: Path) -> None:
    with pytest.raises(ContentError, match="make deep"):
        deep(Imputer.from_artefact(latest("imputation")), read(data), 0)


@pytest.mark.skipif(not TORCH, reason="torch is not installed: make deep")
def test_networks_begin_as_the_smoother_and_learn(data: Path) -> None:
    from cds_app.learn.imputation import deep

    cohort, plain = read(data), Imputer.from_artefact(latest("imputation"))
    hidden = training_mask(np.isfinite(cohort.values), np.random.default_rng(0))
    asked = task(cohort.values, statics(cohort.stayers), hidden, (plain.scale, plain.joint), "retrospective")
    near = neighbours(asked.left)
    features = inputs(asked.left, near, asked.statics, "retrospective")
    local = with_guess(features, asked.guess, near, "retrospective")
    recipe = deep.Recipe(width=8, wide=8, epochs=0, batch=4)
    for kind in deep.KINDS:
        before = deep.train(kind, "retrospective", asked, recipe)
        assert not deep.outputs(before, features, local, "retrospective")[0].any()
    after = deep.train("gan", "retrospective", asked, deep.Recipe(width=8, wide=8, epochs=20, batch=4))
    delta, _ = deep.outputs(after, features, local, "retrospective")
    left, right = (np.abs(one - asked.truth)[asked.hidden].mean() for one in (asked.guess, asked.guess + delta))
    assert right < left
