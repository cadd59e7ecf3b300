"""What every part of the sandbox's authorisation server says: refusals, parameters given once, secrets."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from typing import Final, Generic, Literal, TypeVar

from werkzeug.datastructures import MultiDict

Error = Literal[
    "access_denied",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_response_type",
]
_SECRET_BYTES: Final = 32
_MOST_TICKETS: Final = 1000
_Thing = TypeVar("_Thing")


class OAuthRefusal(Exception):
    """A request is refused as OAuth 2.0 says it (RFC 6749, sections 4.1.2.1 and 5.2).

    Parameters
    ----------
    error : str
        One of the codes of the standard.
    description : str
        For the developer of the app; never holds a value that was sent.
    """

    def __init__(self, error: Error, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.error: Error = error
        self.description = description

    @property
    def status(self) -> int:
        """HTTP status at the token endpoint."""
        return 401 if self.error == "invalid_client" else 400


def given_once(parameters: MultiDict[str, str]) -> dict[str, str]:
    """Parameters by name, those without a value left out (RFC 6749, section 3.1).

    Raises
    ------
    OAuthRefusal
        If one is there twice: two readers might believe different ones.
    """
    if any(len(values) > 1 for _, values in parameters.lists()):
        raise OAuthRefusal("invalid_request", "a parameter is there more than once")
    return {name: value for name, value in parameters.items() if value}


def new_secret() -> str:
    """Something that nobody guesses: 256 bits, fit for a URL."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def digest(secret: str) -> str:
    """Under which a code or token is kept, so that what is kept opens nothing."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Tickets(Generic[_Thing]):
    """Things that are kept, in memory, under secrets that open them once and soon.

    Parameters
    ----------
    life_s : float
        How long. When there are too many, the oldest give way.
    clock : callable
        Seconds since 1970.
    """

    def __init__(self, life_s: float, clock: Callable[[], float] = time.time) -> None:
        self._life_s = life_s
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, _Thing]] = {}

    def keep(self, thing: _Thing) -> str:
        """The secret under which it is kept."""
        secret = new_secret()
        with self._lock:
            now = self._clock()
            alive = [row for row in self._kept.items() if row[1][0] > now]
            self._kept = {**dict(alive[1 - _MOST_TICKETS :]), digest(secret): (now + self._life_s, thing)}
        return secret

    def take(self, secret: str) -> _Thing | None:
        """What was kept, once; None if it was taken, is too old or was never there."""
        with self._lock:
            ends, thing = self._kept.pop(digest(secret), (0.0, None))
        return thing if ends > self._clock() else None
