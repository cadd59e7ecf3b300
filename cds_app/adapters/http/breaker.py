"""When to leave a server alone: a circuit breaker and a budget for second tries, one of each per server and process.

The breaker opens after some failures in a row: calls then do without the server at once, instead of each waiting for
its own deadline. After a rest one call may try; what becomes of it decides (M. Nygard, Release It!, 2007). Second tries
are paid for by successes, as gRPC throttles them (proposal A6): a server that is going down is not asked twice as
often as before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from threading import Lock
from typing import Final

FAILURES: Final = 5
REST_S: Final = 15.0
_TRIES: Final = 10.0  # most second tries that can be saved up; gRPC's example
_EARNED: Final = 0.1  # by one success


class BreakerState(StrEnum):
    """What a breaker lets through: everything, nothing, or one call to see."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """Counts what became of the exchanges with one server.

    Parameters
    ----------
    clock : callable
        Seconds that never go back.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._failed = 0
        self._opened: float | None = None
        self._trying = False
        self._tries = _TRIES

    @property
    def state(self) -> BreakerState:
        """What the next call would find."""
        with self._lock:
            return self._state()

    def admits(self) -> bool:
        """Whether a call may go out now. Who was let through says afterwards what became of it."""
        with self._lock:
            state = self._state()
            if state is BreakerState.HALF_OPEN and not self._trying:
                self._trying = True
                return True
            return state is BreakerState.CLOSED

    def succeeded(self) -> None:
        """The server answered, whatever it said."""
        with self._lock:
            self._failed, self._opened, self._trying = 0, None, False
            self._tries = min(_TRIES, self._tries + _EARNED)

    def failed(self) -> None:
        """The server did not answer, or said that it cannot."""
        with self._lock:
            self._failed += 1
            if self._trying or self._failed >= FAILURES:
                self._opened = self._clock()
            self._trying = False

    def unknown(self) -> None:
        """The call ended before anything could be learned of the server."""
        with self._lock:
            self._trying = False

    def pays_for_another_try(self) -> bool:
        """Whether a second try is within the budget; it counts as made."""
        with self._lock:
            if self._tries < 1:
                return False
            self._tries -= 1
            return True

    def _state(self) -> BreakerState:
        if self._opened is None:
            return BreakerState.CLOSED
        rested = self._clock() - self._opened >= REST_S
        return BreakerState.HALF_OPEN if rested else BreakerState.OPEN
