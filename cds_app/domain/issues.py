"""What went wrong with a resource on its way into the timeline. An issue names a field, never its value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class IssueCode(StrEnum):
    """Why a resource or a part of it was not used. Codes are never reused for another meaning."""

    UNREADABLE = "unreadable"  # not an object, or a required element has the wrong shape
    UNSUPPORTED_TYPE = "unsupported-type"  # a resource type the twin does not use
    OTHER_PATIENT = "other-patient"
    ENTERED_IN_ERROR = "entered-in-error"
    NOT_FINAL = "not-final"  # registered, cancelled, unknown: no result to use
    NO_TIME = "no-time"
    IMPOSSIBLE_TIME = "impossible-time"
    FUTURE = "future"
    NO_CODE = "no-code"
    NO_VALUE = "no-value"
    DATA_ABSENT = "data-absent"
    NOT_A_NUMBER = "not-a-number"
    NO_UNIT = "no-unit"
    UNKNOWN_UNIT = "unknown-unit"
    WRONG_DIMENSION = "wrong-dimension"
    IMPLAUSIBLE = "implausible"  # kept in the timeline, flagged, never used by the twin
    CONTRADICTORY = "contradictory"  # two measurements that cannot both be true: kept, flagged, never used by the twin
    DISPUTED = "disputed"  # who measured calls it what it is not as it was read: kept, flagged, never used by the twin
    ELSEWHERE = "elsewhere"  # taken of or at something else than its code says: kept as unknown
    CENSORED = "censored"  # a comparator: only a bound is known
    IMPRECISE_TIME = "imprecise-time"
    NO_OFFSET = "no-offset"  # a time of day without its offset from UTC: read in the site's time zone
    AMBIGUOUS_CODE = "ambiguous-code"
    UNRESOLVED_REFERENCE = "unresolved-reference"
    MODIFIER_EXTENSION = "modifier-extension"  # an element we do not know changes the meaning
    SERVER_OUTCOME = "server-outcome"  # an OperationOutcome where data was expected
    FETCH_FAILED = "fetch-failed"
    TRUNCATED = "truncated"  # more pages than the budget allows
    UNKNOWN_DRUG = "unknown-drug"  # a draft order of something that the ontology does not know: nothing was checked


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One thing that was not, or not fully, used.

    Parameters
    ----------
    code : IssueCode
        Why.
    ref : str
        Which resource: ``Observation/123``, or its place (``prefetch.vitals.entry[4]``) if it has no id.
    field : str
        Which element; empty when the whole resource is meant.
    dropped : bool
        Whether the resource (or the component that ``ref`` names) was left out of the timeline.
    """

    code: IssueCode
    ref: str
    field: str = ""
    dropped: bool = True
