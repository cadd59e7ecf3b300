"""Where a version stands that says less of its place than the versions known: without ``meta``, or with half of it.

What is learned later corrects what was learned before, unless its own ``meta`` says that it is older. Such a version is
given its place when it is learned, and is kept with it: right after the newest version known then, before any that says
to be newer. A fold of what was kept so needs no rule of its own, and comes to the same in any order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, time
from typing import Final, TypeGuard

from msgspec.structs import replace

from cds_app.domain.facts import CodedFinding, Demographics, Fact, Measurement, UnknownFinding
from cds_app.domain.timeline import Timeline

_LAST_SECOND: Final = time.max.second
AFTER: Final = "~"  # sorts after whatever a version is made of (`cds_app.fabric.context.version_of`)


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
        were learned. What says the same as the newest version is that one; so is a day, or no time at all, that is told
        again later.
    """
    if not timeline.versions:
        return list(facts)
    ready: list[Fact] = []
    bare: defaultdict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        root = fact.ref.partition("#")[0]
        if root not in timeline.versions and root not in timeline.components:
            ready.append(fact)
        elif fact.version:
            ready.append(_placed(timeline, root, fact))
        else:
            bare[root].append(fact)
    for root, ones in bare.items():
        last = timeline.versions[root][-1] if root in timeline.versions and root not in timeline.components else None
        if len(ones) == 1 and last is not None and not last.version:  # as nearly all are where nothing has a version
            ready.append(last if _alike(last, ones[0]) else ones[0])
        else:
            ready.extend(_following(timeline, root, ones))
    return ready


def _placed(timeline: Timeline, root: str, fact: Fact) -> Fact:
    known = timeline.versions.get(fact.ref, ())
    if not known or known[-1].version != fact.version:
        fact = _in_terms_of(fact, _newest(timeline, root, fact.learned))
    return next((one for one in known if one.version == fact.version and _alike(one, fact)), fact)


def _in_terms_of(fact: Fact, newest: str) -> Fact:
    """A version in the terms that it shares with the newest one known: a number and a time, or a time alone."""
    number, _, stamp = fact.version.partition("/")
    known_number, _, known_stamp = newest.partition("/")
    if bool(number) == bool(known_number) or not newest or not stamp:
        return fact
    if number and stamp < known_stamp:
        return replace(fact, version=f"/{stamp}")
    if not number and stamp >= known_stamp.partition(AFTER)[0]:
        return replace(fact, version=f"{known_number}/{stamp}")
    return fact


def _following(timeline: Timeline, root: str, ones: Sequence[Fact]) -> Iterator[Fact]:
    """Accounts of one resource without a version, right after the newest version known."""
    newest = _newest(timeline, root, ones[0].learned)
    known = {ref: last for ref, last in _last(timeline, root) if last.version == newest}
    ranked = sorted(ones, key=repr) if len(ones) > 1 else ones
    told = {one.ref: one for one in ranked}  # of contradicting accounts, the one that will count
    same = {ref for ref, one in told.items() if ref in known and _alike(known[ref], one)}
    if newest and not known.keys() == told.keys() == same:
        same = set()
    place = f"{newest.partition(AFTER)[0]}{AFTER}{ones[0].learned.isoformat(timespec='microseconds')}"
    for one in ones:
        if one.ref in same:
            yield known[one.ref]
        elif newest and not _says_less(known.get(one.ref), one):
            yield replace(one, version=place)
        else:
            yield one


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
    """Whether a fact says what is known: of what was so at some time of a day, when it was learned first stands."""
    when = known.when if known.when == known.learned <= fact.when and _is_vague(fact) else fact.when
    if when != known.when or type(known) is not type(fact):
        return False
    death = {"deceased": known.deceased} if _died_undated(known) and _died_undated(fact) else {}
    return known == replace(fact, version=known.version, learned=known.learned, when=when, **death)


def _is_vague(fact: Fact) -> bool:
    """Whether a fact has the time of its learning, or of the end of a day, for want of one (`cds_app.fabric.times`)."""
    return fact.when == fact.learned or (
        fact.when.second == _LAST_SECOND and fact.when.microsecond == time.max.microsecond
    )


def _died_undated(fact: Fact) -> TypeGuard[Demographics]:
    """Whether a patient is told to have died by the time of the learning, for want of a time."""
    return isinstance(fact, Demographics) and fact.deceased == fact.learned


def _says_less(known: Fact | None, fact: Fact) -> bool:
    """Whether the same is told without the specimen that was seen with it before: that is no correction."""
    if not isinstance(fact, Measurement | CodedFinding) or (isinstance(fact, Measurement) and fact.taken):
        return False
    if isinstance(known, UnknownFinding):
        return bool(known.taken)
    return isinstance(known, Measurement) and bool(known.taken) and known.value == getattr(fact, "value", None)
