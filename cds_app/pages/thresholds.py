"""Where a measurement begins to concern somebody: the limits that the catalogue's topics name of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cds_app.cards.text import number
from cds_app.mitigate.catalogue import Topic
from cds_app.mitigate.rules import All, Any_, Quantity, Rule
from cds_app.pages.scale import Axis

_WAYS = {"<": "below", "<=": "at most", ">": "above", ">=": "from"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A limit: its value in the canonical unit, on which side of it the concern lies, and the topics."""

    value: float
    way: str
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A threshold as a line across a drawing, and what it is."""

    y: float
    text: str


def limit_lines(given: Iterable[Threshold], axis: Axis, decimals: int) -> tuple[Limit, ...]:
    """Thresholds that lie in the drawing."""
    inside = (one for one in given if axis.low <= one.value <= axis.high)
    return tuple(
        Limit(y=axis.at(one.value), text=f"{one.way} {number(one.value, decimals)}: {', '.join(one.topics)}")
        for one in inside
    )


def thresholds(topics: Iterable[Topic], quantity: str) -> tuple[Threshold, ...]:
    """The limits of a quantity that raise a tier of any active topic, the lowest first."""
    found: dict[tuple[float, str], list[str]] = {}
    for topic in topics:
        for tier in topic.tiers if topic.active else ():
            for one in _asserted(tier.when):
                if one.quantity == quantity and one.op in _WAYS:
                    found.setdefault((one.value, _WAYS[one.op]), []).append(topic.title)
    rows = sorted(found.items())
    return tuple(Threshold(value=value, way=way, topics=tuple(dict.fromkeys(names))) for (value, way), names in rows)


def _asserted(rule: Rule) -> Iterator[Quantity]:
    """Comparisons that speak for a rule; what stands under a not speaks against it."""
    match rule:
        case All(all=rules) | Any_(any=rules):
            for one in rules:
                yield from _asserted(one)
        case Quantity():
            yield rule
        case _:
            return
