"""FHIR resources of one patient -> facts, issues and a count in which every resource stands exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from hashlib import blake2b
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import replace as struct_replace

from cds_app.domain.facts import CodedFinding, Fact, Facts, Measurement, Report, UnknownFinding, gather
from cds_app.domain.issues import Issue, IssueCode
from cds_app.domain.ontology import Ontology
from cds_app.domain.proposed import NOTHING, Proposed
from cds_app.domain.time import time_in
from cds_app.fabric.bundles import unpack
from cds_app.fabric.clinical import (
    read_allergy,
    read_condition,
    read_encounter,
    read_patient,
    read_procedure,
    read_report,
    read_service_request,
)
from cds_app.fabric.codes import status_of
from cds_app.fabric.context import MODIFIERS, Context, Head, outdone, version_of
from cds_app.fabric.contradictions import contradictory, is_pressure, meeting
from cds_app.fabric.deletions import Deletion
from cds_app.fabric.drugs.medications import read_administration, read_medication, read_request, read_statement
from cds_app.fabric.identifiers import Identifier, identifiers_of
from cds_app.fabric.lexicon import Units, lexicon_of
from cds_app.fabric.merging import merged_into
from cds_app.fabric.observations import component_refs, read_observation
from cds_app.fabric.plain import read_plain
from cds_app.fabric.references import Item, References, hashed_reference, local_reference, reference_text
from cds_app.fabric.shapes import Object, as_object, word
from cds_app.fabric.taking import SPECIMEN
from cds_app.fabric.times import UNDATED

__all__ = ["Item", "Reading", "Tally", "read", "unpack"]

Outcome = Literal["used", "unknown", "dropped"]
Reader = Callable[[Object, Head, Context], list[Fact] | None]

_ENCODER: Final = msgspec.msgpack.Encoder()
CLOCK_MARGIN: Final = timedelta(minutes=10)
_ZONE_MARGIN: Final = timedelta(days=1)  # a birth date has no zone
_ERROR: Final = "entered-in-error"
OTHER: Final = "other"
_UNUSABLE: Final = frozenset({
    IssueCode.NOT_FINAL, IssueCode.DATA_ABSENT, IssueCode.NO_VALUE, IssueCode.NOT_A_NUMBER, IssueCode.NO_UNIT,
    IssueCode.UNKNOWN_UNIT, IssueCode.WRONG_DIMENSION, IssueCode.MODIFIER_EXTENSION, IssueCode.NO_CODE,
})  # fmt: skip
"""What is wrong with a result itself, and not only with when we look at it or with what else was sent."""

_READERS: Final[Mapping[str, tuple[Reader, str]]] = {
    "Observation": (read_observation, "subject"),
    "Condition": (read_condition, "subject"),
    "MedicationRequest": (read_request, "subject"),
    "MedicationAdministration": (read_administration, "subject"),
    "MedicationStatement": (read_statement, "subject"),
    "Medication": (read_medication, ""),
    "Procedure": (read_procedure, "subject"),
    "ServiceRequest": (read_service_request, "subject"),
    "AllergyIntolerance": (read_allergy, "patient"),
    "DiagnosticReport": (read_report, "subject"),
    "Encounter": (read_encounter, "subject"),
    "Patient": (read_patient, ""),
}
TYPES: Final = tuple(_READERS)
"""Resource types that are read."""
# Counted by name; any other name might be anything, and is counted as "other".
_UNUSED: Final = frozenset(
    """Account Appointment AuditEvent Basic Binary BodyStructure CarePlan CareTeam Claim ClaimResponse
    ClinicalImpression Communication CommunicationRequest Composition Consent Coverage DetectedIssue Device
    DeviceRequest DeviceUseStatement DocumentReference EpisodeOfCare ExplanationOfBenefit FamilyMemberHistory Flag
    Goal Group HealthcareService ImagingStudy Immunization List Location Media MedicationDispense NutritionOrder
    Organization Parameters Practitioner PractitionerRole Provenance Questionnaire QuestionnaireResponse
    RelatedPerson RequestGroup RiskAssessment Schedule Slot Substance SupplyDelivery Task
    VisionPrescription""".split()  # noqa: SIM905 - fifty names read better as words than as a column
)

# Whom and what others only refer to (``_include``): nothing of a patient is lost with them.
_OF_NOBODY: Final = {"Endpoint", "HealthcareService", "Location", "Organization", "Practitioner", "PractitionerRole"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What became of the resources of one type.

    Parameters
    ----------
    used : int
        Read, and the ontology knows what it is about (or need not), or about no patient at all.
    unknown : int
        Read and shown, but the ontology knows none of its codes.
    dropped : int
        Left out; an issue says why.
    """

    used: int = 0
    unknown: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a set of resources says about one patient.

    Parameters
    ----------
    facts : Facts
    issues : tuple of Issue
    tally : mapping of str to Tally
        By resource type; ``other`` for what is none.
    clean : frozenset of bytes
        Fingerprints of resources that were used without any issue, those passed over included.
    proposed : Proposed
        Drafts of the call, where it has any: no facts, and not among those.
    identifiers : tuple of (system, value)
        What else the patient is called.
    """

    facts: Facts
    issues: tuple[Issue, ...]
    tally: Mapping[str, Tally]
    clean: frozenset[bytes] = frozenset()
    proposed: Proposed = NOTHING
    identifiers: tuple[Identifier, ...] = ()


def read(  # noqa: PLR0913 - all by name
    resources: Sequence[object],
    *,
    patient: str,
    ontology: Ontology,
    units: Units,
    zone: tzinfo,
    learned: datetime,
    now: datetime,
    seen: Set[bytes] = frozenset(),
    beside: Sequence[Item] = (),
) -> Reading:
    """Read resources of one patient.

    Parameters
    ----------
    resources : sequence
        Items of `unpack`, or any JSON values, which are unpacked here.
    patient : str
        Bare FHIR id; what is about anybody else is left out.
    ontology, units
        What is known by name, and how to convert to its units.
    zone : tzinfo
        The site's: of dates, and of times that came without an offset.
    learned : datetime
        When Twinline came to know all this, UTC.
    now : datetime
        What lies more than ten minutes later is left out, UTC.
    seen : set of bytes
        Fingerprints (`Reading.clean`) of resources whose facts are known: they are counted as used and passed over.
        EHRs send the same hundreds of results at every call.
    beside : sequence of Item
        What references may point to, and is not read here: the drugs that a hospital shares among its patients.

    Returns
    -------
    Reading
        Facts in the order of the resources. Nothing in ``resources`` raises.
    """
    brought, issues = _items(resources)
    items, again = outdone(brought)
    people = _people(items)
    by_version = sorted(people, key=version_of)
    context = Context(
        patient=patient,
        subject=f"Patient/{patient}",
        former=frozenset(f"Patient/{old}" for old in merged_into(by_version, patient)),
        lexicon=lexicon_of(ontology, units),
        learned=learned,
        earliest=_earliest(by_version, patient, now, zone),
        latest=now + CLOCK_MARGIN,
        zone=zone,
        references=References((*items, *beside)),
        issues=issues,
    )
    facts: list[Fact] = []
    withdrawn: list[Fact] = []
    counts: Counter[tuple[str, Outcome]] = Counter((kind, "used") for kind in again)
    clean: set[bytes] = set()
    passed: list[Item] = []
    specimens = bool(seen) and SPECIMEN in context.references.types
    for item in items:
        before, version = len(issues), version_of(item.resource)
        mark = fingerprint(item.resource, version)
        known = mark in seen and not (specimens and "specimen" in (as_object(item.resource) or {}))
        kind, outcome, found = _known(item.resource) if known else _read(item, version, context)
        counts[kind, outcome] += 1
        facts.extend(found)
        if known:
            passed.append(item)
        if mark and outcome == "used" and len(issues) == before:
            clean.add(mark)
        if outcome == "dropped" and kind == "Observation":
            withdrawn.extend(_withdrawn(item.resource, version, issues[before:], learned))
    facts.extend(one for item in meeting(passed, facts, ontology, zone) for one in _pressures(item, context, ontology))
    doubted = contradictory(facts, ontology)
    if doubted:
        facts = [_doubted(fact, context) if fact.ref in doubted else fact for fact in facts]
        clean -= {fingerprint(one.resource, version_of(one.resource)) for one in items if _holds(one, doubted)}
    said = {(fact.ref.partition("#")[0], fact.version) for fact in facts} if withdrawn else set()
    facts.extend(one for one in withdrawn if (one.ref, one.version) not in said)
    return Reading(
        facts=gather(facts),
        issues=tuple(issues),
        tally=_tally(counts),
        clean=frozenset(clean),
        identifiers=identifiers_of(people, patient),
    )


def _pressures(item: Item, context: Context, ontology: Ontology) -> list[Fact]:
    return [one for one in _read(item, version_of(item.resource), context)[2] if is_pressure(one, ontology)]


def _doubted(fact: Fact, context: Context) -> Fact:
    """A measurement that another one contradicts, flagged."""
    if not isinstance(fact, Measurement):
        return fact
    context.note(IssueCode.CONTRADICTORY, fact.ref, "value[x]", dropped=False)
    return struct_replace(fact, implausible=True)


def _holds(item: Item, refs: Set[str]) -> bool:
    """Whether a resource holds one of the measurements: what needs the others beside it is read with them each time."""
    resource = as_object(item.resource) or {}
    ref = local_reference(resource) or hashed_reference(resource)
    return any(one.partition("#")[0] == ref for one in refs)


def fingerprint(resource: object, version: str) -> bytes:
    """The same for resources that say the same; differs, but for chance, for all others.

    Empty for what has no version (`version_of`) that sorts: what it says may be taken back and said again.
    """
    if not version:
        return b""
    try:
        return blake2b(_ENCODER.encode(resource), digest_size=16).digest()
    except (RecursionError, OverflowError, UnicodeError):  # nested too deeply, or no JSON that we would store
        return b""


def _known(resource: Any) -> tuple[str, Outcome, Sequence[Fact]]:
    """How a resource that was read before is counted."""
    return resource["resourceType"], "used", ()


def _read(item: Item, version: str, context: Context) -> tuple[str, Outcome, Sequence[Fact]]:
    """How a resource is counted, and its facts."""
    measurement = read_plain(item.resource, version, context)
    if measurement is not None:
        return "Observation", "used", (measurement,)
    if (as_object(item.resource) or {}).get("resourceType") == SPECIMEN:  # read with what points to it
        return SPECIMEN, "used", ()
    if isinstance(gone := item.resource, Deletion):
        kind = gone.name.partition("/")[0]
        known = [_nothing(gone.name, gone.version, context.learned)] if kind in _READERS else []
        return (kind if known else OTHER), "used", known
    kind, found = read_item(item, version, context)
    return kind, _outcome(found), found or ()


def _tally(counts: Mapping[tuple[str, Outcome], int]) -> dict[str, Tally]:
    found: dict[str, dict[str, int]] = {}
    for (kind, outcome), count in counts.items():
        found.setdefault(kind, {})[outcome] = count
    return {kind: Tally(**count) for kind, count in found.items()}


def _items(resources: Sequence[object]) -> tuple[list[Item], list[Issue]]:
    items: list[Item] = []
    issues: list[Issue] = []
    for i, resource in enumerate(resources):
        if isinstance(resource, Item):
            items.append(resource)
        else:
            unpacked, problems = unpack(resource, at=f"[{i}]")
            items.extend(unpacked)
            issues.extend(problems)
    return items, issues


def _people(items: Sequence[Item]) -> list[Object]:
    return [one for item in items if isinstance(one := item.resource, dict) and one.get("resourceType") == "Patient"]


def _earliest(people: Sequence[Object], patient: str, now: datetime, zone: tzinfo) -> datetime:
    """Midnight of the patient's birth with a day's margin, or 1900 where the birth date does not help."""
    for person in people:
        if person.get("id") == patient:
            birth = time_in(person.get("birthDate"), local=zone)
            if birth is not None and UNDATED + _ZONE_MARGIN <= birth.start <= now:
                return birth.start - _ZONE_MARGIN
    return UNDATED


def read_item(item: Item, version: str, context: Context) -> tuple[str, list[Fact] | None]:
    """The type under which an item is counted, and its facts: none when left out, None when it needs none."""
    resource = as_object(item.resource)
    kind = resource.get("resourceType") if resource is not None else None
    if resource is None or not isinstance(kind, str):
        context.note(IssueCode.UNREADABLE, item.at, "" if resource is None else "resourceType")
        return OTHER, []
    reader, subject = _READERS.get(kind, (None, ""))
    if reader is None:
        if kind not in _OF_NOBODY:
            context.note(IssueCode.UNSUPPORTED_TYPE, item.at)
        return (kind if kind in _UNUSED else OTHER), None if kind in _OF_NOBODY else []
    ref = local_reference(resource) or hashed_reference(resource) or f"{kind}/~{item.at}"
    if not _is_about(resource, subject, ref, context):
        return kind, []
    head = Head(ref, version, _is_error(resource))
    if head.void:
        context.note(IssueCode.ENTERED_IN_ERROR, ref, dropped=False)
        return kind, _void(resource, head, context)
    for modifier in MODIFIERS:
        if modifier in resource:
            context.note(IssueCode.MODIFIER_EXTENSION, ref, modifier)
            return kind, []
    return kind, reader(resource, head, context)


def _is_about(resource: Object, field: str, ref: str, context: Context) -> bool:
    """Whether the resource is about this patient; if not, says so."""
    if not field:
        if resource["resourceType"] != "Patient" or ref == context.subject:
            return True
        context.note(IssueCode.OTHER_PATIENT, ref)
        return False
    reference = resource.get(field)
    text = reference_text(reference)
    name = text if text == context.subject else context.references.name(reference)
    if name == context.subject or name in context.former or text == f"urn:uuid:{context.patient}":
        return True
    unknown = IssueCode.UNRESOLVED_REFERENCE if text else IssueCode.UNREADABLE
    context.note(IssueCode.OTHER_PATIENT if name else unknown, ref, field)
    return False


def _is_error(resource: Object) -> bool:
    return word(resource.get("status")) == _ERROR or (
        "verificationStatus" in resource and status_of(resource["verificationStatus"]) == _ERROR
    )


def _void(resource: Object, head: Head, context: Context) -> list[Fact]:
    """Void facts for a resource of any type, and for each of its components: no older version counts any more."""
    refs = [head.ref, *(ref for _, ref in component_refs(resource, head.ref))]
    return [_nothing(ref, head.version, context.learned) for ref in refs]


def _withdrawn(resource: object, version: str, why: Sequence[Issue], learned: datetime) -> Iterator[Fact]:
    """Of a result that says nothing that can be used: that what older versions said counts no more.

    Laboratories take a result back in a newer version that is cancelled, or has a reason in the place of its value.
    """
    ref = local_reference(as_object(resource) or {})
    if ref and any(one.dropped and one.ref.partition("#")[0] == ref and one.code in _UNUSABLE for one in why):
        yield _nothing(ref, version, learned)


def _nothing(ref: str, version: str, learned: datetime) -> Fact:
    return UnknownFinding(ref=ref, version=version, when=UNDATED, learned=learned, void=True, codes=(), text="")


def _outcome(facts: list[Fact] | None) -> Outcome:
    if facts is None:
        return "used"
    if not facts:
        return "dropped"
    return "used" if any(map(_is_known, facts)) else "unknown"


def _is_known(fact: Fact) -> bool:
    if isinstance(fact, (Measurement, CodedFinding)) or fact.void:
        return True
    if isinstance(fact, UnknownFinding):
        return False
    return bool(getattr(fact, "concepts", True)) or (isinstance(fact, Report) and bool(fact.results))
