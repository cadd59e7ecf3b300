"""A visit: one SMART launch, of one user, for one patient. Every page and form of the sidebar belongs to one."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One launch that was completed.

    Parameters
    ----------
    id : str
        In the address of its pages; random, and says nothing of the patient.
    issuer : str
        FHIR base URL of the EHR that launched, without a trailing slash.
    realm : str
        Within which the patient's id names one person: the same that the issuer's CDS Hooks calls have, so that both
        speak of one twin.
    patient : str
        Bare FHIR id.
    encounter : str or None
        Bare FHIR id.
    user : str
        ``Practitioner/123``; "" where the EHR did not say.
    scopes : frozenset of str
        Granted, as the EHR wrote them.
    app_context : str
        What the link of a card carried, as the EHR passed it on; "" for none. Not to be trusted.
    began : datetime
        When the launch was completed, UTC.
    frames : tuple of str
        Origins whose pages may embed ours.
    """

    id: str
    issuer: str
    realm: str
    patient: str
    encounter: str | None = None
    user: str = ""
    scopes: frozenset[str] = field(default_factory=frozenset)
    app_context: str = ""
    began: datetime
    frames: tuple[str, ...] = ()
