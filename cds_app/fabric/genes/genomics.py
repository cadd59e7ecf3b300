"""Observations of the FHIR Genomics Reporting guide: variants, haplotypes, genotypes and what they mean for drugs.

Source: HL7 Genomics Reporting Implementation Guide, STU2 and STU3 (codes read in the guide's own examples and value
sets). Laboratories that do not follow the guide name the gene in the code itself, by LOINC ("CYP2C9 gene product
metabolic activity interpretation", as the example `observation-example-phenotype` of FHIR R4). Only what is said is
kept; alleles and phenotypes are worked out when they are needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final, Literal

from cds_app.domain.facts import Code, GeneResult, Site
from cds_app.domain.issues import IssueCode
from cds_app.fabric.codes import LOINC, SNOMED, codes_of, text_of, words_of
from cds_app.fabric.context import Context, Head
from cds_app.fabric.shapes import Object, objects, word

_TBD: Final = (
    "http://hl7.org/fhir/uv/genomics-reporting/CodeSystem/tbd-codes-cs",
    "http://hl7.org/fhir/uv/genomics-reporting/CodeSystem/tbd-codes",
    "http://hl7.org/fhir/uv/genomics-reporting/CodeSystem/TbdCodes",
)
_GENOTYPE, _HAPLOTYPE, _VARIANT = (LOINC, "84413-4"), (LOINC, "84414-2"), (LOINC, "69548-6")
_IMPLICATIONS: Final = frozenset(
    {
        *((system, name) for system in _TBD for name in ("therapeutic-implication", "medication-metabolism")),
        (LOINC, "53040-2"),
        (LOINC, "51961-1"),
    }
)
_LOOKED_FOR: Final = {(LOINC, "50956-2"): ("HLA-B", "*57:01")}
_ACTIVITY: Final = {
    (LOINC, "79713-4"): "TPMT",
    (LOINC, "79714-2"): "CYP2C19",
    (LOINC, "79715-9"): "CYP2D6",
    (LOINC, "79716-7"): "CYP2C9",
    (LOINC, "79717-5"): "CYP3A5",
    (LOINC, "79719-1"): "DPYD",
    (LOINC, "79722-5"): "SLCO1B1",
    (LOINC, "81145-5"): "CYP3A4",
}
_TYPING: Final = {
    (LOINC, "40425-1"): "CYP2D6",
    (LOINC, "41048-0"): "TPMT",
    (LOINC, "81139-8"): "CYP3A4",
    (LOINC, "81140-6"): "CYP3A5",
}
_OF_ONE_GENE: Final = {**_ACTIVITY, **_TYPING}
KINDS: Final = frozenset({_GENOTYPE, _HAPLOTYPE, _VARIANT, *_IMPLICATIONS, *_LOOKED_FOR, *_OF_ONE_GENE})
"""Codes of the Observations that are read here."""

_GENE, _DBSNP, _GENOMIC = "48018-6", "81255-2", "81290-9"
_REF, _ALT, _STATE = "69547-8", "69551-0", "53034-5"
_EFFECTS: Final = frozenset(
    {(LOINC, "53040-2"), (LOINC, "51961-1"), *((system, "predicted-therapeutic-implication") for system in _TBD)}
)
_PHENOTYPES: Final = {
    (LOINC, "LA10315-2"): "Ultrarapid metabolizer",
    (LOINC, "LA25390-8"): "Rapid metabolizer",
    (LOINC, "LA25391-6"): "Normal metabolizer",
    (LOINC, "LA10317-8"): "Intermediate metabolizer",
    (LOINC, "LA9657-3"): "Poor metabolizer",
}
_PRESENT, _ABSENT = (LOINC, "LA9633-4"), (LOINC, "LA9634-2")
_ANSWERS: Final = {
    (LOINC, "LA6576-8"): "positive",
    (LOINC, "LA6577-6"): "negative",
    (SNOMED, "10828004"): "positive",
    (SNOMED, "260373001"): "positive",
    (SNOMED, "260385009"): "negative",
    (SNOMED, "260415000"): "negative",
    _PRESENT: "positive",
    _ABSENT: "negative",
}
_BOTH, _ONE = (LOINC, "LA6705-3"), (LOINC, "LA6706-1")
_SYMBOL: Final = re.compile(r"[A-Z][A-Z0-9]{1,9}(?:-[A-Z0-9]{1,6})?")
_PLACED: Final = re.compile(r"(NC_\d{6}\.\d{1,2}):g\.(\d{1,9})([ACGT]+)>([ACGT]+)")
_RSID: Final = re.compile(r"rs\d{1,12}")
_BASES: Final = re.compile(r"[ACGT]{1,60}")

_Source = Literal["variant", "haplotype", "genotype", "phenotype"]


def read_genomic(
    resource: Object, codes: tuple[Code, ...], head: Head, when: datetime, context: Context
) -> list[GeneResult]:
    """Results of one Observation, one a gene; an empty list, with an issue, where it names no gene or says nothing."""
    allele = next((_LOOKED_FOR[one] for one in codes if one in _LOOKED_FOR), None)
    genes = _genes(resource, codes) if allele is None else [allele[0]]
    source, alleles, phenotype = _said(resource, codes)
    if allele is not None:
        phenotype = _found(resource, phenotype)
        alleles = (allele[1],) if phenotype else ()
    sites = tuple(_sites(resource)) if source == "variant" else ()
    if _GENOTYPE in codes and len(genes) > 1:  # the guide's own examples list genes beside that of the value
        genes = [one for one in genes if any(one in text.split() or text.startswith(one) for text in alleles)]
    if not genes:
        genes = [found[0] for text in alleles if (found := _SYMBOL.match(text)) is not None][:1]
    if len(genes) != 1:
        context.note(IssueCode.AMBIGUOUS_CODE if genes else IssueCode.NO_CODE, head.ref, "component")
        return []
    if not (alleles or phenotype or sites):
        context.note(IssueCode.NO_VALUE, head.ref, "value[x]")
        return []
    return [
        GeneResult(
            ref=head.ref,
            version=head.version,
            when=when,
            learned=context.learned,
            gene=genes[0],
            source=source,
            sites=sites,
            alleles=alleles,
            phenotype=phenotype,
            text=_reporter(resource),
        )
    ]


def _said(resource: Object, codes: tuple[Code, ...]) -> tuple[_Source, tuple[str, ...], str]:
    """Which kind of result, the alleles that it names, and the phenotype."""
    value = _worded(resource)
    if _VARIANT in codes:
        return "variant", (), ""
    if _GENOTYPE in codes or not _TYPING.keys().isdisjoint(codes):
        return "genotype", (value,) if value else (), ""
    if _HAPLOTYPE in codes:
        return "haplotype", (value,) if value else (), ""
    effects = [one for one in _components(resource) if not _EFFECTS.isdisjoint(codes_of(one.get("code")))]
    found = [_phenotype(one) for one in (*effects, resource)]
    return "phenotype", (), next((one for one in found if one), word(resource.get("valueString")))


def _found(resource: Object, said: str) -> str:
    """Whether an allele that was looked for is there, in one word where a code says so."""
    answers = {_ANSWERS[code] for code in codes_of(resource.get("valueCodeableConcept")) if code in _ANSWERS}
    return said if not answers else answers.pop() if len(answers) == 1 else "contradictory"


def _phenotype(source: Object) -> str:
    value = source.get("valueCodeableConcept")
    coded = next((_PHENOTYPES[code] for code in codes_of(value) if code in _PHENOTYPES), "")
    return coded or text_of(value)


def _worded(resource: Object) -> str:
    return text_of(resource.get("valueCodeableConcept")) or word(resource.get("valueString")) or _coded(resource)


def _coded(resource: Object) -> str:
    return next((code for _, code in codes_of(resource.get("valueCodeableConcept"))), "")


def _components(resource: Object) -> list[Object]:
    return objects(resource.get("component"))


def _of(resource: Object, loinc: str) -> list[Object]:
    return [one for one in _components(resource) if (LOINC, loinc) in codes_of(one.get("code"))]


def _genes(resource: Object, codes: tuple[Code, ...]) -> list[str]:
    """Symbols, or identifiers where no symbol is told; all that codes of one gene and the words beside them name."""
    of_one = dict.fromkeys(_OF_ONE_GENE[code] for code in codes if code in _OF_ONE_GENE)
    said = " ".join(words_of(resource.get("code"))) if of_one else ""
    found = of_one | dict.fromkeys(one for one in _OF_ONE_GENE.values() if re.search(rf"\b{one}\b", said))
    for one in _of(resource, _GENE):
        concept = one.get("valueCodeableConcept")
        symbol = _SYMBOL.fullmatch(text_of(concept))
        coded = next((code for _, code in codes_of(concept)), "")
        name = symbol[0] if symbol else "" if of_one else coded
        if name:
            found[name] = None
    return list(found)


def _sites(resource: Object) -> Iterator[Site]:
    """The place of a variant, if it is told so that it cannot be mistaken, and the bases of the two copies."""
    texts = [_worded(one) for code in (_GENOMIC, _DBSNP) for one in _of(resource, code)]
    placed = next((found for text in texts if (found := _PLACED.fullmatch(text)) is not None), None)
    rsid = next((found[0] for text in texts if (found := _RSID.fullmatch(text)) is not None), "")
    ref, alt = (_bases(resource, code) for code in (_REF, _ALT))
    if placed is not None:
        ref, alt = placed[3], placed[4]
    place = f"{placed[1]}:{placed[2]}" if placed is not None else rsid
    if place:
        yield Site(place=place, ref=ref, alleles=_copies(resource, ref, alt))


def _bases(resource: Object, code: str) -> str:
    texts = (_worded(one) for one in _of(resource, code))
    return next((text for text in texts if _BASES.fullmatch(text)), "")


def _copies(resource: Object, ref: str, alt: str) -> tuple[str, ...]:
    """The two copies; none where the variant was not called, or it is not told on how many copies it is."""
    value = codes_of(resource.get("valueCodeableConcept"))
    states = [code for one in _of(resource, _STATE) for code in codes_of(one.get("valueCodeableConcept"))]
    if _ABSENT in value:
        return (ref, ref) if ref else ()
    if _PRESENT not in value or not (ref and alt):
        return ()
    if _BOTH in states and _ONE not in states:
        return (alt, alt)
    return (ref, alt) if _ONE in states and _BOTH not in states else ()


def _reporter(resource: Object) -> str:
    performers = objects(resource.get("performer"))
    return next((name for one in performers if (name := word(one.get("display")))), "")
