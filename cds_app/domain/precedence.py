"""Which of several accounts of the same thing counts: one rule for all sources, whatever the order of their arrival.

Two measurements contend if they are of one quantity in one minute. What a person or a laboratory recorded goes before
what a device says by itself: the EHR's own record first, then what other systems recorded, then an arterial line, then
other devices, then a cuff. Of several devices' accounts one counts, that with the most samples. A summary that is no
signal (flat, or of a handful of samples) goes behind everything else. What is said of one quantity at one instant
twice, with the same value, counts once. Stays of other sources give way to stays of the EHR's record that overlap them.
What is set aside is kept, and shown as such.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from cds_app.domain.facts import Fact, Measurement, Stay

SAME: Final[Mapping[str, str]] = {"sbp_noninvasive": "sbp", "dbp_noninvasive": "dbp", "map_noninvasive": "map"}
"""Variables that a cuff measures, and those that an arterial line does."""

LINE: Final = "arterial_line"
CUFF: Final = "cuff"
"""Kinds of method by which a record says how a pressure was measured."""

Slot = tuple[str, int]
_MINUTE_S: Final = 60
_STAYS: Final[Slot] = ("(stays)", 0)
_RECORDED: Final = 2  # ranks below this are accounts of people: all of the best ones count
_NO_SIGNAL: Final = 10
_RANKS: Final[Mapping[str, int]] = {"": 1, "charted": 1, "arterial": 2, "device": 3, "cuff": 4}
_ENDLESS: Final = datetime.max.replace(tzinfo=UTC)


def slot_of(fact: Fact) -> Slot | None:
    """Within which a fact contends with others; None if it never does."""
    if isinstance(fact, Measurement):
        return SAME.get(fact.variable, fact.variable), int(fact.when.timestamp() // _MINUTE_S)
    return _STAYS if isinstance(fact, Stay) else None


def set_aside(contenders: Sequence[Fact]) -> dict[str, str]:
    """Identities of facts of one slot that do not count, each with that of the one that goes before it."""
    stays = [one for one in contenders if isinstance(one, Stay)]
    if stays:
        return dict(_overlapped(stays))
    measured = sorted((one for one in contenders if isinstance(one, Measurement)), key=_order)
    if len(measured) < 2:
        return {}
    best = _rank(measured[0])
    kept = [one for one in measured if _rank(one) == best] if best < _RECORDED else measured[:1]
    return {one.ref: measured[0].ref for one in measured[len(kept) :]}


def by_line(one: Measurement) -> bool:
    """Whether a pressure is said to be of an arterial line."""
    return LINE in one.taken or (one.provenance is not None and one.provenance.method == "arterial")


def by_cuff(one: Measurement) -> bool:
    """Whether a pressure is said to be of a cuff."""
    told = one.provenance is not None and one.provenance.method == "cuff"
    return told or CUFF in one.taken or (one.variable in SAME and LINE not in one.taken)


def repeated(said: Iterable[tuple[Hashable, str]]) -> frozenset[str]:
    """Identities of those that say what another one says, of one quantity: the least of them stands for all.

    Parameters
    ----------
    said : iterable of (hashable, str)
        Instant, value and whatever else a sample says; its identity.
    """
    least: dict[Hashable, str] = {}
    gone: set[str] = set()
    for what, ref in said:
        kept = least.setdefault(what, ref)
        if kept != ref:
            least[what] = min(kept, ref)
            gone.add(max(kept, ref))
    return frozenset(gone)


def _rank(one: Measurement) -> int:
    if one.provenance is None:
        return 0
    silent = one.implausible and one.provenance.samples > 0
    return _RANKS[one.provenance.method] + (_NO_SIGNAL if silent else 0)


def _order(one: Measurement) -> tuple[int, int, str]:
    return _rank(one), -(one.provenance.samples if one.provenance else 0), one.ref


def _overlapped(stays: Sequence[Stay]) -> Iterable[tuple[str, str]]:
    own = sorted((one for one in stays if one.provenance is None), key=lambda one: (one.when, one.ref))
    for one in stays:
        if one.provenance is not None:
            before = next((other for other in own if _overlap(one, other)), None)
            if before is not None:
                yield one.ref, before.ref


def _overlap(one: Stay, other: Stay) -> bool:
    return one.when <= (other.end or _ENDLESS) and other.when <= (one.end or _ENDLESS)
