"""Opening the twin: bring it up to date from the EHR, and take it apart for the pages.

Reading the record is one step (`Opening.refresh`), looking at it another (`Opening.subject`): a page that is opened
again within seconds looks at what is there, a form that acts reads the record once more.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from cds_app.cards.definition import ServiceDefinition
from cds_app.cards.disputes import DISPUTED
from cds_app.cards.material import Material
from cds_app.cards.policy import ABSTENTION
from cds_app.cards.shadow import Shadow
from cds_app.cards.unusual import DEVIATION
from cds_app.domain.events import HookEvent
from cds_app.domain.issues import IssueCode
from cds_app.domain.switches import Mode
from cds_app.domain.time import parse_fhir_time
from cds_app.domain.visits import Visit
from cds_app.errors import BadRequest, DataUnavailable, ServiceOff
from cds_app.fabric.reading import Reading
from cds_app.pages.subject import Subject
from cds_app.ports import Clock, Commit, TwinStore
from cds_app.score.deviation import deviations, joint
from cds_app.services.calls.gather import Gatherer
from cds_app.services.calls.hook_call import HookCall
from cds_app.services.calls.turns import Turns
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.inputs import Inputs
from cds_app.services.pipeline import gather_material
from cds_app.services.records import Record, Records, Twinner
from cds_app.services.sources.identities import Identities
from cds_app.services.watch.switchboard import Switchboard

SERVICE: Final = "twinline-sidebar"
FRESH: Final = timedelta(seconds=20)
"""A page that is opened again within this time does not ask the EHR again."""
_HELD: Final = 2000
_CLOCK_S: Final = 1.0
_MOST_NAMED: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A twin that was brought up to date.

    Parameters
    ----------
    at : datetime
        The present, UTC: of the clock, or of the EHR's simulation.
    failed : tuple of str
        Parts of the record that could not be read this time.
    unreached : bool
        Whether needed parts were among them.
    """

    visit: Visit
    at: datetime
    record: Record
    failed: tuple[str, ...] = ()
    unreached: bool = False


@dataclass(slots=True)
class _Lately:
    """When the record of a visit was last read, and what was lacking then. Bounded; the oldest go first."""

    read: dict[str, tuple[datetime, tuple[str, ...]]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def since(self, visit: str) -> tuple[datetime, tuple[str, ...]] | None:
        with self.lock:
            return self.read.get(visit)

    def note(self, visit: str, at: datetime, failed: tuple[str, ...]) -> None:
        with self.lock:
            self.read.pop(visit, None)
            self.read[visit] = (at, failed)
            while len(self.read) > _HELD:
                del self.read[next(iter(self.read))]


@dataclass(frozen=True, slots=True)
class Opening:
    """Opens twins for visits.

    Parameters
    ----------
    gatherer : Gatherer
        With the time that a page may take.
    switchboard : Switchboard
        Whether the sidebar may speak, and of what.
    identities : Identities
        Ties what other sources tell of to the patient.
    simulated : bool
        Whether the EHR's own clock stands for ours, as its CapabilityStatement says it.
    """

    knowledge: Knowledge
    store: TwinStore
    records: Records
    gatherer: Gatherer
    switchboard: Switchboard
    clock: Clock
    identities: Identities
    turns: Turns = field(default_factory=Turns)
    simulated: bool = False
    _lately: _Lately = field(default_factory=_Lately)

    @property
    def service(self) -> ServiceDefinition:
        """What the sidebar may ask for, and which models and reasons it knows."""
        return self.knowledge.service(SERVICE)

    @property
    def titles(self) -> Mapping[str, str]:
        """What cards can be about, by topic."""
        named = {name: topic.title for name, topic in self.knowledge.catalogue.topics.items()}
        return {**named, DEVIATION: "Unusual overall", DISPUTED: "Not used", ABSTENTION: "Not estimated"}

    def refresh(self, visit: Visit, token: Callable[[], str], *, anew: bool = False) -> Opened:
        """The twin, with what the EHR has to tell now.

        Parameters
        ----------
        token : callable
            The visit's access token, asked for only where the EHR is.
        anew : bool
            Read the record even if that was done a moment ago.

        Raises
        ------
        ServiceOff
            If those who answer for the sidebar switched it off, or let it run unseen.
        PatientErased, IntegrityError, DependencyDown, ClockBehind
        """
        self.shadow()
        at = self._now(visit, token)
        lately = self._lately.since(visit.id)
        patient = self.store.pseudonym(visit.realm, visit.patient)
        if lately is not None and not anew and timedelta(0) <= at - lately[0] < FRESH:
            return Opened(visit=visit, at=at, record=self.records.load(patient), failed=lately[1])
        reading, unreached = self._read(visit, token, at, self.records.seen(patient))
        if reading is not None:
            self.identities.learn(visit.realm, patient, reading.identifiers)
        record, _ = self.turns.take(patient, lambda: self._stored(visit, patient, reading, at))
        failed = _failed(reading)
        if not unreached:
            self._lately.note(visit.id, at, failed)
        return Opened(visit=visit, at=at, record=record, failed=failed, unreached=unreached)

    def shadow(self) -> Shadow:
        """Of what the sidebar does not speak. Raises ServiceOff where it speaks of nothing."""
        found = self.switchboard.shadow(SERVICE)
        if found.service is Mode.SHADOW:
            raise ServiceOff("it runs unseen until those who answer for it turn it on", field="id")
        return found

    def subject(self, opened: Opened, *, back_h: float = 0.0) -> Subject:
        """The twin at a moment, taken apart.

        Parameters
        ----------
        back_h : float
            How many hours before the present.
        """
        known = self._as_known(opened, back_h)
        record, hindsight = known
        return self._apart(opened, self.inputs(opened, record, opened.at - timedelta(hours=back_h)), back_h, hindsight)

    def inputs(self, opened: Opened, record: Record, now: datetime, seed: str = "") -> Inputs:
        """What decisions for this visit are made from."""
        return Inputs(
            service=self.service,
            event=_event(opened.visit, now),
            record=record,
            segments=record.segments_known,
            unused={IssueCode.FETCH_FAILED.value: len(opened.failed)} if opened.failed else {},
            seed=seed or str(uuid.uuid4()),
        )

    def _now(self, visit: Visit, token: Callable[[], str]) -> datetime:
        if not self.simulated:
            return self.clock.now()
        try:
            said = self.gatherer.fhir.read(visit.issuer, "metadata", token=token(), budget_s=_CLOCK_S)
            return parse_fhir_time(said.get("date"), field="date").start
        except (DataUnavailable, BadRequest):
            return self.clock.now()

    def _read(
        self, visit: Visit, token: Callable[[], str], at: datetime, seen: frozenset[bytes]
    ) -> tuple[Reading | None, bool]:
        call = HookCall(
            event=_event(visit, at),
            prefetch={},
            context={"patientId": visit.patient, "encounterId": visit.encounter, "userId": visit.user},
            fhir_server=visit.issuer,
            token=token(),
        )
        try:
            return self.gatherer.gather(call, self.service, seen), False
        except DataUnavailable:
            return None, True

    def _stored(self, visit: Visit, patient: str, reading: Reading | None, at: datetime) -> Record:
        loaded = self.records.load(patient)
        self.records.check_clock(loaded, at)
        if reading is None:
            return loaded
        with self.gatherer.computing:
            record, news = self.records.extend(loaded, reading.facts)
        if news.payload:
            commit = Commit(
                patient=patient,
                segments_known=record.segments_known,
                entries_known=record.entries_known,
                learned=at,
                news=news,
                realm=visit.realm,
            )
            record = replace(record, segments_known=self.store.commit(commit))
        record = replace(record, seen=record.seen | reading.clean)
        self.records.keep(patient, record)
        return record

    def _as_known(self, opened: Opened, back_h: float) -> tuple[Record, bool]:
        """The record as it was known then; as it stands today where Twinline had not heard of the patient by then."""
        if not back_h:
            return opened.record, False
        twinner = Twinner(self.knowledge.twin, self.knowledge.ontology)
        then = twinner.as_of(opened.record, opened.at - timedelta(hours=back_h))
        return (then, False) if len(then.timeline) else (opened.record, True)

    def _apart(self, opened: Opened, inputs: Inputs, back_h: float, hindsight: bool) -> Subject:
        knowledge, state = self.knowledge, inputs.record.state
        shadow = self.shadow()
        with self.gatherer.computing:
            material = _seen(gather_material(knowledge, inputs), shadow)
            found = deviations(knowledge.twin, knowledge.ontology, state, inputs.event.received)
            return Subject(
                patient=opened.visit.patient,
                material=material,
                state=state,
                twin=knowledge.twin,
                deviations=found,
                joint=joint(knowledge.twin.joint, found),
                back_h=back_h,
                hindsight=hindsight,
                failed=opened.failed,
                unreached=opened.unreached,
            )


def _seen(material: Material, shadow: Shadow) -> Material:
    """Without the topics that lie in shadow."""
    return replace(material, concerns=tuple(one for one in material.concerns if not shadow.covers(one.topic, one.tier)))


def _event(visit: Visit, at: datetime) -> HookEvent:
    return HookEvent(
        service=SERVICE,
        hook="sidebar",
        instance=visit.id,
        tenant=visit.realm,
        patient=visit.patient,
        user=visit.user,
        encounter=visit.encounter,
        received=at,
    )


def _failed(reading: Reading | None) -> tuple[str, ...]:
    """Keys of the prefetch that could not be read."""
    if reading is None:
        return ()
    lost = (one.ref.partition(".")[2] for one in reading.issues if one.code is IssueCode.FETCH_FAILED)
    return tuple(dict.fromkeys(lost))[:_MOST_NAMED]
