"""Looks after the running service: is it ready, what do its switches, breakers and canaries say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cds_app.domain.switches import Mode, Switch, Switches, fold
from cds_app.errors import IntegrityError, TwinlineError
from cds_app.fabric.reading import CLOCK_MARGIN
from cds_app.ports import Clock, FhirReader, Meter, TwinStore
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.watch.readiness import PartState, Readiness
from cds_app.services.watch.switchboard import Switchboard

CLOCK_BEHIND: Final = "clock behind"
_EVER: Final = timedelta(days=36_500)
_BREAKERS = ("closed", "open", "half-open")


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """Asks every part how it is.

    Parameters
    ----------
    clock : Clock or None
        This machine's; None where the EHR's simulated time stands for it.
    clients : callable
        Asks who may call; raises where that cannot be said.
    canary : callable
        What the canary patients said last in this process.
    alarms : callable
        What the firing-rate monitor said last in this process.
    """

    knowledge: Knowledge
    store: TwinStore
    fhir: FhirReader
    switchboard: Switchboard
    meter: Meter
    clock: Clock | None = None
    clients: Callable[[], object] = field(default=lambda: None)
    canary: Callable[[], PartState] = field(default=lambda: PartState.NOT_RUN)
    alarms: Callable[[], tuple[str, ...]] = field(default=lambda: ())

    def readiness(self) -> Readiness:
        """Every part now. The store is written to, so that a disk that is full shows."""
        store, keys = _asked(self.store.ready)
        callers = _asked(self.clients)
        canary, switches = self.canary(), self._switches()
        models = PartState.FAILED if self.knowledge.learned.failed else PartState.OK
        keys = keys if PartState.BROKEN is keys else callers[1]
        store = store if PartState.DOWN is store else callers[0]
        parts = {"store": store, "keys": keys, "models": models, "canary": canary}
        if switches is None and PartState.OK is store is keys:
            parts["keys"] = PartState.BROKEN
        return Readiness(parts=parts, modes=modes_of(switches or fold(())), alarms=(*self.alarms(), *self._clock()))

    def tell(self) -> None:
        """Bring the gauges up to date."""
        found = Counter(self.fhir.breakers())
        self.meter.stands("breakers", {state: found[state] for state in _BREAKERS})
        turned = self._switches() or fold(())
        every = turned.newest.values()  # one that is on again must not be counted as it was
        self.meter.stands("modes", {_label(one, mode): float(one.mode is mode) for one in every for mode in Mode})
        if self.clock is not None:
            self.meter.stands("alarms", {CLOCK_BEHIND: float(bool(self._clock()))})
        canary = self.canary()
        self.meter.stands("canary", {state.value: float(state is canary) for state in PartState})

    def _clock(self) -> tuple[str, ...]:
        with suppress(TwinlineError):  # the store says so itself
            if self.clock is not None and is_behind(self.store, self.clock.now()):
                return (CLOCK_BEHIND,)
        return ()

    def _switches(self) -> Switches | None:
        try:
            return self.switchboard.now()
        except TwinlineError:
            return None


def is_behind(store: TwinStore, now: datetime) -> bool:
    """Whether the log tells of what was decided after what this machine calls now."""
    return bool(store.counts(now + CLOCK_MARGIN, now + _EVER))


def _asked(part: Callable[[], object]) -> tuple[PartState, PartState]:
    """How the store is, and whether its bytes and our keys fit together."""
    try:
        part()
    except IntegrityError:
        return PartState.OK, PartState.BROKEN
    except TwinlineError:
        return PartState.DOWN, PartState.OK
    return PartState.OK, PartState.OK


def _label(switch: Switch, mode: Mode) -> str:
    return f"{_name(switch)} {mode.value}"


def _name(switch: Switch) -> str:
    return f"{switch.service}/{switch.topic}".rstrip("/")


def modes_of(switches: Switches) -> Mapping[str, str]:
    """Switches that are not on, by what they are of."""
    return {_name(one): one.mode.value for one in switches.turned()}
