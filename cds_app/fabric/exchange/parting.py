"""Resources of many patients, each brought to whom it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cds_app.fabric.references import Item, References, is_id, local_reference, reference_text, typed
from cds_app.fabric.shapes import as_object

_SUBJECTS: Final = ("subject", "patient", "beneficiary")
_PATIENT: Final = "Patient/"
_URN: Final = "urn:uuid:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parted:
    """Items by patient.

    Parameters
    ----------
    patients : mapping of str to sequence of Item
        By bare FHIR id, each in the order of arrival.
    shared : sequence of Item
        Those that name no patient: a drug, a practitioner; and whatever is no resource.
    strays : sequence of Item
        Those that are about somebody who is no patient, or nobody that can be told.
    """

    patients: Mapping[str, Sequence[Item]]
    shared: Sequence[Item]
    strays: Sequence[Item]


def by_patient(items: Sequence[Item]) -> Parted:
    """Part items by the patient whom each is about. Nothing in them raises."""
    patients: dict[str, list[Item]] = {}
    shared: list[Item] = []
    strays: list[Item] = []
    references = References(items)
    for item in items:
        subject = subject_of(item.resource, references)
        if subject:
            patients.setdefault(subject, []).append(item)
        else:
            (shared if subject is None else strays).append(item)
    return Parted(patients=patients, shared=shared, strays=strays)


def subject_of(value: object, references: References) -> str | None:
    """Bare id of the patient whom a resource is about; None where it names nobody, "" where that is no patient."""
    resource = as_object(value)
    if resource is None:
        return None
    if resource.get("resourceType") == "Patient":
        return local_reference(resource).removeprefix(_PATIENT)
    for field in _SUBJECTS:
        if field in resource:
            return _patient(resource[field], references)
    return None


def _patient(reference: object, references: References) -> str:
    text = reference_text(reference)
    name = typed(text) or references.name(reference)
    if name.startswith(_PATIENT):
        return name.removeprefix(_PATIENT)
    bare = text.removeprefix(_URN)
    return bare if text.startswith(_URN) and not name and is_id(bare) else ""
