"""FHIR resources of one patient -> facts, issues and a count in which every resource stands exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from hashlib import blake2b
from typing import Any, Final

import msgspec
from msgspec.structs import replace as struct_replace

from cds_app.domain.facts import Fact, Facts, Measurement, gather
from cds_app.domain.issues import Issue, IssueCode
from cds_app.domain.ontology import Ontology
from cds_app.domain.proposed import NOTHING, Proposed
from cds_app.domain.time import time_in
from cds_app.fabric.bundles import unpack
from cds_app.fabric.context import Context, outdone, version_of
from cds_app.fabric.contradictions import contradictory, is_pressure, meeting
from cds_app.fabric.identifiers import Identifier, identifiers_of
from cds_app.fabric.lexicon import Units, lexicon_of
from cds_app.fabric.merging import merged_into
from cds_app.fabric.references import Item, References, hashed_reference, local_reference
from cds_app.fabric.resources import Outcome, read_resource, withdrawn
from cds_app.fabric.shapes import Object, as_object
from cds_app.fabric.taking import SPECIMEN
from cds_app.fabric.times import UNDATED

_ENCODER: Final = msgspec.msgpack.Encoder()
CLOCK_MARGIN: Final = timedelta(minutes=10)
_ZONE_MARGIN: Final = timedelta(days=1)  # a birth date has no zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What became of the resources of one type.

    Parameters
    ----------
    used : int
        Read, and the ontology knows what it is about (or need not), or about no patient at all.
    unknown : int
        Read and shown, but the ontology knows none of its codes.
    dropped : int
        Left out; an issue says why.
    """

    used: int = 0
    unknown: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a set of resources says about one patient.

    Parameters
    ----------
    facts : Facts
    issues : tuple of Issue
    tally : mapping of str to Tally
        By resource type; ``other`` for what is none.
    clean : frozenset of bytes
        Fingerprints of resources that were used without any issue, those passed over included.
    proposed : Proposed
        Drafts of the call, where it has any: no facts, and not among those.
    identifiers : tuple of (system, value)
        What else the patient is called.
    """

    facts: Facts
    issues: tuple[Issue, ...]
    tally: Mapping[str, Tally]
    clean: frozenset[bytes] = frozenset()
    proposed: Proposed = NOTHING
    identifiers: tuple[Identifier, ...] = ()


def read(  # noqa: PLR0913 - all by name
    resources: Sequence[object],
    *,
    patient: str,
    ontology: Ontology,
    units: Units,
    zone: tzinfo,
    learned: datetime,
    now: datetime,
    seen: Set[bytes] = frozenset(),
    beside: Sequence[Item] = (),
) -> Reading:
    """Read resources of one patient.

    Parameters
    ----------
    resources : sequence
        Items of `unpack`, or any JSON values, which are unpacked here.
    patient : str
        Bare FHIR id; what is about anybody else is left out.
    ontology, units
        What is known by name, and how to convert to its units.
    zone : tzinfo
        The site's: of dates, and of times that came without an offset.
    learned : datetime
        When Twinline came to know all this, UTC.
    now : datetime
        What lies more than ten minutes later is left out, UTC.
    seen : set of bytes
        Fingerprints (`Reading.clean`) of resources whose facts are known: they are counted as used and passed over.
        EHRs send the same hundreds of results at every call.
    beside : sequence of Item
        What references may point to, and is not read here: the drugs that a hospital shares among its patients.

    Returns
    -------
    Reading
        Facts in the order of the resources. Nothing in ``resources`` raises.
    """
    brought, issues = _items(resources)
    items, again = outdone(brought)
    people = _people(items)
    by_version = sorted(people, key=version_of)
    context = Context(
        patient=patient,
        subject=f"Patient/{patient}",
        former=frozenset(f"Patient/{old}" for old in merged_into(by_version, patient)),
        lexicon=lexicon_of(ontology, units),
        learned=learned,
        earliest=_earliest(by_version, patient, now, zone),
        latest=now + CLOCK_MARGIN,
        zone=zone,
        references=References((*items, *beside)),
        issues=issues,
    )
    taken = _Taken(counts=Counter((kind, "used") for kind in again))
    _take(taken, items, seen, context)
    _look_again(taken, context, ontology)
    _doubt(taken, items, context, ontology)
    return Reading(
        facts=gather((*taken.facts, *taken.unsaid())),
        issues=tuple(issues),
        tally=_tally(taken.counts),
        clean=frozenset(taken.clean),
        identifiers=identifiers_of(people, patient),
    )


@dataclass(slots=True, kw_only=True)
class _Taken:
    """What has been made of resources so far.

    Parameters
    ----------
    counts : Counter of (str, Outcome)
        By resource type.
    facts, withdrawn : list of Fact
        What is said, and what is no longer.
    clean : set of bytes
        Fingerprints, as of `Reading`.
    passed : list of Item
        What was read before, and not again.
    """

    counts: Counter[tuple[str, Outcome]]
    facts: list[Fact] = field(default_factory=list)
    withdrawn: list[Fact] = field(default_factory=list)
    clean: set[bytes] = field(default_factory=set)
    passed: list[Item] = field(default_factory=list)

    def unsaid(self) -> list[Fact]:
        """What is withdrawn, but for what the same version says otherwise."""
        said = {(fact.ref.partition("#")[0], fact.version) for fact in self.facts} if self.withdrawn else set()
        return [one for one in self.withdrawn if (one.ref, one.version) not in said]


def _take(taken: _Taken, items: Sequence[Item], seen: Set[bytes], context: Context) -> None:
    """Read each resource that was not seen before."""
    issues = context.issues
    specimens = bool(seen) and SPECIMEN in context.references.types
    for item in items:
        before, version = len(issues), version_of(item.resource)
        mark = fingerprint(item.resource, version)
        known = mark in seen and not (specimens and "specimen" in (as_object(item.resource) or {}))
        kind, outcome, found = _known(item.resource) if known else read_resource(item, version, context)
        taken.counts[kind, outcome] += 1
        taken.facts.extend(found)
        if known:
            taken.passed.append(item)
        if mark and outcome == "used" and len(issues) == before:
            taken.clean.add(mark)
        if outcome == "dropped" and kind == "Observation":
            taken.withdrawn.extend(withdrawn(item.resource, version, issues[before:], context.learned))


def _look_again(taken: _Taken, context: Context, ontology: Ontology) -> None:
    """Read what was passed over and now meets other pressures of its time."""
    met = meeting(taken.passed, taken.facts, ontology, context.zone)
    taken.facts.extend([one for item in met for one in _pressures(item, context, ontology)])


def _doubt(taken: _Taken, items: Sequence[Item], context: Context, ontology: Ontology) -> None:
    """Flag measurements that contradict each other."""
    doubted = contradictory(taken.facts, ontology)
    if doubted:
        taken.facts = [_doubted(fact, context) if fact.ref in doubted else fact for fact in taken.facts]
        taken.clean -= {fingerprint(one.resource, version_of(one.resource)) for one in items if _holds(one, doubted)}


def _pressures(item: Item, context: Context, ontology: Ontology) -> list[Fact]:
    return [one for one in read_resource(item, version_of(item.resource), context)[2] if is_pressure(one, ontology)]


def _doubted(fact: Fact, context: Context) -> Fact:
    """A measurement that another one contradicts, flagged."""
    if not isinstance(fact, Measurement):
        return fact
    context.note(IssueCode.CONTRADICTORY, fact.ref, "value[x]", dropped=False)
    return struct_replace(fact, implausible=True)


def _holds(item: Item, refs: Set[str]) -> bool:
    """Whether a resource holds one of the measurements: what needs the others beside it is read with them each time."""
    resource = as_object(item.resource) or {}
    ref = local_reference(resource) or hashed_reference(resource)
    return any(one.partition("#")[0] == ref for one in refs)


def fingerprint(resource: object, version: str) -> bytes:
    """The same for resources that say the same; differs, but for chance, for all others.

    Empty for what has no version (`version_of`) that sorts: what it says may be taken back and said again.
    """
    if not version:
        return b""
    try:
        return blake2b(_ENCODER.encode(resource), digest_size=16).digest()
    except (RecursionError, OverflowError, UnicodeError):  # nested too deeply, or no JSON that we would store
        return b""


def _known(resource: Any) -> tuple[str, Outcome, Sequence[Fact]]:
    """How a resource that was read before is counted."""
    return resource["resourceType"], "used", ()


def _tally(counts: Mapping[tuple[str, Outcome], int]) -> dict[str, Tally]:
    found: dict[str, dict[str, int]] = {}
    for (kind, outcome), count in counts.items():
        found.setdefault(kind, {})[outcome] = count
    return {kind: Tally(**count) for kind, count in found.items()}


def _items(resources: Sequence[object]) -> tuple[list[Item], list[Issue]]:
    items: list[Item] = []
    issues: list[Issue] = []
    for i, resource in enumerate(resources):
        if isinstance(resource, Item):
            items.append(resource)
        else:
            unpacked, problems = unpack(resource, at=f"[{i}]")
            items.extend(unpacked)
            issues.extend(problems)
    return items, issues


def _people(items: Sequence[Item]) -> list[Object]:
    return [one for item in items if isinstance(one := item.resource, dict) and one.get("resourceType") == "Patient"]


def _earliest(people: Sequence[Object], patient: str, now: datetime, zone: tzinfo) -> datetime:
    """Midnight of the patient's birth with a day's margin, or 1900 where the birth date does not help."""
    for person in people:
        if person.get("id") == patient:
            birth = time_in(person.get("birthDate"), local=zone)
            if birth is not None and UNDATED + _ZONE_MARGIN <= birth.start <= now:
                return birth.start - _ZONE_MARGIN
    return UNDATED
