"""A site's codes: taken where they hold, and refused with the place and the reason where they do not."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from cds_app.content import content_root
from cds_app.deps import knowledge_of, vocabulary_of
from cds_app.domain.site_mapping import mapped, parse_mapping, problems
from cds_app.errors import ContentError
from cds_app.fabric.reading import read
from cds_app.services.content.knowledge import Knowledge, load_knowledge
from cds_app.settings import Settings
from tests.mappings import _LAB, content, number
from tests.unit.fabric.conftest import NOW, observation


def wrong(knowledge: Knowledge, *rows: dict[str, Any], units: dict[str, str] | None = None) -> list[tuple[str, str]]:
    found = problems(parse_mapping(content(*rows, units=units)), knowledge.ontology)
    return [(one.where, one.what) for one in found]


def test_a_code_stands_for_a_variable_and_a_concept_after_mapping(knowledge: Knowledge) -> None:
    drug = {"kind": "concept", "system": "urn:north:drugs", "code": "D1", "concept": "lisinopril"}
    strip = {"kind": "coded", "system": _LAB, "code": "N", "variable": "urine_nitrite"}
    file = parse_mapping(content(number(), drug, strip, units={"mmol per litre": "mmol/L"}))
    ontology = mapped(knowledge.ontology, file)
    potassium = ontology.variable([(_LAB, "K")])
    assert potassium is not None
    assert potassium.key == "potassium"
    assert ontology.concepts_of([("urn:north:drugs", "D1")])[0] == "lisinopril"
    assert ontology.unit_synonyms["mmol per litre"] == "mmol/L"
    assert ontology.sha256 != knowledge.ontology.sha256
    assert knowledge.ontology.variable([(_LAB, "K")]) is None


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        ({"variable": "kryptonite"}, "codes.0.variable", "no such variable"),
        ({"unit": "mm[Hg]"}, "codes.0.unit", "unit of something else"),
        ({"unit": "furlong"}, "codes.0.unit", "not a known unit"),
        ({"low": 7.0, "high": 2.5}, "codes.0.low", "below high"),
        ({"low": 2500.0, "high": 7000.0}, "codes.0.low", "plausible"),
        ({"low": 8.0, "high": 9.0}, "codes.0.low", "normal"),
        ({"system": "http://loinc.org", "code": "2951-2"}, "codes.0.code", "stands for sodium"),
        ({"variable": "urine_nitrite"}, "codes.0.kind", "no number"),
        ({"variable": "urea_nitrogen", "unit": "mmol/L", "low": 140.0, "high": 500.0}, "codes.0.low", "plausible"),
    ],
)
def test_what_does_not_hold_is_named(knowledge: Knowledge, change: dict[str, Any], where: str, what: str) -> None:
    ((place, said),) = wrong(knowledge, number(**change))
    assert place == where
    assert what in said


def test_a_code_twice_and_a_code_of_words_for_a_number_are_named(knowledge: Knowledge) -> None:
    assert wrong(knowledge, number(), number()) == [("codes.1", "the code is mapped twice")]
    worded = {"kind": "coded", "system": _LAB, "code": "K", "variable": "potassium"}
    assert wrong(knowledge, worded) == [("codes.0.kind", "potassium is a number")]


def test_concepts_must_be_there_and_free(knowledge: Knowledge) -> None:
    row = {"kind": "concept", "system": "urn:x", "code": "1", "concept": "unobtainium"}
    assert wrong(knowledge, row) == [("codes.0.concept", "there is no such concept")]
    system, code = next(one for one in knowledge.ontology.concepts["lisinopril"].codes)
    taken = {"kind": "concept", "system": system, "code": code, "concept": "heparin"}
    ((place, said),) = wrong(knowledge, taken)
    assert (place, said.split()[0]) == ("codes.0.code", "stands")


@pytest.mark.parametrize(
    ("units", "what"),
    [({"x": "furlong"}, "UCUM"), ({"mg": "g"}, "keeps its meaning")],
)
def test_unit_texts_must_be_new_and_readable(knowledge: Knowledge, units: dict[str, str], what: str) -> None:
    ((place, said),) = wrong(knowledge, units=units)
    assert place.startswith("units.")
    assert what in said


def test_a_unit_text_that_means_something_already_is_refused(knowledge: Knowledge) -> None:
    text, unit = next(iter(knowledge.ontology.unit_synonyms.items()))
    other = "mg/dL" if unit != "mg/dL" else "mmol/L"
    assert wrong(knowledge, units={text: other}) == [(f"units.{text}", "means another unit already")]


@pytest.mark.parametrize(
    "bad",
    [b"", b"[1", content(reviewed="soon"), content({"kind": "guess"}), content(number(extra=1)), b'{"site": "a"}'],
)
def test_a_file_of_another_shape_is_refused(bad: bytes) -> None:
    with pytest.raises(ContentError):
        parse_mapping(bad)


def test_a_mapping_that_does_not_hold_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "site.json"
    file.write_bytes(content(*(number(code=str(i), variable="kryptonite") for i in range(7))))
    with pytest.raises(ContentError, match=r"codes\.0\.variable: there is no such variable.*and 2 more"):
        vocabulary_of(Settings(site_mapping=file))
    with pytest.raises(ContentError, match="cannot be read"):
        knowledge_of(Settings(site_mapping=tmp_path / "none.json"))


@pytest.fixture(scope="module")
def extended() -> Knowledge:
    """What a service knows that was started with a mapping."""
    row = number(system="http://loinc.org", code="local-K", unit="mmol/L")
    mapping = parse_mapping(content(row, units={"mmol per litre": "mmol/L"}))
    return load_knowledge(content_root(), timezone="UTC", mapping=mapping)


def test_decisions_are_pinned_to_the_mapping_that_they_rest_on(knowledge: Knowledge, extended: Knowledge) -> None:
    assert len(extended.pins["site_mapping"]) == 64
    assert "site_mapping" not in knowledge.pins


def test_a_service_reads_what_it_is_sent_by_the_mapping(knowledge: Knowledge, extended: Knowledge) -> None:
    sent = observation("local-K", 4.2, "mmol per litre")
    for known, count in ((extended, 1), (knowledge, 0)):
        found = read([sent], patient="1", ontology=known.ontology, units=known.units, zone=UTC, learned=NOW, now=NOW)
        assert [(one.variable, one.value) for one in found.facts.measurements] == [("potassium", 4.2)] * count
