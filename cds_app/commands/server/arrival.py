"""How far a request on its way has come, by what its head says. Reads and sends nothing itself.

Whether what came is right is for the parser to say: a request that can only be refused is as good as whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

MAX_HEAD_BYTES: Final = 65_536
_MAX_LINE_BYTES: Final = 8192
_END: Final = b"\r\n\r\n"
_BARE: Final = re.compile(rb"(?<!\r)\n")
_FRAMING: Final = re.compile(rb"\n(content-length|transfer-encoding|expect)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
_SIZE: Final = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(;|\r\n)")
_LENGTH: Final = re.compile(rb"[0-9]{1,18}[ \t]*\Z")


class Arrival:
    """What came of a request, and of what follows it on the same connection.

    Parameters
    ----------
    max_body_bytes : int
        A longer body is refused, and so not waited for.
    """

    __slots__ = ("_at", "_max_bytes", "_step", "_until", "awaits_word", "received")

    def __init__(self, max_body_bytes: int) -> None:
        self.received = bytearray()
        self.awaits_word = False
        """Whether the caller sends the body only when told to go on (RFC 9110, 10.1.1)."""
        self._max_bytes = max_body_bytes
        self._at = 0  # what stands before this is understood
        self._until = -1  # where the request ends; below 0 while that is not known
        self._step: Callable[[Arrival], bool] = Arrival._read_head

    def add(self, data: bytes) -> bool:
        """Whether the request is whole with this, or can only be refused."""
        self.received += data
        while self._until < 0:
            if not self._step(self):
                return False
        return len(self.received) >= self._until

    def _ends(self, until: int = 0) -> bool:
        self._until = until
        return True

    def _read_head(self) -> bool:
        """Find the end of the head. False where more has to come, as in every step."""
        end = self.received.find(_END, max(0, self._at - len(_END)))
        if end >= 0:
            self._at = end + len(_END)
            return self._read_framing(bytes(self.received[:end]))
        broken = _BARE.search(self.received, self._at) is not None  # no end can come: the parser takes no such line
        self._at = len(self.received)
        return self._ends() if broken or len(self.received) > MAX_HEAD_BYTES else False

    def _read_framing(self, head: bytes) -> bool:
        """See in the head how long the body is."""
        said = [(name.lower(), value) for name, value in _FRAMING.findall(head)]
        framing = [one for one in said if one[0] != b"expect"]
        if len(framing) != 1:
            return self._ends()  # no body; or more than one word about it, which the parser refuses
        ((name, value),) = framing
        if name == b"transfer-encoding":
            if b"chunked" not in value.lower():
                return self._ends()
            self._step = Arrival._read_chunk
        elif _LENGTH.match(value) is None or int(value) > self._max_bytes:
            return self._ends()
        else:
            self._ends(self._at + int(value))
        self.awaits_word = len(said) > 1 and head.partition(b"\r\n")[0].endswith(b" HTTP/1.1")
        return True

    def _read_chunk(self) -> bool:
        """Pass over a chunk."""
        size = _SIZE.match(self.received, self._at)
        end = self.received.find(b"\r\n", self._at)
        if len(self.received) > 2 * self._max_bytes:
            return self._ends()
        if end < 0:
            return self._ends() if len(self.received) - self._at > _MAX_LINE_BYTES else False
        if size is None:
            return self._ends()
        length = int(size[1], 16)
        self._at = end + 2 + (length + 2 if length else 0)
        if not length:
            self._step = Arrival._read_trailers
        return True

    def _read_trailers(self) -> bool:
        """Find the end of what may follow the last chunk."""
        if self.received.startswith(b"\r\n", self._at) or self.received.find(_END, self._at) >= 0:
            return self._ends()
        return self._ends() if len(self.received) - self._at > MAX_HEAD_BYTES else False
