"""Calls with drafts of insulin, for somebody with type 1 diabetes of whom everything is known that a model asks for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tests.conftest import FROZEN
from tests.doses import weight
from tests.orders import medication, signing
from tests.patients import observation

UCUM = "http://unitsofmeasure.org"
SKIN = {"coding": [{"system": "http://snomed.info/sct", "code": "34206005"}], "text": "Subcutaneous route"}
ONCE = {"repeat": {"count": 1}}
TYPE_1 = {
    "resourceType": "Condition",
    "id": "t1",
    "subject": {"reference": "Patient/p1"},
    "clinicalStatus": {"coding": [{"code": "active"}]},
    "verificationStatus": {"coding": [{"code": "confirmed"}]},
    "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "E10.9"}], "text": "Type 1 diabetes"},
}


def sugar(value: float, minutes: float = 20.0, unit: str = "mg/dL", **more: Any) -> dict[str, Any]:
    """A capillary glucose of some minutes ago."""
    return {
        **weight(value, FROZEN - timedelta(minutes=minutes)),
        "id": f"glucose-{minutes:g}",
        "code": {"coding": [{"system": "http://loinc.org", "code": "41653-7"}]},
        "valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit},
        **more,
    }


def injected(units: float, hours: float, insulin: str = "insulin glargine", **dosage: Any) -> dict[str, Any]:
    """A dose of insulin that was given."""
    dose = {"value": units, "unit": "units", "system": UCUM, "code": "[iU]"}
    return {
        "resourceType": "MedicationAdministration",
        "id": f"injected-{hours:g}",
        "status": "completed",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": {"text": insulin},
        "effectiveDateTime": (FROZEN - timedelta(hours=hours)).isoformat(),
        "dosage": {"dose": dose, "route": SKIN, **dosage},
    }


def lispro(units: float | None, unit: str = "units", *, drug: str = "insulin lispro", **dosage: Any) -> dict[str, Any]:
    """A draft of one dose now under the skin."""
    dose = {"value": units, "unit": unit, "system": UCUM, "code": unit}
    said = {
        "route": SKIN,
        "timing": ONCE,
        "doseAndRate": [{"doseQuantity": dose}] if units is not None else [],
        **dosage,
    }
    instruction = {key: value for key, value in said.items() if value}
    return medication("draft-1", drug, status="draft", dosageInstruction=[instruction])


USUAL: tuple[Mapping[str, Any], ...] = (
    *(TYPE_1, weight(78.0), sugar(250.0), injected(24.0, 14.0)),
    *(injected(8.0, hours, "insulin lispro") for hours in (9.0, 20.0, 30.0)),
)

LOW = observation("potassium", 3.0, FROZEN - timedelta(hours=1))
"""Another card speaks of every draft of insulin then, and says beside it why no dose was simulated."""


def injecting(*drafts: Mapping[str, Any], chart: tuple[Mapping[str, Any], ...] = USUAL, **more: Any) -> dict[str, Any]:
    """An order-sign call."""
    return signing(*drafts, chart=chart, **more)
