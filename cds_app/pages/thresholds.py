"""Where a measurement begins to concern somebody: the limits that the catalogue's topics name of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from cds_app.domain.told import Told
from cds_app.mitigate.catalogue import Topic
from cds_app.mitigate.conditions import View, evaluate
from cds_app.mitigate.rules import All, Any_, Quantity, Rule
from cds_app.pages.scale import Axis

_WAYS = {"<": "below", "<=": "at most", ">": "above", ">=": "from"}
_FARTHEST = {"<": max, "<=": max, ">": min, ">=": min}
_URGENCY: Final = {1: "information", 2: "act today", 3: "act now"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A limit: its value in the canonical unit, on which side of it the concern lies, and topics with their urgency."""

    value: float
    way: str
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A threshold as a line across a drawing, what stands at the line, and what it is."""

    y: float
    value: str
    text: str


def limit_lines(given: Iterable[Threshold], axis: Axis, told: Told) -> tuple[Limit, ...]:
    """Thresholds that lie in the drawing."""
    inside = ((one, told.limit(one.value)[0]) for one in given if axis.low <= one.value <= axis.high)
    return tuple(
        Limit(y=axis.at(one.value), value=value, text=f"{one.way} {value}: {'; '.join(one.topics)}")
        for one, value in inside
    )


def thresholds(topics: Iterable[Topic], quantity: str, view: View) -> tuple[Threshold, ...]:
    """The limits of a quantity that raise a tier of any active topic, the lowest first.

    Of a tier the first limit that is met; none of what cannot hold of this patient, whatever the quantity is.
    """
    found: dict[tuple[float, str], list[str]] = {}
    for topic in topics:
        for tier in topic.tiers if topic.active else ():
            limits: dict[str, list[float]] = {}
            for one in _asserted(tier.when, quantity, view):
                limits.setdefault(one.op, []).append(one.value)
            for op, values in limits.items():
                named = f"{topic.title}, {_URGENCY[tier.tier]}"
                found.setdefault((_FARTHEST[op](values), _WAYS[op]), []).append(named)
    rows = sorted(found.items())
    return tuple(Threshold(value=value, way=way, topics=tuple(dict.fromkeys(names))) for (value, way), names in rows)


def _asserted(rule: Rule, quantity: str, view: View) -> Iterator[Quantity]:
    """Comparisons of a quantity that speak for a rule; what stands under a not speaks against it."""
    match rule:
        case All(all=rules):
            parts = [tuple(_asserted(one, quantity, view)) for one in rules]
            others = (one for one, asked in zip(rules, parts, strict=True) if not asked)
            if any(parts) and all(evaluate(one, view).holds is not False for one in others):
                yield from (one for asked in parts for one in asked)
        case Any_(any=rules):
            for one in rules:
                yield from _asserted(one, quantity, view)
        case Quantity() if rule.quantity == quantity:
            yield rule
        case _:
            return
