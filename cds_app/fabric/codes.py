"""CodeableConcepts as (system, code) pairs, and what the ontology makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any, Final

import msgspec

from cds_app.domain.facts import Code
from cds_app.domain.ontology import Ontology
from cds_app.fabric.shapes import MAX_TEXT, as_object, objects, word

MAX_CODINGS: Final = 32

LOINC: Final = "http://loinc.org"
SNOMED: Final = "http://snomed.info/sct"
RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
ICD10: Final = "http://hl7.org/fhir/sid/icd-10"
ICD10CM: Final = "http://hl7.org/fhir/sid/icd-10-cm"
ICD9CM: Final = "http://hl7.org/fhir/sid/icd-9-cm"
ATC: Final = "http://www.whocc.no/atc"
YJ: Final = "http://capstandard.jp/iyaku.info/CodeSystem/YJ-code"

_SYSTEMS: Final = {
    "urn:oid:2.16.840.1.113883.6.1": LOINC,
    "urn:oid:2.16.840.1.113883.6.96": SNOMED,
    "urn:oid:2.16.840.1.113883.6.88": RXNORM,
    "urn:oid:2.16.840.1.113883.6.3": ICD10,
    "urn:oid:2.16.840.1.113883.6.90": ICD10CM,
    "urn:oid:2.16.840.1.113883.6.103": ICD9CM,
    "urn:oid:2.16.840.1.113883.6.73": ATC,
    "urn:oid:1.2.392.100495.20.1.73": YJ,
    "urn:oid:1.2.392.100495.20.2.73": YJ,
}
_PLAIN: Final[Mapping[str, str]] = {
    url.removeprefix("http://").removeprefix("www.").lower(): url
    for url in (LOINC, SNOMED, RXNORM, ICD10, ICD10CM, ICD9CM, ATC, YJ)
}
_FILED_AS: Final = {
    "http://fhir.de/CodeSystem/bfarm/icd-10-gm": ICD10,
    "http://fhir.de/CodeSystem/dimdi/icd-10-gm": ICD10,
    "http://hl7.org/fhir/sid/icd-10-nl": ICD10,
    "urn:oid:2.16.840.1.113883.6.3.2": ICD10,
    "http://hl7.org/fhir/sid/icd-10-am": ICD10,
    "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/ICD10-2013-full": ICD10,
    "http://www.saude.gov.br/fhir/r4/CodeSystem/BRCID10": ICD10,
    "https://terminologia.saude.gov.br/fhir/CodeSystem/BRCID10": ICD10,
    "http://fhir.de/CodeSystem/bfarm/atc": ATC,
    "http://fhir.de/CodeSystem/dimdi/atc": ATC,
    "urn:oid:1.2.392.100495.20.2.72": YJ,
    "urn:oid:1.2.392.100495.20.1.81": YJ,
    "urn:oid:1.2.392.100495.20.2.81": YJ,
    "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/MedicationGeneralOrderCode": YJ,
    "http://jpfhir.jp/fhir/core/CodeSystem/JP_JfagyMedicationAllergen_CS": YJ,
}
"""National modifications whose categories are those of another classification; codes of Japan that begin as YJ's do."""
_INGREDIENT_OF_YJ: Final = 7
"""Characters that name class, ingredient and way in; what follows is form, strength and brand."""
_GROUPS_OF_ATC: Final = (5, 4, 3)
"""Lengths of codes of its subgroups, the narrowest first; the whole code of a substance has 7."""
_CLASSIFICATIONS: Final = frozenset({ICD10, ICD10CM, ICD9CM})
_SHORTEST_CATEGORY: Final = 3


_Short = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]


class Coding(msgspec.Struct, frozen=True, gc=False):
    """A code as it comes in nearly all: with its system, and not too long to be remembered."""

    code: _Short
    system: _Short


def codes_of(concept: object) -> tuple[Code, ...]:
    """Codings of a CodeableConcept (or of one bare Coding) as sent, systems as URLs, at most 32."""
    if not isinstance(concept, dict):
        return ()
    codings = concept.get("coding")
    found = codings[:MAX_CODINGS] if isinstance(codings, list) else (codings or concept,)
    return tuple([_code(one) for one in found if isinstance(one, dict) and isinstance(one.get("code"), str)])


def _code(coding: dict[str, Any]) -> Code:
    system = coding.get("system")
    return code_of(system if isinstance(system, str) else "", coding["code"])


def code_of(system: str, code: str) -> Code:
    """A code as sent, its system as URL."""
    return (_remembered if len(system) + len(code) <= MAX_TEXT else _spelled)(system, code)


def _spelled(system: str, code: str) -> Code:
    system = word(system).strip()
    return _SYSTEMS.get(system) or _as_url(system), word(code).strip()


def _as_url(system: str) -> str:
    """A system as sent, or as the standard writes its URL where only scheme, ``www.``, case or a last slash differ."""
    plain = system.lower().removeprefix("https://").removeprefix("http://").removeprefix("www.").rstrip("/")
    return _PLAIN.get(plain, system) if "://" in system else system


_remembered: Final = lru_cache(maxsize=4096)(_spelled)  # one tuple for all facts of one code


def text_of(concept: object) -> str:
    """What a CodeableConcept says in words: its text, else the first display."""
    return next(words_of(concept), "")


def words_of(concept: object) -> Iterator[str]:
    """Everything that a CodeableConcept, or one bare Coding, says in words: its text, then every display."""
    found = as_object(concept)
    if found is not None:
        displays = (one.get("display") for one in (*objects(found.get("coding")), found))
        yield from filter(None, map(word, (found.get("text"), *displays)))


def status_of(value: object) -> str:
    """A status that R4 codes as a CodeableConcept and older releases as a plain code."""
    if isinstance(value, str):
        return word(value)
    return next((code for _, code in codes_of(value)), "")


def concepts_of(codes: tuple[Code, ...], ontology: Ontology) -> tuple[str, ...]:
    """Concepts that the codes name, most specific first.

    Notes
    -----
    ICD is a classification: whatever is filed under I48.91 is filed under I48. A code that the ontology lists only
    by its category is therefore found through the category. ATC groups by use as well as by kind, so that what the
    ontology lists is only that, and anything else what the narrowest group above it that is listed says.
    """
    codes = tuple([_filed(*code) for code in codes])
    direct = ontology.concepts_of(codes)
    wider = ontology.concepts_of([above for code in codes if code[0] in _CLASSIFICATIONS for above in _above(code)])
    grouped = [key for system, code in codes if system == ATC for key in _grouped(code.upper(), ontology)]
    return tuple(dict.fromkeys((*direct, *wider, *grouped)))


def _filed(system: str, code: str) -> Code:
    """A code as the ontology lists it: of a national form the classification, of a product of Japan the ingredient."""
    system = _FILED_AS.get(system, system)
    return system, code[:_INGREDIENT_OF_YJ] if system == YJ else code


def _grouped(code: str, ontology: Ontology) -> tuple[str, ...]:
    found = (ontology.concepts_of([(ATC, code[:length])]) for length in (len(code), *_GROUPS_OF_ATC))
    return next(filter(None, found), ())


def _above(code: Code) -> list[Code]:
    system, text = code
    plain = text.replace(".", "").upper()
    stem = _SHORTEST_CATEGORY + (system == ICD9CM and plain.startswith("E"))
    lengths = range(len(plain), stem - 1, -1)
    return [(system, plain[:stem] + ("." + plain[stem:end] if end > stem else "")) for end in lengths]
