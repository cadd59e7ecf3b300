"""Who writes to a patient next: turns within a process, and another try after a race that another process won."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakValueDictionary

from cds_app.errors import Conflict

_Result = TypeVar("_Result")

_TRIES = 40
_LONGEST_PAUSE_S = 0.02


class Turns:
    """Lets one call of a process at a time compute and write for a patient.

    Without turns, every thread of every process would race for the same patient, and with many of them somebody loses
    again and again. Whose turn it is may take another within it.
    """

    __slots__ = ("_guard", "_locks", "_random")

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: WeakValueDictionary[str, threading.RLock] = WeakValueDictionary()
        self._random = random.Random()  # noqa: S311 - pauses are no secret

    def take(self, patient: str, attempt: Callable[[], _Result]) -> tuple[_Result, int]:
        """What the attempt returns once nobody was faster, and how many tries that took.

        Raises
        ------
        Conflict
            If somebody else was faster every time.
        """
        with self._lock(patient):
            for tries in range(1, _TRIES):
                try:
                    return attempt(), tries
                except Conflict:
                    time.sleep(self._random.random() * _LONGEST_PAUSE_S)
            return attempt(), _TRIES

    def _lock(self, patient: str) -> threading.RLock:
        """The patient's own, for as long as somebody waits for it or holds it."""
        with self._guard:
            return self._locks.setdefault(patient, threading.RLock())
