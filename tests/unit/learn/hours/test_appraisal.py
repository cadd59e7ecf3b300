"""A head beside its comparators on one ward: the same patients, the same table, and silence where it is silent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cds_app.learn.growing import BASELINE
from cds_app.learn.head import Outcome, Own
from cds_app.learn.hours.appraisal import appraised, headline, logistic
from cds_app.learn.hours.cohort import Cohort
from cds_app.learn.hours.sepsis import SEPSIS
from cds_app.score.features.hours import FEATURES, NAMES

_PATIENTS, _HOURS = 80, 20
_HEAD = replace(SEPSIS, own=Own(quantity="map", low_is_worse=True))


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    """Every other patient has the outcome at hour 17, and a pressure that falls towards it."""
    rng = np.random.default_rng(0)
    patient, hour = np.repeat(np.arange(_PATIENTS), _HOURS), np.tile(np.arange(1, _HOURS + 1), _PATIENTS)
    ill = patient % 2 == 0
    rows = np.full((len(patient), len(FEATURES)), np.nan, np.float32)
    for name, value in (
        ("map", 80.0 - 1.5 * hour * ill + rng.normal(0, 4, len(hour))),
        ("sbp", 115.0 - 1.5 * hour * ill + rng.normal(0, 8, len(hour))),
        ("resp_rate", 17.0 + 0.4 * hour * ill + rng.normal(0, 3, len(hour))),
    ):
        rows[:, NAMES.index(f"{name}_last")] = value
        rows[:, NAMES.index(f"{name}_age_h")] = 0.0
    rows[:, NAMES.index("age_years")], rows[:, NAMES.index("hours_in_unit")] = 60.0, hour
    label = (ill & (hour > 10)).astype(np.int64)
    age = np.where(patient < 40, 50.0, 70.0)
    frame = pd.DataFrame({"pid": patient, "ICULOS": hour, "Age": age, "Gender": patient % 3 % 2})
    return Cohort(
        frame=frame, truth=Outcome(patient=patient, label=label, asked=np.ones(len(label), bool)), design=rows
    )


@pytest.fixture(scope="module")
def baseline() -> dict[str, Any]:
    """A logistic regression that knows the pressure only, and weighs it the wrong way round."""
    weight = [1.0 if name == "map_last" else 0.0 for name in BASELINE]
    zero = [0.0] * len(BASELINE)
    scale = [10.0] * len(BASELINE)
    return {
        "features": list(BASELINE),
        "mean": zero,
        "scale": scale,
        "weight": weight,
        "intercept": -7.0,
        "threshold": 0.0,
    }


@pytest.fixture(scope="module")
def risk(cohort: Cohort) -> np.ndarray:
    pressure = cohort.design[:, NAMES.index("map_last")].astype(np.float64)
    known = 1.0 / (1.0 + np.exp((pressure - 66.0) / 4.0))
    return np.where(np.arange(len(known)) % 10 == 0, np.nan, known)


@pytest.fixture(scope="module")
def found(cohort: Cohort, risk: np.ndarray, baseline: dict[str, Any]) -> dict[str, Any]:
    return appraised(_HEAD, cohort, risk, 0.5, baseline)


def test_every_comparator_stands_beside_the_head(found: dict[str, Any]) -> None:
    assert set(found["comparators"]) == {"news2_5", "news2_7", "qsofa_2", "logistic", "last_value"}
    for one in found["comparators"].values():
        assert one["patients"] == _PATIENTS
        assert set(one["alerts"]) == set(found["overall"]["alerts"])
        assert "calibration" not in one
        for name in ("auroc", "auprc"):
            assert one["ahead"][name]["interval"][0] <= one["ahead"][name]["value"] <= one["ahead"][name]["interval"][1]
    assert found["comparators"]["news2_5"]["partial"]


def test_a_risk_made_of_the_last_value_is_not_ahead_of_it(found: dict[str, Any]) -> None:
    assert found["comparators"]["last_value"]["ahead"]["auroc"]["value"] == pytest.approx(0.0, abs=1e-12)
    assert found["comparators"]["last_value"]["alerts"]["hours_alerted"] == pytest.approx(
        found["overall"]["alerts"]["hours_alerted"], abs=0.02
    )
    assert found["comparators"]["logistic"]["auroc"] == pytest.approx(1.0 - found["overall"]["auroc"], abs=1e-12)


def test_groups_are_calibrated_too(found: dict[str, Any]) -> None:
    assert set(found["by_sex"]) == {"female", "male"}
    assert set(found["by_age"]) == {"45-64", "65-79"}
    for one in (*found["by_sex"].values(), *found["by_age"].values()):
        assert set(one["intervals"]["calibration"]) == {"slope", "intercept", "ece"}


def test_the_same_seed_gives_the_same_intervals(
    found: dict[str, Any], cohort: Cohort, risk: np.ndarray, baseline: dict[str, Any]
) -> None:
    assert appraised(_HEAD, cohort, risk, 0.5, baseline) == found


def test_the_headline_has_no_intervals(cohort: Cohort, baseline: dict[str, Any]) -> None:
    rival = logistic(baseline, cohort)
    assert set(headline(_HEAD, cohort, rival.score, rival.threshold)) == {"auroc", "auprc", "utility"}


def test_the_own_figure_of_a_head_has_an_interval_too(found: dict[str, Any]) -> None:
    overall = found["overall"]
    low, high = overall["intervals"]["utility"]
    assert low < overall["utility"] < high
    assert found["as_served"]["utility"] <= overall["utility"]
