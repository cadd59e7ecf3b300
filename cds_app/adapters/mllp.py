"""MLLP: frames over TCP. What waits is bounded for each peer and for all together; answers keep the order of frames.

Sockets are served by one loop, messages by one worker that takes all that wait along (group commit): the more peers,
the larger the groups, and a peer that sends ahead of its answers fills a group by itself.
"""

from __future__ import annotations

import asyncio
import queue
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from cds_app.errors import DependencyDown

_LOG = structlog.get_logger("twinline")
START: Final = b"\x0b"
END: Final = b"\x1c\r"
_READ: Final = 65536
_SHOWN: Final = 4096  # bytes of what was no frame by which it is known again
_PAUSE_S: Final = 0.01
_CLOSED: Final = b""
_LINGER_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one peer, and all together, may ask of us.

    Parameters
    ----------
    frame : int
        Bytes of one message.
    peers : int
        Connections at once; more are closed at once.
    ahead : int
        Messages of one peer that may wait for their answers; beyond them it is not read from.
    group : int
        Messages in one transaction.
    silent_s : float
        How long a message that was begun, and an answer that is not taken, may take.
    idle_s : float
        How long a peer may say nothing.
    waiting : int
        Bytes of all messages that wait; beyond them nobody is read from.
    """

    frame: int = 1 << 20
    peers: int = 200
    ahead: int = 64
    group: int = 128
    silent_s: float = 30.0
    idle_s: float = 3600.0
    waiting: int = 64 << 20


@dataclass(slots=True)
class _Waiting:
    """A frame, and where its answer goes."""

    frame: bytes
    answer: asyncio.Future[bytes]


class NoFrame(Exception):
    """What came is no frame: why, and its first bytes."""

    def __init__(self, reason: str, start: bytes) -> None:
        super().__init__(reason)
        self.reason = reason
        self.start = start[:_SHOWN]


@dataclass(slots=True)
class Frames:
    """Cuts a stream of bytes into frames.

    Parameters
    ----------
    most : int
        Bytes of one frame.
    """

    most: int
    _held: bytearray = field(default_factory=bytearray)

    @property
    def begun(self) -> bool:
        """Whether part of a frame was received."""
        return bool(self._held)

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Frames that are whole now.

        Raises
        ------
        NoFrame
            After those before it, if bytes stand before a frame, one begins within another, or one is too long.
        """
        self._held += piece
        while self._held and (frame := self._cut()) is not None:
            yield frame

    def _cut(self) -> bytes | None:
        held = self._held
        while held[:1] == b"\r" or held[:1] == b"\n":  # what some senders put between frames
            del held[:1]
        if not held:
            return None
        if held[:1] != START:
            raise NoFrame("garbled", bytes(held[:_SHOWN]))
        end = held.find(END, 1)
        if (end if end >= 0 else len(held)) > self.most:
            raise NoFrame("oversize", bytes(held[:_SHOWN]))
        if end < 0:
            return None
        frame = bytes(held[1:end])
        if START in frame:
            raise NoFrame("garbled", frame[:_SHOWN])
        del held[: end + len(END)]
        return frame


class MllpServer:
    """Listens, and has groups of frames answered.

    Parameters
    ----------
    answer : callable
        Takes frames, gives an answer for each, in order. Runs in one thread; raises nothing.
    refuse : callable
        The answer to what is no frame: reason, first bytes.
    limits : Limits
    tls : ssl.SSLContext, optional
    """

    def __init__(
        self,
        answer: Callable[[Sequence[bytes]], Sequence[bytes]],
        refuse: Callable[[str, bytes], bytes],
        *,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._answer = answer
        self._refuse = refuse
        self._limits = limits or Limits()
        self._tls = tls
        self._queue: queue.Queue[_Waiting | None] = queue.Queue()
        self._peers: set[asyncio.Task[None]] = set()
        self._waiting = 0
        self.port = 0

    def run(self, host: str, port: int, stop: threading.Event, listening: Callable[[int], None]) -> None:
        """Serve until ``stop`` is set; what was received by then is answered."""
        worker = threading.Thread(target=self._work, name="mllp-worker", daemon=True)
        worker.start()
        try:
            asyncio.run(self._serve(host, port, lambda: stop.is_set() or not worker.is_alive(), listening))
        finally:
            self._queue.put(None)
            worker.join()
        if not stop.is_set():
            raise DependencyDown("what answers messages has ended")

    async def _serve(self, host: str, port: int, ended: Callable[[], bool], listening: Callable[[int], None]) -> None:
        server = await asyncio.start_server(self._accept, host, port, ssl=self._tls, limit=_READ)
        self.port = server.sockets[0].getsockname()[1]
        listening(self.port)
        while not ended():
            await asyncio.sleep(0.1)
        server.close()
        for peer in self._peers:
            peer.cancel()
        await asyncio.gather(*self._peers, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._peers) >= self._limits.peers:
            _LOG.warning("peer refused", reason="too many")
            writer.close()
            return
        task = asyncio.current_task()
        if task is not None:
            self._peers.add(task)
            task.add_done_callback(self._peers.discard)
        with suppress(ConnectionError, TimeoutError, ssl.SSLError, asyncio.CancelledError):
            await self._talk(reader, writer)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read ahead while answers are written in order behind it."""
        answers: asyncio.Queue[asyncio.Future[bytes] | None] = asyncio.Queue(self._limits.ahead)
        writing = asyncio.create_task(self._write(writer, answers))
        try:
            await self._read(reader, answers, writing)
        finally:
            if not writing.done():
                with suppress(TimeoutError):
                    await asyncio.wait_for(answers.put(None), self._limits.silent_s)
                    await asyncio.wait_for(writing, self._limits.silent_s)
            writing.cancel()
        await self._let_go(reader, writer)

    async def _let_go(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What a peer still sends, and nobody reads, would reset the connection and take our last answer with it."""
        if writer.can_write_eof():
            writer.write_eof()
        left = self._limits.waiting
        async with asyncio.timeout(_LINGER_S):
            while left > 0 and (piece := await reader.read(_READ)):
                left -= len(piece)

    async def _read(
        self,
        reader: asyncio.StreamReader,
        answers: asyncio.Queue[asyncio.Future[bytes] | None],
        writing: asyncio.Task[None],
    ) -> None:
        frames, loop = Frames(self._limits.frame), asyncio.get_running_loop()
        until = loop.time() + self._limits.idle_s
        while not writing.done():
            piece = await asyncio.wait_for(reader.read(_READ), max(0.0, until - loop.time()))
            if piece == _CLOSED:
                return
            found = False
            try:
                for frame in frames.feed(piece):
                    found = True
                    if not await self._put(_Waiting(frame, loop.create_future()), answers, writing):
                        return
            except NoFrame as error:  # where the next frame begins is anybody's guess: answer, and hang up
                refused = loop.run_in_executor(None, self._refuse, error.reason, error.start)
                await _done_before(answers.put(asyncio.ensure_future(refused)), writing)
                return
            if found or not frames.begun or until - loop.time() > self._limits.silent_s:
                until = loop.time() + (self._limits.silent_s if frames.begun else self._limits.idle_s)

    async def _put(
        self,
        waiting: _Waiting,
        answers: asyncio.Queue[asyncio.Future[bytes] | None],
        writing: asyncio.Task[None],
    ) -> bool:
        """Queue a frame; false where nobody is there any more to be answered."""
        while self._waiting > self._limits.waiting and not writing.done():
            await asyncio.sleep(_PAUSE_S)
        if not await _done_before(answers.put(waiting.answer), writing):
            return False
        self._waiting += len(waiting.frame)
        self._queue.put(waiting)
        return True

    async def _write(self, writer: asyncio.StreamWriter, answers: asyncio.Queue[asyncio.Future[bytes] | None]) -> None:
        while (answer := await answers.get()) is not None:
            writer.write(START + await answer + END)
            await asyncio.wait_for(writer.drain(), self._limits.silent_s)

    def _work(self) -> None:
        """One group after the other, in a thread of its own."""
        while (first := self._queue.get()) is not None:
            group = [first]
            while len(group) < self._limits.group and not self._queue.empty():
                more = self._queue.get()
                if more is None:
                    self._queue.put(None)
                    break
                group.append(more)
            answers = self._answer([one.frame for one in group])
            with suppress(RuntimeError):  # who asked has gone, and the loop with them: what else came is taken in still
                group[0].answer.get_loop().call_soon_threadsafe(self._settle, group, answers)

    def _settle(self, group: Sequence[_Waiting], answers: Sequence[bytes]) -> None:
        for one, answer in zip(group, answers, strict=True):
            self._waiting -= len(one.frame)
            if not one.answer.done():
                one.answer.set_result(answer)


async def _done_before(act: Coroutine[Any, Any, None], end: asyncio.Task[None]) -> bool:
    """Do something unless another thing ends first."""
    doing = asyncio.ensure_future(act)
    await asyncio.wait({doing, end}, return_when=asyncio.FIRST_COMPLETED)
    if not doing.done():
        doing.cancel()
    return doing.done()


def tls_context(certificate: str, key: str, clients: str = "") -> ssl.SSLContext:
    """What listens with TLS 1.2 or newer; with ``clients`` (a file of authorities), peers must prove who they are.

    Raises
    ------
    OSError
        If a file cannot be read, or is not what it should be.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=clients or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
    return context
