"""Small FHIR records for tests, written as a clinician would tell them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

LOINC = {
    "heart_rate": ("8867-4", "/min"),
    "resp_rate": ("9279-1", "/min"),
    "spo2": ("59408-5", "%"),
    "body_temp": ("8310-5", "Cel"),
    "glucose": ("2345-7", "mg/dL"),
    "sbp": ("8480-6", "mm[Hg]"),
    "dbp": ("8462-4", "mm[Hg]"),
    "map": ("8478-0", "mm[Hg]"),
    "lactate": ("32693-4", "mmol/L"),
    "potassium": ("2823-3", "mmol/L"),
    "creatinine": ("2160-0", "mg/dL"),
    "wbc": ("6690-2", "10*3/uL"),
}
QUIET = {"heart_rate": 76.0, "resp_rate": 15.0, "spo2": 98.0, "body_temp": 36.8, "sbp": 122.0, "dbp": 72.0, "map": 88.0}
SEPTIC = {
    "heart_rate": 128.0,
    "resp_rate": 31.0,
    "spo2": 90.0,
    "body_temp": 39.4,
    "sbp": 84.0,
    "dbp": 41.0,
    "map": 55.0,
}

_KEYS = (
    *("encounters", "labs", "conditions", "medications", "administrations"),
    *("statements", "allergies", "procedures", "orders", "dosing", "genes"),
)


def patient(patient_id: str = "p1", **more: Any) -> dict[str, Any]:
    """A woman of about 65."""
    return {"resourceType": "Patient", "id": patient_id, "gender": "female", "birthDate": "1961-02-03", **more}


def stay(start: datetime, patient_id: str = "p1", *, class_code: str = "IMP") -> dict[str, Any]:
    """A running encounter."""
    return {
        "resourceType": "Encounter",
        "id": f"{patient_id}-stay",
        "status": "in-progress",
        "class": {"code": class_code},
        "type": [{"text": "Intensive care unit"}],
        "subject": {"reference": f"Patient/{patient_id}"},
        "period": {"start": start.isoformat()},
    }


def observation(
    name: str, value: float, at: datetime, patient_id: str = "p1", *, key: str = "", **more: Any
) -> dict[str, Any]:
    """One measurement."""
    code, unit = LOINC[name]
    return {
        "resourceType": "Observation",
        "id": key or f"{patient_id}-{name}-{at:%d%H%M}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{patient_id}"},
        "effectiveDateTime": at.isoformat(),
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
        **more,
    }


def course(
    now: datetime, first: Mapping[str, float], last: Mapping[str, float], hours: int = 10, patient_id: str = "p1"
) -> list[dict[str, Any]]:
    """Hourly vital signs that move from one picture to another."""
    found = []
    for hour in range(hours, -1, -1):
        share = 1 - hour / hours
        for name, start in first.items():
            value = round(start + share * (last[name] - start), 1)
            found.append(observation(name, value, now - timedelta(hours=hour, minutes=2), patient_id))
    return found


def bundle(*resources: Mapping[str, Any]) -> dict[str, Any]:
    """A search set."""
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": one} for one in resources]}


def call(*resources: Mapping[str, Any], patient_id: str = "p1", **change: Any) -> dict[str, Any]:
    """A patient-view call with everything prefetched; types that are not given are empty."""
    people = [one for one in resources if one["resourceType"] == "Patient"]
    others = [one for one in resources if one["resourceType"] != "Patient"]
    return {
        "hook": "patient-view",
        "hookInstance": "3f1dde72-162b-11ec-82a8-0242ac130003",
        "context": {"userId": "Practitioner/1", "patientId": patient_id},
        "prefetch": {
            "patient": people[0] if people else None,
            "vitals": bundle(*others),
            **{key: bundle() for key in _KEYS},
        },
        **change,
    }


def hyperkalaemic(now: datetime, value: float = 6.8, patient_id: str = "p1") -> dict[str, Any]:
    """A call for a quiet inpatient whose potassium has risen."""
    return call(
        patient(patient_id),
        stay(now - timedelta(hours=11), patient_id),
        *course(now, QUIET, QUIET, 10, patient_id),
        observation("potassium", 4.6, now - timedelta(hours=9), patient_id),
        observation("potassium", value, now - timedelta(minutes=30), patient_id),
        patient_id=patient_id,
    )


def septic(now: datetime, patient_id: str = "p1") -> dict[str, Any]:
    """A call for an inpatient who becomes septic within ten hours."""
    return call(
        patient(patient_id),
        stay(now - timedelta(hours=11), patient_id),
        *course(now, QUIET, SEPTIC, 10, patient_id),
        observation("lactate", 4.4, now - timedelta(hours=1), patient_id),
        observation("wbc", 21.0, now - timedelta(hours=1), patient_id),
        patient_id=patient_id,
    )
