"""Medplum's CDS Hooks client at our service: it reads discovery, fills every prefetch key and gets its cards."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
import requests

from cds_app.commands.serving import running_service, unconfigured
from cds_app.fabric.prefetch import PrefetchTemplate
from cds_app.sandbox.fhir_api import resolve
from cds_app.sandbox.patients import SyntheticPatient
from cds_app.sandbox.server import new_store
from cds_app.services.knowledge import Knowledge
from tests.interop.charts import SERVICE, resources
from tests.interop.medplum import call, seed
from tests.service import SIMULATED, at, post, shown

pytestmark = pytest.mark.slow

SEPTIC = 4
OURS = "http://127.0.0.1:9/fhir"  # nothing listens there, and nothing is fetched: all keys are sent


@pytest.fixture
def service(tmp_path: Path) -> Any:
    with running_service(tmp_path, SIMULATED, environ=unconfigured()) as url:
        yield url


def test_medplums_client_gets_the_cards_that_our_own_ehr_gets(
    packages: Path, base: str, service: str, knowledge: Knowledge, patients: tuple[SyntheticPatient, ...]
) -> None:
    patient = patients[SEPTIC]
    now = patient.opens[0]
    held = resources(patient, now)
    seed(base, held)
    user = next(f"Practitioner/{one['id']}" for one in held if one["resourceType"] == "Practitioner")
    context = {"userId": user, "patientId": patient.id}
    wish = {"fhir": f"{base}/", "service": service, "hook": "patient-view", "user": user, "context": context}
    said = call(packages, at(wish, now))
    assert said["services"] == requests.get(f"{service}/cds-services", timeout=30).json()["services"]
    templates = knowledge.service(SERVICE).prefetch
    assert said["request"]["prefetch"].keys() == templates.keys()
    store = new_store([patient], now=now)
    prefetch = {key: resolve(store, OURS, PrefetchTemplate(one).expand(context)) for key, one in templates.items()}
    body = {**said["request"], "hookInstance": str(uuid.uuid4()), "prefetch": prefetch, "fhirServer": OURS}
    own = post(service, at(body, now))
    assert shown(own)
    assert told(said["response"]) == told(own.json())


def told(answer: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(one["summary"], one["indicator"], one["detail"]) for one in answer["cards"]]
