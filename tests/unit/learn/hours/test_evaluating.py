"""What is answered of hourly rows: every patient has a number or a reason why not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cds_app.content import latest
from cds_app.errors import DataError
from cds_app.learn.files.challenge2019 import COLUMNS
from cds_app.learn.head import Head
from cds_app.learn.hours import evaluating
from cds_app.learn.hours.artefact import with_policy
from cds_app.learn.hours.events import AKI, HYPOTENSION, HYPOXAEMIA
from cds_app.learn.hours.rows import shipped_twin
from cds_app.learn.hours.sepsis import SEPSIS
from cds_app.learn.roll import Roll
from cds_app.twin.model import TwinModel
from tests.hours import ward, written

Evaluated = Callable[[pd.DataFrame], tuple[pd.DataFrame, dict[str, object]]]


@pytest.fixture(scope="module")
def twin() -> TwinModel:
    return shipped_twin()


@pytest.fixture
def evaluated(twin: TwinModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Evaluated:
    """Predictions and report of the shipped score."""
    monkeypatch.setattr(evaluating, "shipped_twin", lambda: twin)

    def run(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, object]]:
        out, report = tmp_path / "out.parquet", tmp_path / "out.json"
        evaluating.evaluate(SEPSIS, written(frame, tmp_path), out, report)
        return pd.read_parquet(out), json.loads(report.read_text("utf-8"))

    return run


@pytest.mark.parametrize("name", [one.column for one in COLUMNS])
def test_a_column_that_is_not_there_is_no_column_of_which_nothing_was_measured(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"lacks the columns {name}$"):
        evaluating.evaluate(AKI, written(ward().drop(columns=name), tmp_path), tmp_path / "a", tmp_path / "b")
    assert not (tmp_path / "a").exists()


def test_no_number_where_there_is_no_basis(
    evaluated: Evaluated,
) -> None:
    frame = ward(6, 4)
    frame["Age"] = np.repeat([60.0, 0.0, 1e9, np.nan, 18.0, 17.0], 4)
    frame.loc[:1, [one.column for one in COLUMNS]] = np.nan
    answers, report = evaluated(frame)
    said = answers["abstained"].fillna("").to_numpy().reshape(6, 4)
    assert said[0].tolist() == ["nothing-measured", "nothing-measured", "", ""]
    assert said[1:, 0].tolist() == ["too-young", "age-unknown", "age-unknown", "", "too-young"]
    assert answers["risk"].isna().equals(answers["abstained"].notna())
    assert not answers.loc[answers["abstained"].notna(), "alert"].any()
    assert report["abstained"] == {"age-unknown": 8, "nothing-measured": 2, "too-young": 8}


def test_no_number_of_a_patient_in_another_unit_and_the_others_keep_theirs(evaluated: Evaluated) -> None:
    frame = ward(30, 3)
    plain, _ = evaluated(frame)
    mine = frame["pid"] == "p004"
    frame.loc[mine, ["SBP", "MAP", "DBP"]] /= 7.50062
    answers, report = evaluated(frame)
    assert answers.loc[mine, "abstained"].eq("in-another-unit").all()
    assert answers.loc[mine, "risk"].isna().all()
    pd.testing.assert_frame_equal(answers[~mine], plain[~mine])
    assert report["patients_in_another_unit"] == {"SBP": 1, "MAP": 1, "DBP": 1}


def test_no_number_later_than_anyone_whom_the_trees_have_seen(evaluated: Evaluated) -> None:
    frame = ward(1, 4).assign(ICULOS=[335, 336, 337, 338])
    answers, report = evaluated(frame)
    assert answers["abstained"].fillna("").tolist() == ["", "", "too-late", "too-late"]
    assert report["abstained"] == {"too-late": 2}


def test_a_few_patients_who_all_grew_the_trees_are_answered_and_none_is_measured(
    evaluated: Evaluated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Roll, "part", lambda _, digests: np.full(len(digests), "fit"))
    answers, report = evaluated(ward(2, 4))
    assert answers["risk"].notna().all()
    assert report["seen_in_training"] == 2
    assert report["patients_measured"] == 0
    assert "overall" not in report


def test_a_report_that_cannot_be_made_leaves_no_predictions(
    evaluated: Evaluated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise DataError("no")

    monkeypatch.setattr(evaluating, "_judged", fail)
    with pytest.raises(DataError, match="no"):
        evaluated(ward(2, 4))
    assert [one.name for one in tmp_path.iterdir()] == ["ward.parquet"]


@pytest.mark.parametrize("part", ["calibrate", "test"])
def test_a_policy_is_not_tuned_on_a_file_without_patients_of_a_part(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluating, "in_part", lambda pids, asked, _: np.full(len(pids), asked != part))
    data = written(ward(1, 4).assign(SepsisLabel=[0, 0, 1, 1]), tmp_path)
    with pytest.raises(DataError, match=f"no {part} patient of the file had the outcome"):
        evaluating.tune(SEPSIS, data, tmp_path / "out.json", 20.0)
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize("budget", [np.nan, np.inf])
def test_a_budget_that_is_no_number_is_refused(budget: float, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not finite"):
        evaluating.tune(SEPSIS, written(ward(), tmp_path), tmp_path / "out.json", budget)


def test_no_policy_that_breaks_the_budget_is_put_in_force() -> None:
    shipped = latest("sepsis")
    with pytest.raises(DataError, match="nothing is put in force"):
        with_policy(shipped, {"budget": 1.0, "frontier": [], "chosen": {"within_budget": False}})
    assert latest("sepsis").sha256 == shipped.sha256


@pytest.mark.parametrize("unknown", [-1.0, 0.0])
def test_no_number_where_nothing_but_a_mark_for_the_unknown_is_plausible(unknown: float, evaluated: Evaluated) -> None:
    frame = ward(5, 4)
    theirs = frame["pid"] == "p001"
    frame.loc[theirs, [one.column for one in COLUMNS]] = unknown  # as a base excess it could be so
    answers, report = evaluated(frame)
    assert answers.index[answers["abstained"].notna()].tolist() == frame.index[theirs].tolist()
    assert report["abstained"] == {"implausible-values": 4}


def test_no_number_while_the_last_systolic_pressure_is_below_the_diastolic_one(evaluated: Evaluated) -> None:
    frame = ward(1, 12)
    frame.loc[2:3, ["SBP", "DBP", "MAP"]] = [[60.0, 61.0, np.nan], [np.nan, np.nan, np.nan]]
    frame.loc[5, ["SBP", "MAP"]] = [100.0, 131.0]  # one hour of two devices, or of two moments
    frame.loc[7, ["MAP", "DBP"]] = [34.0, 68.0]
    frame.loc[9:10, ["SBP", "DBP", "MAP"]] = [[np.nan, 70.0, 80.0], [65.0, np.nan, np.nan]]  # a fall, an hour later
    answers, report = evaluated(frame)
    assert answers.index[answers["abstained"].eq("contradictory-pressures")].tolist() == [2, 3]
    assert report["abstained"] == {"contradictory-pressures": 2}


@pytest.mark.parametrize(("higher", "lower"), [("SBP", "DBP"), ("SBP", "MAP"), ("MAP", "DBP")])
def test_no_number_of_a_patient_whose_pressures_mostly_contradict_each_other(
    higher: str, lower: str, evaluated: Evaluated
) -> None:
    frame = ward(3, 8)
    rows = frame.index[frame["pid"] == "p001"]
    frame.loc[rows, [higher, lower]] = [70.0, 79.0]
    frame.loc[rows[:3], [higher, lower]] = [95.0, 80.0]
    answers, report = evaluated(frame)
    at_once = (higher, lower) == ("SBP", "DBP")  # no two devices explain that
    later = rows[3 if at_once else 6 :]  # four of seven
    assert answers.index[answers["abstained"].eq("contradictory-pressures")].tolist() == later.tolist()
    assert report["abstained"] == {"contradictory-pressures": len(later)}


@pytest.mark.parametrize("head", [SEPSIS, HYPOTENSION, HYPOXAEMIA, AKI], ids=lambda one: one.name)
def test_no_later_hour_changes_what_is_said_of_an_earlier_one(
    head: Head, twin: TwinModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluating, "shipped_twin", lambda: twin)
    frame = ward(40, 24)
    values = frame[[one.column for one in COLUMNS]]
    rng = np.random.default_rng(3)
    frame[values.columns] = values * rng.uniform(0.9, 1.1, values.shape)
    frame[values.columns] = frame[values.columns].where(rng.random(values.shape) < 0.4)
    hour, later = frame["ICULOS"], frame["ICULOS"] > 9
    frame.loc[later & frame["pid"].eq("p003"), ["SBP", "MAP", "DBP"]] = [16.0, 10.6, 8.0]  # kPa
    frame.loc[later & frame["pid"].eq("p007"), ["SBP", "DBP"]] = [70.0, 110.0]
    frame.loc[later & frame["pid"].eq("p011"), values.columns] = -9.0
    frame.loc[later & frame["pid"].eq("p019"), "Creatinine"] = 4.0
    frame.loc[frame["pid"].eq("p023") & hour.lt(9), "Temp"] = 98.6
    whole, some = (evaluated_of(head, one, tmp_path) for one in (frame, frame[hour <= 9]))
    assert whole["abstained"].nunique() > some["abstained"].nunique() > 0
    pd.testing.assert_frame_equal(whole[whole["ICULOS"] <= 9].reset_index(drop=True), some, check_exact=True)


def evaluated_of(head: Head, frame: pd.DataFrame, tmp_path: Path) -> pd.DataFrame:
    evaluating.evaluate(head, written(frame, tmp_path), tmp_path / "out.parquet", tmp_path / "out.json")
    return pd.read_parquet(tmp_path / "out.parquet")


def test_order_does_not_matter_and_one_row_is_enough(
    evaluated: Evaluated,
) -> None:
    frame = ward(5, 4)
    sorted_rows, _ = evaluated(frame)
    shuffled, _ = evaluated(frame.sample(frac=1.0, random_state=1))
    assert shuffled[["pid", "ICULOS"]].equals(sorted_rows[["pid", "ICULOS"]])
    one, report = evaluated(frame.iloc[:1])
    assert one["risk"].notna().tolist() == [True]
    assert report["rows"] == 1
    blank, report = evaluated(frame.assign(**{one.column: np.nan for one in COLUMNS}))
    assert (blank["abstained"] == "nothing-measured").all()
    assert report["abstained"] == {"nothing-measured": 20}
