"""What is read in one step says the same as what is read with care, whatever a value is called."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from cds_app.content import latest
from cds_app.domain.facts import Measurement
from cds_app.domain.issues import IssueCode
from cds_app.domain.ontology_files import load_ontology
from cds_app.domain.units import UnitConverter
from cds_app.fabric.reading import Reading, read
from tests.unit.fabric.conftest import LEARNED, NOW, observation

ONTOLOGY = load_ontology(latest("ontology"))
UNITS = UnitConverter(ONTOLOGY)
SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"


def reading(resource: dict[str, Any]) -> Reading:
    return read([resource], patient="1", ontology=ONTOLOGY, units=UNITS, zone=UTC, learned=LEARNED, now=NOW)


def potassium(value: float, said: object, **more: Any) -> Measurement:
    (found,) = reading(observation("2823-3", value, "mmol/L", interpretation=said, **more)).facts.measurements
    return found


@pytest.mark.parametrize("value", [2.4, 4.2, 6.8])
@pytest.mark.parametrize("key", [None, *ONTOLOGY.interpretations])
def test_plain_and_special_observations_are_read_alike(value: float, key: str | None) -> None:
    code = ONTOLOGY.interpretations[key].codes[0][1] if key else "S"
    said = [{"coding": [{"system": SYSTEM, "code": code}]}]
    plain = potassium(value, said)
    assert plain == potassium(value, said, note=[])
    assert plain.interpretation == (key or "")


def test_every_name_and_code_is_understood_as_it_is_meant() -> None:
    for one in ONTOLOGY.interpretations.values():
        for text in (one.label, one.label.upper(), *one.names, *(code for _, code in one.codes)):
            assert potassium(4.2, [{"text": text}]).interpretation == one.key, text


def test_the_issue_names_the_field() -> None:
    found = reading(observation("2823-3", 6.8, "mmol/L", interpretation=[{"text": "low"}]))
    assert [(one.code, one.field, one.dropped) for one in found.issues] == [
        (IssueCode.DISPUTED, "interpretation", False)
    ]
    assert found.clean == frozenset()


def test_each_component_has_its_own() -> None:
    def part(code: str, value: float, said: str) -> dict[str, Any]:
        whole = observation(code, value, "mm[Hg]")
        return {"code": whole["code"], "valueQuantity": whole["valueQuantity"], "interpretation": [{"text": said}]}

    panel = observation("85354-9", component=[part("8480-6", 190, "HH"), part("8462-4", 60, "H")])
    del panel["valueQuantity"]
    found = {one.variable: (one.interpretation, one.implausible) for one in reading(panel).facts.measurements}
    assert found == {"sbp": ("critically_high", False), "dbp": ("high", False)}
