"""The sandbox's charts in memory, under a simulated clock: a resource exists once the chart has come to hold it."""

from __future__ import annotations

import copy
import threading
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from cds_app.errors import BadRequest, NotFound
from cds_app.sandbox.people.resources import Resource, TimedResource, instant

TYPES = (
    "Patient",
    "Encounter",
    "Observation",
    "Condition",
    "MedicationRequest",
    "MedicationAdministration",
    "MedicationStatement",
    "Procedure",
    "ServiceRequest",
    "AllergyIntolerance",
    "DiagnosticReport",
    "Task",
    "Provenance",
    "Practitioner",
)
CREATABLE = (
    "MedicationRequest",
    "ServiceRequest",
    "Observation",
    "Condition",
    "Procedure",
    "AllergyIntolerance",
    "Task",
    "Provenance",
)
_PLACES_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
    """A resource that is to be created.

    Parameters
    ----------
    kind : str
        Its type, as the URL has it.
    body : object
        As sent.
    full_url : str
        Under which other resources of the same transaction refer to it; "" for none.
    """

    kind: str
    body: object
    full_url: str = ""


class Store:
    """Versions of resources and the time that it is.

    Parameters
    ----------
    resources : iterable of TimedResource
        Everything that will ever be known, in any order.
    now : datetime
        Where the clock stands at first, aware.
    """

    def __init__(self, resources: Iterable[TimedResource], now: datetime) -> None:
        self._lock = threading.RLock()
        self._now = now
        self._versions: dict[tuple[str, str], list[TimedResource]] = defaultdict(list)
        for one in sorted(resources, key=lambda one: one.known_at):
            self._add(one)

    @property
    def now(self) -> datetime:
        """The simulated time."""
        return self._now

    def step_to(self, at: datetime) -> None:
        """Move the clock on.

        Raises
        ------
        BadRequest
            If that would be backwards: charts do not forget, and neither do the twins that read them.
        """
        with self._lock:
            if at < self._now:
                raise BadRequest("the clock runs forwards only", field="to")
            self._now = at

    def read(self, kind: str, name: str) -> Resource:
        """The version of a resource that is current now; NotFound before there is one."""
        with self._lock:
            found = self._current(self._versions.get((known_type(kind), name), ()))
        if found is None:
            raise NotFound("no such resource", field=kind)
        return found

    def all(self, kind: str) -> list[Resource]:
        """Every resource of a type that is known now, in the order in which the chart came to hold them."""
        with self._lock:
            known = (
                self._current(versions) for (one, _), versions in self._versions.items() if one == known_type(kind)
            )
            return [resource for resource in known if resource is not None]

    def create(self, kind: str, body: object) -> Resource:
        """Keep a new resource and give it an id and a version; see `create_all`."""
        return self.create_all([New(kind=kind, body=body)])[0]

    def create_all(
        self, wanted: Sequence[New], permit: Callable[[str, str], None] = lambda _kind, _patient: None
    ) -> tuple[Resource, ...]:
        """Keep new resources, each with an id and a version: all of them or none.

        Parameters
        ----------
        wanted : sequence of New
        permit : callable
            Raises for a type and patient that whoever asks may not write to.

        Raises
        ------
        BadRequest
            Naming the elements that are not as FHIR R4 has them, or the patient that is not here.
        """
        for one in wanted:
            if known_type(one.kind) not in CREATABLE:
                raise BadRequest("resources of this type cannot be created here", field=one.kind)
        names = [f"created-{uuid.uuid4()}" for _ in wanted]
        places = {one.full_url: f"{one.kind}/{name}" for one, name in zip(wanted, names, strict=True) if one.full_url}
        made = tuple(_checked(one.kind, _referring(one.body, places)) for one in wanted)
        with self._lock:
            meta = {"versionId": "1", "lastUpdated": instant(self._now)}
            for resource, name in zip(made, names, strict=True):
                resource |= {"id": name, "meta": dict(meta)}
            beside = {f"{one['resourceType']}/{one['id']}": one for one in made}
            for resource in made:
                permit(resource["resourceType"], self._known_patient(resource, beside))
            for resource in made:
                self._add(TimedResource(known_at=self._now, resource=resource))
        return made

    def revise(self, kind: str, name: str, change: Mapping[str, object]) -> Resource:
        """Keep another version of a resource with some elements changed.

        Raises
        ------
        NotFound
            When there is no such resource.
        BadRequest
            When the outcome is not as FHIR R4 has it.
        """
        with self._lock:
            was = self.read(kind, name)
            made = _checked(kind, {**was, **change})
            version = str(int(was["meta"]["versionId"]) + 1)
            made |= {"id": name, "meta": {"versionId": version, "lastUpdated": instant(self._now)}}
            self._add(TimedResource(known_at=self._now, resource=made))
        return made

    def patient_of(self, one: Resource, beside: Mapping[str, Resource] | None = None) -> str:
        """Id of the patient that a resource is about; "" where there is none, or more than one.

        Parameters
        ----------
        beside : mapping of str to Resource
            What is being created with it, by reference.
        """
        if one["resourceType"] == "Patient":
            return str(one["id"])
        if one["resourceType"] == "Provenance":
            return self._patient_of_targets(one, beside or {})
        stated: Resource = next(
            (one[key] for key in ("subject", "patient", "for") if isinstance(one.get(key), dict)), {}
        )
        kind, _, name = str(stated.get("reference", "")).rpartition("/")
        return name if kind.rpartition("/")[2] == "Patient" else ""

    def _patient_of_targets(self, one: Resource, beside: Mapping[str, Resource]) -> str:
        """What a Provenance is about is what its targets are about."""
        patients: set[str] = set()
        for target in one.get("target", ()):
            kind, _, name = str(target.get("reference", "")).rpartition("/")
            place = f"{kind.rpartition('/')[2]}/{name}"
            try:
                found = beside.get(place) or self.read(kind.rpartition("/")[2], name)
            except NotFound:
                return ""
            patients.add("" if found["resourceType"] == "Provenance" else self.patient_of(found))
        return patients.pop() if len(patients) == 1 else ""

    def _known_patient(self, made: Resource, beside: Mapping[str, Resource]) -> str:
        patient = self.patient_of(made, beside)
        if ("Patient", patient) not in self._versions:
            field = {"Provenance": "target", "Task": "for"}.get(made["resourceType"], "subject")
            raise BadRequest("must refer to a patient of this server", field=f"{made['resourceType']}.{field}")
        return patient

    def _add(self, one: TimedResource) -> None:
        self._versions[one.resource["resourceType"], one.resource["id"]].append(one)

    def _current(self, versions: Sequence[TimedResource]) -> Resource | None:
        known = [one for one in versions if one.known_at <= self._now]
        return known[-1].resource if known else None


def known_type(kind: str) -> str:
    """The type, if the sandbox holds such resources; else NotFound."""
    if kind not in TYPES:
        raise NotFound("this server holds no resources of this type", field="type")
    return kind


def _referring(value: Any, places: Mapping[str, str]) -> Any:
    """The same with references to what is being created beside it resolved, wherever they stand."""
    if isinstance(value, list):
        return [_referring(one, places) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: places.get(one, one) if key == "reference" and isinstance(one, str) else _referring(one, places)
        for key, one in value.items()
    }


def _checked(kind: str, body: object) -> Resource:
    if not isinstance(body, dict) or body.get("resourceType") != kind:
        raise BadRequest("must be a resource of the type in the URL", field="resourceType")
    made = {key: value for key, value in copy.deepcopy(body).items() if key not in ("id", "meta")}
    try:
        get_fhir_model_class(kind).model_validate(made)
    except ValidationError as error:
        places = {".".join(map(str, one["loc"])) for one in error.errors(include_input=False, include_url=False)}
        wrong = ", ".join(sorted(places)[:_PLACES_SHOWN])
        raise BadRequest(f"not a FHIR R4 {kind}", field=f"{kind}.{wrong}") from error
    return made
