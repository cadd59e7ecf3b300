"""Measurements of one instant that cannot both be true."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from operator import attrgetter
from typing import Final, TypeGuard

from cds_app.domain.facts import Fact, Measurement
from cds_app.domain.ontology import Ontology
from cds_app.domain.time import time_in
from cds_app.fabric.references import Item
from cds_app.fabric.shapes import as_object

_HIGHER: Final = "sbp"
_LOWER: Final = "dbp"
_MEAN: Final = "map"
_SIDES: Final = frozenset({_HIGHER, _LOWER, _MEAN})


def contradictory(facts: Sequence[Fact], ontology: Ontology) -> frozenset[str]:
    """References of pressures that others speak against.

    Those of an instant at which every systolic one is below every diastolic one, and a mean that lies outside of the
    pair it came with in one resource. Of two devices the means differ more than that without either being wrong.
    What a newer version among the facts corrected speaks against nothing.
    """
    newest = _newest(facts)
    higher: dict[datetime, list[Measurement]] = {}
    lower: dict[datetime, list[Measurement]] = {}
    means: dict[datetime, list[Measurement]] = {}
    sides: Mapping[str, dict[datetime, list[Measurement]]] = {_HIGHER: higher, _LOWER: lower, _MEAN: means}
    for fact in facts:
        if is_pressure(fact, ontology) and fact.version == newest[_root(fact)]:
            sides[ontology.variables[fact.variable].quantity].setdefault(fact.when, []).append(fact)
    found = {one.ref for many in means.values() for one in many if _is_outside(one, higher, lower)}
    for when, systolic in higher.items():
        diastolic = lower.get(when, [])
        if diastolic and max(one.value for one in systolic) < min(one.value for one in diastolic):
            found.update(one.ref for one in (*systolic, *diastolic))
    return frozenset(found)


def is_pressure(fact: Fact, ontology: Ontology) -> TypeGuard[Measurement]:
    """Whether a fact is a pressure that others may contradict: a number, and not doubted or taken back already."""
    if not isinstance(fact, Measurement) or fact.bound != "=" or fact.implausible or fact.void:
        return False
    return ontology.variables[fact.variable].quantity in _SIDES


def meeting(passed: Sequence[Item], facts: Sequence[Fact], ontology: Ontology, zone: tzinfo) -> Iterator[Item]:
    """Resources passed over, as they are known, of instants of which a pressure came now: both are judged together."""
    instants = {one.when for one in facts if is_pressure(one, ontology)} if passed else frozenset()
    for item in passed if instants else ():
        at = time_in((as_object(item.resource) or {}).get("effectiveDateTime"), local=zone)
        if at is not None and at.end in instants:
            yield item


def _newest(facts: Sequence[Fact]) -> Mapping[str, str]:
    """The newest version of each resource."""
    return {_root(fact): fact.version for fact in sorted(facts, key=attrgetter("version"))}


def _root(fact: Fact) -> str:
    return fact.ref.partition("#")[0]


def _is_outside(
    mean: Measurement, higher: Mapping[datetime, list[Measurement]], lower: Mapping[datetime, list[Measurement]]
) -> bool:
    """Whether a mean is above the systolic or below the diastolic pressure of its resource."""
    panel = _root(mean)
    systolic = [one.value for one in higher.get(mean.when, ()) if _root(one) == panel]
    diastolic = [one.value for one in lower.get(mean.when, ()) if _root(one) == panel]
    if not systolic or not diastolic or max(systolic) < min(diastolic):  # then the pair itself is wrong
        return False
    return not min(diastolic) <= mean.value <= max(systolic)
