"""What an app is opened with: the patient, the stay, the user and what a card hands over. Launch tokens open once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cds_app.sandbox.oauth import OAuthRefusal, digest, new_secret

LAUNCH_LIFE_S: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """In which an app works.

    Parameters
    ----------
    user : str
        ``Practitioner/x``; "" where no person is there.
    patient, encounter : str
        Ids; "" for none.
    app_context : str
        What the card said that led here (CDS Hooks ``appContext``).
    framed : bool
        Whether the app stands beside a chart that shows who the patient is.
    """

    user: str = ""
    patient: str = ""
    encounter: str = ""
    app_context: str = ""
    framed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Launch:
    client_id: str
    context: Context
    ends: float


class Launches:
    """Launch tokens that were made and not used yet: in memory.

    Parameters
    ----------
    clock : callable
        Seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._made: dict[str, _Launch] = {}

    def make(self, client_id: str, context: Context) -> str:
        """A token with which this app, and no other, is opened once and soon."""
        token = new_secret()
        with self._lock:
            now = self._clock()
            self._made = {key: one for key, one in self._made.items() if one.ends > now}
            self._made[digest(token)] = _Launch(client_id=client_id, context=context, ends=now + LAUNCH_LIFE_S)
        return token

    def use(self, token: str, client_id: str) -> Context:
        """What stands behind a token, which is used up by asking.

        Raises
        ------
        OAuthRefusal
            If it is unknown, used, too old or another app's: the answer is the same for all of them.
        """
        with self._lock:
            found = self._made.pop(digest(token), None)
        if found is None or found.client_id != client_id or found.ends <= self._clock():
            raise OAuthRefusal("invalid_request", "launch is unknown, used or too old")
        return found.context
