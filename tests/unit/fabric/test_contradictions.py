from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from cds_app.content import latest
from cds_app.domain.facts import KINDS, Measurement
from cds_app.domain.ontology import Ontology
from cds_app.domain.ontology_files import load_ontology
from cds_app.domain.timeline import Timeline
from cds_app.domain.units import UnitConverter
from cds_app.fabric.contradictions import contradictory
from cds_app.fabric.reading import read
from tests.patients import observation

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


def test_what_was_corrected_speaks_against_nothing(ontology: Ontology) -> None:
    panel = {"sbp": 120.0, "dbp": 70.0, "map": 88.0}
    rows = [replace(pressure(name, value), ref=f"Observation/bp#{name}", version="2") for name, value in panel.items()]
    wrong = replace(rows[2], version="1", value=180.0)
    assert contradictory([*rows, wrong], ontology) == frozenset()
    assert contradictory([wrong, *rows[:2]], ontology) == frozenset()  # the newer version has no mean
    assert contradictory([*rows[:2], replace(wrong, version="2")], ontology) == {"Observation/bp#map"}
    righted = [replace(pressure("dbp", 140), ref="Observation/d", version="1"), replace(rows[1], ref="Observation/d")]
    assert contradictory([rows[0], *righted], ontology) == frozenset()


def told(ontology: Ontology, calls: Iterable[list[dict[str, Any]]]) -> list[tuple[str, float, bool]]:
    """What counts after several calls of one service."""
    seen: frozenset[bytes] = frozenset()
    timeline = Timeline()
    for n, resources in enumerate(calls):
        at = NOW + timedelta(minutes=n)
        units = UnitConverter(ontology)
        found = read(resources, patient="p1", ontology=ontology, units=units, zone=UTC, learned=at, now=at, seen=seen)
        seen |= found.clean
        timeline, _ = timeline.extended(fact for kind in KINDS for fact in getattr(found.facts, kind))
    return sorted((one.ref, one.value, one.implausible) for one in timeline.facts.measurements)


def test_pressures_that_come_in_two_calls_are_doubted_as_in_one(ontology: Ontology) -> None:
    systolic = observation("sbp", 80.0, NOW, key="s", meta={"versionId": "1"})
    diastolic = observation("dbp", 120.0, NOW, key="d", meta={"versionId": "1"})
    righted = {**observation("dbp", 60.0, NOW, key="d"), "meta": {"versionId": "2"}}
    doubted = [("Observation/d", 120.0, True), ("Observation/s", 80.0, True)]
    at_once, late = [[systolic, diastolic]], [[systolic], [systolic, diastolic], [systolic, diastolic]]
    assert told(ontology, at_once) == told(ontology, late) == doubted
    fine = [("Observation/d", 60.0, False), ("Observation/s", 80.0, False)]
    assert told(ontology, [*late, [systolic, righted]]) == told(ontology, [[systolic, righted]]) == fine


UPSIDE_DOWN = {"sbp": 70.0, "dbp": 120.0, "map": 90.0}
