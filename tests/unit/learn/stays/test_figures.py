"""Figures of a risk of whole stays, and of what it has to beat."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cds_app.domain.facts import Fact
from cds_app.learn.stays.comparators import rivals
from cds_app.learn.stays.figures import Asked, measured
from cds_app.score.clinical.news2 import news2, qsofa
from cds_app.score.features.stays import FEATURES
from cds_app.score.result import Score
from tests.chart import measured as charted
from tests.chart import situation

_NAMES = [one.name for one in FEATURES]
_SIGNS = {"resp_rate": 23.0, "sao2": 93.0, "sbp": 99.0, "heart_rate": 112.0, "body_temp": 38.4, "fio2": 40.0}


def _rows(*charts: dict[str, float], age_h: float = 0.5) -> np.ndarray:
    found = np.full((len(charts), len(FEATURES)), np.nan, np.float32)
    found[:, _NAMES.index("saps_stay")] = np.arange(len(charts))
    for row, chart in zip(found, charts, strict=True):
        for name, value in chart.items():
            row[[_NAMES.index(f"{name}_last"), _NAMES.index(f"{name}_age_h")]] = value, age_h
    return found


@pytest.mark.parametrize("coma", [15.0, 14.0])
def test_bedside_scores_of_stays_are_those_that_are_served(coma: float) -> None:
    found = rivals(_rows({**_SIGNS, "gcs_total": coma}), np.ones(1, np.int64))
    names = {**dict.fromkeys(_SIGNS, 0.0), **_SIGNS, "gcs_total": coma}
    names["spo2"] = names.pop("sao2")
    chart: list[Fact] = [charted(name, value, hours=0.5) for name, value in names.items()]
    for key, served in (("news2_5", news2(situation(*chart))), ("qsofa_2", qsofa(situation(*chart)))):
        assert isinstance(served, Score)
        assert found[key].score.tolist() == [served.value]


def test_a_stale_sign_gives_no_points() -> None:
    found = rivals(_rows({**_SIGNS, "gcs_total": 3.0}, age_h=40.0), np.ones(1, np.int64))
    assert found["news2_7"].score.tolist() == [0.0]
    assert found["qsofa_2"].score.tolist() == [0.0]


def test_figures_of_stays_that_were_asked_of_twice_count_each_stay_once() -> None:
    rng, stays = np.random.default_rng(4), 300
    risk = rng.uniform(0.02, 0.6, stays)
    died = (rng.random(stays) < risk).astype(np.int64)
    twice = np.tile(np.arange(stays), 2)
    days = np.where(died > 0, np.arange(stays) % 7, np.nan)
    who = pd.DataFrame({"Age": np.tile(rng.uniform(30.0, 90.0, stays), 2), "Gender": np.tile(np.arange(stays) % 2, 2)})
    asked = Asked(who=who, stay=twice, died=died[twice], days_left=days[twice])
    rows = _rows(*({"heart_rate": 60.0 + 100.0 * one} for one in risk))
    alert = risk >= 0.3
    found = measured(asked, risk[twice], alert[twice], rivals(rows[twice], died[twice]))
    whole = found["overall"]
    assert (whole["patients"], whole["patients_with_outcome"]) == (stays, died.sum())
    assert whole["alerted"] == pytest.approx(alert.mean())
    assert whole["sensitivity"] == pytest.approx(alert[died > 0].mean())
    assert whole["precision"] == pytest.approx(died[alert].mean())
    assert whole["lesser_of_both"] == min(whole["sensitivity"], whole["precision"])
    assert whole["days_left"] == np.median(days[alert & (died > 0)])
    assert set(whole["intervals"]["calibration"]) == {"slope", "intercept", "ece"}
    assert whole["calibration"]["ece"] < whole["calibration"]["ece_by_chance"]
    assert sum(one["patients"] for one in found["by_sex"].values()) == stays
    beside = found["comparators"]
    assert set(beside) == {"news2_5", "news2_7", "qsofa_2", "severity"}
    assert beside["news2_5"]["partial"]
    assert "calibration" not in beside["news2_5"]
    ahead = beside["qsofa_2"]["ahead"]["auroc"]
    assert ahead["value"] == pytest.approx(whole["auroc"] - beside["qsofa_2"]["auroc"])
    assert ahead["interval"][0] <= ahead["value"] <= ahead["interval"][1]


def test_with_too_few_deaths_there_are_counts_only() -> None:
    died = np.array([1, 0, 0, 0], np.int64)
    who = pd.DataFrame({"Age": [50.0] * 4, "Gender": [0.0] * 4})
    asked = Asked(who=who, stay=np.arange(4), died=died, days_left=np.full(4, np.nan))
    risk = np.array([0.9, 0.1, 0.2, 0.3])
    found = measured(asked, risk, risk > 0.5, rivals(_rows({}, {}, {}, {}), died))
    assert found["overall"] == {"rows": 4, "patients": 4, "patients_with_outcome": 1}
    assert "ahead" not in found["comparators"]["news2_5"]
