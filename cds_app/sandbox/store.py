"""The sandbox's charts in memory, under a simulated clock: a resource exists once the chart has come to hold it."""

from __future__ import annotations

import copy
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from cds_app.errors import BadRequest, NotFound
from cds_app.sandbox.resources import Resource, TimedResource, instant

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
)
CREATABLE = ("MedicationRequest", "ServiceRequest", "Observation", "Condition", "Procedure", "AllergyIntolerance")
_PLACES_SHOWN = 5


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
        """Keep a new resource and give it an id and a version.

        Raises
        ------
        BadRequest
            Naming the elements that are not as FHIR R4 has them, or the patient that is not here.
        """
        if known_type(kind) not in CREATABLE:
            raise BadRequest("resources of this type cannot be created here", field=kind)
        made = _checked(kind, body)
        self._known_patient(made)
        with self._lock:
            made["id"] = f"created-{uuid.uuid4()}"
            made["meta"] = {"versionId": "1", "lastUpdated": instant(self._now)}
            self._add(TimedResource(known_at=self._now, resource=made))
        return made

    def _known_patient(self, made: Resource) -> None:
        subject = made.get("subject") or made.get("patient") or {}
        kind, _, name = str(subject.get("reference", "")).rpartition("/")
        if kind.rpartition("/")[2] != "Patient" or ("Patient", name) not in self._versions:
            raise BadRequest("must refer to a patient of this server", field=f"{made['resourceType']}.subject")

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
