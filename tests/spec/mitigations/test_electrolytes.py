"""Sodium apart from glucose, changes that matter, and total calcium beside the ionised."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cds_app.domain.facts import Fact
from tests.chart import measured
from tests.spec.mitigations.concerns import cautions, offered, refusals, said


def course(*values: tuple[float, float], glucose: Sequence[tuple[float, float]] = ()) -> list[Fact]:
    """Values of sodium, and of glucose, each with how many hours ago."""
    sodium = [measured("sodium", value, hours) for value, hours in values]
    return [*sodium, *(measured("glucose", value, hours) for value, hours in glucose)]


@pytest.mark.parametrize(
    ("chart", "told"),
    [
        (course((119, 2)), (3, "below 120")),
        (course((119, 2), glucose=[(110, 2)]), (3, "below 120")),
        (course((119, 2), glucose=[(520, 9)]), (3, "below 120")),  # of another sample
        (course((119, 2), glucose=[(520, 2)]), (1, "below 130 apart from what glucose lowers it by")),
        (course((119, 2), glucose=[(900, 2)]), None),
        (course((127, 2), glucose=[(240, 2)]), (1, "below 130")),
        (course((127, 2), glucose=[(300, 2)]), None),
        (course((160, 2), glucose=[(520, 2)]), (3, "above 158")),
        (course((126, 14), (139, 2)), (2, "rising by more than 8 in 24 h")),
        (course((126, 14), (139, 2), glucose=[(996, 14), (307, 2)]), None),
        (course((130, 14), (141, 2), glucose=[(996, 14), (89, 2)]), None),  # neither a fall of what is left
        (course((132, 14), (142, 2)), None),
        (course((145, 14), (136, 2)), None),
        (course((141, 14), (131, 2)), (2, "falling by more than 8 in 24 h")),
        (course((137, 14), (128, 2), glucose=[(150, 14), (311, 2)]), None),
        (course((154, 14), (145, 2)), None),
        (course((156, 14), (145, 2)), (2, "falling by more than 10 in 24 h")),
        (course((142, 14), (152, 2)), (2, "rising by more than 8 in 24 h")),
    ],
)
def test_sodium_is_told_apart_from_glucose_and_where_its_change_matters(
    chart: Sequence[Fact], told: tuple[int, str] | None
) -> None:
    assert said("dysnatraemia", *chart) == told


@pytest.mark.parametrize(
    ("chart", "told"),
    [
        (course((119, 8), (133, 1)), (3, "by more than 10 in 24 h")),
        (course((119, 8), (133, 1), glucose=[(520, 8), (160, 1)]), None),
        (course((115, 8), (133, 1), glucose=[(420, 8), (160, 1)]), (3, "by more than 10 in 24 h")),
        (course((119, 20), (121, 12), (133, 1), glucose=[(520, 20), (100, 12)]), (3, "by more than 10 in 24 h")),
    ],
)
def test_sodium_that_rises_as_glucose_falls_is_not_corrected_too_fast(
    chart: Sequence[Fact], told: tuple[int, str] | None
) -> None:
    assert said("sodium_correction", *chart) == told


def test_what_lowers_sodium_again_has_no_glucose_where_glucose_is_high() -> None:
    high, usual = (
        cautions("sodium_correction", "sodium_relower", *course((112, 20), (124, 1), glucose=[(130, 20), (now, 1)]))
        for now in (210, 120)
    )
    assert high == ["Glucose is above 180 mg/dL: water without glucose, by mouth or tube."]
    assert not usual


def test_how_fast_sodium_may_fall_is_not_said_of_how_fast_it_may_rise() -> None:
    falls = offered("dysnatraemia", *course((156, 14), (145, 2)))
    assert "dysnatraemia_water" in falls
    assert "dysnatraemia_limit" not in falls
    rises = offered("dysnatraemia", *course((124, 14), (136, 2)))
    assert "dysnatraemia_limit" in rises
    assert "dysnatraemia_water" not in rises
    sinks = offered("dysnatraemia", *course((141, 14), (131, 2)))
    assert "dysnatraemia_fall" in sinks
    assert not {"dysnatraemia_limit", "dysnatraemia_water"} & sinks.keys()


HIGH = measured("calcium", 12.8, 3)


@pytest.mark.parametrize(
    ("chart", "told"),
    [
        ([HIGH, measured("calcium_ionized", 1.2, 3)], (1, "total above 12 mg/dL (3.0 mmol/L), ionised not high")),
        ([HIGH, measured("calcium_ionized", 1.4, 3)], (2, "above 12 mg/dL (3.0 mmol/L)")),
        ([HIGH, measured("calcium_ionized", 1.2, 7)], (2, "above 12 mg/dL (3.0 mmol/L)")),
        (
            [measured("calcium", 10.7, 3), measured("albumin", 2.0, 9), measured("calcium_ionized", 1.12, 3)],
            (1, "total above 12 mg/dL (3.0 mmol/L), ionised not high"),
        ),
        ([measured("calcium", 15.0), measured("calcium_ionized", 1.8)], (3, "above 14 mg/dL (3.5 mmol/L)")),
    ],
)
def test_a_total_calcium_is_no_warning_where_the_ionised_is_not_high(
    chart: Sequence[Fact], told: tuple[int, str]
) -> None:
    assert said("hypercalcaemia", *chart) == told


def test_no_treatment_is_offered_for_a_total_calcium_alone() -> None:
    usual = [HIGH, measured("calcium_ionized", 1.1, 3)]
    assert next(iter(offered("hypercalcaemia", *usual))) == "hypercalcaemia_citrate"
    refused = refusals("hypercalcaemia", *usual)
    treatments = {f"hypercalcaemia_{one}" for one in ("fluid", "bisphosphonate", "ecg")}
    assert {refused[one] for one in treatments} == {"Ionised calcium is not high."}


def low(total: float, hours: float, *ionised: tuple[float, float]) -> list[Fact]:
    """A total calcium of some hours ago, a usual albumin, and ionised ones, each with how many hours ago."""
    rows = (measured("calcium_ionized", value, ago) for value, ago in ionised)
    return [measured("calcium", total, hours), measured("albumin", 4.1, hours), *rows]


@pytest.mark.parametrize(
    ("chart", "told"),
    [
        (low(7.0, 1), 2),
        (low(7.0, 1, (1.15, 6.5)), None),  # of five hours and a half before
        (low(7.0, 1, (1.15, 8)), 2),
        (low(7.0, 10, (1.15, 10)), None),  # of the same sample, however long ago
        (low(7.0, 10, (1.15, 2)), None),
        (low(7.0, 10, (0.95, 10)), 2),
        (low(7.0, 10, (1.15, 17)), 2),
    ],
)
def test_a_total_calcium_is_no_warning_where_the_ionised_beside_it_is_not_low(
    chart: Sequence[Fact], told: int | None
) -> None:
    found = said("low_calcium", *chart)
    assert (found and found[0]) == told
