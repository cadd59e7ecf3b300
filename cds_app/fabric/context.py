"""What every reader of a resource type is given, and where it leaves its issues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Final

import msgspec

from cds_app.domain.facts import Measurement
from cds_app.domain.issues import Issue, IssueCode
from cds_app.domain.time import time_in
from cds_app.fabric.lexicon import Lexicon
from cds_app.fabric.references import Item, References, local_reference
from cds_app.fabric.shapes import as_object

MODIFIERS: Final = ("modifierExtension", "implicitRules")
"""Elements by which what stands beside them may mean something else."""

_DIGITS: Final = 20
_LONGEST: Final = 40
_YEAR_S: Final = 365.25 * 86_400.0


class Head(msgspec.Struct, frozen=True):
    """What is read of every resource before its type matters: identity, version, whether it was an error."""

    ref: str
    version: str
    void: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One reading of one patient.

    Parameters
    ----------
    patient, subject : str
        Bare FHIR id, and as a reference.
    former : frozenset of str
        References to patients who were merged into this one: what is told of them is told of this one.
    lexicon : Lexicon
        What codes, units and names mean.
    learned : datetime
        When Twinline came to know what is being read.
    earliest, latest : datetime
        Nothing clinical happens outside: the patient's birth (or 1900), and now with a margin for clocks.
    zone : tzinfo
        Of dates, and of times that came without an offset.
    references : References
    issues : list of Issue
        Grows while reading.
    instants : dict of str to datetime or None
        What was made of times so far: the results of one round bear one time.
    """

    patient: str
    subject: str
    former: frozenset[str]
    lexicon: Lexicon
    learned: datetime
    earliest: datetime
    latest: datetime
    zone: tzinfo
    references: References
    issues: list[Issue]
    instants: dict[str, datetime | None] = field(default_factory=dict)

    def disputed(self, one: Measurement) -> bool:
        """Whether who measured calls a value what it cannot be (`Ontology.disputed`), at an age that is known."""
        if not one.interpretation:
            return False
        return self.lexicon.disputed(one, age_years=(one.when - self.earliest).total_seconds() / _YEAR_S)

    def note(self, code: IssueCode, ref: str, field: str = "", *, dropped: bool = True) -> None:
        """Say what was not, or not fully, used."""
        self.issues.append(Issue(code=code, ref=ref, field=field, dropped=dropped))


def version_of(resource: object) -> str:
    """A version that sorts as text: ``meta.versionId`` if it is an integer, then ``meta.lastUpdated``.

    Notes
    -----
    A versionId that is no integer (a UUID, an ETag) has no order and is left out; without both, the order of
    learning decides.
    """
    meta = resource.get("meta") if isinstance(resource, dict) else None
    if not isinstance(meta, dict):
        return ""
    number, updated = meta.get("versionId"), meta.get("lastUpdated")
    numbered = isinstance(number, str) and len(number) <= _DIGITS
    dated = isinstance(updated, str) and len(updated) <= _LONGEST
    return _version(number if numbered else "", updated if dated else "")


def outdone(items: Sequence[Item]) -> tuple[list[Item], list[str]]:
    """Items without those that came again in the same message with a version, and the types of the ones left out.

    A server and what it rendered beforehand say the same in two forms; the one that says which version it is counts.
    """
    ids = [one for item in items if isinstance(item.resource, dict) and isinstance(one := item.resource.get("id"), str)]
    if len(set(ids)) == len(ids):  # nothing came twice, which is quicker to see than versions
        return list(items), []
    bare = [not version_of(item.resource) for item in items]
    if all(bare) or not any(bare):
        return list(items), []
    names = [local_reference(as_object(item.resource) or {}) for item in items]
    said = {name for name, without in zip(names, bare, strict=True) if name and not without}
    gone = [without and name in said for name, without in zip(names, bare, strict=True)]
    kept = [item for item, out in zip(items, gone, strict=True) if not out]
    return kept, [name.partition("/")[0] for name, out in zip(names, gone, strict=True) if out]


@lru_cache(maxsize=4096)  # what came in one message has one version
def _version(number: str, updated: str) -> str:
    counted = number.zfill(_DIGITS) if number.isascii() and number.isdigit() else ""
    at = time_in(updated)
    stamp = at.end.isoformat(timespec="microseconds") if at is not None else ""
    return f"{counted}/{stamp}" if counted or stamp else ""
