"""Sodium apart from glucose: 1.6 mmol/L for each 100 mg/dL above 100, 2.4 where glucose is above 400."""

from __future__ import annotations

import pytest

from cds_app.domain.facts import Fact
from cds_app.domain.sentences import sentence
from cds_app.score.clinical.sodium import corrected_sodium
from tests.chart import abstained, measured, scored, situation


@pytest.mark.parametrize(
    ("sodium", "glucose", "found"),
    [(130, 200, 132), (125, 382, 130), (119, 400, 124), (119, 401, 126), (119, 520, 129), (140, 600, 152)],
)
def test_sodium_is_raised_by_what_glucose_lowers_it_by(sodium: float, glucose: float, found: float) -> None:
    chart = situation(measured("sodium", sodium, 2), measured("glucose", glucose, 2))
    score = scored(corrected_sodium(chart))
    assert score.value == found
    assert [type(one).__name__ for one in score.inputs] == ["Measurement", "Measurement"]
    assert score.proviso == sentence("proviso_sodium")


@pytest.mark.parametrize(
    ("facts", "lack"),
    [
        ([], ("sodium", "missing")),
        ([measured("sodium", 120, 30)], ("sodium", "stale")),
        ([measured("sodium", 120, 2)], ("glucose", "missing")),
        ([measured("sodium", 120, 2), measured("glucose", 500, 3.1)], ("glucose", "missing")),
        ([measured("sodium", 120, 2), measured("glucose", 180, 2)], ("glucose", "unsuitable")),
    ],
)
def test_it_says_what_it_lacks(facts: list[Fact], lack: tuple[str, str]) -> None:
    assert abstained(corrected_sodium(situation(*facts))) == dict([lack])


def test_the_glucose_nearest_in_time_counts() -> None:
    chart = situation(
        measured("sodium", 125, 2),
        measured("glucose", 900, 2.9),
        measured("glucose", 300, 2),
        measured("glucose", 90, 1.2),
    )
    assert scored(corrected_sodium(chart)).value == 128
