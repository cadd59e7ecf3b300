"""One patient now: what is imputed, drawn as it goes together, and never where something was measured."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest

from cds_app.content import latest
from cds_app.domain.facts import Measurement
from cds_app.domain.time import to_hours
from cds_app.twin.bedside import Bedside, window_of
from cds_app.twin.imputation import Imputer
from cds_app.twin.windows import HOURS

from .conftest import START

Measure = Callable[..., Measurement]


@pytest.fixture(scope="module")
def imputer() -> Imputer:
    return Imputer.from_artefact(latest("imputation"))


def bedside(imputer: Imputer, *measurements: Measurement, at_h: float = 47.5) -> Bedside:
    measured: dict[str, list[Measurement]] = {}
    for one in measurements:
        measured.setdefault(one.variable, []).append(one)
    now = to_hours(START + timedelta(hours=at_h))
    return Bedside.of(imputer, window_of(measured, now, imputer.channels), 67.0, 1.0)


def place(imputer: Imputer, name: str) -> int:
    return [one.name for one in imputer.channels].index(name)


def test_a_window_ends_now_and_a_bin_is_the_mean_of_its_hour(imputer: Imputer, measure: Measure) -> None:
    rows = [measure("a", 47.2, 80.0), measure("b", 47.4, 90.0), measure("c", 40.0, 100.0), measure("d", 48.0, 10.0)]
    window = bedside(imputer, *rows, measure("e", -3.0, 70.0)).window
    assert window[HOURS - 1, place(imputer, "HR")] == 85.0
    assert window[HOURS - 8, place(imputer, "HR")] == 100.0
    assert np.isfinite(window).sum() == 2


def test_what_was_measured_within_the_hour_is_not_imputed(imputer: Imputer, measure: Measure) -> None:
    found = bedside(imputer, measure("a", 47.2, 80.0), measure("b", 40.0, 1.4, "lactate")).likely()
    assert "heart_rate" not in found
    assert found["lactate"].low < found["lactate"].mean < found["lactate"].high
    assert "ventilation" not in found


def test_a_cuff_speaks_where_there_is_no_catheter(imputer: Imputer, measure: Measure) -> None:
    low = bedside(imputer, *(measure(f"m{i}", 46.0 - i, 52.0, "map_noninvasive") for i in range(6))).likely()["map"]
    high = bedside(imputer, *(measure(f"m{i}", 46.0 - i, 98.0, "map_noninvasive") for i in range(6))).likely()["map"]
    assert low.mean + 15.0 < high.mean


def test_multiple_imputations_spread_as_the_interval_says_and_go_together(imputer: Imputer, measure: Measure) -> None:
    found = bedside(imputer, *(measure(f"h{i}", 47.0 - i, 88.0) for i in range(20)))
    draws = found.draws(["map", "sbp", "heart_rate"], 800, np.random.default_rng(1))
    assert set(draws[0]) == {"map", "sbp"}
    pressures = np.array([[one["map"], one["sbp"]] for one in draws])
    likely = found.likely()["map"]
    inside = ((pressures[:, 0] >= likely.low) & (pressures[:, 0] <= likely.high)).mean()
    assert 0.86 < inside < 0.94
    assert np.corrcoef(pressures.T)[0, 1] > 0.5
    assert found.draws(["map", "sbp"], 3, np.random.default_rng(4)) == found.draws(
        ["map", "sbp"], 3, np.random.default_rng(4)
    )


def test_where_everything_was_measured_there_is_nothing_to_draw(imputer: Imputer, measure: Measure) -> None:
    assert bedside(imputer, measure("a", 47.2, 80.0)).draws(["heart_rate"], 5, np.random.default_rng(1)) == []
