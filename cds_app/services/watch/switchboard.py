"""Where the switches stand, as every worker sees it within a second, and turning them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection
from typing import Final, Protocol

from cds_app.cards.shadow import Shadow
from cds_app.domain.switches import EVERY, Mode, Switch, Switches, fold
from cds_app.errors import BadRequest, ServiceOff, UnknownService
from cds_app.ports import Clock, TwinStore

FRESH_S: Final = 1.0


class Names(Protocol):
    """What can be switched: all that is known, or the services alone where no topic is asked about."""

    @property
    def services(self) -> Collection[str]: ...

    @property
    def topics(self) -> Collection[str]: ...


class Switchboard:
    """Reads the switches from the log at most once a second; every process has its own, over one store.

    Parameters
    ----------
    ticks : callable
        Seconds that never go back.
    """

    def __init__(self, store: TwinStore, *, ticks: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._ticks = ticks
        self._held = fold(()), -math.inf

    def now(self) -> Switches:
        """Where the switches stand.

        Raises
        ------
        DependencyDown, IntegrityError
            When that cannot be known: nobody is answered on a guess.
        """
        held, read_at = self._held
        now = self._ticks()
        if now - read_at >= FRESH_S:  # several may read at once: none waits for another's database
            held = fold(self._store.turns())
            self._held = held, now
        return held

    def shadow(self, service: str) -> Shadow:
        """What of a service lies in shadow.

        Raises
        ------
        ServiceOff
            If it is not to be asked at all.
        """
        switches = self.now()
        mode = switches.of(service)
        if mode is Mode.OFF:
            raise ServiceOff("this service was switched off by those who answer for it", field="id")
        return Shadow(service=mode, topics=switches.topics(service))

    def turn(self, switch: Switch) -> None:
        """Turn a switch; this process sees it at once.

        Raises
        ------
        Conflict, DependencyDown
        """
        self._store.turn(switch)
        self._held = self._held[0], -math.inf


def turn_to(  # noqa: PLR0913 - all by name
    store: TwinStore, names: Names, clock: Clock, *, service: str, topic: str, mode: Mode, by: str, reason: str
) -> Switch:
    """Turn one switch from wherever it stands.

    Raises
    ------
    UnknownService
    BadRequest
        If there is no such topic, nobody says who or why, or the switch stands there already.
    Conflict, DependencyDown
    """
    _check(names, service, topic, mode)
    if not by.strip() or not reason.strip():
        raise BadRequest(
            "who says so, and why, must be said: --by, --reason", field="by" if not by.strip() else "reason"
        )
    before = fold(store.turns()).at(service, topic)
    if before is mode:
        raise BadRequest("the switch stands there already; `twinline switch --list` shows all", field="mode")
    switch = Switch(
        service=service, topic=topic, mode=mode, before=before, by=by.strip(), reason=reason.strip(), at=clock.now()
    )
    store.turn(switch)
    return switch


def _check(names: Names, service: str, topic: str, mode: Mode) -> None:
    if service not in (EVERY, *names.services):
        raise UnknownService("no CDS service has this id", field="id")
    if topic and service == EVERY:
        raise BadRequest("a topic needs its service", field="topic")
    if topic and mode is Mode.OFF:
        raise BadRequest("a topic can be put in shadow; only a service can be off", field="mode")
    if topic and topic not in names.topics:
        raise BadRequest("no topic is called so", field="topic")
