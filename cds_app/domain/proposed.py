"""What a clinician is about to do, as a hook's context says it: drafts, which are no facts about the patient yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from cds_app.domain.facts import Allergy, Condition, Medication
from cds_app.errors import BadRequest, IntegrityError


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """How a draft of a drug that can be simulated was written.

    Parameters
    ----------
    instructions : int
        Dosage instructions in it: a dose that stands in one of several is not the whole of what is drafted.
    resource : mapping
        What another draft in its place takes over, as a FHIR R4 MedicationRequest without a dose; empty where the drug
        or the length of the course cannot be said again in words of that release.
    """

    instructions: int
    resource: Mapping[str, Any] = {}


class Proposed(msgspec.Struct, frozen=True, kw_only=True):
    """Drafts of one call. They never enter the timeline; a decision that rests on them carries them in its pins.

    Parameters
    ----------
    orders : tuple of Medication
        Draft orders of drugs that could be read, in the order in which they came.
    selected : tuple of str or None
        References of those that are to be judged; None: all. The others count for what orders do to each other.
    allergies, conditions : tuple
        What is about to be recorded.
    written : mapping of str to Written
        By reference, of draft orders whose dose may be simulated: a suggestion is made from that.
    replaced : mapping of str to tuple of str
        By reference of a draft, the orders that it takes the place of or carries out.
    unread : mapping of str to str
        By reference of a draft order that could not be read at all, why, as an issue code.
    disputed : tuple of str
        References of draft orders whose codes say one drug and whose words say another.
    """

    orders: tuple[Medication, ...] = ()
    selected: tuple[str, ...] | None = None
    allergies: tuple[Allergy, ...] = ()
    conditions: tuple[Condition, ...] = ()
    written: Mapping[str, Written] = {}
    replaced: Mapping[str, tuple[str, ...]] = {}
    unread: Mapping[str, str] = {}
    disputed: tuple[str, ...] = ()

    @property
    def judged(self) -> tuple[Medication, ...]:
        """The orders that are to be judged."""
        if self.selected is None:
            return self.orders
        return tuple(one for one in self.orders if one.ref in self.selected)


NOTHING: Final = Proposed()
_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Proposed)


def proposed_text(proposed: Proposed) -> str:
    """The drafts as text for a pin.

    Raises
    ------
    BadRequest
        If a text holds half of a surrogate pair.
    """
    try:
        return _ENCODER.encode(proposed).decode()
    except UnicodeEncodeError:
        raise BadRequest("a text is not valid Unicode") from None  # the cause holds the text


def proposed_of(text: str) -> Proposed:
    """Inverse of `proposed_text`.

    Raises
    ------
    IntegrityError
    """
    try:
        return _DECODER.decode(text)
    except msgspec.MsgspecError:
        raise IntegrityError("the drafts of a decision are malformed") from None  # the cause may quote the value
