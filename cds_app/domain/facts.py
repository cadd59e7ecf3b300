"""Facts: what one FHIR resource says, after codes, units and times were made ours.

A fact is never changed. A correction is a new fact with the same ``ref`` and a later version. ``when`` is when it
was so, ``learned`` when Twinline came to know it; the two are kept apart for good.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Literal

Bound = Literal["=", "<", "<=", ">", ">="]
Code = tuple[str, str]  # (system, code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What all facts share.

    Parameters
    ----------
    ref : str
        Identity: ``Observation/123``, with ``#8480-6`` for a component; ``Observation/~<hash>`` without an id.
    version : str
        Orders corrections of the same ``ref``: lexicographically comparable, later is greater, "" if unknown.
    when : datetime
        Clinically relevant instant, UTC: effective, onset, authored or administered.
    learned : datetime
        When Twinline came to know the fact, UTC.
    void : bool
        Whether this version says that the resource was entered in error.
    """

    ref: str
    version: str
    when: datetime
    learned: datetime
    void: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement(Fact):
    """A number of a known variable in its canonical unit.

    Parameters
    ----------
    variable : str
        Ontology key (``potassium``).
    value : float
        In the ontology's canonical UCUM unit.
    bound : {"=", "<", "<=", ">", ">="}
        Whether ``value`` is the value or only a bound of it.
    implausible : bool
        Outside the ontology's plausible range: shown, never used by the twin.
    preliminary : bool
        Status ``preliminary`` or ``registered`` with a value.
    encounter : str or None
        ``Encounter/...`` as referenced.
    """

    variable: str
    value: float
    bound: Bound = "="
    implausible: bool = False
    preliminary: bool = False
    encounter: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedFinding(Fact):
    """An observation of a known variable whose value is a code or text (consciousness, a culture)."""

    variable: str
    codes: tuple[Code, ...]
    concepts: tuple[str, ...] = ()
    text: str = ""
    encounter: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownFinding(Fact):
    """An observation whose codes the ontology does not know: counted and shown, never guessed."""

    codes: tuple[Code, ...]
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demographics(Fact):
    """Who the patient is. ``birth_start`` and ``birth_end`` bound a partial birth date."""

    birth_start: datetime | None
    birth_end: datetime | None
    sex: Literal["female", "male", "other", "unknown"]
    deceased: datetime | None = None
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay(Fact):
    """An Encounter. ``when`` is its start."""

    status: str
    class_code: str
    end: datetime | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition(Fact):
    """A problem or diagnosis. ``when`` is its onset or else when it was recorded."""

    concepts: tuple[str, ...]
    codes: tuple[Code, ...]
    text: str
    clinical: str
    verification: str
    abated: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Medication(Fact):
    """A drug that was ordered, given or reported.

    Parameters
    ----------
    source : {"request", "administration", "statement"}
    status, intent : str
        As sent.
    concepts : tuple of str
        Ontology keys of ingredients and classes.
    end : datetime or None
        End of the order or administration.
    dose_value, dose_unit :
        As sent: doses are shown, not computed with.
    """

    source: Literal["request", "administration", "statement"]
    status: str
    intent: str
    concepts: tuple[str, ...]
    codes: tuple[Code, ...]
    text: str
    end: datetime | None = None
    dose_value: float | None = None
    dose_unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure(Fact):
    """Something that was done, or ordered to be done (``source`` request: a ServiceRequest)."""

    source: Literal["procedure", "request"]
    status: str
    concepts: tuple[str, ...]
    codes: tuple[Code, ...]
    text: str
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Allergy(Fact):
    """An allergy or intolerance to a drug, a class or something else."""

    concepts: tuple[str, ...]
    codes: tuple[Code, ...]
    text: str
    clinical: str
    verification: str
    criticality: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Fact):
    """A DiagnosticReport: which results belong together and that the study was done."""

    status: str
    concepts: tuple[str, ...]
    codes: tuple[Code, ...]
    text: str
    results: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Facts by kind: what one reading brought, or all that is known of a patient."""

    measurements: tuple[Measurement, ...] = ()
    coded: tuple[CodedFinding, ...] = ()
    unknown: tuple[UnknownFinding, ...] = ()
    demographics: tuple[Demographics, ...] = ()
    stays: tuple[Stay, ...] = ()
    conditions: tuple[Condition, ...] = ()
    medications: tuple[Medication, ...] = ()
    procedures: tuple[Procedure, ...] = ()
    allergies: tuple[Allergy, ...] = ()
    reports: tuple[Report, ...] = ()

    def __iter__(self) -> Iterator[Fact]:
        """Every fact, kind by kind."""
        for kind in KINDS:
            yield from getattr(self, kind)

    def __len__(self) -> int:
        """How many facts there are."""
        return sum(len(getattr(self, kind)) for kind in KINDS)


KINDS: tuple[str, ...] = tuple(field.name for field in fields(Facts))

_KIND_OF: dict[type[Fact], str] = {
    Measurement: "measurements",
    CodedFinding: "coded",
    UnknownFinding: "unknown",
    Demographics: "demographics",
    Stay: "stays",
    Condition: "conditions",
    Medication: "medications",
    Procedure: "procedures",
    Allergy: "allergies",
    Report: "reports",
}


def gather(facts: Sequence[Fact]) -> Facts:
    """Sort facts of any kind into a `Facts`, each kind in the order given."""
    rows: dict[str, list[Fact]] = {}
    for fact in facts:
        rows.setdefault(_KIND_OF[type(fact)], []).append(fact)
    return Facts(**{kind: tuple(found) for kind, found in rows.items()})  # type: ignore[arg-type]
