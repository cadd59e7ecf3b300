"""What comes from sources unasked, read and ready to be written once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from cds_app.domain.facts import Facts

ARRIVALS_KEPT: Final = timedelta(days=35)
"""For so long a message that comes again is known; after that its facts still are."""

Receipt = Literal["stored", "known", "refused", "erased"]
"""What became of an arrival: written; written before; written down as refused; of somebody who was erased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One message of a source (`cds_app.services.sources.intake`), read.

    Parameters
    ----------
    source : str
        Name of the source.
    message : str
        The source's own name for the message: what comes twice is written once.
    patient : str
        Pseudonym of the patient, or of the identifier by which the source names them; "" if it was refused.
    alias : bool
        Whether it is that of an identifier.
    received : datetime
        UTC.
    realm : str
        Within which their resources have their ids; "" where those are the source's own.
    refused : str
        Why it was not read, from a closed list; "" if it was.
    """

    source: str
    message: str
    patient: str
    alias: bool
    received: datetime
    facts: Facts
    realm: str = ""
    refused: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Arrivals of one source that came to the same end: how many, with how many facts, and when first and last."""

    source: str
    refused: str
    number: int
    facts: int
    first: datetime
    last: datetime
