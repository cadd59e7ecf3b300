"""``Observation.specimen``, ``bodySite`` and ``method``, and comments that name a specimen and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from cds_app.domain.ontology import Variable
from cds_app.domain.taking import Element, Kind
from cds_app.fabric.codes import codes_of, text_of, words_of
from cds_app.fabric.context import Context
from cds_app.fabric.references import reference_text
from cds_app.fabric.shapes import Object, objects, word

SPECIMEN: Final = "Specimen"
ELEMENTS: Final = frozenset({"specimen", "bodySite", "method"})
"""Elements that may name a kind."""
_VITAL_SIGNS: Final = "vital-signs"
MOST: Final = 10
"""Of each element, where FHIR has one, and words of each."""
_PLACES: Final[tuple[Element, ...]] = ("bodySite", "method")
_CLAUSE: Final = re.compile(r"[.,;:]|\s-\s")


def filed(variable: Variable, resource: dict[str, Any], context: Context) -> Variable:
    """What a variable's codes mean where the resource is filed: among the vital signs no specimen was taken."""
    if not variable.as_vital_sign or SPECIMEN.lower() in resource:
        return variable
    categories = (code for one in objects(resource.get("category")) for _, code in codes_of(one))
    return context.lexicon.vital(variable) if _VITAL_SIGNS in categories else variable


def kinds_of(resource: dict[str, Any], context: Context) -> tuple[Kind, ...]:
    """Every kind that an Observation is said to be of; what is not known here is none.

    A specimen whose resource is not at hand has at most its display: that no more is known of it is the rule in calls.
    """
    if ELEMENTS.isdisjoint(resource):
        return ()
    found = dict.fromkeys(_specimens(resource, context))
    for element in _PLACES:
        for one in objects(resource.get(element))[:MOST]:
            found |= dict.fromkeys(_named(element, one, context))
    return tuple(found)


def kinds_in(comment: str, context: Context) -> tuple[Kind, ...]:
    """Specimens that a part of a comment names and says no more (``NO CALLS MADE - NOT ARTERIAL BLOOD.``)."""
    return tuple(kind for part in _CLAUSE.split(comment) for kind in context.lexicon.named_specimen(part))


def conditions_of(resource: Object, context: Context) -> Iterator[str]:
    """In which state its specimens came ("haemolysed")."""
    for reference in objects(resource.get("specimen"))[:MOST]:
        for one in objects((_specimen(reference, resource, context) or {}).get("condition")):
            yield word(text_of(one))


def _specimens(resource: dict[str, Any], context: Context) -> Iterator[Kind]:
    for reference in objects(resource.get("specimen"))[:MOST]:
        made_of = (_specimen(reference, resource, context) or {}).get("type")
        found = _named("specimen", made_of, context) if made_of else ()
        yield from found or context.lexicon.kinds("specimen", (), word(reference.get("display")))


def _named(element: Element, concept: object, context: Context) -> tuple[Kind, ...]:
    """By its codes, else by anything that it says in words."""
    codes = codes_of(concept)
    known = context.lexicon.kinds(element, codes, "") if codes else ()
    return known or context.lexicon.kinds(element, (), " ".join(islice(words_of(concept), MOST)))


def _specimen(reference: Object, resource: dict[str, Any], context: Context) -> Object | None:
    if SPECIMEN not in context.references.types and not reference_text(reference).startswith("#"):
        return None
    found = context.references.target(reference, resource)
    if found is None or found.get("resourceType") != SPECIMEN or found.get("status") == "entered-in-error":
        return None
    return found
