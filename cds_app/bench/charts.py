"""Invented patients in FHIR, as everything here is fed with them, and calls about them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np

LOINC: Final = "http://loinc.org"
HOURS: Final = 11
# LOINC code, unit, value at first, drift per hour, spread: everybody gets worse, so that cards are built and explained.
VITALS: Final = (
    ("8867-4", "/min", 84.0, 4.0, 6.0),
    ("9279-1", "/min", 16.0, 1.2, 2.0),
    ("59408-5", "%", 97.0, -0.5, 1.0),
    ("8310-5", "Cel", 36.9, 0.2, 0.2),
    ("8480-6", "mm[Hg]", 122.0, -3.2, 6.0),
    ("8462-4", "mm[Hg]", 68.0, -2.0, 4.0),
    ("8478-0", "mm[Hg]", 86.0, -2.4, 4.0),
)
_LABS: Final = (
    ("2160-0", "mg/dL", 1.0, 0.05, 0.1),
    ("3094-0", "mg/dL", 18.0, 0.5, 2.0),
    ("2823-3", "mmol/L", 4.2, 0.0, 0.2),
    ("2951-2", "mmol/L", 139.0, 0.0, 1.5),
    ("32693-4", "mmol/L", 1.4, 0.25, 0.3),
    ("6690-2", "10*3/uL", 10.5, 0.7, 1.0),
    ("777-3", "10*3/uL", 210.0, -5.0, 15.0),
    ("718-7", "g/dL", 11.2, 0.0, 0.4),
    ("1975-2", "mg/dL", 0.8, 0.05, 0.1),
    ("2345-7", "mg/dL", 132.0, 2.0, 12.0),
    ("1963-8", "mmol/L", 24.0, -0.4, 1.0),
)


def bodies(count: int, *, seed: int, later_h: int = 0) -> list[bytes]:
    """Patient-view calls with about 100 Observations prefetched each.

    Parameters
    ----------
    seed : int
        Another seed, other patients.
    later_h : int
        The same patients so many hours later: as many newer vital signs come first, as many of the oldest are gone.
    """
    rng = np.random.default_rng(seed)
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    return [_body(f"bench-{seed}-{index}", now, later_h, rng.spawn(1)[0]) for index in range(count)]


def _body(patient: str, now: datetime, later_h: int, rng: np.random.Generator) -> bytes:
    request = {
        "hook": "patient-view",
        "hookInstance": str(uuid.UUID(bytes=rng.bytes(16))),
        "context": {"userId": "Practitioner/bench", "patientId": patient},
        "prefetch": {
            "patient": {"resourceType": "Patient", "id": patient, "gender": "female", "birthDate": "1961-04-02"},
            "encounters": bundle([_encounter(patient, now)]),
            "vitals": bundle(_courses(patient, VITALS, range(later_h, HOURS + later_h), now, rng)),
            "labs": bundle(_courses(patient, _LABS, (1, 8), now, rng)),
            **{key: bundle([]) for key in ("conditions", "medications", "administrations", "statements")},
            **{key: bundle([]) for key in ("allergies", "procedures", "orders")},
        },
    }
    return json.dumps(request).encode()


def _encounter(patient: str, now: datetime) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": f"{patient}-stay",
        "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "type": [{"text": "Intensive care unit"}],
        "subject": {"reference": f"Patient/{patient}"},
        "period": {"start": (now - timedelta(hours=HOURS + 1)).isoformat()},
    }


def _courses(
    patient: str,
    kinds: Sequence[tuple[str, str, float, float, float]],
    hours: Sequence[int],
    now: datetime,
    rng: np.random.Generator,
) -> Iterator[dict[str, Any]]:
    """Values at hours counted from the start of monitoring; hour `HOURS` - 1 is ``now``."""
    for code, unit, first, drift, sd in kinds:
        noise = rng.normal(0.0, sd, 2 * HOURS)
        for hour in hours:
            value = round(float(first + drift * hour + noise[hour]), 2)
            at = now + timedelta(hours=hour + 1 - HOURS)
            yield observation(patient, code, unit, value, at, name=f"{patient}-{code}-{hour}")


def vital_signs(patient: str, now: datetime, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Hourly vital signs up to now."""
    return list(_courses(patient, VITALS, range(HOURS), now, rng))


def observation(patient: str, code: str, unit: str, value: float, at: datetime, *, name: str = "") -> dict[str, Any]:
    """A final result; ``name`` is its id."""
    when = at.isoformat()
    return {
        "resourceType": "Observation",
        "id": name or f"{code}-{at:%y%m%d%H%M}",
        "meta": {"versionId": "1"},
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": when,
        "issued": when,
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
    }


def bundle(resources: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """What a search for these finds."""
    entries = [{"resource": one} for one in resources]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}
