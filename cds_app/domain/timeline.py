"""The timeline: all facts of one patient, corrections resolved, bitemporal.

A timeline is a value. `Timeline.extended` returns a new one and says what changed, so that whatever is cached from
the old one (the twin's tracks) can be brought up to date instead of rebuilt.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import chain, takewhile
from operator import attrgetter
from typing import TypeVar

from msgspec.structs import replace

from cds_app.domain.facts import KINDS, CodedFinding, Fact, Facts, Measurement, UnknownFinding, gather
from cds_app.domain.precedence import Slot, set_aside, slot_of

FactT = TypeVar("FactT", bound=Fact)

_ORDER = attrgetter("when", "ref")
_RANK = attrgetter("version", "learned")
_PLACE = attrgetter("ref", "version", "learned")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an extension did.

    Parameters
    ----------
    novel : tuple of Fact
        Every version that was not known before, whether it counts or not: what has to be stored.
    added, removed : tuple of Fact
        Facts that count now and did not before, and the other way round.
    """

    novel: tuple[Fact, ...]
    added: tuple[Fact, ...]
    removed: tuple[Fact, ...]


@dataclass(frozen=True)
class Timeline:
    """Facts by identity, each with all versions seen, oldest first.

    Parameters
    ----------
    versions : mapping of str to tuple of Fact
        Every version of every ``ref``, ordered by ``(version, learned)``. The last one counts.
    components : mapping of str to tuple of str
        For a resource that came in components (``Observation/1``), the refs of these (``Observation/1#8480-6``).
    slots : mapping of Slot to frozenset of str
        Refs by what they contend for (`cds_app.domain.precedence`); empty while there is no source but the EHR.
    aside : mapping of str to str
        Refs that do not count because another one, which is named, goes before them.

    Notes
    -----
    Which version counts depends on the facts alone, not on the order of their arrival, but for what comes back (this,
    that, and this again under one version): it counts again if they arrive in the order in which they were learned. A
    version that says the same as the one before it is a duplicate and is not kept, nor is one read again without
    its specimen; the first time of learning stands. A component that a newer version of its resource no longer has, or
    whose resource was entered in error, does not count.
    """

    versions: Mapping[str, tuple[Fact, ...]] = field(default_factory=dict)
    components: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    slots: Mapping[Slot, frozenset[str]] = field(default_factory=dict)
    aside: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, facts: Iterable[Fact]) -> Timeline:
        """Build a timeline from facts in any order, duplicates included."""
        return cls().extended(facts)[0]

    def extended(self, facts: Iterable[Fact]) -> tuple[Timeline, Change]:
        """Add facts.

        Returns
        -------
        tuple of (Timeline, Change)
            The same timeline object when nothing was new.
        """
        return self.followed_by((facts,))

    def followed_by(self, batches: Iterable[Iterable[Fact]]) -> tuple[Timeline, Change]:
        """Add batches of facts one after the other, and say what all of them changed; as `extended`."""
        versions, components = dict(self.versions), dict(self.components)
        novel: list[Fact] = []
        for fact in chain.from_iterable(map(_ranked, batches)):
            known = versions.get(fact.ref, ())
            longer = _insert(known, fact) if known else (fact,)
            if longer is known:
                continue
            if not known and "#" in fact.ref:
                root = _root(fact.ref)
                components[root] = (*components.get(root, ()), fact.ref)
            versions[fact.ref] = longer
            novel.append(fact)
        if not novel:
            return self, Change(novel=(), added=(), removed=())
        slots, touched = _slotted(self, versions, novel)
        after = Timeline(versions, components, slots)
        if touched:
            after = Timeline(versions, components, slots, _decided(self.aside, after, touched))
        added, removed = _difference(self, after, novel, touched)
        change = Change(novel=tuple(novel), added=added, removed=removed)
        come, gone = gather(added), gather(removed)
        after.__dict__["facts"] = _brought_up_to_date(self.facts, come, gone)  # what the cached properties would find
        after.__dict__["measured"] = _measured(self, after, come, gone)
        return after, change

    def as_of(self, learned: datetime) -> Timeline:
        """Only what was known at ``learned``."""
        return Timeline.of(fact for known in self.versions.values() for fact in known if fact.learned <= learned)

    def ahead_of(self, now: datetime) -> bool:
        """Whether something was so after an instant, and was learned after it, too: two clocks disagree.

        What was learned by then is not meant: of a date the last moment counts.
        """
        kinds = (takewhile(lambda one: one.when > now, reversed(getattr(self.facts, kind))) for kind in KINDS)
        return any(one.learned > now for one in chain.from_iterable(kinds))

    def current(self, ref: str) -> Fact | None:
        """The version that counts; None if there is none, it was entered in error, or another fact goes before it."""
        return None if ref in self.aside else self.standing(ref)

    def standing(self, ref: str) -> Fact | None:
        """The version that counts but for what goes before it."""
        known = self.versions.get(ref)
        if not known or known[-1].void:
            return None
        return None if "#" in ref and self._outlived(known[-1]) else known[-1]

    def _outlived(self, component: Fact) -> bool:
        root = _root(component.ref)
        whole = self.versions.get(root)
        if whole and whole[-1].void and _RANK(whole[-1]) >= _RANK(component):
            return True
        family = (root, *self.components[root]) if component.version else ()
        return any(known[-1].version > component.version for ref in family if (known := self.versions.get(ref)))

    @cached_property
    def facts(self) -> Facts:
        """The versions that count, each kind sorted by time and identity."""
        seen = (self.current(ref) for ref in self.versions)
        return gather(sorted((fact for fact in seen if fact is not None), key=_ORDER))

    @cached_property
    def measured(self) -> Mapping[str, tuple[Measurement, ...]]:
        """The measurements that count, by variable."""
        return _by_variable(self.facts.measurements)

    @cached_property
    def contested(self) -> tuple[tuple[Measurement, Measurement], ...]:
        """Measurements that do not count, each with the one that goes before it, by time."""
        found = ((self.standing(ref), self.standing(before)) for ref, before in self.aside.items())
        pairs = [(a, b) for a, b in found if isinstance(a, Measurement) and isinstance(b, Measurement)]
        return tuple(sorted(pairs, key=lambda pair: _ORDER(pair[0])))

    def __iter__(self) -> Iterator[Fact]:
        """Every version of every fact, in order of identity."""
        for ref in sorted(self.versions):
            yield from self.versions[ref]

    def __len__(self) -> int:
        """How many resources (or components) are known."""
        return len(self.versions)


def _ranked(facts: Iterable[Fact]) -> list[Fact]:
    """In order of rank; what ranks the same, by its text, as that does not depend on the order of arrival."""
    rows = list(facts)
    if len(set(map(_PLACE, rows))) == len(rows):
        return sorted(rows, key=_RANK)
    same = Counter(map(_PLACE, rows))
    return sorted(rows, key=lambda fact: (*_RANK(fact), repr(fact) if same[_PLACE(fact)] > 1 else ""))


def _outranks(one: Fact, other: Fact) -> bool:
    rank, other_rank = _RANK(one), _RANK(other)
    return rank > other_rank or (rank == other_rank and repr(one) > repr(other))


def _insert(known: tuple[Fact, ...], fact: Fact) -> tuple[Fact, ...]:
    if known[-1] == fact or any(_forgets(one, fact) for one in known):
        return known
    if any(_forgets(fact, one) for one in known):
        known = tuple(one for one in known if not _forgets(fact, one))
    at = next((i for i, other in enumerate(known) if _outranks(other, fact)), len(known))
    if at > 0 and _same(known[at - 1], fact):
        return known
    if at < len(known) and _same(known[at], fact):
        return (*known[:at], fact, *known[at + 1 :])
    return (*known[:at], fact, *known[at:])


def _forgets(one: Fact, later: Fact) -> bool:
    """Whether a version is read again without the specimen that was seen with it before, and so says less.

    A specimen is a resource of its own, and comes with some readings of a result only.
    """
    if not later.version or later.version != one.version or later.learned < one.learned:
        return False
    return isinstance(later, Measurement | CodedFinding) and bool(_taken(one)) and not _taken(later)


def _taken(fact: Fact) -> tuple[str, ...]:
    return fact.taken if isinstance(fact, Measurement | UnknownFinding) else ()


def _same(one: Fact, other: Fact) -> bool:
    return type(one) is type(other) and one.version == other.version and one == replace(other, learned=one.learned)


def _brought_up_to_date(facts: Facts, added: Facts, removed: Facts) -> Facts:
    """Facts after a change, each kind in order; kinds that the change does not touch stay the same objects."""
    kinds = {}
    for kind in KINDS:
        new, gone = getattr(added, kind), getattr(removed, kind)
        kept = getattr(facts, kind)
        if gone:
            kept = tuple(one for one in kept if one not in gone)
        kinds[kind] = _joined(kept, new) if new else kept
    return Facts(**kinds)


def _joined(kept: tuple[FactT, ...], new: tuple[FactT, ...]) -> tuple[FactT, ...]:
    if not kept or _ORDER(kept[-1]) <= _ORDER(new[0]):
        return kept + new
    return tuple(sorted((*kept, *new), key=_ORDER))


def _by_variable(rows: Iterable[Measurement]) -> dict[str, tuple[Measurement, ...]]:
    found: defaultdict[str, list[Measurement]] = defaultdict(list)
    for one in rows:
        found[one.variable].append(one)
    return {variable: tuple(ones) for variable, ones in found.items()}


def _measured(before: Timeline, after: Timeline, added: Facts, removed: Facts) -> Mapping[str, tuple[Measurement, ...]]:
    if removed.measurements:
        return _by_variable(after.facts.measurements)
    found = dict(before.measured)
    for variable, new in _by_variable(added.measurements).items():
        found[variable] = _joined(found.get(variable, ()), new)
    return found


def _root(ref: str) -> str:
    return ref.partition("#")[0]


def _slotted(
    before: Timeline, versions: Mapping[str, tuple[Fact, ...]], novel: Sequence[Fact]
) -> tuple[Mapping[Slot, frozenset[str]], frozenset[Slot]]:
    """Who contends for what, and where something has changed. There is nothing to decide while there is one source."""
    if not before.slots and all(fact.provenance is None for fact in novel):
        return before.slots, frozenset()
    looked_at = (one for fact in novel for one in versions[fact.ref])
    whole = looked_at if before.slots else (one for known in versions.values() for one in known)
    slots = dict(before.slots)
    touched: set[Slot] = set()
    for one in whole:
        slot = slot_of(one)
        if slot is not None:
            touched.add(slot)
            slots[slot] = slots.get(slot, frozenset()) | {one.ref}
    return slots, frozenset(touched)


def _decided(aside: Mapping[str, str], after: Timeline, touched: Iterable[Slot]) -> Mapping[str, str]:
    found = dict(aside)
    for slot in touched:
        refs = after.slots[slot]
        contending = [one for ref in refs if (one := after.standing(ref)) is not None and slot_of(one) == slot]
        for ref in refs:
            found.pop(ref, None)
        found |= set_aside(contending)
    return found


def _difference(
    before: Timeline, after: Timeline, novel: Sequence[Fact], touched: Iterable[Slot]
) -> tuple[tuple[Fact, ...], tuple[Fact, ...]]:
    added, removed = [], []
    refs = dict.fromkeys(fact.ref for fact in novel)
    refs |= dict.fromkeys(ref for slot in touched for ref in after.slots[slot])
    if after.components:
        refs = dict.fromkeys(one for ref in refs for one in _family(ref, after))
    for ref in refs:
        old, new = before.current(ref) if ref in before.versions else None, after.current(ref)
        if old is new:
            continue
        if old is not None:
            removed.append(old)
        if new is not None:
            added.append(new)
    return tuple(sorted(added, key=_ORDER)), tuple(sorted(removed, key=_ORDER))


def _family(ref: str, timeline: Timeline) -> tuple[str, ...]:
    """What a change of one ref may make visible or hide."""
    root = _root(ref)
    return (ref, *timeline.components.get(root, ()))
