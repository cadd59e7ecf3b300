"""Drafts in the context of a hook -> what is proposed, whatever shape they came in.

Seen in the field: Bundles without type, orders without intent or subject, drugs as codes of several systems, as text,
as a reference to a sibling entry, to a contained resource or below a server's address, ids longer than FHIR allows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from msgspec.structs import replace

from cds_app.domain.facts import Medication, Procedure
from cds_app.domain.issues import Issue, IssueCode
from cds_app.domain.ontology import Ontology
from cds_app.domain.proposed import Proposed, Written
from cds_app.fabric.bundles import unpack
from cds_app.fabric.context import MODIFIERS
from cds_app.fabric.drafts.contrast import contrast_orders
from cds_app.fabric.drafts.giving import givings_of
from cds_app.fabric.drafts.redrafting import written_of
from cds_app.fabric.lexicon import Units
from cds_app.fabric.reading import read
from cds_app.fabric.references import Item, References, hashed_reference, local_reference, reference_text, typed
from cds_app.fabric.shapes import MAX_ITEMS, Object, as_object, objects, word

_SUBJECT: Final = {
    "MedicationRequest": "subject",
    "MedicationStatement": "subject",
    "ServiceRequest": "subject",
    "Condition": "subject",
    "AllergyIntolerance": "patient",
}
_ORDERS: Final = frozenset({"MedicationRequest", "ServiceRequest"})
_ENDS: Final = frozenset({"cancelled", "stopped", "completed"})
_UNREAD: Final[Mapping[IssueCode, tuple[str, ...]]] = {
    IssueCode.MODIFIER_EXTENSION: MODIFIERS,
    IssueCode.NO_CODE: ("medication[x]",),
    IssueCode.OTHER_PATIENT: ("subject",),
    IssueCode.UNRESOLVED_REFERENCE: ("subject",),
    IssueCode.UNREADABLE: ("subject",),
}
_OF_ORDERS: Final = ("draftOrders", "medications")
_UNREADABLE: Final = IssueCode.UNREADABLE.value
_FORMER: Final = frozenset({"MedicationOrder", "MedicationPrescription"})
"""What a MedicationRequest was before STU3."""
_WRITTEN: Final = ("authoredOn", "dateWritten")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Where drafts stand and for whom they are.

    Parameters
    ----------
    field : str
        Of the context: ``draftOrders``.
    patient : str
        Bare FHIR id.
    beside : sequence of Item
        Resources of the call that drafts may refer to.
    simulated : set of str
        Concepts of drugs whose doses are simulated: of these it is kept how the draft was written.
    """

    field: str
    patient: str
    beside: Sequence[Item] = ()
    simulated: Set[str] = frozenset()


def read_proposed(
    context: Mapping[str, object], draft: Draft, *, ontology: Ontology, units: Units, zone: tzinfo, now: datetime
) -> tuple[Proposed, tuple[Issue, ...]]:
    """Read the drafts of a call. Nothing in the context raises.

    Parameters
    ----------
    context : mapping
        As sent.
    draft : Draft
    ontology, units, zone
        As for `read`.
    now : datetime
        The event's time, which is when a draft is written: it is not in the past until it is signed.

    Returns
    -------
    tuple of (Proposed, tuple of Issue)
        A draft for somebody else, or that cannot be read, is an issue; so is a drug that the ontology does not know.
    """
    found, problems = unpack(_shaped(context.get(draft.field)), at=f"context.{draft.field}")
    items = [Item(_completed(one.resource, draft.patient, now), one.at, one.full_url) for one in found]
    medications = [one for one in draft.beside if _kind(one.resource) == "Medication"]
    people = [one for one in draft.beside if _kind(one.resource) == "Patient"]
    reading = read(
        [*items, *medications],
        patient=draft.patient,
        ontology=ontology,
        units=units,
        zone=zone,
        learned=now,
        now=now,
        beside=people,
    )
    studies = contrast_orders(_studies(items, reading.facts.procedures), ontology)
    beside = [*items, *medications]
    orders = tuple(_given(list(_once([*reading.facts.medications, *studies])), items, beside, zone))
    drafted = frozenset(one.ref for one in orders)
    selected = _selected(context.get("selections"), items)
    proposed = Proposed(
        orders=orders,
        selected=None if selected is None else tuple(ref for ref in selected if ref in drafted),
        allergies=tuple(one for one in reading.facts.allergies if not one.void),
        conditions=tuple(one for one in reading.facts.conditions if not one.void),
        written=dict(_written(orders, draft.simulated, items, beside, zone)),
        replaced=dict(_replaced(items, drafted)),
        unread=dict(_unread(items, reading.issues, selected))
        | (dict(_strange(found, problems, selected)) if draft.field in _OF_ORDERS else {}),
        disputed=tuple(sorted(_disputed(reading.issues, drafted))),
    )
    return proposed, (*problems, *reading.issues, *_unknown(proposed.orders))


def _studies(items: Sequence[Item], procedures: Sequence[Procedure]) -> Iterator[tuple[Procedure, Object]]:
    asked = {one.ref: one for one in procedures}
    for item in items if asked else ():
        found = as_object(item.resource)
        if found is not None and (one := asked.pop(_reference(found), None)) is not None:
            yield one, found


def _given(
    orders: Sequence[Medication], items: Sequence[Item], beside: Sequence[Item], zone: tzinfo
) -> Iterator[Medication]:
    """Each draft with how it says that its drug is given."""
    drafted = {_reference(found): found for item in reversed(items) if (found := as_object(item.resource)) is not None}
    references = References(beside)
    for one in orders:
        giving = givings_of(drafted.get(one.ref, {}), references, zone)
        yield replace(one, giving=giving) if giving else one


def _written(
    orders: Sequence[Medication], simulated: Set[str], items: Sequence[Item], beside: Sequence[Item], zone: tzinfo
) -> Iterator[tuple[str, Written]]:
    asked = {one.ref for one in orders if not simulated.isdisjoint(one.concepts)}
    references = References(beside)
    for item in items if asked else ():
        found = as_object(item.resource)
        if found is not None and (ref := _reference(found)) in asked:
            asked.discard(ref)
            yield ref, written_of(found, references, zone)


def _replaced(items: Sequence[Item], drafted: Set[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """By draft, orders named as those in whose place it is written, or which it carries out."""
    for item in items:
        found = as_object(item.resource) or {}
        named = (found.get("priorPrescription"), *objects(found.get("basedOn")))
        refs = tuple(ref for one in named if (ref := typed(reference_text(one))).startswith("MedicationRequest/"))
        if refs and (ref := _reference(found)) in drafted:
            yield ref, refs


def _unread(
    items: Sequence[Item], issues: Sequence[Issue], selected: Sequence[str] | None
) -> Iterator[tuple[str, str]]:
    """Draft orders of drugs that are lost as a whole: an element may change their meaning, or no drug is said."""
    asked = {_reference(found) for item in items if (found := as_object(item.resource)) and _is_drafted(found)}
    for one in issues:
        lost = one.dropped and one.field in _UNREAD.get(one.code, ())
        if lost and one.ref in asked and (selected is None or one.ref in selected):
            yield one.ref, one.code.value


def _strange(
    items: Sequence[Item], problems: Sequence[Issue], selected: Sequence[str] | None
) -> Iterator[tuple[str, str]]:
    """What stands where a draft should and is nothing that is known here, by its place."""
    yield from ((one.ref, _UNREADABLE) for one in problems if one.code is IssueCode.UNREADABLE)
    for item in items:
        found, kind = as_object(item.resource), _kind(item.resource)
        if not kind or (kind in _FORMER and (selected is None or _reference(found or {}) in selected)):
            yield item.at, _UNREADABLE


def _is_drafted(resource: Object) -> bool:
    return resource.get("resourceType") == "MedicationRequest" and word(resource.get("status")) not in _ENDS


def _disputed(issues: Sequence[Issue], drafted: Set[str]) -> Iterator[str]:
    return (one.ref for one in issues if one.code is IssueCode.AMBIGUOUS_CODE and one.ref in drafted)


def _shaped(value: object) -> object:
    """Resources in what holds them: a wrapped one, as the hook library has an allergy, or entries of no named type."""
    found = as_object(value)
    if not found or found.get("resourceType") not in (None, "Bundle"):
        return value
    entries = found.get("entry")
    if entries is None:
        return found["resource"] if "resource" in found and "resourceType" not in found else value
    every = entries if isinstance(entries, list) else [entries]
    return {"resourceType": "Bundle", "entry": [_entry(one) for one in every]}


def _entry(value: object) -> object:
    """An entry, or the resource that stands in its place."""
    found = as_object(value)
    return {"resource": found} if found and "resourceType" in found and "resource" not in found else value


def _completed(resource: object, patient: str, now: datetime) -> object:
    """A draft as it will be once signed: about the patient of the context, if it does not say otherwise, and now."""
    found = as_object(resource)
    kind = _kind(resource)
    if found is None or kind not in _SUBJECT:
        return resource
    completed = {key: value for key, value in found.items() if key not in _WRITTEN}
    if kind in _ORDERS:
        completed["authoredOn"] = now.isoformat()
    if completed.get(_SUBJECT[kind]) is None:
        completed[_SUBJECT[kind]] = {"reference": f"Patient/{patient}"}
    return completed


def _kind(resource: object) -> str:
    found = as_object(resource)
    kind = found.get("resourceType") if found is not None else None
    return kind if isinstance(kind, str) else ""


def _once(orders: Sequence[Medication]) -> Iterator[Medication]:
    """Each draft once: one that came twice under one id is the same draft. Who signs that a drug ends, starts none."""
    seen: set[str] = set()
    for one in orders:
        if one.ref not in seen and not one.void and one.source == "request" and one.status not in _ENDS:
            seen.add(one.ref)
            yield one


def _unknown(orders: Sequence[Medication]) -> Iterator[Issue]:
    for one in orders:
        if not one.concepts:
            yield Issue(code=IssueCode.UNKNOWN_DRUG, ref=one.ref, dropped=False)


def _selected(selections: object, items: Sequence[Item]) -> tuple[str, ...] | None:
    """References of the selected drafts, of whatever type; None where nothing was said of a selection.

    A selection that names none of the drafts says nothing that could be followed, and all are judged.
    """
    if not isinstance(selections, list):
        return None
    asked = {name for one in selections[:MAX_ITEMS] if isinstance(one, str) for name in (one, typed(one)) if name}
    known = [(_reference(found), item) for item in items if (found := as_object(item.resource)) is not None]
    named = dict.fromkeys(ref for ref, item in known if asked & _names(ref, item))
    return None if selections and not named else tuple(named)


def _names(ref: str, item: Item) -> set[str]:
    return {ref, ref.partition("/")[2], item.full_url} - {""}


def _reference(resource: Object) -> str:
    return local_reference(resource) or hashed_reference(resource)
