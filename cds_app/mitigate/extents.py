"""How far beyond its limits is what a rule compares, now and in the last day: the yardstick of getting worse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from cds_app.domain.facts import Measurement
from cds_app.mitigate.conditions import View, evaluate
from cds_app.mitigate.rules import Change, Quantity

Course = tuple[tuple[datetime, float], ...]
_DAY_H: Final = 24.0


def extents(parts: Iterable[Quantity | Change], view: View) -> Mapping[str, float]:
    """How far beyond: of each quantity that a rule compares and finds so, its newest value the worse, the greater.

    ``parts`` are the comparisons and changes of the rule (`compared`). In reference change values
    (`Variable.in_reference_changes`), the sign turned where low is what the rule finds.
    """
    found: dict[str, float] = {}
    for part in parts:
        newest = _newest(part, view)
        if newest is not None:
            scaled = view.situation.ontology.variables[newest.variable].in_reference_changes(newest.value)
            if scaled is not None:
                found[_name(part)] = _sign(part) * scaled
    return found


def _name(part: Quantity | Change) -> str:
    return part.quantity if isinstance(part, Quantity) else part.change


def _sign(part: Quantity | Change) -> float:
    upwards = part.op.startswith(">") if isinstance(part, Quantity) else part.direction == "rise"
    return 1.0 if upwards else -1.0


def _newest(part: Quantity | Change, view: View) -> Measurement | None:
    """The newest of what a comparison that holds rests on, but for what is looked at beside it."""
    verdict, variables = evaluate(part, view), view.situation.ontology.variables
    found = [one for one in verdict.evidence if isinstance(one, Measurement)] if verdict.holds else []
    return next((one for one in reversed(found) if variables[one.variable].quantity == _name(part)), None)


def courses(parts: Iterable[Quantity | Change], view: View) -> Mapping[str, Course]:
    """When each quantity that `extents` tells was how far beyond, of the last day, oldest first."""
    situation, found = view.situation, {}
    for part in parts:
        variables, sign = situation.ontology.variables, _sign(part)
        rows = situation.history(_name(part), _DAY_H)
        scaled = ((one.when, variables[one.variable].in_reference_changes(one.value)) for one in rows)
        found[_name(part)] = tuple((when, sign * value) for when, value in scaled if value is not None)
    return found
