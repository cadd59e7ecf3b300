"""Training twice with one seed gives the same model. Needs real data that is not in the repository."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cds_app.content import Artefact
from cds_app.learn.files.challenge2019 import in_part
from cds_app.learn.growing import Recipe
from cds_app.learn.head import CUTS
from cds_app.learn.hours.evaluating import evaluate, tune
from cds_app.learn.hours.sepsis import SEPSIS
from cds_app.learn.hours.training import train
from cds_app.learn.stays import mortality

_DATA = Path(os.environ.get("TWINLINE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
_FILE = _DATA / "icu" / "physionet2019_train.parquet"
_STAYS = _DATA / "icu" / "physionet2012_ab.parquet"
_RECIPE = Recipe(rounds=5, least_child_weight=20.0, threads=1)

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not _FILE.exists(), reason=f"set TWINLINE_TEST_DATA: {_FILE.name} is not there"),
]


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frame = pd.read_parquet(_FILE)
    septic = frame.loc[frame["SepsisLabel"] > 0, "pid"].unique()
    some = [*np.sort(frame["pid"].unique())[::100], *np.sort(septic)[::16]]
    path = tmp_path_factory.mktemp("data") / "few.parquet"
    frame[frame["pid"].isin(some)].to_parquet(path)
    return path


def _made(few: Path, root: Path) -> Artefact:
    return train(SEPSIS, few, root / "sepsis" / "1.0.0", 7, recipe=_RECIPE)


@pytest.fixture(scope="module")
def made(few: Path, tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    return _made(few, tmp_path_factory.mktemp("made"))


def test_training_again_gives_the_same_artefact(few: Path, made: Artefact, tmp_path: Path) -> None:
    assert _made(few, tmp_path).sha256 == made.sha256


def test_evaluation_needs_neither_order_nor_labels_nor_site(few: Path, made: Artefact, tmp_path: Path) -> None:
    frame = pd.read_parquet(few)
    bare = frame.drop(columns=["SepsisLabel", "site"]).sample(frac=1.0, random_state=3)
    bare.to_parquet(tmp_path / "bare.parquet")
    full = evaluate(SEPSIS, few, tmp_path / "full_p.parquet", tmp_path / "full.json", made)
    found = evaluate(SEPSIS, tmp_path / "bare.parquet", tmp_path / "bare_p.parquet", tmp_path / "bare.json", made)
    assert (full["labels"], found["labels"]) == (True, False)
    assert "overall" not in found
    assert json.loads((tmp_path / "full.json").read_text()) == full
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "full_p.parquet"), pd.read_parquet(tmp_path / "bare_p.parquet")
    )


def test_of_patients_who_all_grew_the_trees_test_patients_are_measured_and_by_trees_of_others(
    few: Path, made: Artefact, tmp_path: Path
) -> None:
    frame = pd.read_parquet(few)
    theirs = frame[in_part(frame["pid"], "test", CUTS)]
    renamed = theirs.assign(pid="n" + theirs["pid"])
    renamed.to_parquet(tmp_path / "test.parquet")
    found = evaluate(SEPSIS, few, tmp_path / "p.parquet", tmp_path / "few.json", made)
    alike = evaluate(SEPSIS, tmp_path / "test.parquet", tmp_path / "p.parquet", tmp_path / "test.json", made)
    assert found["measured"] == alike["measured"]
    assert found["measured"].startswith("test patients")
    assert found["seen_in_training"] == frame["pid"].nunique()
    assert found["overall"]["patients"] == alike["overall"]["patients"] == theirs["pid"].nunique()
    alone = made.read_json("training.json")["test_of_fit_trees"]
    assert found["overall"]["auroc"] == pytest.approx(alone["auroc"], abs=0.01)  # but for those who get no number
    assert alike["overall"]["auroc"] == found["overall"]["auroc"]


def test_of_a_file_with_others_only_those_are_measured_who_did_not_grow_the_trees(
    few: Path, made: Artefact, tmp_path: Path
) -> None:
    everybody, seen = pd.read_parquet(_FILE), pd.read_parquet(few)
    strangers = np.sort(everybody.loc[~everybody["pid"].isin(seen["pid"]), "pid"].unique())[::100]
    others = everybody[everybody["pid"].isin(strangers)]
    mixed = pd.concat([seen[seen["pid"].isin(np.sort(seen["pid"].unique())[::4])], others])
    mixed.to_parquet(tmp_path / "mixed.parquet")
    others.to_parquet(tmp_path / "strangers.parquet")
    found = evaluate(SEPSIS, tmp_path / "mixed.parquet", tmp_path / "p.parquet", tmp_path / "a.json", made)
    alone = evaluate(SEPSIS, tmp_path / "strangers.parquet", tmp_path / "q.parquet", tmp_path / "b.json", made)
    assert (found["seen_in_training"], alone["seen_in_training"]) == (mixed["pid"].nunique() - len(strangers), 0)
    assert found["overall"] == alone["overall"]
    assert len(pd.read_parquet(tmp_path / "p.parquet")) == len(mixed)  # the others have their predictions


def test_an_alert_policy_is_chosen_within_a_budget_and_kept_in_the_manifest(
    few: Path, made: Artefact, tmp_path: Path
) -> None:
    found = tune(SEPSIS, few, tmp_path / "tuned.json", 20.0, drawing=tmp_path / "tuned.svg", artefact=made)
    assert json.loads((tmp_path / "tuned.json").read_text("utf-8")) == found
    assert (tmp_path / "tuned.svg").read_text("utf-8").startswith("<svg ")
    kept = made.manifest["policy"]
    # the artefact's calibration is rounded to seven decimals, so a threshold read off the risk is too
    chosen = {name: found["chosen"][name] for name in kept if name != "budget"}
    assert kept == pytest.approx(chosen | {"budget": 20.0}, rel=1e-5)


@pytest.mark.skipif(not _STAYS.exists(), reason=f"set TWINLINE_TEST_DATA: {_STAYS.name} is not there")
def test_mortality_trained_twice_gives_the_same_artefact_and_predictions(tmp_path: Path) -> None:
    outcomes = _STAYS.with_name("physionet2012_ab_outcomes.parquet")
    data, others = tmp_path / "stays.parquet", tmp_path / "others.parquet"
    frame = pd.read_parquet(_STAYS)
    frame[frame["RecordID"] % 12 == 0].to_parquet(data)
    frame[frame["RecordID"] % 12 == 1].to_parquet(others)
    recipe = replace(mortality.RECIPE, rounds=5)
    made = [
        mortality.train(data, outcomes, tmp_path / name / "mortality" / "1.0.0", 7, recipe=recipe)
        for name in ("a", "b")
    ]
    assert made[0].sha256 == made[1].sha256
    full = mortality.evaluate(others, outcomes, tmp_path / "full.parquet", tmp_path / "full.json", made[0])
    bare = mortality.evaluate(others, None, tmp_path / "bare.parquet", tmp_path / "bare.json", made[1])
    seen = mortality.evaluate(data, outcomes, tmp_path / "seen.parquet", tmp_path / "seen.json", made[0])
    assert json.loads((tmp_path / "full.json").read_text()) == full
    assert full["overall"]["auroc"] > 0.7
    assert "overall" not in bare
    assert "overall" not in seen
    grew = made[0].read_json("training.json")["data"]["asked"]
    assert (full["seen_in_training"], seen["seen_in_training"]) == (0, grew)
    answers = pd.read_parquet(tmp_path / "full.parquet")
    pd.testing.assert_frame_equal(answers, pd.read_parquet(tmp_path / "bare.parquet"))
    assert list(answers.columns) == ["RecordID", "risk", "alert", "abstained"]
    assert (answers["risk"].isna() == answers["abstained"].notna()).all()
    assert (answers["alert"].isna() == answers["risk"].isna()).all()
