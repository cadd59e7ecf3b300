"""Measurements of one instant that cannot both be true."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from cds_app.domain.facts import Fact, Measurement
from cds_app.domain.ontology import Ontology

_HIGHER: Final = "sbp"
_LOWER: Final = "dbp"
_MEAN: Final = "map"


def contradictory(facts: Iterable[Fact], ontology: Ontology) -> frozenset[str]:
    """References of pressures that others speak against.

    Those of an instant at which every systolic one is below every diastolic one, and a mean that lies outside of the
    pair it came with in one resource. Of two devices the means differ more than that without either being wrong.
    """
    higher: dict[datetime, list[Measurement]] = {}
    lower: dict[datetime, list[Measurement]] = {}
    means: dict[datetime, list[Measurement]] = {}
    sides: Mapping[str, dict[datetime, list[Measurement]]] = {_HIGHER: higher, _LOWER: lower, _MEAN: means}
    for fact in facts:
        if isinstance(fact, Measurement) and fact.bound == "=" and not (fact.implausible or fact.void):
            side = sides.get(ontology.variables[fact.variable].quantity)
            if side is not None:
                side.setdefault(fact.when, []).append(fact)
    found = {one.ref for many in means.values() for one in many if _is_outside(one, higher, lower)}
    for when, systolic in higher.items():
        diastolic = lower.get(when, [])
        if diastolic and max(one.value for one in systolic) < min(one.value for one in diastolic):
            found.update(one.ref for one in (*systolic, *diastolic))
    return frozenset(found)


def _is_outside(
    mean: Measurement, higher: Mapping[datetime, list[Measurement]], lower: Mapping[datetime, list[Measurement]]
) -> bool:
    """Whether a mean is above the systolic or below the diastolic pressure of its resource."""
    panel = mean.ref.partition("#")[0]
    systolic = [one.value for one in higher.get(mean.when, ()) if one.ref.partition("#")[0] == panel]
    diastolic = [one.value for one in lower.get(mean.when, ()) if one.ref.partition("#")[0] == panel]
    if not systolic or not diastolic or max(systolic) < min(diastolic):  # then the pair itself is wrong
        return False
    return not min(diastolic) <= mean.value <= max(systolic)
