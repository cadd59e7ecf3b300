"""What keeps launches from taking all of a worker: a number that may wait for EHRs at once, and a pace to begin at.

A thread that waits for an authorisation server answers nobody: no hook call, and not the EHR itself when it asks for
our keys before it gives the token that is waited for. And everybody may begin a launch, which writes something down.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

from cds_app.errors import DependencyDown


class Turnstile:
    """Context manager that so many can be inside of at once; who finds it full is told so at once."""

    def __init__(self, places: int) -> None:
        self._places = threading.BoundedSemaphore(places)

    def __enter__(self) -> None:
        if not self._places.acquire(blocking=False):
            raise DependencyDown("too many wait for an EHR already")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._places.release()


class Pace:
    """Lets so many pass a second, and some more at once after a while in which nobody came.

    Parameters
    ----------
    burst : int
        How many may pass at once.
    ticking : callable
        Seconds of a clock that never goes back.
    """

    def __init__(self, per_s: float, burst: int, ticking: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._burst = burst
        self._ticking = ticking
        self._lock = threading.Lock()
        self._left, self._at = float(burst), ticking()

    def step(self) -> None:
        """Pass, or raise DependencyDown."""
        with self._lock:
            now = self._ticking()
            self._left = min(float(self._burst), self._left + (now - self._at) * self._per_s)
            self._at = now
            if self._left < 1:
                raise DependencyDown("too many launches are begun")
            self._left -= 1
