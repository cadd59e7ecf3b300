"""One FHIR resource -> how it is counted, and its facts: of whom it is, whether it was taken back, who reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal

from cds_app.domain.facts import CodedFinding, Fact, Measurement, Report, UnknownFinding
from cds_app.domain.issues import Issue, IssueCode
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
from cds_app.fabric.context import MODIFIERS, Context, Head
from cds_app.fabric.deletions import Deletion
from cds_app.fabric.drugs.medications import read_administration, read_medication, read_request, read_statement
from cds_app.fabric.observations import component_refs, read_observation
from cds_app.fabric.plain import read_plain
from cds_app.fabric.references import Item, hashed_reference, local_reference, reference_text
from cds_app.fabric.shapes import Object, as_object, word
from cds_app.fabric.taking import SPECIMEN
from cds_app.fabric.times import UNDATED

Outcome = Literal["used", "unknown", "dropped"]
Reader = Callable[[Object, Head, Context], list[Fact] | None]

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


def read_resource(item: Item, version: str, context: Context) -> tuple[str, Outcome, Sequence[Fact]]:
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


def withdrawn(resource: object, version: str, why: Sequence[Issue], learned: datetime) -> Iterator[Fact]:
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
