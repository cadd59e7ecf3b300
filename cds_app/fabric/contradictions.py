"""Measurements of one instant that cannot both be true."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from cds_app.domain.facts import Fact, Measurement
from cds_app.domain.ontology import Ontology

_HIGHER: Final = "sbp"
_LOWER: Final = "dbp"


def contradictory(facts: Iterable[Fact], ontology: Ontology) -> frozenset[str]:
    """References of the pressures of an instant at which every systolic one is below every diastolic one."""
    higher: dict[datetime, list[Measurement]] = {}
    lower: dict[datetime, list[Measurement]] = {}
    sides: Mapping[str, dict[datetime, list[Measurement]]] = {_HIGHER: higher, _LOWER: lower}
    for fact in facts:
        if isinstance(fact, Measurement) and fact.bound == "=" and not (fact.implausible or fact.void):
            side = sides.get(ontology.variables[fact.variable].quantity)
            if side is not None:
                side.setdefault(fact.when, []).append(fact)
    found: set[str] = set()
    for when, systolic in higher.items():
        diastolic = lower.get(when, [])
        if diastolic and max(one.value for one in systolic) < min(one.value for one in diastolic):
            found.update(one.ref for one in (*systolic, *diastolic))
    return frozenset(found)
