"""How far a service, or one of its topics, may speak: what clinical governance switched, and what that adds up to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

EVERY: Final = "all"
"""Stands for every service; no service may be called so."""


class Mode(StrEnum):
    """How far something may speak, from most to least."""

    ON = "on"
    STORM = "storm"  # set by the storm breaker: as shadow, but for the highest tier, which is still shown
    SHADOW = "shadow"  # decided and recorded, and shown to nobody
    OFF = "off"  # not asked at all


_ORDER: Final = tuple(Mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One turn of a switch, as the log keeps it.

    Parameters
    ----------
    service : str
        A service's id, or `EVERY`.
    topic : str
        One topic of it; "" for all.
    mode, before : Mode
        What it is from then on, and what this same switch was.
    by : str
        Who says so.
    reason : str
        Why, in their words.
    at : datetime
        UTC.
    """

    service: str
    topic: str
    mode: Mode
    before: Mode
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """Where all switches stand.

    Parameters
    ----------
    newest : mapping of (service, topic) to Switch
        The last turn of each switch that was ever turned.
    """

    newest: Mapping[tuple[str, str], Switch]

    def at(self, service: str, topic: str = "") -> Mode:
        """Where one switch stands."""
        found = self.newest.get((service, topic))
        return found.mode if found is not None else Mode.ON

    def of(self, service: str) -> Mode:
        """How far a service may speak: its own switch and the one for all, whichever allows less."""
        return max(self.at(EVERY), self.at(service), key=_ORDER.index)

    def topics(self, service: str) -> dict[str, Mode]:
        """Topics of a service that may speak less far than on."""
        held = {topic: one.mode for (name, topic), one in self.newest.items() if topic and name == service}
        return {topic: mode for topic, mode in sorted(held.items()) if mode is not Mode.ON}

    def turned(self) -> tuple[Switch, ...]:
        """Every switch that is not on."""
        return tuple(one for _, one in sorted(self.newest.items()) if one.mode is not Mode.ON)

    def beside(self, turned: Switch) -> tuple[Switch, ...]:
        """Switches of its parts, or of what it is a part of, that let speak less than one that was turned."""
        less = _ORDER[_ORDER.index(turned.mode) + 1 :]
        return tuple(one for one in self.turned() if one.mode in less and _together(one, turned))


def fold(turns: Iterable[Switch]) -> Switches:
    """Where the switches stand after turns, oldest first."""
    return Switches(newest={(one.service, one.topic): one for one in turns})


def _together(one: Switch, other: Switch) -> bool:
    """Whether one switch is a part of the other, or the other way round."""
    if (one.service, one.topic) == (other.service, other.topic):
        return False
    return EVERY in (one.service, other.service) or (one.service == other.service and "" in (one.topic, other.topic))
