"""How a recorded allergy speaks about a drug: by name, through a class, or through a class they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cds_app.domain.facts import Allergy
from cds_app.domain.ontology import Ontology

Relation = Literal["named", "class", "member", "cross"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AllergyMatch:
    """A recorded allergy that speaks about a drug.

    Parameters
    ----------
    allergy : Allergy
        The record.
    relation : {"named", "class", "member", "cross"}
        The drug (or class) asked for; a class that it belongs to; a member of the class asked for; another member of
        a class they share.
    via : tuple of str
        The concepts that join them, most specific first.
    """

    allergy: Allergy
    relation: Relation
    via: tuple[str, ...]


def most_specific(concepts: Sequence[str], ontology: Ontology) -> frozenset[str]:
    """Those concepts that are not merely a class of another one among them; unknown ones left out."""
    return ontology.heads(concepts)


def named_most(concepts: Sequence[str], ontology: Ontology) -> tuple[str, ...]:
    """The same in the order in which they stand: what a record names, the drugs of a mixture each."""
    heads = most_specific(concepts, ontology)
    return tuple(key for key in concepts if key in heads)


def match(allergy: Allergy, heads: frozenset[str], kinds: Sequence[str]) -> AllergyMatch | None:
    """Whether and how an allergy concerns a drug.

    Parameters
    ----------
    allergy : Allergy
        The record, with all classes of what it names among its concepts.
    heads : frozenset of str
        What it names most specifically.
    kinds : sequence of str
        The drug and every class it belongs to, the drug first.

    Returns
    -------
    AllergyMatch or None
        For piperacillin: ``class`` when penicillins are recorded, ``cross`` when amoxicillin is; for penicillins:
        ``member`` when amoxicillin is. Whether a shared class means cross-reactivity is not decided here: ``via``
        names it.
    """
    if kinds[0] in heads:
        return AllergyMatch(allergy=allergy, relation="named", via=(kinds[0],))
    above = tuple(key for key in kinds if key in heads)
    if above:
        return AllergyMatch(allergy=allergy, relation="class", via=above)
    if kinds[0] in allergy.concepts:
        return AllergyMatch(allergy=allergy, relation="member", via=(kinds[0],))
    shared = tuple(key for key in kinds if key in allergy.concepts)
    return AllergyMatch(allergy=allergy, relation="cross", via=shared) if shared else None
