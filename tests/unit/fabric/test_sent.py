"""What came in another unit than ours stands beside what was made of it."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from cds_app.content import latest
from cds_app.domain.facts import Measurement
from cds_app.domain.ontology_files import load_ontology
from cds_app.domain.units import UnitConverter
from cds_app.fabric.reading import read
from tests.unit.fabric.conftest import LEARNED, LOINC, NOW, coded, observation

ONTOLOGY = load_ontology(latest("ontology"))
UNITS = UnitConverter(ONTOLOGY)
CREATININE, GLUCOSE, POTASSIUM, TEMPERATURE, HAEMOGLOBIN = "2160-0", "2339-0", "2823-3", "8310-5", "718-7"


def _one(resource: dict[str, Any]) -> Measurement:
    found = read([resource], patient="1", ontology=ONTOLOGY, units=UNITS, zone=UTC, learned=LEARNED, now=NOW)
    (measurement,) = found.facts.measurements
    return measurement


@pytest.mark.parametrize("noted", [False, True])
@pytest.mark.parametrize(
    ("loinc", "quantity", "value", "sent"),
    [
        (CREATININE, {"value": 230, "unit": "umol/L", "code": "umol/L"}, 2.6018, "230 umol/L"),
        (CREATININE, {"value": 230, "unit": "\N{MICRO SIGN}mol/L"}, 2.6018, "230 \N{MICRO SIGN}mol/L"),
        (CREATININE, {"value": 44.5, "unit": "umol/L", "comparator": "<"}, 0.5034, "<44.5 umol/L"),
        (CREATININE, {"value": 2.6, "unit": "mg/dL", "code": "mg/dL"}, 2.6, ""),
        (GLUCOSE, {"value": 15.3, "unit": "sweet", "code": "mmol/L{fasting}"}, 275.65, "15.3 mmol/L"),
        (POTASSIUM, {"value": 5.6, "unit": "mEq/L", "code": "meq/L"}, 5.6, ""),
        (TEMPERATURE, {"value": 101.3, "unit": "F", "code": "[degF]"}, 38.5, "101.3 °F"),
        (HAEMOGLOBIN, {"value": 69, "unit": "g/L", "code": "g/L"}, 6.9, "69 g/L"),
    ],
)
def test_the_number_and_the_unit_that_came_are_kept_where_they_are_others(
    loinc: str, quantity: dict[str, Any], value: float, sent: str, noted: bool
) -> None:
    """With a note the resource is none of the plain ones, and is read in the other way."""
    note = [{"text": "x"}] if noted else None
    found = _one(observation(loinc, valueQuantity=quantity, note=note))
    assert found.value == pytest.approx(value, rel=1e-4)
    assert found.sent == sent


def test_a_component_and_an_open_range_keep_it_too() -> None:
    pressure = {"code": coded(LOINC, "8480-6"), "valueQuantity": {"value": 16, "unit": "kPa", "code": "kPa"}}
    assert _one(observation("85354-9", valueQuantity=None, component=[pressure])).sent == "16 kPa"
    low = {"low": {"value": 1000, "unit": "umol/L", "code": "umol/L"}}
    assert _one(observation(CREATININE, valueQuantity=None, valueRange=low)).sent == ">=1000 umol/L"
    assert _one(observation(CREATININE, valueQuantity=None, valueString="> 1000 umol/L")).sent == ">1000 umol/L"
