"""Names in free text, where no code said anything: of drugs anywhere in it, of other things only as all of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, get_args

from cds_app.domain.ontology import Ontology
from cds_app.domain.taking import Element

_WORD: Final = re.compile(r"[^\W_]+")
_POINTED: Final = re.compile(r"[-\u2010-\u2013,.;:()\[\]/]")
_APOSTROPHE: Final = re.compile(r"['\u2019]")
_KIND_OF_THING: Final = re.compile(r"\s\((?:disorder|finding|procedure|situation|event)\)\s*\Z")
DRUG_KINDS: Final = ("drug", "drug-class")

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Names of concepts as sequences of words.

    Parameters
    ----------
    keys : mapping of tuple of str to tuple of str
        Words of a name, lower case, to the concepts that bear it.
    longest : int
        Words in the longest name.
    """

    keys: Mapping[Words, tuple[str, ...]]
    longest: int

    def found_in(self, text: str) -> tuple[str, ...]:
        """Concept keys whose name stands in the text, in the order of the text; a longer name hides those inside it."""
        words = words_in(text)
        found: list[str] = []
        at = 0
        while at < len(words):
            name = next((name for name in self._starting(words, at) if name in self.keys), ())
            found.extend(self.keys.get(name, ()))
            at += len(name) or 1
        return tuple(dict.fromkeys(found))

    def _starting(self, words: Words, at: int) -> Iterator[Words]:
        return (words[at:end] for end in range(min(at + self.longest, len(words)), at, -1))


def names_of(ontology: Ontology) -> Names:
    """The drug names of an ontology."""
    keys: dict[Words, tuple[str, ...]] = {}
    for concept in ontology.concepts.values():
        if concept.kind in DRUG_KINDS:
            for words in filter(None, map(words_in, concept.names)):
                keys[words] = (*keys.get(words, ()), concept.key)
    return Names(keys=keys, longest=max(map(len, keys), default=0))


def kind_names_of(ontology: Ontology) -> Mapping[Element, Names]:
    """By element, the names of the kinds that it may name."""
    return {element: _kind_names(ontology, element) for element in get_args(Element)}


def _kind_names(ontology: Ontology, element: Element) -> Names:
    kinds = [one for one in ontology.kinds.values() if one.element == element]
    keys = {words_in(name): (one.key,) for one in kinds for name in one.names}
    return Names(keys=keys, longest=max(map(len, keys), default=0))


def titles_of(ontology: Ontology) -> Mapping[tuple[str, str], str]:
    """By kind and `title`, the concept that bears a label or name; none where two do."""
    found: dict[tuple[str, str], str] = {}
    for concept in ontology.concepts.values():
        for said in dict.fromkeys(map(title, (concept.label, *concept.names))):
            found[concept.kind, said] = "" if (concept.kind, said) in found else concept.key
    return {said: key for said, key in found.items() if key}


def title(text: str) -> str:
    """A name as it is compared: case, spaces, punctuation and British or American spelling apart.

    Words count, and so does a question mark: "Sepsis?", "no sepsis" and "sepsis, ruled out" are not "sepsis". What
    SNOMED CT puts behind a name to say what kind of thing it is does not: "Anaemia (disorder)".
    """
    plain = _KIND_OF_THING.sub("", text.casefold())
    words = " ".join(_POINTED.sub(" ", _APOSTROPHE.sub("", plain)).split())
    return words.replace("ae", "e").replace("oe", "e")


def words_in(text: str) -> Words:
    """The words of a text, lower case."""
    return tuple(_WORD.findall(text.lower()))
