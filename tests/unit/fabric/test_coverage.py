"""What a source sends is counted once, under what became of it."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import msgspec

from cds_app.fabric.coverage import Coverage, CoverageReport
from cds_app.fabric.lexicon import lexicon_of
from cds_app.fabric.reading import read
from cds_app.fabric.references import Item
from tests.unit.fabric.conftest import LEARNED, LOINC, NOW, ONTOLOGY, FewUnits, observation

_UNITS = FewUnits()
_LOCAL = "urn:north:lab"


def report(*resources: dict[str, Any], times: int = 1) -> CoverageReport:
    counted = Coverage(lexicon_of(ONTOLOGY, _UNITS), ONTOLOGY.variables, UTC)
    items = [Item(one, f"[{i}]") for i, one in enumerate(resources)]
    for _ in range(times):
        reading = read(items, patient="1", ontology=ONTOLOGY, units=_UNITS, zone=UTC, learned=LEARNED, now=NOW)
        counted.add("1", items, reading)
    return counted.report()


def local(code: str, **more: Any) -> dict[str, Any]:
    coding = {"system": _LOCAL, "code": code, "display": f"Test {code}"}
    return observation(**{"code": {"coding": [coding]}, "id": f"local-{code}", **more})


def test_known_and_unknown_codes_are_counted_apart() -> None:
    found = report(observation(id="a"), local("X"), local("X", id="other"))
    (mapped,), (unmapped,) = found.mapped, found.unmapped
    assert (mapped.variable, mapped.count) == ("heart_rate", 1)
    assert (unmapped.codes, unmapped.display, unmapped.count) == (((_LOCAL, "X"),), "Test X", 2)
    assert found.resources["Observation"] == {"used": 1, "unknown": 2, "dropped": 0}
    (category,) = found.categories
    assert (category.count, category.unmapped, category.local_only) == (3, 2, 2)


def test_the_unit_of_an_unmapped_code_is_shown() -> None:
    (unmapped,) = report(local("X", valueQuantity={"value": 3, "unit": "ng/mL"})).unmapped
    assert unmapped.unit == "ng/mL"


def test_refused_units_are_counted_by_variable_and_reason() -> None:
    found = report(observation("2160-0", 1.0, "heart_rate"), observation("2160-0", 1.0, "mmol/L", id="b"))
    assert {(one.variable, one.reason, one.unit) for one in found.refused} == {
        ("creatinine", "unknown-unit", "heart_rate"),
        ("creatinine", "wrong-dimension", "mmol/L"),
    }


def test_a_result_is_stale_if_it_was_reported_after_it_had_ceased_to_count() -> None:
    late, soon = (
        observation(id=str(i), effectiveDateTime=f"2024-03-0{day}T09:00:00Z", issued="2024-03-09T09:00:00Z")
        for i, day in enumerate((7, 9))
    )
    (mapped,) = report(late, soon, observation(id="undated")).mapped
    assert (mapped.count, mapped.stale, mapped.dated) == (3, 1, 2)


def test_what_is_implausible_or_left_out_is_counted() -> None:
    found = report(observation(value=900.0), observation(id="b", status="cancelled"))
    assert found.mapped[0].implausible == 1
    assert found.left_out == {"not-final": 1}


def test_the_same_resource_again_is_not_the_same_result_under_another_id() -> None:
    assert (report(observation(), times=2).again, report(observation(), times=2).repeated) == (1, 0)
    twice = report(observation(id="a"), observation(id="b"))
    assert (twice.again, twice.repeated) == (0, 1)


def test_a_report_names_nobody_and_no_value() -> None:
    secret = local("X", valueQuantity={"value": 77.125, "unit": "mg"}, note=[{"text": "ZQX"}])
    secret["code"]["text"] = "ZQX seen by Dr ZQX"
    text = msgspec.json.encode(report(secret, observation(value=77.125))).decode()
    assert "ZQX" not in text
    assert "77.125" not in text
    assert "Patient" not in text


def test_components_are_counted_as_what_they_are() -> None:
    parts = [
        {"code": {"coding": [{"system": LOINC, "code": "8480-6"}]}, "valueQuantity": {"value": 120, "code": "mm[Hg]"}},
        {"code": {"coding": [{"system": _LOCAL, "code": "Z"}]}, "valueQuantity": {"value": 1, "code": "mm[Hg]"}},
    ]
    panel = observation(component=parts)
    del panel["valueQuantity"]
    found = report(panel)
    assert [(one.variable, one.count) for one in found.mapped] == [("systolic", 1)]
    assert [(one.codes, one.unit) for one in found.unmapped] == [(((_LOCAL, "Z"),), "mm[Hg]")]
    assert found.categories[0].unmapped == 0
