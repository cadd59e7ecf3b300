"""What every call to somebody else's server has in common: nothing follows it, nothing of another goes with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http.cookiejar import DefaultCookiePolicy
from typing import Final, TypeVar

import requests
import urllib3

from cds_app.adapters.http.watch import WatchedAdapter

CAREFUL: Final = {"Accept-Encoding": "identity", "User-Agent": "twinline"}
"""Headers of every call: what is compressed could be larger than it looks."""
FAILURES: Final = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)
"""All that a call may raise. Their texts hold the URL, and with it what identifies a patient: no cause of ours."""
_PIECE: Final = 64 * 1024
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_Session = TypeVar("_Session", bound=requests.Session)


class Unread(Exception):
    """A body that is not used; the text says why."""


class TooLong(Unread):
    """More than was allowed came."""


class CutOff(Unread):
    """Less than was announced came."""


def careful(session: _Session, *, connections: int = 1) -> _Session:
    """A session without proxies and passwords of this machine, without cookies, whose sockets a `Watch` can shut."""
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("https://", "http://"):
        session.mount(scheme, WatchedAdapter(pool_maxsize=connections))
    return session


def bearing(token: str) -> dict[str, str] | None:
    """The header of an access token; None if it is malformed."""
    return {"Authorization": f"Bearer {token}"} if _TOKEN.fullmatch(token) else None


def pieces(response: requests.Response, *, most: int | None = None, size: int = _PIECE) -> Iterator[bytes]:
    """A body as it comes.

    Raises
    ------
    TooLong
        At the first byte beyond ``most``.
    CutOff
        At the end, if less came than was announced: urllib3 leaves that to whoever reads raw.
    """
    announced, came = response.headers.get("Content-Length", ""), 0
    while piece := response.raw.read1(size):
        came += len(piece)
        if most is not None and came > most:
            raise TooLong("is too large")
        yield piece
    if announced.isascii() and announced.isdigit() and came < int(announced[:18]):
        raise CutOff("was cut off")


def body(response: requests.Response, most: int) -> bytes:
    """A whole body. Raises `Unread`."""
    return b"".join(pieces(response, most=most))
