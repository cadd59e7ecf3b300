"""What checks of an order find, what they cannot be made for, and the order with its patient that they look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cds_app.domain.facts import Fact, Medication
from cds_app.domain.sentences import Said, Sentence
from cds_app.mitigate.check import Check
from cds_app.mitigate.conditions import View
from cds_app.score.situation import Situation

UNCHECKED_TIER: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check found.

    Parameters
    ----------
    check : Check
    tier : int
        1 information, 2 act before signing, 3 dangerous.
    why : Said
        One sentence of ours.
    evidence : tuple of Fact
        What it rests on, the most telling first.
    beside : tuple of Medication
        Other drugs that it is about, taken or drafted.
    figure : Sentence, optional
        What matters most in few words: an amount that was computed with its limit, or dialysis.
    """

    check: Check
    tier: int
    why: Said
    evidence: tuple[Fact, ...] = ()
    beside: tuple[Medication, ...] = ()
    figure: Sentence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchecked:
    """A check that could not be made, what was lacking, and whether a card must say so.

    ``words`` are those of the record that were not understood.
    """

    check: Check
    lacking: Sentence
    said: bool
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One order after all checks.

    Parameters
    ----------
    order : Medication
    drug : str
        The ontology's most specific concept for it.
    draft : bool
        Whether it is a draft, or an order that is active already.
    findings : tuple of Finding
        Worst first, then those whose source was verified, then those with a figure, then in the order of the content.
    unchecked : tuple of Unchecked
    """

    order: Medication
    drug: str
    draft: bool
    findings: tuple[Finding, ...] = ()
    unchecked: tuple[Unchecked, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One order under check, the patient, the drafts beside it, and the orders in whose place drafts are."""

    order: Medication
    heads: frozenset[str]
    view: View
    drafts: tuple[Medication, ...]
    replaced: frozenset[str] = frozenset()

    @property
    def situation(self) -> Situation:
        return self.view.situation

    def is_one_of(self, concepts: Sequence[str]) -> bool:
        return not frozenset(concepts).isdisjoint(self.order.concepts)

    def others(self, concept: str, within_h: float) -> tuple[Medication, ...]:
        """What else is taken of a drug or class: not this order itself, which an EHR may list as active.

        Nor what a draft stands in the place of.
        """
        found = self.situation.medications(concept, within_h)
        return tuple(one for one in found if one.ref != self.order.ref and one.ref not in self.replaced)

    def is_spare(self, head: str, spare: Sequence[str]) -> bool:
        """Whether a check is not about one of the drugs in the order."""
        return not frozenset(spare).isdisjoint(self.situation.ontology.with_parents(head))

    def label(self, concept: str) -> str:
        return self.situation.ontology.concepts[concept].label


Outcome = Iterator[Finding | Unchecked]
