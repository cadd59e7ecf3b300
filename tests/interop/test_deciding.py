"""The sidebar on Medplum's FHIR server: what is accepted is there as drafts, once, and only on an unchanged record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from cds_app.adapters.http.fhir import RequestsFhirReader
from cds_app.adapters.http.fhir_write import RequestsFhirWriter
from cds_app.adapters.metrics import PrometheusMeter
from cds_app.bootstrap import identities_of
from cds_app.cards.drafts import due
from cds_app.deps import Deps, memory_deps
from cds_app.domain.visits import Visit
from cds_app.errors import DataChanged, DataUnavailable, DependencyDown
from cds_app.mitigate.options import Option
from cds_app.pages.options import advices
from cds_app.ports import Commit
from cds_app.sandbox.people.patients import SyntheticPatient
from cds_app.services.calls.gather import Gatherer
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.feedback import Listening
from cds_app.services.records import Records, Twinner
from cds_app.services.sidebar.deciding import Deciding, Wanted
from cds_app.services.sidebar.opening import Opened, Opening
from cds_app.services.watch.switchboard import Switchboard
from cds_app.settings import Settings
from tests.bedside import token
from tests.conftest import FrozenClock
from tests.interop.charts import BUDGET_S, reader_of, resources
from tests.interop.medplum import found, seed

pytestmark = pytest.mark.slow

SEPTIC = 4
TOPIC = "sepsis"
KINDS = ("ServiceRequest", "MedicationRequest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bed:
    """A visit to a patient whose chart is Medplum's."""

    base: str
    opening: Opening
    deciding: Deciding
    visit: Visit

    def opened(self) -> Opened:
        return self.opening.refresh(self.visit, token)

    def option(self, kind: str) -> Option:
        material = self.opening.subject(self.opened()).material
        advised = advices(material, [one.topic for one in due(material)])
        offered = next(one.offered for one in advised if one.concern.topic == TOPIC)
        return next(one for one in offered if one.resource is not None and one.resource["resourceType"] == kind)

    def wanted(self, kind: str) -> Wanted:
        return Wanted(topic=TOPIC, option=self.option(kind).id, digest=self.opened().record.digest)


@pytest.fixture
def bed(base: str, knowledge: Knowledge, patients: tuple[SyntheticPatient, ...]) -> Iterator[Bed]:
    patient = patients[SEPTIC]
    at = patient.opens[0]
    held = resources(patient, at)
    seed(base, held)
    stay = next(one["id"] for one in held if one["resourceType"] == "Encounter")
    user = next(f"Practitioner/{one['id']}" for one in held if one["resourceType"] == "Practitioner")
    visit = Visit(
        id="v1",
        issuer=base,
        realm=base,
        patient=patient.id,
        encounter=stay,
        user=user,
        scopes=frozenset({"user/*.cruds"}),
        began=at,
    )
    deps = memory_deps(knowledge, Settings(open_to_this_machine=True))
    with reader_of(base) as reader:
        writer = RequestsFhirWriter([base], loopback_http=True)
        yield made(deps, FrozenClock(at=at), reader, writer, visit)
        writer.close()


def made(deps: Deps, clock: FrozenClock, reader: RequestsFhirReader, writer: RequestsFhirWriter, visit: Visit) -> Bed:
    knowledge = deps.knowledge
    identities = identities_of(deps)
    twinner = Twinner(knowledge.twin, knowledge.ontology)
    records = Records(deps.store, twinner, capacity=100_000, tied=identities.tied)
    gatherer = Gatherer(knowledge=knowledge, fhir=reader, budget_s=BUDGET_S, max_entries=10_000)
    opening = Opening(knowledge, deps.store, records, gatherer, Switchboard(deps.store), clock, identities)
    meter = PrometheusMeter()
    listening = Listening(deps.store, records, knowledge.templates, meter)
    return Bed(base=visit.issuer, opening=opening, deciding=Deciding(opening, listening, writer, meter), visit=visit)


@pytest.mark.parametrize("kind", KINDS)
def test_an_accepted_option_is_a_draft_a_task_and_a_provenance_there(bed: Bed, kind: str) -> None:
    done = bed.deciding.accept(bed.visit, token, bed.wanted(kind))
    assert done.unwritten == ()
    (draft,), (task,), (provenance,) = (found(bed.base, one) for one in (f"{kind}?status=draft", "Task", "Provenance"))
    references = [f"{one['resourceType']}/{one['id']}" for one in (draft, task, provenance)]
    assert list(done.written) == references
    assert (draft["status"], draft["intent"]) == ("draft", "proposal")
    assert draft["subject"]["reference"] == task["for"]["reference"] == f"Patient/{bed.visit.patient}"
    assert (task["status"], task["intent"]) == ("requested", "proposal")
    assert task["focus"]["reference"] == provenance["target"][0]["reference"] == references[0]
    assert provenance["agent"][0]["who"]["reference"] == task["requester"]["reference"] == bed.visit.user
    of_decision = f"identifier=urn:ietf:rfc:3986|urn:uuid:{done.decision}"
    assert found(bed.base, f"{kind}?{of_decision}") == [draft]
    assert found(bed.base, f"Task?patient={bed.visit.patient}&{of_decision}") == [task]
    assert found(bed.base, f"Provenance?target={done.written[0]}") == [provenance]


@pytest.mark.parametrize("kind", KINDS)
def test_a_form_that_is_sent_twice_leaves_one_draft_and_one_task(bed: Bed, kind: str) -> None:
    asked = bed.wanted(kind)
    first = bed.deciding.accept(bed.visit, token, asked)
    second = bed.deciding.accept(bed.visit, token, asked)
    assert first.decision == second.decision
    assert first.effect == second.effect
    (draft,), (_,) = found(bed.base, f"{kind}?status=draft"), found(bed.base, "Task")
    (provenance,) = found(bed.base, "Provenance")
    assert provenance["target"][0]["reference"] == f"{kind}/{draft['id']}" == first.written[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_form_that_is_sent_again_because_the_log_failed_leaves_one_draft(bed: Bed, kind: str) -> None:
    asked, store = bed.wanted(kind), bed.opening.store
    written, commit = [], store.commit

    def fails(one: Commit) -> int:
        if one.decisions:
            written.append(one)
            raise DependencyDown("the disk is full")
        return commit(one)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(store), "commit", lambda _, one: fails(one))
        with pytest.raises(DependencyDown):
            bed.deciding.accept(bed.visit, token, asked)
    bed.deciding.accept(bed.visit, token, asked)
    assert written
    assert len(found(bed.base, f"{kind}?status=draft")) == len(found(bed.base, "Task")) == 1


def test_nothing_is_written_on_a_record_that_was_corrected_there(bed: Bed) -> None:
    asked = bed.wanted("ServiceRequest")
    vitals = found(bed.base, f"Observation?patient={bed.visit.patient}&category=vital-signs&_count=500")
    measured = next(one for one in vitals if "valueQuantity" in one)
    value = {**measured["valueQuantity"], "value": measured["valueQuantity"]["value"] + 1}
    seed(bed.base, [{**measured, "status": "corrected", "valueQuantity": value}])
    with pytest.raises(DataChanged):
        bed.deciding.accept(bed.visit, token, asked)
    assert [found(bed.base, kind) for kind in ("ServiceRequest?status=draft", "Task", "Provenance")] == [[], [], []]


def test_what_medplum_refuses_is_no_draft(bed: Bed) -> None:
    writer = bed.deciding.writer
    with pytest.raises(DataUnavailable) as refused:
        writer.create(bed.base, {"resourceType": "ServiceRequest"}, token=token(), only_if_none="", budget_s=BUDGET_S)
    assert refused.value.field == "ServiceRequest"
    assert found(bed.base, "ServiceRequest?status=draft") == []
