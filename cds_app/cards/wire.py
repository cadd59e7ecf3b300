"""The CDS Hooks wire format: a draft card as canonical JSON.

CDS Hooks 2.0, "CDS Service Response". No null, no empty value, every uuid there, one action per suggestion (Epic
accepts no more), and the visible text also in the action's description (the only text Epic shows).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from cds_app.cards.definition import ServiceDefinition
from cds_app.mitigate.options import Option

SUMMARY_LIMIT = 139
TOPIC_SYSTEM = "urn:twinline:topic"
EXPLANATION = "com.twinline.explanation"
SOURCE = "Twinline"
LINK = "Open twin: why, trend, options"
_STRICT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a clinician may accept: what it says, and the FHIR resource it would create or the draft it would remove.

    Only a draft of the very call may be removed, never an order that stands.
    """

    text: str
    resource: Mapping[str, Any] | None = None
    removes: str = ""

    def __post_init__(self) -> None:
        """Refuse what would do both, or nothing."""
        if (self.resource is None) == (not self.removes):
            raise ValueError("a proposal creates a resource or removes a draft")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A card before the wire.

    Parameters
    ----------
    topic, title : str
        Stable topic key, and its name for readers.
    tier : int
        0 information to 3 critical.
    summary : str
        One plain sentence, at most 139 characters.
    detail : str
        GitHub-flavoured markdown, everything foreign inert.
    proposals : tuple of Proposal
    options : tuple of Option
        All that the catalogue offers, whether the detail has room for them or not.
    explanation : mapping
        The same for machines: numbers, reasons, versions.
    """

    topic: str
    title: str
    tier: int
    summary: str
    detail: str
    proposals: tuple[Proposal, ...]
    explanation: Mapping[str, Any]
    options: tuple[Option, ...] = ()


def to_card(draft: Draft, service: ServiceDefinition, card_id: str, *, launch_url: str = "") -> dict[str, Any]:
    """The card as CDS Hooks wants it. Ids of suggestions follow from the card's.

    Parameters
    ----------
    launch_url : str
        Where the sidebar is launched; the card's id goes with it, and nothing of the patient. "" for no link.
    """
    card: dict[str, Any] = {
        "uuid": card_id,
        "summary": _fit(draft.summary),
        "detail": draft.detail,
        "indicator": service.policy.indicators[draft.tier],
        "source": {
            "label": SOURCE,
            "topic": {"code": topic_code(draft.topic), "system": TOPIC_SYSTEM, "display": draft.title},
        },
        "overrideReasons": [
            {"code": one.code, "system": one.system, "display": one.display} for one in service.override_reasons
        ],
        "extension": {EXPLANATION: draft.explanation},
    }
    if launch_url:
        card["links"] = [{"label": LINK, "url": launch_url, "type": "smart", "appContext": card_id}]
    if draft.proposals:
        card["suggestions"] = [_suggestion(one, card_id, at) for at, one in enumerate(draft.proposals)]
        card["selectionBehavior"] = "any"
    return card


def topic_code(topic: str) -> str:
    """A topic key as letters and digits only: some EHRs accept nothing else and key their suppression on it."""
    first, *rest = topic.replace("-", "_").split("_")
    return first + "".join(part.capitalize() for part in rest)


def wire_json(value: object) -> bytes:
    """JSON as it goes over the wire and into the log: bytes that depend on the content alone.

    Raises
    ------
    ValueError
        If it holds a number that is none: msgspec would write null.
    """
    text = _QUICK.encode(value)
    return text if b"null" not in text else _STRICT.encode(value).encode()


def _as_text(value: object) -> str:
    if isinstance(value, str):  # a subclass
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


_QUICK = msgspec.json.Encoder(order="sorted", enc_hook=_as_text)


def _suggestion(proposal: Proposal, card_id: str, index: int) -> dict[str, Any]:
    action: dict[str, Any] = {"type": "create", "description": proposal.text, "resource": proposal.resource}
    if proposal.removes:
        action = {"type": "delete", "description": proposal.text, "resourceId": proposal.removes}
    name = str(uuid.uuid5(uuid.UUID(card_id), f"suggestion-{index}"))
    return {"label": proposal.text, "uuid": name, "actions": [action]}


def _fit(summary: str) -> str:
    return summary if len(summary) <= SUMMARY_LIMIT else summary[: SUMMARY_LIMIT - 1] + "…"


def longest(texts: Iterator[str]) -> str:
    """The first of texts, longest first, that fits a summary; the last where none does."""
    text = ""
    for text in texts:
        if len(text) <= SUMMARY_LIMIT:
            break
    return text
