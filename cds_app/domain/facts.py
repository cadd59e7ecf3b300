"""Facts: what one FHIR resource says, after codes, units and times were made ours.

A fact is never changed. A correction is a new fact with the same ``ref`` and a later version. ``when`` is when it
was so, ``learned`` when Twinline came to know it; the two are kept apart for good.

Facts are msgspec structs: a seventh of what dataclasses cost, and without cycles for the garbage collector to seek.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal

import msgspec

from cds_app.domain.dosing import Daily, Dosing, Giving

Bound = Literal["=", "<", "<=", ">", ">="]
Code = tuple[str, str]  # (system, code)


class Provenance(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Where a fact came from, if not from the EHR's FHIR record.

    Parameters
    ----------
    source : str
        Name of the source that brought it (``lab-hl7``).
    device : str
        What measured, as the source names it.
    method : {"", "charted", "device", "arterial", "cuff"}
        How it was measured: recorded by a person or a laboratory, or by a device without anybody's confirmation.
    samples : int
        How many samples a summary rests on; 0 for what is no summary.
    flags : tuple of str
        What was conspicuous about those samples.
    """

    source: str
    device: str = ""
    method: Literal["", "charted", "device", "arterial", "cuff"] = ""
    samples: int = 0
    flags: tuple[str, ...] = ()


class Fact(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What all facts share. What says nothing is not written, so a field that is added later changes no older bytes.

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
    provenance : Provenance or None
        None for what stands in the EHR's FHIR record.
    """

    ref: str
    version: str
    when: datetime
    learned: datetime
    void: bool = False
    provenance: Provenance | None = None


class Measurement(Fact, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A number of a known variable in its canonical unit.

    Parameters
    ----------
    variable : str
        Ontology key (``potassium``).
    value, sent : float, str
        In the ontology's canonical UCUM unit; as it came, where that is another number (``230 umol/L``), else "".
    bound : {"=", "<", "<=", ">", ">="}
        Whether ``value`` is the value or only a bound of it.
    implausible : bool
        Outside the ontology's plausible range, or contradicted: shown, never used by the twin.
    preliminary : bool
        Status ``preliminary`` or ``registered`` with a value.
    encounter : str or None
        ``Encounter/...`` as referenced.
    comment : str
        What whoever measured it wrote beside it ("sample haemolysed").
    usual_low, usual_high : float or None
        Their own usual range, in the same unit; None is open, or not said.
    interpretation : str
        What they call it, as the ontology names it (``critically_high``); "" where they say nothing, or two things.
    taken : tuple of str
        Of what, where and how it was taken, as the ontology names it, where that is worth telling (``venous_blood``).
    """

    variable: str
    value: float
    sent: str = ""
    bound: Bound = "="
    implausible: bool = False
    preliminary: bool = False
    encounter: str | None = None
    comment: str = ""
    usual_low: float | None = None
    usual_high: float | None = None
    interpretation: str = ""
    taken: tuple[str, ...] = ()


class CodedFinding(Fact, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """An observation of a known variable whose value is a code or text (consciousness, a culture)."""

    variable: str
    codes: tuple[Code, ...]
    concepts: tuple[str, ...] = ()
    text: str = ""
    encounter: str | None = None


class UnknownFinding(Fact, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """An observation that is none of the ontology's variables: counted and shown, never guessed.

    ``taken`` names that of which it was taken, or where, if that is why: its codes alone are known.
    """

    codes: tuple[Code, ...]
    text: str = ""
    taken: tuple[str, ...] = ()


class Demographics(Fact, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Who the patient is. ``birth_start`` and ``birth_end`` bound a partial birth date."""

    birth_start: datetime | None
    birth_end: datetime | None
    sex: Literal["female", "male", "other", "unknown"]
    deceased: datetime | None = None
    name: str = ""


class Place(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Where the patient lies during a stay, as the record calls it; without a start or end, as long as the stay."""

    text: str
    start: datetime | None = None
    end: datetime | None = None


class Stay(Fact, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """An Encounter. ``when`` is its start."""

    status: str
    class_code: str
    end: datetime | None = None
    text: str = ""
    places: tuple[Place, ...] = ()


class Condition(Fact, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A problem or diagnosis. ``when`` is its onset or else when it was recorded."""

    concepts: tuple[str, ...]
    codes: tuple[Code, ...]
    text: str
    clinical: str
    verification: str
    abated: datetime | None = None


class Medication(Fact, frozen=True, kw_only=True, gc=False, omit_defaults=True):
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
        As sent.
    dosing : Dosing or None
        How it is given; None where nothing of that was said.
    daily : tuple of Daily
        Of an order, the most of each drug in 24 h that words, tablets or a range say, where only they do.
    giving : tuple of Giving
        Of a draft, how each of its instructions says that it is given, in elements or else in words.
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
    dosing: Dosing | None = None
    daily: tuple[Daily, ...] = ()
    giving: tuple[Giving, ...] = ()


class Procedure(Fact, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Something that was done, or ordered to be done (``source`` request: a ServiceRequest)."""

    source: Literal["procedure", "request"]
    status: str
    concepts: tuple[str, ...]
    codes: tuple[Code, ...]
    text: str
    end: datetime | None = None


class Allergy(Fact, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """An allergy or intolerance to a drug, a class or something else; ``categories`` as sent."""

    concepts: tuple[str, ...]
    codes: tuple[Code, ...]
    text: str
    clinical: str
    verification: str
    criticality: str = ""
    categories: tuple[str, ...] = ()


class Report(Fact, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A DiagnosticReport: which results belong together and that the study was done."""

    status: str
    concepts: tuple[str, ...]
    codes: tuple[Code, ...]
    text: str
    results: tuple[str, ...] = ()


class Site(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What was seen at one place of the genome, on both copies.

    Parameters
    ----------
    place : str
        ``chr10:94942290`` (GRCh38), ``NC_000010.11:94942290`` as reported, or a dbSNP id.
    ref : str
        The bases of the reference there, as said.
    alleles : tuple of str
        The bases of the two copies; `UNNAMED` for a change that has no name; none where it could not be called.
    phase : str
        Copies of sites of one phase stand in the same order; "" where nothing is known of that.
    """

    place: str
    ref: str
    alleles: tuple[str, ...] = ()
    phase: str = ""


UNNAMED = "?"
"""An allele that is neither the reference nor a variant with a name."""


class GeneResult(Fact, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What a laboratory or a sequence says of one gene. Interpreted when it is used, never when it is stored.

    Parameters
    ----------
    gene : str
        Symbol, or an identifier (``HGNC:2623``).
    source : {"vcf", "variant", "haplotype", "genotype", "phenotype"}
    sites : tuple of Site
        Of a VCF or a variant.
    alleles : tuple of str
        As reported: one of a haplotype, two (or one text) of a genotype.
    phenotype : str
        As reported.
    structural : bool
        Whether copies are lost, gained or rearranged: sites alone do not tell alleles then.
    text : str
        Who says so, in words: the report's or file's name.
    """

    gene: str
    source: Literal["vcf", "variant", "haplotype", "genotype", "phenotype"]
    sites: tuple[Site, ...] = ()
    alleles: tuple[str, ...] = ()
    phenotype: str = ""
    structural: bool = False
    text: str = ""


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
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
    genes: tuple[GeneResult, ...] = ()

    def __iter__(self) -> Iterator[Fact]:
        """Every fact, kind by kind."""
        for kind in KINDS:
            yield from getattr(self, kind)

    def __len__(self) -> int:
        """How many facts there are."""
        return sum(len(getattr(self, kind)) for kind in KINDS)


KINDS: tuple[str, ...] = Facts.__struct_fields__

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
    GeneResult: "genes",
}


def gather(facts: Iterable[Fact]) -> Facts:
    """Sort facts of any kind into a `Facts`, each kind in the order given."""
    rows: defaultdict[type[Fact], list[Fact]] = defaultdict(list)
    for fact in facts:
        rows[type(fact)].append(fact)
    return Facts(**{_KIND_OF[kind]: tuple(found) for kind, found in rows.items()})  # type: ignore[arg-type]
