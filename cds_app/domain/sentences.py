"""What people read, before it is in words: which sentence of a template, and what fills its gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Name = Literal[
    # gates
    "allergy", "allergy_class", "allergy_cross", "allergy_unread",
    "already", "drafted_already",
    "filtered", "lacking_none", "lacking_old", "not_if", "not_known_to_apply",
    "pregnancy", "pregnancy_unknown", "pregnancy_weighed",
    "renal_changing", "renal_low", "renal_therapy", "renal_therapy_doses", "renal_unknown",
    "taken", "weight_unknown",
]  # fmt: skip
"""Of the macros of ``templates/cards/sentences.j2``."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, or a part of one.

    Parameters
    ----------
    name : str
    gaps : tuple of (str, Gap)
        By the names that the template has for them. Text is ours: labels, numbers, words of the content.
    """

    name: Name
    gaps: tuple[tuple[str, Gap], ...]


Said = str | Sentence
"""A sentence as the content has it, or one of a template."""
Gap = Said | tuple[Said, ...]


def sentence(name: Name, /, **gaps: Gap) -> Sentence:
    """A sentence by its name, with what fills its gaps."""
    return Sentence(name, tuple(gaps.items()))
