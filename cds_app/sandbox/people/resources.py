"""FHIR R4 resources as the sandbox's charts hold them: pure builders of dictionaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from cds_app.sandbox.people.dosage import coded
from cds_app.sandbox.people.vocabulary import (
    ALERTNESS,
    CONSCIOUSNESS,
    DRUGS,
    LOINC,
    MEASURES,
    PRESSURE_PANEL,
    PROBLEMS,
    PROCEDURES,
    RXNORM,
    SNOMED,
    SUBSTANCES,
    TERMINOLOGY,
    UCUM,
    VITAL,
    Measure,
    concept,
)

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedResource:
    """One version of a resource and when the chart came to hold it."""

    known_at: datetime
    resource: Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who a synthetic patient is."""

    id: str
    given: str
    family: str
    gender: str
    born: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Dose:
    """One dose: amount, unit (UCUM and read alike) and the words of the order."""

    value: float
    unit: str
    words: str


def instant(at: datetime) -> str:
    """An aware datetime as FHIR writes an instant in UTC."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def reference(resource: Mapping[str, Any]) -> dict[str, str]:
    """A literal reference to a resource with an id."""
    return {"reference": f"{resource['resourceType']}/{resource['id']}"}


def patient(person: Person) -> Resource:
    """The Patient."""
    return {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:twinline:sandbox:mrn", "value": f"SYN{person.id[-3:]}0{person.id[-3:]}"}],
        "active": True,
        "name": [{"use": "official", "family": person.family, "given": [person.given]}],
        "gender": person.gender,
        "birthDate": person.born.isoformat(),
    }


def encounter(text: str, began: datetime, *, within: Mapping[str, Any] | None = None) -> Resource:
    """An inpatient Encounter that runs; ``text`` names the kind of ward."""
    made: Resource = {
        "resourceType": "Encounter",
        "status": "in-progress",
        "class": {"system": f"{TERMINOLOGY}/v3-ActCode", "code": "IMP", "display": "inpatient encounter"},
        "type": [{"text": text}],
        "period": {"start": instant(began)},
    }
    return made | ({"partOf": reference(within)} if within else {})


def condition(problem: str, began: datetime) -> Resource:
    """An active, confirmed problem."""
    return {
        "resourceType": "Condition",
        "clinicalStatus": _status("condition-clinical", "active"),
        "verificationStatus": _status("condition-ver-status", "confirmed"),
        "category": [_status("condition-category", "problem-list-item")],
        "code": concept(SNOMED, *PROBLEMS[problem]),
        "onsetDateTime": instant(began),
        "recordedDate": instant(began),
    }


def allergy(substance: str, recorded: datetime) -> Resource:
    """A confirmed allergy of high criticality."""
    system, code, display = SUBSTANCES[substance]
    return {
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": _status("allergyintolerance-clinical", "active"),
        "verificationStatus": _status("allergyintolerance-verification", "confirmed"),
        "type": "allergy",
        "category": ["medication"],
        "criticality": "high",
        "code": {**concept(system, code, display), "text": substance.capitalize()},
        "recordedDate": instant(recorded),
        "reaction": [{"manifestation": [{"text": "Generalised urticaria and wheeze"}]}],
    }


def medication_request(drug: str, dose: Dose, authored: datetime) -> Resource:
    """An active order."""
    return {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": concept(RXNORM, *DRUGS[drug]),
        "authoredOn": instant(authored),
        "dosageInstruction": [
            {"text": dose.words, "doseAndRate": [{"doseQuantity": _amount(dose)}]} | coded(dose.words)
        ],
    }


def medication_administration(drug: str, dose: Dose, given: datetime) -> Resource:
    """One dose that was given."""
    said = coded(dose.words)
    route = {"route": said["route"]} if said else {}
    return {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "medicationCodeableConcept": concept(RXNORM, *DRUGS[drug]),
        "effectiveDateTime": instant(given),
        "dosage": {"text": dose.words, **route, "dose": _amount(dose)},
    }


def medication_statement(drug: str, dose: Dose, since: datetime) -> Resource:
    """A medicine taken at home."""
    return {
        "resourceType": "MedicationStatement",
        "status": "active",
        "medicationCodeableConcept": concept(RXNORM, *DRUGS[drug]),
        "effectivePeriod": {"start": instant(since)},
        "dateAsserted": instant(since),
        "dosage": [{"text": dose.words}],
    }


def procedure(kind: str, performed: datetime) -> Resource:
    """A procedure that was done."""
    return {
        "resourceType": "Procedure",
        "status": "completed",
        "code": concept(SNOMED, *PROCEDURES[kind]),
        "performedDateTime": instant(performed),
    }


def service_request(kind: str, authored: datetime) -> Resource:
    """An active order for a procedure."""
    return {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "code": concept(SNOMED, *PROCEDURES[kind]),
        "authoredOn": instant(authored),
    }


def observation(key: str, value: float, effective: datetime, issued: datetime) -> Resource:
    """A final Observation of one quantity."""
    measure = MEASURES[key]
    return {
        **_observed(measure.category, effective, issued),
        "code": _loinc(measure.loinc),
        "valueQuantity": _quantity(measure, value),
    }


def blood_pressure(values: Mapping[str, float], effective: datetime, issued: datetime) -> Resource:
    """The blood pressure panel; keys as in `MEASURES`, mmHg."""
    parts = [
        {"code": _loinc(MEASURES[key].loinc), "valueQuantity": _quantity(MEASURES[key], value)}
        for key, value in values.items()
    ]
    return {**_observed(VITAL, effective, issued), "code": _loinc((PRESSURE_PANEL,)), "component": parts}


def consciousness(level: str, effective: datetime, issued: datetime) -> Resource:
    """Level of responsiveness, as a coded answer."""
    return {
        **_observed(VITAL, effective, issued),
        "code": _loinc((CONSCIOUSNESS,)),
        "valueCodeableConcept": concept(SNOMED, *ALERTNESS[level]),
    }


def report(code: tuple[str, str], results: Sequence[Mapping[str, Any]], issued: datetime) -> Resource:
    """A laboratory report over its results."""
    return {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "category": [_status("v2-0074", "LAB")],
        "code": concept(LOINC, *code),
        "effectiveDateTime": results[0]["effectiveDateTime"],
        "issued": instant(issued),
        "result": [reference(one) for one in results],
    }


def _observed(category: str, effective: datetime, issued: datetime) -> Resource:
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [_status("observation-category", category)],
        "effectiveDateTime": instant(effective),
        "issued": instant(issued),
    }


def _loinc(codes: Sequence[tuple[str, str]]) -> dict[str, Any]:
    coding = [{"system": LOINC, "code": code, "display": display} for code, display in codes]
    return {"coding": coding, "text": codes[0][1]}


def _quantity(measure: Measure, value: float) -> dict[str, Any]:
    rounded = round(value, measure.decimals)
    said = {"unit": measure.unit} if measure.unit else {}
    return {"value": rounded if measure.decimals else int(rounded), **said, "system": UCUM, "code": measure.ucum}


def _amount(dose: Dose) -> dict[str, Any]:
    return {"value": dose.value, "unit": dose.unit, "system": UCUM, "code": dose.unit}


def _status(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": f"{TERMINOLOGY}/{system}", "code": code}]}
