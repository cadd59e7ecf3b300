"""Who works in the sandbox: a few invented practitioners, one of whom sits at the desk."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cds_app.errors import NotFound
from cds_app.sandbox.people.resources import Resource, TimedResource, instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Practitioner:
    """One of them."""

    id: str
    given: str
    family: str
    role: str

    @property
    def reference(self) -> str:
        """As hooks and tokens name them."""
        return f"Practitioner/{self.id}"

    def resource(self, at: datetime) -> Resource:
        """The FHIR resource."""
        return {
            "resourceType": "Practitioner",
            "id": self.id,
            "meta": {"versionId": "1", "lastUpdated": instant(at)},
            "active": True,
            "name": [{"use": "official", "family": self.family, "given": [self.given]}],
            "qualification": [{"code": {"text": self.role}}],
        }


PRACTITIONERS: Final = (
    Practitioner(id="synthetic-clinician", given="Robin", family="Synthetic", role="Physician"),
    Practitioner(id="synthetic-nurse", given="Sasha", family="Synthetic", role="Nurse"),
    Practitioner(id="synthetic-pharmacist", given="Toni", family="Synthetic", role="Pharmacist"),
)


def practitioner_resources(at: datetime) -> Iterator[TimedResource]:
    """All of them, known since then."""
    return (TimedResource(known_at=at, resource=one.resource(at)) for one in PRACTITIONERS)


class Seat:
    """Whoever is signed in: one person at a time, as at one workstation."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._person = PRACTITIONERS[0]

    @property
    def person(self) -> Practitioner:
        """Who sits there."""
        with self._lock:
            return self._person

    def take(self, name: str) -> None:
        """Somebody else sits down. Raises NotFound for a stranger."""
        found = next((one for one in PRACTITIONERS if one.id == name), None)
        if found is None:
            raise NotFound("no such practitioner", field="practitioner")
        with self._lock:
            self._person = found
