from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

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
