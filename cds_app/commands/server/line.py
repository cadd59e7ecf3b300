"""A caller's connection: what came on it so far, a request that is whole, what it has not taken of the answer."""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from gunicorn.http.errors import ParseException

from cds_app.commands.server.arrival import Arrival
from cds_app.domain.decisions import Loss

PIECE_BYTES: Final = 131_072
# Linux tells of a connection that the other end closed, whatever was sent before; elsewhere only a broken one shows.
_HUNG_UP: Final = getattr(select, "POLLRDHUP", select.POLLHUP)
_GO_ON: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Line:
    """A caller's socket, and what came on it of the next request; in all else the socket that it holds.

    No thread waits for a caller: it gets a request that is whole, and leaves here what is not taken at once. It is a
    `cds_app.services.calls.hook_call.Listener`.
    """

    __slots__ = ("_act", "_given", "_max_body_bytes", "_read", "_sock", "arrival", "lost", "unsent")

    def __init__(self, sock: socket.socket, max_body_bytes: int) -> None:
        self._sock = sock
        self._max_body_bytes = max_body_bytes
        self._given = bytearray()  # a request that is whole, and what came behind it
        self._read = 0
        self.arrival = Arrival(max_body_bytes)
        self._act: Callable[[Loss], None] | None = None
        self.lost: Loss | None = None
        """How an answer was lost of which somebody wants to know."""
        self.unsent = bytearray()
        """What the caller has not taken of an answer."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def receive(self) -> bool:
        """Take what is there; whether the request is whole. Raises OSError or EOFError where the caller hung up."""
        self._sock.setblocking(False)
        try:
            data = self._sock.recv(PIECE_BYTES)
        except BlockingIOError:
            return False
        if not data:
            raise EOFError
        whole = self.arrival.add(data)
        if not whole and self.arrival.awaits_word:
            self.arrival.awaits_word = False
            self._sock.send(_GO_ON)
        return whole

    def hand_over(self) -> None:
        """Give the request that came, and is whole, to who reads here; what comes from now on is of the next one."""
        self._given, self._read = self.arrival.received, 0
        self.arrival = Arrival(self._max_body_bytes)

    def take_back(self, ahead: bytes) -> None:
        """What was read too far, and what nobody read, is of the next request."""
        self.arrival.received += ahead + self._given[self._read :]
        self._given, self._read = bytearray(), 0

    def recv(self, size: int) -> bytes:
        """Some of what was given. Raises ConnectionResetError where there is no more, as for a caller who hung up."""
        piece = bytes(memoryview(self._given)[self._read : self._read + size])
        if not piece:
            raise ConnectionResetError(errno.ECONNRESET, "not received whole")
        self._read += len(piece)
        return piece

    def sendall(self, data: bytes) -> None:
        """Send as much as the caller takes at once; the rest is kept. Raises OSError where the caller hung up."""
        if self._act is not None and self.gone():  # it may still listen
            self.lost = "hung-up"
        if not self.unsent:
            self._sock.setblocking(False)
            with suppress(BlockingIOError):
                data = data[self._sock.send(data) :]
        self.unsent += data

    def send_on(self) -> bool:
        """Send more of what was kept; whether that is all. Raises OSError where the caller hung up."""
        with suppress(BlockingIOError):
            del self.unsent[: self._sock.send(self.unsent)]
        return not self.unsent

    def gone(self) -> bool:
        """Whether the caller has hung up, or at least ended its side: that looks the same from here."""
        look = select.poll()
        look.register(self._sock.fileno(), _HUNG_UP)
        return bool(look.poll(0))

    def unless_taken(self, act: Callable[[Loss], None]) -> None:
        """Have something done if the answer that is coming is not taken."""
        self._act = act

    def settle(self, loss: Loss | None = None) -> None:
        """Have done what is to be done now that the answer is out, or lost."""
        act, loss, self._act, self.lost = self._act, self.lost or loss, None, None
        if act is not None and loss is not None:
            act(loss)


class Unbroken:
    """A body's reader to which chunks of the wrong form are a body that broke off: what the caller did is no fault."""

    __slots__ = ("_reader",)

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def read(self, size: int) -> bytes:
        """What comes next. Raises ConnectionResetError where chunks cannot be told apart."""
        try:
            return bytes(self._reader.read(size))
        except ParseException as error:
            raise ConnectionResetError(errno.ECONNRESET, type(error).__name__) from None
