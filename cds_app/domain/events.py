"""What starts the work: a CDS Hooks event, stripped to what the pipeline needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HookEvent:
    """One call of one CDS service.

    Parameters
    ----------
    service : str
        Service id (``twinline-patient-view``).
    hook : str
        Hook name (``patient-view``).
    instance : str
        ``hookInstance`` as sent.
    tenant : str
        Within which the patient's id names one person: the realm of the caller, or, of a call that was not
        authenticated, the FHIR base URL or ``local``.
    patient : str
        Bare FHIR id.
    user : str
        ``Practitioner/123``; "" for hooks without a user.
    encounter : str or None
        Bare FHIR id.
    received : datetime
        When the call reached Twinline, UTC.
    """

    service: str
    hook: str
    instance: str
    tenant: str
    patient: str
    user: str
    encounter: str | None
    received: datetime
