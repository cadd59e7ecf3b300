"""A draft of imaging for which iodinated contrast is given is a draft of that drug, too.

Who orders a CT with contrast writes no MedicationRequest: the name of the study says it, or its code. A CT says whether
contrast is given; an angiogram needs none to be told, unless it is one by magnetic resonance, which uses another agent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from cds_app.domain.facts import Medication, Procedure
from cds_app.domain.ontology import Ontology
from cds_app.fabric.codes import words_of
from cds_app.fabric.shapes import Object, objects

AGENT: Final = "iodinated_contrast"
STUDY: Final = "contrast_imaging"
_MOST: Final = 10
_OTHER_AGENT: Final = re.compile(r"\b(?:mri?|mra|mrv|mrcp|magnetic|ultrasound|sonograph\w*|us|nuclear|scintigra\w*)\b")
_BY_NAME: Final = re.compile(r"\b(?:cta|ctpa|angio(?:gra\w*)?|arteriogra\w*|venogra\w*)\b")
_TOMOGRAPHY: Final = re.compile(r"\b(?:ct|cat scan|comput(?:ed|er) tomogra\w*|computerized tomogra\w*)\b")
_OF_THE_GUT: Final = re.compile(r"\b(?:oral|rectal|enteric|enteral|po)(?: (?:and|or) (?:oral|rectal))? contrast\b")
_WITHOUT: Final = re.compile(r"\b(?:without|w/?o|no|non)\b(?:[ -]+(?:any|iv|intravenous|iodinated))*[ -]+contrast\b")
_BOTH: Final = re.compile(
    r"\b(?:without|w/?o)\b[^.;]*?(?:\band|&|\+|/)\s*(?:with|w)\b|\bw/wo\b|\bwith\s*(?:and|&|/)\s*without\b"
)
_CONTRAST: Final = re.compile(r"\bcontrast\b|\bcontrast-enhanced\b|\bcect\b")


def gives_contrast(text: str) -> bool:
    """Whether the name of a study says that iodinated contrast is given into a vessel."""
    said = " ".join(text.lower().split())
    if _OTHER_AGENT.search(said):
        return False
    if _BY_NAME.search(said):
        return True
    if not _TOMOGRAPHY.search(said) and "cect" not in said.split():
        return False
    left = said if _BOTH.search(said) else _WITHOUT.sub(" ", said)
    return _CONTRAST.search(_OF_THE_GUT.sub(" ", left)) is not None


def contrast_orders(drafted: Iterable[tuple[Procedure, Object]], ontology: Ontology) -> Iterator[Medication]:
    """Of each draft of a study with contrast, that of the agent, under the same reference.

    Parameters
    ----------
    drafted : iterable of (Procedure, Object)
        What was read of a ServiceRequest, and the resource.
    """
    if AGENT not in ontology.concepts:
        return
    for one, resource in drafted:
        said = [resource.get("code"), *objects(resource.get("orderDetail"))[:_MOST]]
        words = (text for concept in said for text in islice(words_of(concept), _MOST))
        if STUDY in one.concepts or any(map(gives_contrast, words)):
            yield Medication(
                ref=one.ref,
                version=one.version,
                when=one.when,
                learned=one.learned,
                source="request",
                status=one.status,
                intent="order",
                concepts=ontology.with_parents(AGENT),
                codes=one.codes,
                text=one.text,
            )
