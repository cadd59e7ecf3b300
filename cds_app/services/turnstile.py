"""How many threads may wait for EHRs' authorisation servers at once, so that a slow one cannot take them all.

A thread that waits there answers nobody: no hook call, and not the EHR itself when it asks for our keys before it
gives the token that is waited for.
"""

from __future__ import annotations

import threading
from types import TracebackType

from cds_app.errors import DependencyDown


class Turnstile:
    """Context manager that so many can be inside of at once; who finds it full is told so at once.

    Parameters
    ----------
    places : int
    """

    def __init__(self, places: int) -> None:
        self._places = threading.BoundedSemaphore(places)

    def __enter__(self) -> None:
        if not self._places.acquire(blocking=False):
            raise DependencyDown("too many wait for an EHR already")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._places.release()
