"""Gunicorn's threaded worker as Twinline runs it: fair, discreet, and quick to say when it is full.

A connection that says nothing costs no thread, and one that does not finish what it began to say is cut off. A call
that finds all threads busy and the waiting room full is refused within milliseconds by a thread that does nothing
else: an EHR that is told at once goes on without us, one that is kept waiting hangs at every chart. Health and metrics
are answered on the porch, too: a busy service is not a dead one.
"""

from __future__ import annotations

import errno
import mmap
import select
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any, Final

from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.util import write, write_error
from gunicorn.workers.gthread import ThreadWorker

RECEIVED_WITHIN_S = 10.0
_HOLD_BACK_S = 0.0005
_MOMENT_MS = 2
_MOST_HELD_BACK = 8
_PLACES = 1024  # more than there are workers at once
_PORCH_THREADS = 2
_PORCH_ROOM = 128
_PORCH_PATIENCE_S = 0.5
_ALWAYS = frozenset({"/healthz", "/readyz", "/metrics"})
_FULL = (
    b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"throttled","details":{"coding":'
    b'[{"system":"urn:twinline:error","code":"overloaded"}],"text":"more calls than can be answered in time"}}]}'
)
_REFUSALS = (
    (LimitRequestLine, (414, "URI Too Long")),
    (LimitRequestHeaders, (431, "Request Header Fields Too Large")),
    (ParseException, (400, "Bad Request")),
)
_FAILED = (500, "Internal Server Error")


class Hurried:
    """A socket from which a request must be received whole by an instant; in all else the socket that it holds."""

    __slots__ = ("_sock", "until")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.until = time.monotonic() + RECEIVED_WITHIN_S

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def recv(self, *size_and_flags: int) -> bytes:
        """What comes next. Raises ConnectionResetError when the time is over, as for a caller who hung up."""
        left_s = self.until - time.monotonic()
        if left_s <= 0:
            raise ConnectionResetError(errno.ECONNRESET, "not received in time")
        self._sock.settimeout(left_s)
        try:
            return self._sock.recv(*size_and_flags)
        except TimeoutError as error:
            raise ConnectionResetError(errno.ECONNRESET, "not received in time") from error
        finally:
            self._sock.settimeout(None)


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


class Crowd:
    """How many connections each worker has, in memory that they share: made before they are forked."""

    __slots__ = ("_counts",)

    AWAY: Final = -1
    """Of a worker that takes no connections: it has not begun, or has ended."""

    def __init__(self) -> None:
        self._counts = memoryview(mmap.mmap(-1, 4 * _PLACES)).cast("i")
        for place in range(_PLACES):
            self._counts[place] = self.AWAY

    def tell(self, number: int, count: int) -> None:
        """Say how many connections the worker of a number has."""
        self._counts[number % len(self._counts)] = count

    def fewest(self) -> int:
        """How many connections the worker has that has fewest; 0 where none takes any."""
        return min((count for count in self._counts if count != self.AWAY), default=0)


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn carries no types
    """Discreet about requests that are not HTTP: gunicorn's own repeats them in log and answer.

    All workers listen at one socket, and callers keep their connections: who happens to be awake would get most of
    them, and keep them. So a worker that has more of them than another holds back a little, for the other to be first.
    """

    max_waiting = 12
    crowd = Crowd()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._inside = 0
        self._idle: set[int] = set()
        self._on_porch = 0
        self.nr_conns = Crowd.AWAY

    @property
    def nr_conns(self) -> int:
        """How many connections there are: gunicorn counts, the other workers read."""
        return self._connections

    @nr_conns.setter
    def nr_conns(self, count: int) -> None:
        self._connections = count
        self.crowd.tell(self.age, count)

    def init_process(self) -> None:
        """In the worker, after the fork."""
        self._porch = ThreadPoolExecutor(_PORCH_THREADS, thread_name_prefix="porch")
        super().init_process()

    def run(self) -> None:
        """Take connections until told to end."""
        self.nr_conns = 0
        super().run()

    def accept(self, listener: Any) -> None:
        """Take a new connection, unless a worker with fewer of them is faster."""
        for _ in range(_MOST_HELD_BACK):
            if self.nr_conns <= self.crowd.fewest():
                break
            time.sleep(_HOLD_BACK_S)
        super().accept(listener)

    def enqueue_req(self, conn: Any) -> None:
        """Let a request in, or answer it on the porch. Runs in the main thread only, like all that counts."""
        if not conn.initialized and not conn.data_ready:
            self._await_first_word(conn)
        elif self._inside - len(self._idle) < self.cfg.threads + self.max_waiting:
            self._inside += 1
            self._then(self.tpool.submit(self.handle, conn), self._leave, conn)
        elif self._on_porch < _PORCH_ROOM:
            self._on_porch += 1
            self._then(self._porch.submit(self._turn_away, conn, time.monotonic()), self._leave_porch, conn)
        else:
            self.nr_conns -= 1
            conn.close()

    def handle(self, conn: Any) -> Any:
        """Receive and answer a request, and those that follow it at once; runs in a thread.

        To give a connection back and get it anew takes three changes of thread, each of which waits for the
        interpreter: a caller who goes on at once is served by the thread that knows it, unless others wait for one.
        """
        if not isinstance(conn.sock, Hurried):
            conn.sock = Hurried(conn.sock)
        while True:
            conn.sock.until = time.monotonic() + RECEIVED_WITHIN_S
            stays = super().handle(conn)
            if stays is not True or not self.alive or self._inside > self.cfg.threads or not self._goes_on(conn):
                return stays

    def _goes_on(self, conn: Any) -> bool:
        """Whether the next request of a connection begins within a moment; who is waited for takes nobody's place."""
        if conn.parser.unreader.buf.getvalue():
            return False
        soon = select.poll()
        soon.register(conn.sock.fileno(), select.POLLIN)
        self._idle.add(id(conn))
        try:
            return bool(soon.poll(_MOMENT_MS))
        finally:
            self._idle.discard(id(conn))

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Have a request answered by the application."""
        req.body.reader = Unbroken(req.body.reader)
        return super().handle_request(req, conn)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answer without a word of what was sent, and log the kind of error only."""
        self.log.warning("Request refused: %s", type(exc).__name__)
        status, reason = next((answer for kind, answer in _REFUSALS if isinstance(exc, kind)), _FAILED)
        with suppress(OSError):  # nobody is listening any more
            write_error(client, status, reason, "")

    def _await_first_word(self, conn: Any) -> None:
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + self.cfg.keepalive
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def _then(self, future: Future[Any], leave: Any, conn: Any) -> None:
        future.add_done_callback(lambda done: self.method_queue.defer(leave, conn, done))

    def _leave(self, conn: Any, future: Future[Any]) -> None:
        self._inside -= 1
        self.finish_request(conn, future)

    def _leave_porch(self, conn: Any, future: Future[Any]) -> None:
        self._on_porch -= 1
        self.finish_request(conn, future)

    def _turn_away(self, conn: Any, since: float) -> bool:
        """Read the request, so that the answer is not lost with what was not read, and refuse it."""
        try:
            conn.init()
            conn.sock.settimeout(_PORCH_PATIENCE_S)
            req = next(conn.parser)
            if req is None or conn.is_http2:
                return False
            if req.path in _ALWAYS:
                return bool(self._keepalive_after(conn, self.handle_request(req, conn)))
            read = bool(conn.parser.finish_body(deadline=time.monotonic() + _PORCH_PATIENCE_S))
            stays = read and self.alive and not req.should_close()
            write(conn.sock, _refusal(stays))
        except (OSError, StopIteration):
            return False
        except ParseException as error:
            self.handle_error(None, conn.sock, conn.client, error)
            return False
        self.wsgi.extensions["meter"].call("", "refused", 503, time.monotonic() - since)
        return stays


def worker_of(max_waiting: int) -> type[Worker]:
    """The worker with a waiting room of this size, and all of its kind with one count of their connections."""
    return type("Worker", (Worker,), {"max_waiting": max_waiting, "crowd": Crowd()})


def _refusal(stays: bool) -> bytes:
    head = (
        "HTTP/1.1 503 Service Unavailable\r\n"
        "Retry-After: 1\r\n"
        "Cache-Control: no-store\r\n"
        "Content-Type: application/fhir+json\r\n"
        f"Content-Length: {len(_FULL)}\r\n"
        f"Connection: {'keep-alive' if stays else 'close'}\r\n\r\n"
    )
    return head.encode("ascii") + _FULL
