"""Bedside scores of whole columns against the scores that are served, and rows without a basis."""

from __future__ import annotations

import numpy as np
import pytest

from cds_app.content import latest
from cds_app.domain.facts import Fact
from cds_app.domain.ontology_files import load_ontology
from cds_app.learn.head import Own
from cds_app.learn.hours.abstention import NOTHING_MEASURED, abstained
from cds_app.learn.hours.comparators import READ, bedside, last_value, news2_known, qsofa_known
from cds_app.learn.hours.sepsis import SEPSIS
from cds_app.score.clinical.news2 import news2, qsofa
from cds_app.score.features.hours import FEATURES, NAMES
from cds_app.score.result import Abstained, Score
from tests.chart import measured, situation

_DRAWN = {
    "resp_rate": (5.0, 32.0),
    "spo2": (86.0, 100.0),
    "sbp": (75.0, 230.0),
    "heart_rate": (35.0, 140.0),
    "body_temp": (34.0, 40.0),
    "fio2": (21.0, 23.0),
}


def _blank(rows: int) -> np.ndarray:
    return np.full((rows, len(FEATURES)), np.nan, np.float32)


@pytest.fixture(scope="module")
def fresh_h() -> dict[str, float]:
    ontology = load_ontology(latest("ontology"))
    return {name: ontology.quantity(name).fresh_h for name in READ}


def test_bedside_scores_of_rows_are_those_that_are_served(fresh_h: dict[str, float]) -> None:
    rng, compared = np.random.default_rng(0), 0
    for _ in range(400):
        chart: list[Fact] = []
        row = _blank(1)
        for name, (low, high) in _DRAWN.items():
            # halves and hundredths: where rounding decides
            value, hours = (
                round(float(rng.uniform(low, high)) * 4) / 4 + 0.05 * (name == "body_temp"),
                float(rng.choice([0.5, 3.0, 30.0])),
            )
            if rng.random() < 0.85:
                chart.append(measured(name, round(value, 2), hours=hours))
                row[0, [NAMES.index(f"{name}_last"), NAMES.index(f"{name}_age_h")]] = round(value, 2), hours
        now = situation(*chart)
        for served, known in ((news2(now), news2_known), (qsofa(now), qsofa_known)):
            if isinstance(served, Score):
                compared += 1
                assert known(row, fresh_h)[0] == served.value
            else:
                assert isinstance(served, Abstained)
    assert compared > 200


def test_what_the_data_lack_is_said_and_nothing_known_is_no_points(fresh_h: dict[str, float]) -> None:
    found = bedside(_blank(2), fresh_h)
    assert {name: one.threshold for name, one in found.items()} == {"news2_5": 5.0, "news2_7": 7.0, "qsofa_2": 2.0}
    assert all(one.partial and one.score.tolist() == [0.0, 0.0] for one in found.values())


def test_the_last_value_alerts_of_as_many_hours_as_the_head() -> None:
    rows = _blank(100)
    rows[:90, NAMES.index("map_last")] = np.arange(90.0) + 30.0
    low = last_value(Own(quantity="map", low_is_worse=True), rows, 0.1)
    assert np.flatnonzero(low.score >= low.threshold).tolist() == list(range(10))
    high = last_value(Own(quantity="map", low_is_worse=False), rows, 0.1)
    assert np.flatnonzero(high.score >= high.threshold).tolist() == list(range(80, 90))
    assert not np.isnan(last_value(Own(quantity="map", low_is_worse=True), _blank(3), 0.5).score).any()


@pytest.mark.parametrize(
    ("age", "value", "reason"),
    [
        *[(0.0, 80.0, "too-young"), (17.9, 80.0, "too-young"), (18.0, 80.0, None), (120.0, 80.0, None)],
        *[(130.0, 80.0, "age-unknown"), (np.nan, 80.0, "age-unknown"), (-1.0, 80.0, "age-unknown")],
        *[(60.0, np.nan, NOTHING_MEASURED), (np.nan, np.nan, "age-unknown"), (5.0, np.nan, "too-young")],
    ],
)
def test_no_number_without_a_basis(age: float, value: float, reason: str | None) -> None:
    row = _blank(1)
    row[0, [NAMES.index("age_years"), NAMES.index("heart_rate_last")]] = age, value
    assert abstained(SEPSIS.limits, row).tolist() == [reason]
