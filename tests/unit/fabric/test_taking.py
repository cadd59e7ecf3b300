"""Of what, where and how a value was taken: read alike in one step and with care, and counted as what it is."""

from __future__ import annotations

from datetime import UTC
from time import process_time
from typing import Any

import pytest

from cds_app.content import latest
from cds_app.domain.issues import IssueCode
from cds_app.domain.ontology_files import load_ontology
from cds_app.domain.units import UnitConverter
from cds_app.fabric.coverage import Coverage
from cds_app.fabric.lexicon import lexicon_of
from cds_app.fabric.reading import Reading, read
from cds_app.fabric.references import Item
from tests.unit.fabric.conftest import LEARNED, NOW, coded, observation

ONTOLOGY = load_ontology(latest("ontology"))
UNITS = UnitConverter(ONTOLOGY)
SNOMED = "http://snomed.info/sct"


def reading(*resources: object) -> Reading:
    return read(resources, patient="1", ontology=ONTOLOGY, units=UNITS, zone=UTC, learned=LEARNED, now=NOW)


def lactate(**more: Any) -> dict[str, Any]:
    return observation("32693-4", 4.1, "mmol/L", **more)


@pytest.mark.parametrize("kind", [one for one in ONTOLOGY.kinds.values() if one.names], ids=lambda one: one.key)
def test_every_name_and_code_is_understood_and_plain_and_special_observations_are_read_alike(kind: Any) -> None:
    concepts = [{"text": name.upper()} for name in kind.names] + [coded(*code) for code in kind.codes]
    for code, value, unit in (("32693-4", 4.1, "mmol/L"), ("8310-5", 37.0, "Cel"), ("29463-7", 80.0, "kg")):
        for concept in concepts:
            of_specimen = {"specimen": {"reference": "#s"}, "contained": [_specimen(concept)]}
            said = of_specimen if kind.element == "specimen" else {kind.element: concept}
            plain = reading(observation(code, value, unit, **said))
            special = reading(observation(code, value, unit, **said, note=[]))
            assert (plain.facts, plain.issues, plain.tally) == (special.facts, special.issues, special.tally)
            variable = ONTOLOGY.variable([("http://loinc.org", code)])
            assert variable is not None
            usual = ONTOLOGY.usual.get((variable.key, kind.element))
            refused = usual is not None and usual.accepted is not None and kind.key not in usual.accepted
            shown = usual is not None and kind.key in usual.shown
            found = [one.taken for one in plain.facts.measurements] + [one.taken for one in plain.facts.unknown]
            assert (len(plain.facts.unknown), *found) == (refused, (kind.key,) if refused or shown else ())


def _specimen(made_of: object) -> dict[str, Any]:
    return {"resourceType": "Specimen", "id": "s", "type": made_of}


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"specimen": {"display": "CSF"}}, "specimen"),
        ({"note": [{"text": "CSF."}]}, "note"),
        ({"specimen": {"display": "CSF"}, "note": [{"text": "CSF."}]}, "specimen"),
    ],
)
def test_the_issue_names_the_field(more: dict[str, Any], field: str) -> None:
    found = reading(lactate(**more))
    assert [(one.code, one.field, one.dropped) for one in found.issues] == [(IssueCode.ELSEWHERE, field, False)]
    assert (found.tally["Observation"].unknown, found.clean) == (1, frozenset())


def test_a_site_is_told_by_another_field_than_a_specimen() -> None:
    found = reading(observation("8310-5", 33.0, "Cel", bodySite={"text": "Toe"}))
    assert [one.field for one in found.issues] == ["bodySite"]


def test_no_number_of_one_specimen_is_ever_another_variable_s() -> None:
    serum, urine = observation("2823-3", 44.0, "mmol/L"), observation("2828-2", 4.4, "mmol/L")
    mixed = [serum | {"specimen": {"display": "Urine"}}, urine | {"id": "r2", "specimen": {"display": "Serum"}}]
    found = reading(*mixed)
    assert found.facts.measurements == ()
    assert [one.taken for one in found.facts.unknown] == [("urine",), ("serum",)]


def test_a_coded_result_of_something_else_is_none_either() -> None:
    strip = observation("5792-7", valueQuantity=None, valueString="3+", specimen={"display": "Blood"})
    found = reading(strip)
    assert (found.facts.coded, [one.taken for one in found.facts.unknown]) == ((), [("blood",)])


def test_what_is_of_something_else_is_no_gap_of_the_ontology() -> None:
    items = [Item(lactate(specimen={"display": "CSF"}), "[0]")]
    counted = Coverage(lexicon_of(ONTOLOGY, UNITS), ONTOLOGY.variables, UTC)
    counted.add("1", items, reading(*items))
    report = counted.report()
    assert (report.unmapped, report.left_out) == ((), {"elsewhere": 1})
    assert [one.unmapped for one in report.categories] == [0]


def test_ten_thousand_of_each_cost_little() -> None:
    many = [{"reference": "#s", "display": "no specimen"}] * 10_000
    crowd = [{"resourceType": "Specimen", "id": f"s{i}"} for i in range(10_000)]
    concept = {"text": "nowhere " * 1000, "coding": [{"display": "nowhere " * 1000}] * 1000}
    busy = lactate(specimen=many, contained=crowd, bodySite=[concept] * 10_000, interpretation=[concept] * 10_000)
    begun = process_time()
    reading(busy)
    assert process_time() - begun < 2.0
