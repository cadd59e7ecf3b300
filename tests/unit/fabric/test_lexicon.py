"""What codes, units and names mean is found once for an ontology and a converter, and is no other's."""

from __future__ import annotations

from dataclasses import replace

from cds_app.content import artefact
from cds_app.domain.ontology import Concept, Variable
from cds_app.domain.ontology_files import load_ontology
from cds_app.fabric.codes import codes_of
from cds_app.fabric.lexicon import lexicon_of
from tests.unit.fabric.conftest import LOINC, ONTOLOGY, FewUnits


class CountedUnits(FewUnits):
    calls = 0

    def convert(self, value: float, unit: str, variable: Variable) -> float:
        self.calls += 1
        return super().convert(value, unit, variable)


def test_the_same_two_have_one_lexicon_and_others_their_own() -> None:
    units = FewUnits()
    found = lexicon_of(ONTOLOGY, units)
    assert lexicon_of(ONTOLOGY, units) is found
    assert lexicon_of(ONTOLOGY, FewUnits()) is not found
    assert lexicon_of(replace(ONTOLOGY, version="1"), units) is not found


def test_a_unit_is_looked_into_once() -> None:
    units = CountedUnits()
    lexicon = lexicon_of(ONTOLOGY, units)
    assert [lexicon.unit("creatinine", "umol/L", "") for _ in range(3)] == ["umol/L"] * 3
    assert units.calls == 2


def test_what_one_ontology_knows_another_does_not() -> None:
    units, codes = FewUnits(), ((LOINC, "8867-4"),)
    empty = replace(ONTOLOGY, variables={})
    known, unknown = lexicon_of(ONTOLOGY, units).match(codes), lexicon_of(empty, units).match(codes)
    assert known.variable is ONTOLOGY.variables["heart_rate"]
    assert unknown.variable is None


def test_a_name_of_two_concepts_is_the_name_of_none() -> None:
    copd = Concept(key="copd", kind="condition", label="COPD", names=("Emphysema, unspecified",))
    air = Concept(key="air", kind="condition", label="Subcutaneous air", names=("emphysema unspecified",))
    only, both = (
        lexicon_of(replace(ONTOLOGY, concepts={x.key: x for x in these}), FewUnits()) for these in ([copd], [copd, air])
    )
    assert only.named("condition", "emphysema (unspecified)") == ("copd",)
    assert both.named("condition", "emphysema (unspecified)") == ()
    assert both.named("condition", "copd") == ("copd",)
    assert both.named("procedure", "copd") == ()


def test_every_name_of_a_problem_is_the_name_of_that_problem_alone() -> None:
    known = load_ontology(artefact("ontology", "1.0.0"))
    named = lexicon_of(known, FewUnits()).named
    problems = [one for one in known.concepts.values() if one.kind == "condition"]
    lost = [
        (one.key, said)
        for one in problems
        for said in (one.label, *one.names)
        if one.key not in named("condition", said)
    ]
    assert lost == []


def test_codes_too_long_to_remember_are_read_as_short_ones_are() -> None:
    long = {"coding": [{"system": LOINC, "code": "8867-4\n" + " " * 300}, {"system": 5, "code": "x" * 300}]}
    assert codes_of(long) == ((LOINC, "8867-4"), ("", "x" * 199 + "…"))
