"""Writing a chart: resources with ids, versions, subject, encounter and the time at which the chart holds them."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from cds_app.sandbox.people import resources as fhir
from cds_app.sandbox.people.physiology import Body
from cds_app.sandbox.people.resources import Dose, Person, Resource, TimedResource, instant, reference
from cds_app.sandbox.people.vocabulary import MEASURES, PANELS

_SHORT: Final = {
    "Observation": "obs",
    "Encounter": "enc",
    "Condition": "cond",
    "AllergyIntolerance": "allergy",
    "MedicationRequest": "order",
    "MedicationAdministration": "dose",
    "MedicationStatement": "home",
    "Procedure": "proc",
    "ServiceRequest": "request",
    "DiagnosticReport": "report",
}
_MONITOR: Final = ("heart_rate", "resp_rate", "spo2", "temperature", "fio2")
_FILED: Final = timedelta(minutes=2)  # from a bedside reading to the chart
_GAS_MINUTES: Final = (8, 15)
_LAB_MINUTES: Final = (40, 75)
_PRESSURES: Final = ("systolic", "diastolic", "mean_pressure")


class Scribe:
    """Collects one patient's timed resources.

    Parameters
    ----------
    start : datetime
        Hour 0 of the stay, aware.
    rng : numpy.random.Generator
        For the turnaround of the laboratory.
    """

    def __init__(self, person: Person, start: datetime, rng: np.random.Generator) -> None:
        self._start = start
        self._rng = rng
        self._counts: Counter[str] = Counter()
        self._subject = f"Patient/{person.id}"
        self._encounter: Resource | None = None
        self.written: list[TimedResource] = []
        self._keep({**fhir.patient(person), "id": person.id}, start - timedelta(days=30))

    def at(self, hour: float) -> datetime:
        """An hour of the stay as an instant, to the second."""
        return self._start + timedelta(seconds=round(hour * 3600))

    # --- where, what and whom

    def stay(self, text: str, hour: float, *, inside: bool = False) -> Resource:
        """Begin an encounter; later entries belong to it."""
        made = fhir.encounter(text, self.at(hour), within=self._encounter if inside else None)
        self._encounter = self._write(made, self.at(hour), linked=False)
        return self._encounter

    def discharge(self, stay: Resource, hour: float) -> None:
        """End an encounter, as its second version."""
        ended = {"status": "finished", "period": {**stay["period"], "end": instant(self.at(hour))}}
        self.revise(stay, ended, self.at(hour))

    def problem(self, kind: str, hour: float) -> None:
        """A diagnosis; before the stay with a negative hour."""
        self._write(fhir.condition(kind, self.at(hour)), self.at(hour), linked=hour >= 0)

    def allergy(self, substance: str, hour: float) -> None:
        """A recorded allergy."""
        self._write(fhir.allergy(substance, self.at(hour)), self.at(hour), linked=False)

    def home_drug(self, drug: str, dose: Dose) -> None:
        """Something taken at home since long before, written down on admission."""
        made = fhir.medication_statement(drug, dose, self.at(-24 * 200))
        self._write(made, self.at(0.3), linked=False, owner="subject", context="context")

    def order(self, drug: str, dose: Dose, hours: Iterable[float]) -> Resource:
        """An order written just before the first of the hours at which the drug is given."""
        times = tuple(hours)
        ordered = self.at(times[0] - 0.25)
        made = self._write(fhir.medication_request(drug, dose, ordered), ordered)
        for hour in times:
            given = {**fhir.medication_administration(drug, dose, self.at(hour)), "request": reference(made)}
            self._write(given, self.at(hour) + _FILED, context="context")
        return made

    def procedure(self, kind: str, hour: float) -> None:
        """Something done."""
        self._write(fhir.procedure(kind, self.at(hour)), self.at(hour) + _FILED)

    def request(self, kind: str, hour: float) -> None:
        """Something ordered."""
        self._write(fhir.service_request(kind, self.at(hour)), self.at(hour))

    # --- readings

    def monitor(self, body: Body, hour: float) -> None:
        """One round of vital signs."""
        for key in _MONITOR:
            self.reading(key, body.value(key, hour), hour)
        if body.value("oxygen_flow", hour) >= 0.5:
            self.reading("oxygen_flow", body.value("oxygen_flow", hour), hour)
        values = {key: body.value(key, hour) for key in _PRESSURES}
        self._write(fhir.blood_pressure(values, self.at(hour), self._filed(hour)), self._filed(hour))

    def awake(self, body: Body, hour: float) -> None:
        """Glasgow coma score and the level of responsiveness that goes with it."""
        score = round(body.value("gcs", hour))
        self.reading("gcs", score, hour)
        level = "alert" if score == 15 else "confusion" if score == 14 else "voice"
        self._write(fhir.consciousness(level, self.at(hour), self._filed(hour)), self._filed(hour))

    def reading(self, key: str, value: float, hour: float, *, comment: str = "") -> Resource:
        """One bedside reading."""
        return self._note(fhir.observation(key, value, self.at(hour), self._filed(hour)), self._filed(hour), comment)

    def labs(self, body: Body, panel: str, hour: float) -> dict[str, Resource]:
        """A panel of results and its report, issued when the laboratory is done."""
        code, keys = PANELS[panel]
        taken, issued = self.at(hour), self.at(hour) + self._turnaround(panel)
        made = {key: self._write(fhir.observation(key, body.value(key, hour), taken, issued), issued) for key in keys}
        self._write(fhir.report(code, list(made.values()), issued), issued)
        return made

    def result(self, key: str, value: float, hour: float, *, comment: str = "") -> Resource:
        """A single laboratory result."""
        issued = self.at(hour) + self._turnaround("single")
        return self._note(fhir.observation(key, value, self.at(hour), issued), issued, comment)

    def duplicate(self, original: Resource, hour: float) -> None:
        """The same resource sent again under a new id, as interfaces do."""
        again = {key: value for key, value in original.items() if key not in ("id", "meta")}
        self._write(copy.deepcopy(again), self.at(hour))

    def correct(self, original: Resource, value: float, hour: float, comment: str) -> None:
        """The laboratory takes a result back and issues another: version 2 of the same Observation."""
        key = next(name for name, one in MEASURES.items() if one.loinc[0][0] == original["code"]["coding"][0]["code"])
        quantity = fhir.observation(key, value, self.at(0), self.at(0))["valueQuantity"]
        change = {"status": "corrected", "valueQuantity": quantity, "issued": instant(self.at(hour))}
        self.revise(original, {**change, "note": [{"text": comment}]}, self.at(hour))

    def revise(self, original: Resource, change: Mapping[str, object], at: datetime) -> None:
        """Write the second version of a resource."""
        self._keep({**copy.deepcopy(original), **change}, at, version=2)

    def _note(self, made: Resource, at: datetime, comment: str) -> Resource:
        return self._write({**made, "note": [{"text": comment}]} if comment else made, at)

    def _filed(self, hour: float) -> datetime:
        return self.at(hour) + _FILED

    def _turnaround(self, panel: str) -> timedelta:
        low, high = _GAS_MINUTES if panel == "gas" else _LAB_MINUTES
        return timedelta(minutes=int(self._rng.integers(low, high)))

    def _write(
        self, made: Resource, at: datetime, *, linked: bool = True, owner: str = "", context: str = "encounter"
    ) -> Resource:
        kind = made["resourceType"]
        self._counts[kind] += 1
        subject = owner or ("patient" if kind == "AllergyIntolerance" else "subject")
        name = f"{self._subject.removeprefix('Patient/')}-{_SHORT[kind]}-{self._counts[kind]:04d}"
        whole = {**made, "id": name, subject: {"reference": self._subject}}
        if linked and self._encounter is not None and kind != "Encounter":
            whole[context] = reference(self._encounter)
        return self._keep(whole, at)

    def _keep(self, made: Resource, at: datetime, version: int = 1) -> Resource:
        made["meta"] = {"versionId": str(version), "lastUpdated": instant(at)}
        self.written.append(TimedResource(known_at=at, resource=made))
        return made
