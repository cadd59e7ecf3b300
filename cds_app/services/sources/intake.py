"""The one way in for everything that is not asked for: what a source delivers is read by FHIR's rules and written once.

An adapter (HL7 v2, telemetry, wearables, bulk data ...) turns its messages into deliveries: FHIR resources about one
person, named by explicit identifier or FHIR id. `Intake.accept` returns when all of them are durable: only then may the
adapter acknowledge. What cannot be used is delivered too, as refused, so that it is counted and not lost in silence.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from msgspec.structs import replace as struct_replace

from cds_app.domain.arrivals import Arrival, Receipt
from cds_app.domain.corrections import placed
from cds_app.domain.facts import CodedFinding, Fact, Facts, Measurement, Provenance, Report, gather
from cds_app.domain.timeline import Timeline
from cds_app.errors import PatientErased, SettingsError
from cds_app.fabric.devices.telemetry import UNUSABLE
from cds_app.fabric.hl7.results import identity
from cds_app.fabric.identifiers import Identifier
from cds_app.fabric.reading import Reading, read
from cds_app.ports import Clock, Meter, TwinStore
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.sources.identities import Identities, Tie

PERSON: Final = "person"
"""FHIR id that stands for the delivery's person in its resources, whatever they are called elsewhere."""
REFUSALS: Final = frozenset(
    {
        *("garbled", "oversize", "encoding", "malformed", "unsupported-type", "unsupported-version", "retained"),
        *("no-message-id", "no-identifier", "unknown-identifier", "several-patients", "no-time", "clock"),
        *("impossible-merge", "test-message", "erased"),
    }
)
"""Why a delivery may be refused: names of what is wrong, for counts, answers and dead letters; never a value."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9\-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Something that sends.

    Parameters
    ----------
    name : str
        Up to 63 lower-case letters, digits and hyphens; stands in metrics and in the provenance of its facts.
    tenant : str
        Within which its identifiers and FHIR ids name one person: as for hooks.
    """

    name: str
    tenant: str

    def __post_init__(self) -> None:
        """Check the name."""
        if not _NAME.fullmatch(self.name):
            raise SettingsError("up to 63 lower-case letters, digits and hyphens", field="source")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message of a source.

    Parameters
    ----------
    message : str
        The source's own name for it. The same name is the same message.
    received : datetime
        When it reached Twinline, UTC.
    identifier : (str, str) or None
        System and value of the identifier that names the person; None where ``fhir_id`` does, or where it was refused.
    fhir_id : str
        Bare FHIR id of the patient, where that is what the source knows.
    resources : sequence
        FHIR R4 resources, their subject ``Patient/person`` (`PERSON`), or the FHIR id where that names the person.
        Where an identifier does, their ids are the source's own, and are never taken for the EHR's.
    facts : sequence of Fact
        What the adapter read itself, where what it takes in is no FHIR: the sites of a VCF.
    provenance : Provenance or None
        Of all its facts; None for the source alone, or, where a FHIR id names the person, for the EHR's own record.
    particular : mapping of str to Provenance
        Of the facts with this ``ref``, where it differs.
    also : sequence of identifier
        What else the source says that the person is called.
    ties : sequence of (identifier, identifier or None, datetime)
        Numbers that were merged into another one, or (None) parted from it, and when that was said.
    refused : str
        One of `REFUSALS`, if it cannot be used: then nothing else of it counts.
    """

    message: str
    received: datetime
    identifier: Identifier | None = None
    fhir_id: str = ""
    resources: Sequence[object] = ()
    facts: Sequence[Fact] = ()
    provenance: Provenance | None = None
    particular: Mapping[str, Provenance] = field(default_factory=dict)
    also: Sequence[Identifier] = ()
    ties: Sequence[tuple[Identifier, Identifier | None, datetime]] = ()
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes deliveries of one source in."""

    source: Source
    knowledge: Knowledge
    store: TwinStore
    identities: Identities
    meter: Meter
    clock: Clock

    def accept(self, deliveries: Sequence[Delivery]) -> Sequence[Receipt]:
        """What became of each, in order; all of it is durable on return.

        Raises
        ------
        DependencyDown, IntegrityError, BadRequest
            Nothing was written: nothing may be acknowledged.
        """
        deliveries = [self._tied(one) if one.ties or one.also else one for one in deliveries]
        readings = [self._read(one) for one in deliveries]
        receipts = self.store.take_in(
            [self._arrival(one, reading) for one, reading in zip(deliveries, readings, strict=True)]
        )
        self._count(deliveries, readings, receipts)
        return receipts

    def _tied(self, delivery: Delivery) -> Delivery:
        """The delivery after what it says of identifiers was written; refused, and nothing written, if it cannot be."""
        alias, tenant = self.identities.alias, self.source.tenant
        wishes = [
            (alias(tenant, prior), Tie(to=alias(tenant, into) if into else "", by="merge", at=at))
            for prior, into, at in delivery.ties
        ]
        if self.identities.refusal(wishes) is not None:
            return replace(delivery, refused="impossible-merge")
        for prior, wish in wishes:
            self.identities.tie(prior, wish)
        if delivery.identifier is not None and delivery.also:
            self.identities.same(tenant, delivery.identifier, delivery.also)
        return delivery

    def _read(self, delivery: Delivery) -> Reading | None:
        if delivery.refused or not (delivery.resources or delivery.facts):
            return None
        found = read(
            delivery.resources,
            patient=delivery.fhir_id or PERSON,
            ontology=self.knowledge.ontology,
            units=self.knowledge.units,
            zone=self.knowledge.zone,
            learned=delivery.received,
            now=delivery.received,
        )
        return replace(found, facts=gather([*found.facts, *delivery.facts])) if delivery.facts else found

    def _arrival(self, delivery: Delivery, reading: Reading | None) -> Arrival:
        return Arrival(
            source=self.source.name,
            message=delivery.message,
            patient="" if delivery.refused else self._patient(delivery),
            alias=not delivery.refused and delivery.identifier is not None,
            received=delivery.received,
            facts=self._facts(delivery, reading) if reading is not None else Facts(),
            realm=self.source.tenant if delivery.fhir_id else "",
            refused=_known_refusal(delivery.refused),
        )

    def _patient(self, delivery: Delivery) -> str:
        if delivery.identifier is not None:
            return self.identities.alias(self.source.tenant, delivery.identifier)
        if not delivery.fhir_id:
            raise ValueError("a delivery names its person, or is refused")
        return self.store.pseudonym(self.source.tenant, delivery.fhir_id)

    def _facts(self, delivery: Delivery, reading: Reading) -> Facts:
        facts = self._sourced(delivery, reading)
        return self._in_place(delivery, facts) if delivery.fhir_id else facts

    def _in_place(self, delivery: Delivery, facts: Facts) -> Facts:
        """The EHR's own facts, those that came without ``meta`` in the place that they have in a call."""
        if all(fact.version for fact in facts):
            return facts
        try:
            known = [fact for one in self.store.segments(self._patient(delivery)) for fact in one.facts]
        except PatientErased:  # as the store will say
            return facts
        timeline, _ = Timeline().extended(known)
        return gather(timeline.extended(placed(timeline, facts))[1].novel) if known else facts

    def _sourced(self, delivery: Delivery, reading: Reading) -> Facts:
        general = delivery.provenance
        if general is None and delivery.identifier is not None:
            general = Provenance(source=self.source.name)
        if general is None and not delivery.particular:
            return reading.facts

        def sourced(fact: Fact) -> Fact:
            found = delivery.particular.get(fact.ref, general)
            if isinstance(fact, Measurement) and found is not None and not UNUSABLE.isdisjoint(found.flags):
                fact = struct_replace(fact, implausible=True)
            return struct_replace(fact if delivery.fhir_id else self._named_apart(fact), provenance=found)

        return gather(map(sourced, reading.facts))

    def _named_apart(self, fact: Fact) -> Fact:
        """The fact under a name that only this source gives: its ``Observation/1`` is not the EHR's."""

        def apart(ref: str) -> str:
            kind, _, key = ref.partition("/")
            name, mark, part = key.partition("#")
            return f"{kind}/{identity(self.source.name, name)}{mark}{part}"

        named = struct_replace(fact, ref=apart(fact.ref))
        if isinstance(named, Measurement | CodedFinding) and named.encounter:
            return struct_replace(named, encounter=apart(named.encounter))
        if isinstance(named, Report):
            return struct_replace(named, results=tuple(map(apart, named.results)))
        return named

    def _count(
        self, deliveries: Sequence[Delivery], readings: Sequence[Reading | None], receipts: Sequence[Receipt]
    ) -> None:
        pairs = zip(deliveries, receipts, strict=True)
        ends = Counter(one.refused if receipt == "refused" else receipt for one, receipt in pairs)
        self.meter.took_in(self.source.name, ends)
        read_now = [
            one for one, receipt in zip(readings, receipts, strict=True) if one is not None and receipt == "stored"
        ]
        lost = Counter(issue.code.value for one in read_now for issue in one.issues if issue.dropped)
        unknown = sum(tally.unknown for one in read_now for tally in one.tally.values())
        self.meter.read(self.source.name, unknown, lost)


def _known_refusal(reason: str) -> str:
    if reason and reason not in REFUSALS:
        raise ValueError("a delivery is refused for a reason of the closed list")
    return reason
