"""Patients on whom doses are tried."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from cds_app.mitigate.effects import CirculationEffect, DoseEffect, GlucoseEffect
from cds_app.mitigate.options import Option
from cds_app.pages.effects import EffectLine
from tests.bedside import Bed
from tests.conftest import FROZEN
from tests.patients import QUIET, course, observation, patient, stay

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
VANCOMYCIN = {"coding": [{"system": RXNORM, "code": "11124"}], "text": "Vancomycin"}
INTO_A_VEIN = {"coding": [{"system": "http://snomed.info/sct", "code": "47625008"}]}


def measured(code: str, unit: str, value: float, hours: float, key: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": key,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": (FROZEN - timedelta(hours=hours)).isoformat(),
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
    }


def dose(hours: float, mg: float, key: str) -> dict[str, Any]:
    start, end = (FROZEN - timedelta(hours=one) for one in (hours, hours - 1))
    return {
        "resourceType": "MedicationAdministration",
        "id": key,
        "status": "completed",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": VANCOMYCIN,
        "effectivePeriod": {"start": start.isoformat(), "end": end.isoformat()},
        "dosage": {"dose": {"value": mg, "unit": "mg"}, "route": INTO_A_VEIN},
    }


ORDER: dict[str, Any] = {
    "resourceType": "MedicationRequest",
    "id": "o1",
    "status": "active",
    "intent": "order",
    "subject": {"reference": "Patient/p1"},
    "medicationCodeableConcept": VANCOMYCIN,
    "authoredOn": (FROZEN - timedelta(hours=37)).isoformat(),
    "dosageInstruction": [
        {
            "timing": {"repeat": {"frequency": 1, "period": 12, "periodUnit": "h"}},
            "route": INTO_A_VEIN,
            "doseAndRate": [{"doseQuantity": {"value": 1000, "unit": "mg"}}],
        }
    ],
}


def on_vancomycin(*more: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        patient(),
        stay(FROZEN - timedelta(hours=48)),
        *course(FROZEN, QUIET, QUIET),
        observation("creatinine", 1.4, FROZEN - timedelta(hours=3)),
        measured("29463-7", "kg", 78, 40, "weight"),
        measured("8302-2", "cm", 168, 40, "height"),
        *(dose(hours, 1000, f"g{hours}") for hours in (36, 24, 12)),
        *more,
    ]


def option_of(bed: Bed, name: str, effect: DoseEffect | CirculationEffect | GlucoseEffect | None) -> Option:
    guideline = bed.opening.knowledge.catalogue.topics["sepsis"].guideline
    text = "Consider it."
    return Option(
        id=name, topic="t", text=text, strength="1B", rank=1, guideline=guideline, needs_review=False, effect=effect
    )


def effect_of(bed: Bed, effect: DoseEffect | CirculationEffect | GlucoseEffect) -> EffectLine:
    made, asking = option_of(bed, repr(effect), effect), bed.asking()
    situation = bed.frame.subject(asking).material.situation
    line = bed.effects.line(made, situation, asking.opened.record.basis)
    assert line is not None
    return line if line.told else bed.effects.simulate(made, situation, asking.opened.record.basis)
