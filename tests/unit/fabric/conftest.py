"""A small ontology, a converter of a few units and resources of one patient, for every test of the fabric."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Any

from cds_app.domain.ontology import Concept, Ontology, Range, Variable
from cds_app.errors import UnitError
from cds_app.fabric.reading import Reading, read

LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
WHO = "http://hl7.org/fhir/sid/icd-10"
NOW = datetime(2024, 3, 10, 11, 30, tzinfo=UTC)
LEARNED = datetime(2024, 3, 10, 11, 29, tzinfo=UTC)


def _variable(key: str, loinc: str, unit: str, low: float, high: float, **more: Any) -> Variable:
    codes = ((LOINC, loinc), *more.pop("also", ()))
    given: dict[str, Any] = {"quantity": key, "label": key, "unit_text": unit, "reference": {}, "fresh_h": 24.0}
    return Variable(key=key, unit=unit, codes=codes, plausible=Range(low=low, high=high), decimals=1, **given | more)


_VARIABLES = (
    _variable("heart_rate", "8867-4", "/min", 10, 300),
    _variable("systolic", "8480-6", "mm[Hg]", 40, 300),
    _variable("diastolic", "8462-4", "mm[Hg]", 10, 200),
    _variable("potassium", "2823-3", "mmol/L", 1, 12),
    _variable("creatinine", "2160-0", "mg/dL", 0.05, 40),
    _variable("spo2_pulse", "59408-5", "%", 30, 100, quantity="spo2"),
    _variable("spo2", "2708-6", "%", 30, 100, generic=True),
    _variable("fio2", "3150-6", "%", 20, 100),
    _variable("temperature", "8310-5", "Cel", 20, 45),
    _variable("inr", "6301-6", "{INR}", 0.5, 20),
    _variable("acr", "9318-7", "mg/g", 0, 30000),
    _variable("titre", "5048-4", "1", 0, 1e6),
    _variable("pulmonary", "76284-9", "", 0, 0, numeric=False, elsewhere=True, also=((LOINC, "8385-7"),)),
    _variable("consciousness", "67775-7", "", 0, 0, numeric=False),
)
_CONCEPTS = (
    Concept(key="raas_inhibitor", kind="drug-class", label="RAAS inhibitor"),
    Concept(key="lisinopril", kind="drug", label="Lisinopril", codes=((RXNORM, "29046"),), names=("lisinopril",),
            parents=("raas_inhibitor",)),
    Concept(key="nephrotoxin", kind="drug-class", label="Nephrotoxins"),
    Concept(key="vancomycin", kind="drug", label="Vancomycin", names=("vancomycin",), parents=("nephrotoxin",),
            by_mouth_not=("nephrotoxin",)),
    Concept(key="contrast", kind="drug", label="Contrast medium", names=("contrast",), parents=("nephrotoxin",)),
    Concept(key="penicillin", kind="drug-class", label="Penicillins", names=("penicillin",)),
    Concept(key="heparin", kind="drug", label="Heparin", names=("heparin", "heparin sodium")),
    Concept(key="lmwh", kind="drug", label="Low molecular weight heparin", names=("low molecular weight heparin",)),
    Concept(key="atrial_fibrillation", kind="condition", label="Atrial fibrillation",
            codes=((ICD10, "I48"), (WHO, "I48"))),
    Concept(key="alert", kind="finding", label="Alert", codes=((LOINC, "LA9340-6"),)),
)  # fmt: skip
_FACTORS = {
    ("creatinine", "umol/L"): 1 / 88.42,
    ("potassium", "meq/L"): 1.0,
    ("fio2", "1"): 100.0,
    ("acr", "mg/mg"): 1000.0,
    ("heart_rate", "beats/min"): 1.0,
    ("creatinine", "mg/L"): 0.1,
}
_KNOWN_UNITS = {unit for _, unit in _FACTORS} | {variable.unit for variable in _VARIABLES} | {"[degF]"}


class FewUnits:
    """The converter's contract, for the units that the tests use."""

    def convert(self, value: float, unit: str, variable: Variable) -> float:
        if unit == variable.unit:
            return value
        if (variable.key, unit) == ("temperature", "[degF]"):
            return (value - 32) / 1.8
        if (variable.key, unit) in _FACTORS:
            return value * _FACTORS[variable.key, unit]
        raise UnitError("unit", reason="wrong-dimension" if unit in _KNOWN_UNITS else "unknown-unit")


ONTOLOGY = Ontology(
    version="0",
    sha256="",
    variables={one.key: one for one in _VARIABLES},
    concepts={one.key: one for one in _CONCEPTS},
    unit_synonyms={},
)


def reading(*resources: object, now: datetime = NOW, learned: datetime = LEARNED, zone: tzinfo = UTC) -> Reading:
    return read(resources, patient="1", ontology=ONTOLOGY, units=FewUnits(), zone=zone, learned=learned, now=now)


def coded(system: str, code: str, text: str = "") -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}], **({"text": text} if text else {})}


def resource(kind: str, **elements: Any) -> dict[str, Any]:
    subject = {"patient" if kind == "AllergyIntolerance" else "subject": {"reference": "Patient/1"}}
    given = {"resourceType": kind, "id": "r1", **subject, **elements}
    return {name: one for name, one in given.items() if one is not None}


def observation(loinc: str = "8867-4", value: object = 80, unit: str = "/min", **elements: Any) -> dict[str, Any]:
    quantity = {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
    given: dict[str, Any] = {
        "status": "final",
        "code": coded(LOINC, loinc),
        "effectiveDateTime": "2024-03-10T10:00:00+01:00",
        "valueQuantity": quantity,
    }
    return resource("Observation", **given | elements)


def pressure(**elements: Any) -> dict[str, Any]:
    parts = [
        {"code": coded(LOINC, code), "valueQuantity": {"value": value, "unit": "mmHg", "code": "mm[Hg]"}}
        for code, value in (("8480-6", 120), ("8462-4", 70))
    ]
    return observation("85354-9", valueQuantity=None, component=parts, **elements)
