"""What hospitals outside the United States send: SNOMED CT alone, moles, findings as codes, names in their language."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from cds_app.content import latest
from cds_app.domain.issues import IssueCode
from cds_app.domain.ontology import Ontology
from cds_app.domain.ontology_files import load_ontology
from cds_app.domain.units import UnitConverter
from cds_app.fabric.reading import Reading, read
from cds_app.score.allergies import most_specific
from cds_app.score.clinical.news2 import news2
from cds_app.score.result import Score
from cds_app.score.situation import Situation
from tests.unit.fabric.conftest import LEARNED, LOINC, NOW, observation, resource

SNOMED = "http://snomed.info/sct"
ONTOLOGY: Ontology = load_ontology(latest("ontology"))
VITAL = [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}]
ON_AIR, VOICE, ON_OXYGEN = "722742002", "300202002", "371825009"


def _read(*resources: object) -> Reading:
    units = UnitConverter(ONTOLOGY)
    return read(resources, patient="1", ontology=ONTOLOGY, units=units, zone=UTC, learned=LEARNED, now=NOW)


def _codes(*codes: tuple[str, str]) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code} for system, code in codes]}


def _bare(code: str, **elements: Any) -> dict[str, Any]:
    return observation(valueQuantity=None, code=_codes((SNOMED, code)), **elements)


@pytest.mark.parametrize(
    ("system", "code", "value", "unit", "variable", "canonical"),
    [
        (SNOMED, "1107001000000108", 88.42, "umol/L", "creatinine", 1.0),
        (SNOMED, "1107751000000106", 4.7, "mmol/L", "potassium", 4.7),
        (SNOMED, "1107511000000100", 108.0, "g/L", "hemoglobin", 10.8),
        (SNOMED, "1106081000000100", 15.0, "[iU]/L", "alt", 15.0),
        (SNOMED, "1000621000000104", 95.0, "iu/L", "alp", 95.0),
        (SNOMED, "1000731000000107", 88.42, "umol/L", "creatinine", 1.0),
        (SNOMED, "1000651000000109", 4.7, "mmol/L", "potassium", 4.7),
        (SNOMED, "1020291000000106", 55.0, "mL/min/1.73m*2", "egfr_mdrd", 55.0),
        (SNOMED, "1022431000000105", 108.0, "g/L", "hemoglobin", 10.8),
        (SNOMED, "364075005", 95.0, "{beats}/min", "heart_rate", 95.0),
        (SNOMED, ON_OXYGEN, 2.0, "L/min", "o2_flow", 2.0),
        (SNOMED, "1104051000000101", 6.0, "{ScoreOf}", "news2_total", 6.0),
        (LOINC, "14647-2", 5.0, "mmol/L", "chol_total", 193.3),
        (LOINC, "59261-8", 53.0, "mmol/mol", "hba1c", 7.0),
        (LOINC, "71835-3", 0.3, "1", "fio2_setting", 30.0),
        (LOINC, "19994-3", 40.0, "%", "fio2_setting", 40.0),
        (LOINC, "30239-8", 30.0, "U/L", "ast", 30.0),
        (LOINC, "30522-7", 12.2, "mg/L", "crp", 12.2),
        (LOINC, "14743-9", 5.0, "mmol/L", "glucose_poc", 90.1),
        (LOINC, "71833-8", 0.45, "1", "hematocrit", 45.0),
        (LOINC, "14937-7", 5.0, "mmol/L", "urea", 14.0),
        (LOINC, "6690-2", 11.5, "x10e3/uL", "wbc", 11.5),
        (LOINC, "785-6", 33.7, "uug", "mch", 33.7),
        (LOINC, "3167-4", 1.4, "L", "urine_output_24h", 1400.0),
        (LOINC, "9192-6", 1400.0, "mL", "urine_output_24h", 1400.0),
    ],
)
def test_codes_of_other_countries_are_read(
    system: str, code: str, value: float, unit: str, variable: str, canonical: float
) -> None:
    found = _read(observation(value=value, unit=unit, code=_codes((system, code))))
    assert not found.issues
    (one,) = found.facts.measurements
    assert one.variable == variable
    assert one.value == pytest.approx(canonical, rel=2e-3)  # exact factors; what is expected is rounded


@pytest.mark.parametrize(
    "system",
    [
        "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
        "http://hl7.org/fhir/sid/icd-10-nl",
        "http://hl7.org/fhir/sid/icd-10-am",
        "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/ICD10-2013-full",
        "http://www.saude.gov.br/fhir/r4/CodeSystem/BRCID10",
    ],
)
def test_national_modifications_of_icd_10_are_read_by_its_categories(system: str) -> None:
    (one,) = _read(resource("Condition", code=_codes((system, "N18.4")))).facts.conditions
    assert "chronic_kidney_disease" in one.concepts


@pytest.mark.parametrize("codes", [[(LOINC, "2708-6")], [(SNOMED, "103228002"), (LOINC, "2708-6")]])
@pytest.mark.parametrize("noted", [{}, {"note": [{"text": "finger"}]}])
def test_an_oxygen_saturation_among_the_vital_signs_is_of_pulse_oximetry(
    codes: list[tuple[str, str]], noted: dict[str, Any]
) -> None:
    sent = observation(value=93, unit="%", code=_codes(*codes), **noted)
    specimen = {"specimen": {"display": "arterial blood"}}
    for more, variable in (
        ({}, "sao2"),
        ({"category": VITAL}, "spo2_pulse_ox"),
        ({"category": VITAL} | specimen, "sao2"),
    ):
        (one,) = _read(sent | more).facts.measurements
        assert (one.variable, one.value) == (variable, 93.0)


@pytest.mark.parametrize(
    ("code", "variable", "concept"),
    [
        (ON_AIR, "breathing", "room_air"),
        (ON_OXYGEN, "breathing", "supplemental_oxygen"),
        (VOICE, "consciousness_acvpu", "responds_to_voice"),
        ("248234008", "consciousness_acvpu", "alert"),
    ],
)
def test_a_finding_that_stands_as_the_code_is_read(code: str, variable: str, concept: str) -> None:
    (one,) = _read(_bare(code)).facts.coded
    assert (one.variable, one.concepts[0]) == (variable, concept)


@pytest.mark.parametrize(
    ("text", "concepts"),
    [
        ("Alergia a la PENICILINA", ("penicillins",)),
        ("Pénicilline : urticaire", ("penicillins",)),
        ("Penizillin-Allergie", ("penicillins",)),
        ("Ibuprofeno 600 mg comprimidos", ("ibuprofen",)),
        ("Acide acétylsalicylique", ("aspirin",)),
        ("Acetylsalicylsäure", ("aspirin",)),
        ("Espironolactona/hidroclorotiazida", ("spironolactone", "hydrochlorothiazide")),
        ("Furosemid 40 mg", ("furosemide",)),
        ("amoxicilina/ácido clavulánico", ("amoxicillin_clavulanate",)),
        ("Trimetoprima-sulfametoxazol", ("co_trimoxazole",)),
        ("Sin alergia a penicilina", ()),
        ("Keine Allergie gegen Penizillin", ()),
    ],
)
def test_an_allergy_is_read_in_the_language_of_the_house(text: str, concepts: tuple[str, ...]) -> None:
    sent = resource("AllergyIntolerance", subject=None, patient={"reference": "Patient/1"}, code={"text": text})
    (one,) = _read(sent).facts.allergies
    assert most_specific(one.concepts, ONTOLOGY) == frozenset(concepts)


@pytest.mark.parametrize(
    "said", [{"valueBoolean": False}, {"valueString": "no"}, {"dataAbsentReason": _codes(("", "not-performed"))}]
)
def test_a_finding_with_an_answer_is_not_said_to_be_so(said: dict[str, Any]) -> None:
    found = _read(_bare(ON_AIR, **said))
    assert not found.facts.coded
    assert [one.codes for one in found.facts.unknown] == [((SNOMED, ON_AIR),)]


def test_unit_and_code_of_a_haematocrit_that_contradict_each_other_are_not_chosen_between() -> None:
    both = {"value": 0.352, "unit": "l/l", "system": "http://unitsofmeasure.org", "code": "%"}
    found = _read(observation(code=_codes((SNOMED, "1111571000000101")), valueQuantity=both))
    assert not found.facts.measurements
    assert [one.code for one in found.issues] == [IssueCode.WRONG_DIMENSION]


def test_the_values_of_a_british_chart_make_a_whole_news2() -> None:
    chart = [
        observation(id=f"v{i}", value=value, unit=unit, code=_codes(*codes), category=VITAL)
        for i, (value, unit, codes) in enumerate(
            [
                (21, "{Breaths}/min", [(SNOMED, "86290005")]),
                (95, "{beats}/min", [(SNOMED, "78564009")]),
                (93, "%", [(SNOMED, "103228002"), (LOINC, "2708-6")]),
                (37.5, "Cel", [(SNOMED, "276885007")]),
                (120, "mm[Hg]", [(SNOMED, "72313002")]),
            ]
        )
    ]
    person = resource("Patient", subject=None, id="1", birthDate="1950-02-03")
    facts = _read(person, *chart, _bare(ON_AIR, id="air"), _bare(VOICE, id="avpu")).facts
    found = news2(Situation(ontology=ONTOLOGY, facts=facts, now=NOW))
    assert isinstance(found, Score)
    assert (found.value, found.bound) == (8, "=")


@pytest.mark.parametrize("code", ["5902-2", "6301-6"])
def test_a_prothrombin_time_in_percent_is_neither_seconds_nor_an_inr(code: str) -> None:
    found = _read(observation(value=20, unit="%", code=_codes((LOINC, code)) | {"text": "Quick"}))
    assert not found.facts.measurements
    assert [(one.code, one.dropped) for one in found.issues] == [(IssueCode.WRONG_DIMENSION, True)]


def test_a_prothrombin_time_against_normal_stays_unknown() -> None:
    found = _read(observation(value=85, unit="%", code=_codes((LOINC, "5894-1")) | {"text": "Quick"}))
    assert [one.codes for one in found.facts.unknown] == [((LOINC, "5894-1"),)]


@pytest.mark.parametrize(
    ("system", "code", "value", "unit"),
    [
        (SNOMED, "386534000", 20, "mm[Hg]"),  # pressure in the arterial limb of an ECMO
        (LOINC, "83064-6", 0.2, "mmol/L"),  # ionised calcium behind the filter
    ],
)
def test_what_is_measured_in_a_circuit_outside_the_body_is_none_of_the_patients(
    system: str, code: str, value: float, unit: str
) -> None:
    outside = [_codes((SNOMED, "182744004"))]
    found = _read(observation(value=value, unit=unit, code=_codes((system, code)), category=outside))
    assert (found.facts.measurements, len(found.facts.unknown)) == ((), 1)
