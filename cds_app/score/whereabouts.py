"""Where a patient lies: the stays that run, and the intensive care unit that their names and places speak of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cds_app.domain.facts import Place, Stay

_RUNNING = frozenset({"arrived", "triaged", "in-progress", "onleave"})
_INTENSIVE = re.compile(
    r"\b([a-z]{0,4}icu|itu|ccu|csru|(intensive|critical|coronary) care|intensive therapy)\b", re.IGNORECASE
)
KINDS: Mapping[str, re.Pattern[str]] = {
    kind: re.compile(rf"\b({names})\b", re.IGNORECASE)
    for kind, names in {
        "coronary": "ccu|coronary",
        "cardiac_surgery": r"csru|cvicu|cardio?-?(thoracic|vascular|surgical)|cardiac (surg\w*|vascular)",
        "medical": "micu|medical",
        "surgical": "sicu|tsicu|surgical|trauma",
    }.items()
}
"""Kinds of intensive care units, and how their names tell them."""
_MOVE = timedelta(hours=1)  # who is in another unit so soon has not left intensive care


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """An intensive care unit.

    Parameters
    ----------
    name : str
        All that stay and places call it.
    since : datetime
        When the patient came into intensive care.
    """

    name: str
    since: datetime

    @property
    def kind(self) -> str | None:
        """One of `KINDS`; None where the name says none or several."""
        found = [kind for kind, named in KINDS.items() if named.search(self.name)]
        return found[0] if len(found) == 1 else None


def running(stays: Iterable[Stay], now: datetime) -> tuple[Stay, ...]:
    """Stays that have begun and are not over."""
    return tuple(one for one in stays if one.when <= now and _is_open(one) and (one.end is None or one.end > now))


def _is_open(stay: Stay) -> bool:
    """Not one that was planned or called off; of a finished one it is known when."""
    return stay.status in _RUNNING or (stay.status == "finished" and stay.end is not None)


def unit_of(stays: Iterable[Stay], now: datetime) -> Unit | None:
    """The intensive care unit of the stays that run; the one entered last where several are named."""
    found = [one for stay in stays if (one := _unit_in(stay, now)) is not None]
    return max(found, key=lambda one: one.since, default=None)


def _unit_in(stay: Stay, now: datetime) -> Unit | None:
    begun = [one for one in stay.places if _begin(one, stay) <= now and _is_intensive(one.text)]
    here = [one for one in begun if one.end is None or one.end > now]
    if _is_intensive(stay.text):
        return Unit(name=_joined([stay.text, *(one.text for one in here)]), since=stay.when)
    if not here:
        return None
    return Unit(name=_joined([one.text for one in here]), since=_entered(begun, here, stay))


def _entered(begun: Sequence[Place], here: Sequence[Place], stay: Stay) -> datetime:
    """When the first of the units was entered that followed on one another until now."""
    since = min(_begin(one, stay) for one in here)
    for one in sorted(begun, key=lambda one: _begin(one, stay), reverse=True):
        if one.end is None or one.end >= since - _MOVE:
            since = min(since, _begin(one, stay))
    return since


def _begin(place: Place, stay: Stay) -> datetime:
    return place.start or stay.when


def _is_intensive(name: str) -> bool:
    return _INTENSIVE.search(name) is not None


def _joined(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))
