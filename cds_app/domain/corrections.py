"""Where a version stands that says less of its place than the versions known: without ``meta``, or with half of it.

What is learned later corrects what was learned before, unless its own ``meta`` says that it is older. Such a version is
given its place when it is learned, and is kept with it: right after the newest version known then, before any that says
to be newer. A fold of what was kept so needs no rule of its own, and comes to the same in any order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from cds_app.domain.facts import CodedFinding, Fact, Measurement, UnknownFinding
from cds_app.domain.timeline import Timeline

_AFTER: Final = "~"  # sorts after whatever a version is made of (`cds_app.fabric.context.version_of`)


def placed(timeline: Timeline, facts: Iterable[Fact]) -> list[Fact]:
    """Facts as they are to be added to a timeline.

    Parameters
    ----------
    timeline : Timeline
        What is known.
    facts : iterable of Fact
        What was learned now. None of several accounts of one resource that came together is later than the others.

    Returns
    -------
    list of Fact
        The same facts, but for those of resources that are known in versions: these have the version after which they
        were learned. What says the same as the newest version is that one.
    """
    ready: list[Fact] = []
    bare: defaultdict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        root = fact.ref.partition("#")[0]
        if root not in timeline.versions and root not in timeline.components:
            ready.append(fact)
        elif fact.version:
            ready.append(_in_terms_of(fact, _newest(timeline, root, fact.learned)))
        else:
            bare[root].append(fact)
    for root, ones in bare.items():
        ready.extend(_following(timeline, root, ones))
    return ready


def _in_terms_of(fact: Fact, newest: str) -> Fact:
    """A version in the terms that it shares with the newest one known: a number and a time, or a time alone."""
    number, _, stamp = fact.version.partition("/")
    known_number, _, known_stamp = newest.partition("/")
    if bool(number) == bool(known_number) or not newest or not stamp:
        return fact
    if number and stamp < known_stamp:
        return replace(fact, version=f"/{stamp}")
    if not number and stamp >= known_stamp.partition(_AFTER)[0]:
        return replace(fact, version=f"{known_number}/{stamp}")
    return fact


def _following(timeline: Timeline, root: str, ones: Sequence[Fact]) -> Iterator[Fact]:
    """Accounts of one resource without a version, right after the newest version known."""
    newest = _newest(timeline, root, ones[0].learned)
    if not newest:
        yield from ones
        return
    known = {ref: last for ref, last in _last(timeline, root) if last.version == newest}
    if known.keys() == {one.ref for one in ones} and all(_alike(known[one.ref], one) for one in ones):
        yield from (known[one.ref] for one in ones)
        return
    for one in ones:
        place = f"{newest.partition(_AFTER)[0]}{_AFTER}{one.learned.isoformat(timespec='microseconds')}"
        yield one if _says_less(known.get(one.ref), one) else replace(one, version=place)


def _newest(timeline: Timeline, root: str, learned: datetime) -> str:
    """The newest version of a resource that was known by then; "" if none was, or none said one."""
    found = (one for ref in _family(timeline, root) for one in timeline.versions.get(ref, ()))
    return max((one.version for one in found if one.learned <= learned), default="")


def _last(timeline: Timeline, root: str) -> Iterator[tuple[str, Fact]]:
    for ref in _family(timeline, root):
        if known := timeline.versions.get(ref):
            yield ref, known[-1]


def _family(timeline: Timeline, root: str) -> tuple[str, ...]:
    return (root, *timeline.components.get(root, ()))


def _alike(known: Fact, fact: Fact) -> bool:
    return type(known) is type(fact) and known == replace(fact, version=known.version, learned=known.learned)


def _says_less(known: Fact | None, fact: Fact) -> bool:
    """Whether the same is told without the specimen that was seen with it before: that is no correction."""
    if not isinstance(fact, Measurement | CodedFinding) or (isinstance(fact, Measurement) and fact.taken):
        return False
    if isinstance(known, UnknownFinding):
        return bool(known.taken)
    return isinstance(known, Measurement) and bool(known.taken) and known.value == getattr(fact, "value", None)
