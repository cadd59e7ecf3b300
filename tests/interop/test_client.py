"""Medplum's CDS Hooks client at our service: it reads discovery, fills every prefetch key and gets its cards."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from cds_app.commands.running import running_service, unconfigured
from cds_app.fabric.prefetch import PrefetchTemplate
from cds_app.sandbox.fhir.api import resolve
from cds_app.sandbox.people.patients import SyntheticPatient
from cds_app.sandbox.server import new_store
from cds_app.services.content.knowledge import Knowledge
from tests.interop.charts import SERVICE, resources
from tests.interop.medplum import call, found, seed
from tests.service import SIMULATED, at, post

pytestmark = pytest.mark.slow

SEPTIC = 4
OURS = "http://127.0.0.1:9/fhir"  # nothing listens there, and nothing is fetched: all keys are sent


@pytest.fixture
def service(tmp_path: Path, base: str) -> Iterator[str]:
    """A running service that may read from Medplum's server, and has time for it on a busy machine."""
    settings = {"TWINLINE_FHIR_SERVERS": base, "TWINLINE_FETCH_BUDGET_S": "10"}
    with running_service(tmp_path, SIMULATED, environ={**unconfigured(), **settings}) as url:
        yield url


@pytest.fixture
def patient(base: str, patients: tuple[SyntheticPatient, ...]) -> SyntheticPatient:
    """One with a card, whose chart Medplum's server holds as of the first opening."""
    seed(base, resources(patients[SEPTIC], patients[SEPTIC].opens[0]))
    return patients[SEPTIC]


def test_the_cards_are_the_same_with_medplums_prefetch_with_ours_and_with_none(
    packages: Path, base: str, service: str, knowledge: Knowledge, patient: SyntheticPatient
) -> None:
    now, user = patient.opens[0], found(base, "Practitioner?_count=1000")[0]["id"]
    context = {"userId": f"Practitioner/{user}", "patientId": patient.id}
    wish = {"fhir": f"{base}/", "service": service, "user": context["userId"], "context": context}
    said = call(packages, at({**wish, "hook": "patient-view"}, now))
    assert said["services"] == requests.get(f"{service}/cds-services", timeout=30).json()["services"]
    templates = knowledge.service(SERVICE).prefetch
    assert said["request"]["prefetch"].keys() == templates.keys()

    again = {key: said["request"][key] for key in ("hook", "context")}
    own = asked(service, now, {**again, "prefetch": prefetch(patient, now, templates, context), "fhirServer": OURS})
    authorization = {"access_token": "access-token", "token_type": "Bearer"}
    fetched = asked(service, now, {**again, "fhirServer": base, "fhirAuthorization": authorization})
    assert told(said["response"]) == told(own) == told(fetched) != []


def prefetch(
    patient: SyntheticPatient, now: datetime, templates: Mapping[str, str], context: Mapping[str, str]
) -> dict[str, Any]:
    """What our own EHR would send."""
    store = new_store([patient], now=now)
    return {key: resolve(store, OURS, PrefetchTemplate(one).expand(context)) for key, one in templates.items()}


def asked(service: str, now: datetime, body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a call; of another FHIR server the same id is another patient."""
    answer = post(service, at({**body, "hookInstance": str(uuid.uuid4())}, now))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def told(answer: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [(one["summary"], one["indicator"], one["detail"]) for one in answer["cards"]]
