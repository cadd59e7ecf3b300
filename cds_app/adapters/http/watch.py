"""A deadline over a whole HTTP exchange: when it passes, the sockets in use are shut down.

Read timeouts bound the silence between two bytes and not the exchange: a server that sends a byte a second would
hold a worker for hours.
"""

from __future__ import annotations

import socket
import threading
from contextvars import ContextVar
from typing import Any, Final, Self

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection


class Watch:
    """Context manager: sockets that are read inside are shut down ``seconds`` after entering, unless left before."""

    def __init__(self, seconds: float) -> None:
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._over = False

    def __enter__(self) -> Self:
        self._token = _WATCH.set(self)
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        _WATCH.reset(self._token)
        self._timer.cancel()
        with self._lock:
            self._sockets.clear()

    def guard(self, sock: socket.socket) -> None:
        """Have this socket shut down too, at once if the time is over."""
        with self._lock:
            self._sockets.append(sock)
            if self._over:
                _shut(sock)

    def _cut(self) -> None:
        with self._lock:
            self._over = True
            for sock in self._sockets:
                _shut(sock)


_WATCH: Final[ContextVar[Watch | None]] = ContextVar("watch", default=None)


def _shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # closed already, which is what was wanted


def _guard(sock: object) -> None:
    watch = _WATCH.get()
    if watch is not None and isinstance(sock, socket.socket):
        watch.guard(sock)


class _Connection(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override] # as in urllib3 itself
        _guard(self.sock)
        return super().getresponse()


class _SecureConnection(HTTPSConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override] # as in urllib3 itself
        _guard(self.sock)
        return super().getresponse()


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class WatchedAdapter(HTTPAdapter):
    """requests' transport with connections that a `Watch` can cut; no retries of its own."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
