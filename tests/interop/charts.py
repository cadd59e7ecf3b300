"""A synthetic patient's chart as of a moment, on our sandbox EHR and on Medplum's server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from cds_app.adapters.http.fhir import RequestsFhirReader
from cds_app.domain.events import HookEvent
from cds_app.fabric.reading import Reading
from cds_app.sandbox.people.patients import SyntheticPatient
from cds_app.sandbox.records.store import TYPES
from cds_app.sandbox.server import create_sandbox, new_store, running
from cds_app.services.calls.gather import Gatherer
from cds_app.services.calls.hook_call import HookCall
from cds_app.services.content.knowledge import Knowledge

SERVICE = "twinline-patient-view"
BUDGET_S = 60.0


def resources(patient: SyntheticPatient, at: datetime) -> list[dict[str, Any]]:
    """What the chart holds, and who works there."""
    store = new_store([patient], now=at)
    return [one for kind in TYPES for one in store.all(kind)]


@contextmanager
def sandbox_of(patient: SyntheticPatient, at: datetime) -> Iterator[str]:
    """Our own FHIR server over the same chart."""
    app = create_sandbox("http://127.0.0.1:9", [patient], now=at, open_fhir=True)
    with running(app) as url:
        yield f"{url}/fhir"


@contextmanager
def reader_of(base: str) -> Iterator[RequestsFhirReader]:
    reader = RequestsFhirReader([base], loopback_http=True)
    try:
        yield reader
    finally:
        reader.close()


def reading_of(knowledge: Knowledge, base: str, patient: str, at: datetime, token: str | None = None) -> Reading:
    """What the patient-view service makes of a FHIR server when no prefetch comes with its call."""
    context = {"patientId": patient, "userId": "Practitioner/7"}
    event = HookEvent(
        service=SERVICE,
        hook="patient-view",
        instance="i1",
        tenant=base,
        patient=patient,
        user="Practitioner/7",
        encounter="",
        received=at,
    )
    call = HookCall(event=event, prefetch={}, context=context, fhir_server=base, token=token)
    with reader_of(base) as reader:
        gatherer = Gatherer(knowledge=knowledge, fhir=reader, budget_s=BUDGET_S, max_entries=10_000)
        return gatherer.gather(call, knowledge.service(SERVICE))
