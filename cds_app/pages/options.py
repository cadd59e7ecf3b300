"""Options for what concerns the patient: those that passed their gates, and those held back, with the reasons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment

from cds_app.cards.detail import in_words
from cds_app.cards.material import Advice, Material
from cds_app.cards.text import Trusted, capital
from cds_app.mitigate.catalogue import Guideline
from cds_app.mitigate.gates import Refusal
from cds_app.mitigate.options import Option

_GATES: Mapping[str, str] = {
    "allergy": "Allergy",
    "contraindicated": "Contraindicated",
    "renal": "Kidney function",
    "pregnancy": "Pregnancy",
    "weight": "Weight",
    "already": "Ordered or done already",
    "duplicate": "Offered above",
    "requires": "Not known whether it applies",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionLine:
    """One thing to consider.

    Parameters
    ----------
    id, text : str
        In the catalogue.
    guideline, strength : str
        Who recommends it, how strongly.
    needs_review : bool
        No clinician has confirmed the statement yet.
    cautions : tuple of str
    draft : str
        What would be written into the EHR as a draft; "" where there is no verified code for one.
    """

    id: str
    text: str
    guideline: str
    strength: str
    needs_review: bool
    cautions: tuple[str, ...]
    draft: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedLine:
    """One option that was held back: by which gate, and why."""

    text: str
    gate: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcernLine:
    """A topic that concerns the patient, with its options.

    Parameters
    ----------
    tier : int
        1 information, 2 act today, 3 act now.
    word, summary : str
        The tier's word, and the sentence a card would carry, without title and word where it begins with them.
    """

    topic: str
    title: str
    tier: int
    word: str
    summary: str
    guideline: str
    offered: tuple[OptionLine, ...]
    refused: tuple[RefusedLine, ...]


def advices(material: Material, topics: Sequence[str]) -> tuple[Advice, ...]:
    """Every concern with its options, in the order of ``topics``. What one offers, the next does not offer again."""
    by_topic = {one.topic: one for one in material.concerns}
    offered: list[Option] = []
    found = []
    for topic in topics:
        if topic in by_topic:
            found.append(material.advise(by_topic[topic], tuple(offered)))
            offered.extend(found[-1].offered)
    return tuple(found)


def concern_lines(
    advised: Sequence[Advice], summaries: Mapping[str, str], templates: Environment
) -> tuple[ConcernLine, ...]:
    """Concerns for the page; ``summaries`` are the sentences of their cards, by topic, and ``templates`` those too."""
    return tuple(_concern(one, summaries.get(one.concern.topic, ""), templates) for one in advised)


def _concern(advice: Advice, summary: str, templates: Environment) -> ConcernLine:
    concern = advice.concern
    return ConcernLine(
        topic=concern.topic,
        title=concern.title,
        tier=concern.tier,
        word=concern.tier_word,
        summary=_said(summary, f"{concern.title}, {concern.tier_word}: "),
        guideline=guideline_text(advice.topic.guideline),
        offered=tuple(_offered(one, templates) for one in advice.offered),
        refused=tuple(_refused(advice, templates)),
    )


def _said(summary: str, beginning: str) -> str:
    rest = summary.removeprefix(beginning)
    return rest if rest[1:2].isupper() else capital(rest)  # pH is never PH


def _offered(option: Option, templates: Environment) -> OptionLine:
    return OptionLine(
        id=option.id,
        text=option.text,
        guideline=guideline_text(option.guideline),
        strength=option.strength,
        needs_review=option.needs_review,
        cautions=tuple(in_words(one.said, templates) for one in option.cautions),
        draft=draft_text(option.resource),
    )


def _refused(advice: Advice, templates: Environment) -> Iterator[RefusedLine]:
    """One line an option, with every gate that held it back."""
    by_option: dict[str, list[Refusal]] = {}
    for one in advice.refused:
        by_option.setdefault(one.option, []).append(one)
    texts = {entry.id: entry.text for entry in advice.topic.options}
    for option, stops in by_option.items():
        gates = dict.fromkeys(_GATES[one.gate] for one in stops)
        why = " ".join(in_words(one.reason, templates) for one in stops)
        yield RefusedLine(text=texts[option], gate=", ".join(gates), why=why)


def guideline_text(guideline: Guideline) -> Trusted:
    """Who recommends, when, where in the text."""
    return Trusted(guideline.place(" "))


def draft_text(resource: Mapping[str, Any] | None) -> str:
    """A draft in a few words: its kind and what it is for."""
    if resource is None:
        return ""
    kind = "Medication" if resource["resourceType"] == "MedicationRequest" else "Order"
    code: Mapping[str, Any] = resource.get("medicationCodeableConcept") or resource.get("code") or {}
    return f"{kind} draft: {code.get('text', '')}"
