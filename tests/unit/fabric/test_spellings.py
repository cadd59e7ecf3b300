"""Numbers written out as text, and codes and systems with more around them than belongs there."""

from __future__ import annotations

import pytest

from cds_app.content import latest
from cds_app.domain.issues import IssueCode
from cds_app.domain.ontology_files import load_ontology
from cds_app.domain.units import UnitConverter
from cds_app.fabric.lexicon import lexicon_of
from tests.unit.fabric.conftest import coded, observation, reading


@pytest.mark.parametrize(
    ("text", "value", "bound"),
    [
        ("7.1 mmol/L", 7.1, "="),
        ("7.1mmol/L", 7.1, "="),
        (" > 7 meq/L ", 7.0, ">"),
        ("<=2.0 mmol/L", 2.0, "<="),
        ("7,1 mmol/L", 7.1, "="),
        ("<2,05 mmol/L", 2.05, "<"),
        ("0,125 mmol/L", 0.125, "="),
        ("7,1234 mmol/L", 7.1234, "="),
    ],
)
def test_a_number_that_is_written_out_with_its_unit_is_read(text: str, value: float, bound: str) -> None:
    found = reading(observation("2823-3", valueQuantity=None, valueString=text))
    assert [(one.value, one.bound) for one in found.facts.measurements] == [(value, bound)]


@pytest.mark.parametrize(
    "text",
    ["7.1", "7,1", "7,100 mmol/L", "1,000,5 mmol/L", "7.1 mg/kg", "7.1 - 7.3 mmol/L", "K 7.1 mmol/L",
     "7.1 mmol/L (haemolysed)", "1e400 mmol/L", "NaN mmol/L", "\uff17.1 mmol/L", "7.1 " + "m" * 500, "7.1.2 mmol/L",
     "> mmol/L", "7.1 = mmol/L"],
)  # fmt: skip
def test_any_other_text_stays_text(text: str) -> None:
    found = reading(observation("2823-3", valueQuantity=None, valueString=text))
    assert not found.facts.measurements
    assert [issue.code for issue in found.issues] == [IssueCode.NOT_A_NUMBER]


@pytest.mark.parametrize(
    "system", ["https://loinc.org", "http://loinc.org/", "http://www.LOINC.org", " http://loinc.org "]
)
def test_a_system_that_is_spelled_otherwise_is_known(system: str) -> None:
    found = reading(observation(code=coded(system, " 8867-4 ")))
    assert [one.variable for one in found.facts.measurements] == ["heart_rate"]


@pytest.mark.parametrize(
    "system", ["LOINC", "loinc.org", "http://loinc.org.evil.example", "http://snomed.info/sct", ""]
)
def test_a_system_that_is_another_is_not(system: str) -> None:
    assert not reading(observation(code=coded(system, "8867-4"))).facts.measurements


@pytest.mark.parametrize(
    ("names", "concept"),
    [
        (("Phenoxymethylpenicillin 250 mg", "penicillin V", "Aminopenicillins"), "penicillins"),
        (("Amoxycillin 500mg caps", "amoxicillin"), "amoxicillin"),
        (("FRUSEMIDE 40 MG TAB", "furosemide", "Loop diuretics"), "loop_diuretics"),
        (("Colistimethate sodium 1 MU", "colistin"), "nephrotoxins"),
        (("Zestril", "lisinopril", "trandolapril"), "ace_inhibitors"),
        (("Piroxicam 20 mg", "etoricoxib", "NSAIDs"), "nsaids"),
        (("thiazide diuretics", "HCTZ"), "thiazides"),
    ],
)
def test_a_drug_is_known_by_the_names_of_other_countries_and_by_its_class(names: tuple[str, ...], concept: str) -> None:
    ontology = load_ontology(latest("ontology"))
    lexicon = lexicon_of(ontology, UnitConverter(ontology))
    assert all(concept in lexicon.drugs(name) for name in names)


@pytest.mark.parametrize(
    ("text", "drugs", "others"),
    [
        ("sulfamethoxazole 800 MG / trimethoprim 160 MG Oral Tablet", {"co_trimoxazole"}, set()),
        ("glucose 50 MG/ML Injectable Solution", {"glucose_infusion"}, {"glucose_sources"}),
        ("50 ML glucose 500 MG/ML Prefilled Syringe", {"glucose"}, {"glucose_infusion"}),
        ("insulin isophane, human 100 UNT/ML Injectable Suspension", {"insulin_nph"}, set()),
        ("insulin lispro protamine, human 75 UNT/ML", {"insulin_mixed"}, {"protamine"}),
        (
            "insulin isophane, human 70 UNT/ML / insulin, regular, human 30 UNT/ML",
            {"insulin_mixed"},
            {"insulin_nph", "insulin_regular"},
        ),
        ("protamine sulfate 10 MG/ML", {"protamine"}, set()),
    ],
)
def test_a_product_is_the_drug_of_its_strength(text: str, drugs: set[str], others: set[str]) -> None:
    ontology = load_ontology(latest("ontology"))
    found = set(lexicon_of(ontology, UnitConverter(ontology)).drugs(text))
    assert drugs <= found
    assert not found & others
