"""Drug names in free text: whole words only, and only where no code said anything."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cds_app.domain.ontology import Ontology

_WORD: Final = re.compile(r"[^\W_]+")
_DRUG_KINDS: Final = ("drug", "drug-class")

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Names of drug concepts as sequences of words.

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
        words = _words(text)
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
        if concept.kind in _DRUG_KINDS:
            for words in filter(None, map(_words, concept.names)):
                keys[words] = (*keys.get(words, ()), concept.key)
    return Names(keys=keys, longest=max(map(len, keys), default=0))


def _words(text: str) -> Words:
    return tuple(_WORD.findall(text.lower()))
