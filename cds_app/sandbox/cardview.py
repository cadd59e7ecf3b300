"""A card as a page shows it: every field there, whatever the service left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cds_app.sandbox.screen import Outcome, Shown

_TIERS = ("critical", "warning", "info")

Openings = Callable[[Mapping[str, Any], int], str]


def _nowhere(_link: Mapping[str, Any], _at: int) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Text, and where it leads; nowhere when a page may not link there."""

    label: str
    url: str
    opens_app: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Something to pick: its id or code, and its words."""

    id: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CardView:
    """A card on the screen.

    Parameters
    ----------
    tier : str
        ``critical``, ``warning`` or ``info``, also for indicators that CDS Hooks does not know.
    summary, detail : str
        Text, and markdown.
    links : tuple of Link
    suggestions : tuple of Choice
        Those that can still be accepted.
    reasons : tuple of Choice
        For overriding.
    outcomes : tuple of Outcome
    """

    key: str
    tier: str
    summary: str
    detail: str
    source: Link
    topic: str
    links: tuple[Link, ...]
    suggestions: tuple[Choice, ...]
    reasons: tuple[Choice, ...]
    outcomes: tuple[Outcome, ...]

    @property
    def closed(self) -> bool:
        """Whether it was set aside."""
        return any(one.closed for one in self.outcomes)


def card_view(shown: Shown, outcomes: Sequence[Outcome], openings: Openings = _nowhere) -> CardView:
    """Read a card as it came.

    Parameters
    ----------
    outcomes : sequence of Outcome
    openings : callable
        From a link of the card, and its place among them, to where it opens an app; "" for nowhere.
    """
    card = shown.card
    tier = _text(card, "indicator")
    source = _object(card.get("source"))
    topic = _object(source.get("topic"))
    taken = {one.suggestion for one in outcomes}
    return CardView(
        key=shown.key,
        tier=tier if tier in _TIERS else "info",
        summary=_text(card, "summary"),
        detail=_text(card, "detail"),
        source=Link(label=_text(source, "label") or "(not named)", url=_webpage(_text(source, "url"))),
        topic=_text(topic, "display") or _text(topic, "code"),
        links=tuple(_links(card, openings)),
        suggestions=tuple(one for one in _choices(card, "suggestions", "uuid", "label") if one.id not in taken),
        reasons=tuple(_choices(card, "overrideReasons", "code", "display")),
        outcomes=tuple(outcomes),
    )


def _links(card: Mapping[str, Any], openings: Openings) -> Iterator[Link]:
    """Pages anywhere, and apps that are registered here: any other link leads nowhere."""
    for at, one in enumerate(_objects(card, "links")):
        smart = one.get("type") == "smart"
        url = openings(one, at) if smart else _webpage(_text(one, "url")) if one.get("type") == "absolute" else ""
        yield Link(label=_text(one, "label"), url=url, opens_app=smart and bool(url))


def _choices(card: Mapping[str, Any], field: str, key: str, words: str) -> Iterator[Choice]:
    for one in _objects(card, field):
        if _text(one, key):
            yield Choice(id=_text(one, key), label=_text(one, words) or _text(one, key))


def _webpage(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in ("http", "https") and parts.netloc else ""


def _text(holder: Mapping[str, Any], key: str) -> str:
    value = holder.get(key)
    return value if isinstance(value, str) else ""


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(card: Mapping[str, Any], field: str) -> list[Mapping[str, Any]]:
    value = card.get(field)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
