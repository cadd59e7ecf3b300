"""How far beyond its limits is what a rule compares, now and in the last day: the yardstick of getting worse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from cds_app.domain.facts import Measurement
from cds_app.mitigate.conditions import View, evaluate
from cds_app.mitigate.rules import Quantity

Course = tuple[tuple[datetime, float], ...]
_DAY_H: Final = 24.0


def extents(parts: Iterable[Quantity], view: View) -> Mapping[str, float]:
    """How far beyond: of each quantity that a rule compares and finds so, its newest value the worse, the greater.

    ``parts`` are the comparisons of the rule (`compared`). In reference change values
    (`Variable.in_reference_changes`), the sign turned where low is what the rule finds.
    """
    found: dict[str, float] = {}
    for part in parts:
        verdict = evaluate(part, view)
        newest = verdict.evidence[-1] if verdict.holds else None
        if isinstance(newest, Measurement):
            scaled = view.situation.ontology.variables[newest.variable].in_reference_changes(newest.value)
            if scaled is not None:
                found[part.quantity] = scaled if part.op.startswith(">") else -scaled
    return found


def courses(parts: Iterable[Quantity], view: View) -> Mapping[str, Course]:
    """When each quantity that `extents` tells was how far beyond, of the last day, oldest first."""
    situation, found = view.situation, {}
    for part in parts:
        variables, sign = situation.ontology.variables, 1.0 if part.op.startswith(">") else -1.0
        rows = situation.history(part.quantity, _DAY_H)
        scaled = ((one.when, variables[one.variable].in_reference_changes(one.value)) for one in rows)
        found[part.quantity] = tuple((when, sign * value) for when, value in scaled if value is not None)
    return found
