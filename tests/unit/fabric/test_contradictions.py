from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from cds_app.content import latest
from cds_app.domain.facts import Measurement
from cds_app.domain.ontology import Ontology
from cds_app.domain.ontology_files import load_ontology
from cds_app.fabric.contradictions import contradictory

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def ontology() -> Ontology:
    return load_ontology(latest("ontology"))


def pressure(variable: str, value: float, minutes: float = 0, **more: Any) -> Measurement:
    when = NOW + timedelta(minutes=minutes)
    ref = f"Observation/{variable}-{value:g}"
    return Measurement(ref=ref, version="", when=when, learned=NOW, variable=variable, value=value, **more)


@pytest.mark.parametrize(
    ("pressures", "doubted"),
    [
        ([pressure("sbp", 80), pressure("dbp", 120)], 2),
        ([pressure("sbp_noninvasive", 80), pressure("dbp", 120)], 2),
        ([pressure("sbp", 80), pressure("sbp_noninvasive", 90), pressure("dbp", 120)], 3),
        ([pressure("sbp", 80), pressure("sbp_noninvasive", 125), pressure("dbp", 120)], 0),
        ([pressure("sbp", 80), pressure("dbp", 80)], 0),
        ([pressure("sbp", 80), pressure("dbp", 120, 1)], 0),
        ([pressure("sbp", 80), pressure("map", 120)], 0),
        ([pressure("sbp", 80, bound="<"), pressure("dbp", 120)], 0),
        ([pressure("sbp", 29, implausible=True), pressure("dbp", 120)], 0),
        ([pressure("sbp", 80)], 0),
        ([], 0),
    ],
)
def test_pressures_of_one_instant_are_doubted_together(
    ontology: Ontology, pressures: list[Measurement], doubted: int
) -> None:
    assert len(contradictory(pressures, ontology)) == doubted


@pytest.mark.parametrize(
    ("mean", "doubted"), [(30, True), (69, True), (70, False), (90, False), (120, False), (121, True)]
)
def test_a_mean_outside_of_the_pair_it_came_with_is_doubted_alone(
    ontology: Ontology, mean: float, doubted: bool
) -> None:
    panel = {"sbp": 120.0, "dbp": 70.0, "map": mean}
    rows = [replace(pressure(name, value), ref=f"Observation/bp#{name}") for name, value in panel.items()]
    assert contradictory(rows, ontology) == ({"Observation/bp#map"} if doubted else frozenset())
    apart = [*rows[:2], replace(rows[2], ref="Observation/arterial")]
    assert contradictory(apart, ontology) == frozenset()


def test_a_mean_beside_a_pair_that_is_itself_wrong_is_not_judged_by_it(ontology: Ontology) -> None:
    rows = [replace(pressure(name, value), ref=f"Observation/bp#{name}") for name, value in UPSIDE_DOWN.items()]
    assert contradictory(rows, ontology) == {"Observation/bp#sbp", "Observation/bp#dbp"}


UPSIDE_DOWN = {"sbp": 70.0, "dbp": 120.0, "map": 90.0}
