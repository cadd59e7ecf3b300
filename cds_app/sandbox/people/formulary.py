"""What can be ordered in the sandbox: a short list of drugs with a usual dose, and drafts as an EHR writes them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cds_app.errors import BadRequest
from cds_app.sandbox.people.dosage import coded
from cds_app.sandbox.people.resources import Resource, instant
from cds_app.sandbox.people.vocabulary import ORDERABLE_DRUGS, RXNORM, concept

DOSE_LIMIT: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Orderable:
    """One line of the list: key, name, and the words of a usual order."""

    key: str
    label: str
    usual: str


_USUAL: Final[Mapping[str, str]] = {
    "amoxicillin": "500 mg by mouth every 8 hours",
    "furosemide": "40 mg by mouth in the morning",
    "gentamicin": "400 mg into a vein every 24 hours",
    "ibuprofen": "400 mg by mouth every 8 hours",
    "metformin": "500 mg by mouth twice a day",
    "paracetamol": "1 g by mouth every 6 hours",
    "potassium_chloride": "20 mmol by mouth twice a day",
    "spironolactone": "25 mg by mouth in the morning",
    "vancomycin": "1 g into a vein every 12 hours",
}
FORMULARY: Final[tuple[Orderable, ...]] = tuple(
    Orderable(key=key, label=key.replace("_", " ").capitalize(), usual=usual) for key, usual in _USUAL.items()
)
_LISTED: Final = {one.key: one for one in FORMULARY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a clinician picks: a drug of the list, and how it is to be taken; nothing said means as usual."""

    drug: str
    dose: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """For whom, where, by whom and when an order is written."""

    patient: str
    encounter: str | None
    user: str
    at: datetime


def draft_order(wish: Wish, author: Author) -> Resource:
    """A MedicationRequest that nobody has signed yet, under an id of its own.

    Raises
    ------
    BadRequest
        For a drug that is not on the list, or a dose text that is too long.
    """
    listed = _LISTED.get(wish.drug)
    if listed is None:
        raise BadRequest("choose a drug of the list", field="drug")
    dose = wish.dose.strip() or listed.usual
    if len(dose) > DOSE_LIMIT:
        raise BadRequest(f"at most {DOSE_LIMIT} characters", field="dose")
    where = {"encounter": {"reference": f"Encounter/{author.encounter}"}} if author.encounter else {}
    return {
        "resourceType": "MedicationRequest",
        "id": f"draft-{uuid.uuid4()}",
        "status": "draft",
        "intent": "order",
        "medicationCodeableConcept": concept(RXNORM, *ORDERABLE_DRUGS[wish.drug]),
        "subject": {"reference": f"Patient/{author.patient}"},
        **where,
        "authoredOn": instant(author.at),
        "requester": {"reference": author.user},
        "dosageInstruction": [{"text": dose, **coded(dose)}],
    }


def signed(draft: Resource, at: datetime) -> Resource:
    """The same order as it stands once signed; the chart gives it an id."""
    return {key: value for key, value in draft.items() if key != "id"} | {"status": "active", "authoredOn": instant(at)}
