"""Calls with drafts of drugs whose doses are simulated."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from tests.conftest import FROZEN
from tests.orders import medication, signing
from tests.patients import observation

LOADS = {"vancomycin": "11124"}
IV = {"coding": [{"system": "http://snomed.info/sct", "code": "47625008"}], "text": "Intravenous route"}


def dosage(amount: float, every_h: float, *, unit: str = "mg", over_h: float | None = 1.0, **more: Any) -> list[Any]:
    """One instruction: a dose at an interval, infused."""
    repeat = {"frequency": 1, "period": every_h, "periodUnit": "h"}
    if over_h is not None:
        repeat |= {"duration": over_h, "durationUnit": "h"}
    dose = {"value": amount, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
    return [{"route": IV, "timing": {"repeat": repeat}, "doseAndRate": [{"doseQuantity": dose}], **more}]


def drafted(amount: float, every_h: float, drug: str = "vancomycin", **more: Any) -> dict[str, Any]:
    """A draft of a drug into a vein."""
    given = {"dosageInstruction": dosage(amount, every_h)} | more
    return medication("draft-1", drug, status="draft", **given)


def weight(value: float, at: datetime = FROZEN - timedelta(hours=10), **more: Any) -> dict[str, Any]:
    """What the scales said."""
    return {
        **observation("creatinine", value, at, key="weight-1"),
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "valueQuantity": {"value": value, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
        **more,
    }


def height(value: float) -> dict[str, Any]:
    """How tall the patient is, cm."""
    return {
        **weight(value),
        "id": "height-1",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8302-2"}]},
        "valueQuantity": {"value": value, "unit": "cm", "system": "http://unitsofmeasure.org", "code": "cm"},
    }


def creatinine(value: float, hours: float = 2.0) -> dict[str, Any]:
    """A creatinine of some hours ago, mg/dL."""
    return observation("creatinine", value, FROZEN - timedelta(hours=hours), key=f"creatinine-{hours:g}")


def given(amount: float, hours: float, drug: str = "vancomycin") -> dict[str, Any]:
    """A dose that was infused within an hour."""
    start = FROZEN - timedelta(hours=hours)
    return {
        "resourceType": "MedicationAdministration",
        "id": f"given-{hours:g}",
        "status": "completed",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": {"text": drug},
        "effectivePeriod": {"start": start.isoformat(), "end": (start + timedelta(hours=1)).isoformat()},
        "dosage": {"dose": {"value": amount, "unit": "mg"}, "route": IV},
    }


def standing(amount: float, every_h: float, drug: str = "vancomycin") -> dict[str, Any]:
    """An order of the same drug that is active."""
    return medication("standing-1", drug, dosageInstruction=dosage(amount, every_h))


TRANSPLANT: Mapping[str, Any] = {
    "resourceType": "Condition",
    "id": "transplant",
    "subject": {"reference": "Patient/p1"},
    "clinicalStatus": {"coding": [{"code": "active"}]},
    "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "Z94.0"}]},
}

CHART: tuple[Mapping[str, Any], ...] = (weight(80.0), height(175.0), creatinine(0.8))


def dosing(*drafts: Mapping[str, Any], chart: tuple[Mapping[str, Any], ...] = CHART, **more: Any) -> dict[str, Any]:
    """An order-sign call for a patient of whom weight, height and creatinine are known."""
    return signing(*drafts, chart=chart, **more)


def numbered_seeds(patch: pytest.MonkeyPatch, first: int = 1) -> None:
    """The same chance in every run: each call's seed follows from how many there were."""
    numbers = count(first)
    patch.setattr("cds_app.services.calls.answer.uuid.uuid4", lambda: UUID(int=next(numbers), version=4))


EXPLANATION = "com.twinline.explanation"


def about_dose(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in found if topic(one).startswith("dose") and not topic(one).startswith("doseUnsimulated")]


def topic(card: Mapping[str, Any]) -> str:
    code: str = card["source"]["topic"]["code"]
    return code


def numbers(card: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = card["extension"][EXPLANATION]["simulation"]
    return found


def plan(card: Mapping[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in numbers(card)["plans"] if one["name"] == name)
