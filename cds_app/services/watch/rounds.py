"""What is done every few seconds or minutes beside the calls, one thing after the other, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from cds_app.errors import TwinlineError

_LOG = structlog.get_logger("twinline")


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """Something to do again and again.

    Parameters
    ----------
    name : str
        For the log.
    every_s : float
        From one beginning to the next.
    act : callable
        What goes wrong in it is logged; the round goes on.
    """

    name: str
    every_s: float
    act: Callable[[], None]


class Rounds:
    """Does its duties until it is stopped. Start it after any fork."""

    def __init__(self, duties: Sequence[Duty]) -> None:
        self._due = [(0.0, duty) for duty in duties]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._go_round, name="twinline-rounds", daemon=True)

    def start(self) -> None:
        """Begin, at once."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is being done."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def _go_round(self) -> None:
        while not self._stopped.is_set():
            self._due = [self._done(at, duty) for at, duty in self._due]
            wait_s = min((at for at, _ in self._due), default=0.0) - time.monotonic()
            self._stopped.wait(max(0.05, wait_s))

    def _done(self, at: float, duty: Duty) -> tuple[float, Duty]:
        now = time.monotonic()
        if now < at or self._stopped.is_set():
            return at, duty
        try:
            duty.act()
        except TwinlineError as error:
            _LOG.warning("round failed", check=duty.name, code=error.code)
        return now + duty.every_s, duty
