"""What people read, before it is in words: which sentence of a template, and what fills its gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Name = Literal[
    # of gates
    "allergy", "allergy_class", "allergy_cross", "allergy_unread", "already", "drafted_already", "filtered",
    "lacking_none", "lacking_old", "not_if", "not_known_to_apply", "pregnancy", "pregnancy_unknown",
    "pregnancy_weighed", "renal_changing", "renal_low", "renal_therapy", "renal_therapy_doses", "renal_unknown",
    "taken", "weight_unknown",
    # of checks of an order
    "adults_only", "allergy_belongs", "at_once", "at_once_figure", "clearance", "creatinine_bound", "daily",
    "daily_figure", "daily_in_renal", "daily_in_renal_figure", "daily_per_kg", "daily_per_kg_figure", "dose_from_order",
    "dose_most", "dose_per_kg", "duplicate", "egfr", "estimates_of_adults", "figure_and_why", "figure_most_and_why",
    "figure_unit_and_why", "gene_allele_unclear", "gene_carried", "gene_unclear", "gene_untested", "interaction",
    "interval", "lacking_for", "no_age", "no_creatinine_days", "no_creatinine_hours", "no_daily", "no_other_daily",
    "no_sex", "no_speed", "no_weight", "no_weight_for_clearance", "rate", "renal_therapy_figure", "several_doses",
    "strength", "unread_recorded", "why_and_found",
    # of scores
    "proviso_scale_1", "proviso_scale_2", "proviso_sodium", "proviso_weight",
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
Gap = Said | bool | tuple[Said, ...]


def sentence(name: Name, /, **gaps: Gap) -> Sentence:
    """A sentence by its name, with what fills its gaps."""
    return Sentence(name, tuple(gaps.items()))
