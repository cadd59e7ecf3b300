"""Gunicorn's threaded worker as Twinline runs it: fair, discreet, and quick to say when it is full.

A connection costs no thread before it has said all of a request, and one that does not finish what it began to say is
cut off. A call that finds all threads busy and the waiting room full is refused within milliseconds by a thread that
does nothing else: an EHR that is told at once goes on without us, one that is kept waiting hangs at every chart. Health
and metrics are answered on the porch, too: a busy service is not a dead one.
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
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any, Final

from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import ThreadWorker

from cds_app.commands.server.line import PIECE_BYTES, Line, Unbroken
from cds_app.commands.server.refusal import BROKEN_OFF, FULL, LATE, Hostless, Refusal, refusal_of
from cds_app.domain.decisions import Loss

RECEIVED_WITHIN_S = 10.0
TAKEN_WITHIN_S = 10.0
_PARTED_WITHIN_S = 2.0
_UNFINISHED_BODIES = 4  # as long as they may be, and for each worker: what is not whole takes no more memory
_HOLD_BACK_S = 0.0005
_MOMENT_S = 0.002
_MOST_HELD_BACK = 8
_PLACES = 1024  # more than there are workers at once
_PORCH_THREADS = 2
_PORCH_ROOM = 128
_PORCH_PATIENCE_S = 0.5
_ALWAYS = frozenset({"/healthz", "/readyz", "/metrics"})
_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)


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

    Who has not said all of a request, not taken all of an answer, or not hung up after it, is waited for in the main
    loop, where that costs next to nothing; in bounded bytes, connections and time.
    """

    max_waiting = 12
    max_body_bytes = 16 * 1024 * 1024
    crowd = Crowd()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._inside = 0
        self._idle: set[int] = set()
        self._on_porch = 0
        self._coming: dict[Any, tuple[float, int]] = {}  # by when the rest must come, earliest first; bytes so far
        self._taking: dict[Any, float] = {}  # by when the answer must be out, earliest first
        self._parting: dict[Any, float] = {}  # by when we hang up, earliest first
        self._unfinished_bytes = 0
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
        for conn in self._taking:
            conn.sock.settle("not-read")

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """See to what happened, unless what was seen to before it, in the same round, no longer waits for it."""
        for key, _ in self.poller.select(timeout):
            if self.poller.get_map().get(key.fd) is key:
                key.data(key.fileobj)

    def accept(self, listener: Any) -> None:
        """Take a new connection, unless a worker with fewer of them is faster; where there is no place, make one."""
        for _ in range(_MOST_HELD_BACK):
            if self.nr_conns <= self.crowd.fewest():
                break
            time.sleep(_HOLD_BACK_S)
        if self.nr_conns >= self.worker_connections - 1:
            self._make_place()
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno not in _NO_DESCRIPTOR:
                raise
            self._make_place()

    def enqueue_req(self, conn: Any) -> None:
        """Receive the next request of a connection. Runs in the main thread only, like all that counts."""
        if not conn.initialized:
            conn.sock = Line(conn.sock, self.max_body_bytes)
            conn.init()
        if conn.sock.arrival.add(b""):
            self._let_in(conn)
        else:
            self._receive(conn)

    def _receive(self, conn: Any, _: Any = None) -> None:
        """Read what came, and let the request in if it is whole; called whenever more can be read."""
        try:
            whole = conn.sock.receive()
        except OSError:
            self._forget(conn)
            self._hang_up(conn)
            return
        except EOFError:  # it may still listen
            self._give_up(conn, BROKEN_OFF)
            return
        if whole:
            self._forget(conn)
            self._let_in(conn)
        else:
            self._await_more(conn)

    def _await_more(self, conn: Any) -> None:
        """Wait for the rest, or the first word, from which the time counts; who has sent most gives way to others."""
        until, before = self._coming.get(conn, (0.0, 0))
        if conn not in self._coming:
            self.poller.register(conn.sock, EVENT_READ, partial(self._receive, conn))
        if not before:
            self._coming.pop(conn, None)
            until = time.monotonic() + RECEIVED_WITHIN_S
        size = len(conn.sock.arrival.received)
        self._coming[conn] = until, size
        self._unfinished_bytes += size - before
        if self._unfinished_bytes > _UNFINISHED_BODIES * self.max_body_bytes:
            self._give_up(max(self._coming, key=lambda one: self._coming[one][1]))

    def _forget(self, conn: Any) -> None:
        """Wait for nothing more of a request."""
        if conn in self._coming:
            self._unfinished_bytes -= self._coming.pop(conn)[1]
            self.poller.unregister(conn.sock)

    def _give_up(self, conn: Any, why: Refusal = LATE) -> None:
        """Wait no longer for the rest of a request."""
        begun = bool(conn.sock.arrival.received)
        self._forget(conn)
        if begun:
            with suppress(OSError):
                conn.sock.send(why.answer())
            self._part(conn)
        else:
            self._hang_up(conn)

    def _make_place(self) -> None:
        """Give up the connection that has said nothing whole for longest."""
        if self._coming:
            self._give_up(next(iter(self._coming)))
        elif self.keepalived_conns:
            conn = self.keepalived_conns.popleft()
            self.poller.unregister(conn.sock)
            self._hang_up(conn)

    def murder_pending(self) -> None:
        """Give up who did not say, or take, all in time. Called every second, and whenever things happen."""
        now = time.monotonic()
        while self._coming and next(iter(self._coming.values()))[0] <= now:
            self._give_up(next(iter(self._coming)))
        while self._parting and next(iter(self._parting.values())) <= now:
            self._parted(next(iter(self._parting)))
        while self._taking and next(iter(self._taking.values())) <= now:
            self._untaken(next(iter(self._taking)))

    def _let_in(self, conn: Any) -> None:
        """Give a request that is whole to a thread, or answer it on the porch."""
        conn.sock.hand_over()
        if self._inside - len(self._idle) < self.cfg.threads + self.max_waiting:
            self._inside += 1
            self._then(self.tpool.submit(self.handle, conn), self._leave, conn)
        elif self._on_porch < _PORCH_ROOM:
            self._on_porch += 1
            self._then(self._porch.submit(self._turn_away, conn, time.monotonic()), self._leave_porch, conn)
        else:
            self._hang_up(conn)

    def handle(self, conn: Any) -> Any:
        """Answer a request, and those that follow it at once; runs in a thread.

        To give a connection back and get it anew takes three changes of thread, each of which waits for the
        interpreter: a caller who goes on at once is served by the thread that knows it, unless others wait for one.
        """
        while True:
            stays = super().handle(conn)
            if stays is not True or not self.alive or self._inside > self.cfg.threads or not self._goes_on(conn):
                return stays

    def _goes_on(self, conn: Any) -> bool:
        """Whether the next request of a connection comes within a moment; who is waited for takes nobody's place."""
        conn.sock.take_back(conn.parser.unreader.take_buffered())
        if conn.sock.arrival.received or conn.sock.unsent:
            return False
        self._idle.add(id(conn))
        try:
            if not _comes(conn.sock):
                return False
        except (OSError, EOFError):  # hung up, as will be seen
            return False
        finally:
            self._idle.discard(id(conn))
        conn.sock.hand_over()
        return True

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Have a request answered by the application, and tell it if the answer is lost on its way out."""
        req.body.reader = Unbroken(req.body.reader)
        req._expected_100_continue = False  # it was told to go on, and has
        try:
            if req.version >= (1, 1) and all(name != "HOST" for name, _ in req.headers):
                raise Hostless
            stays = super().handle_request(req, conn)
        except BaseException:
            conn.sock.settle("broke-off")
            raise
        if not conn.sock.unsent or conn.sock.lost:
            conn.sock.settle()
        return stays

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answer without a word of what was sent, and log the kind of error only."""
        self.log.warning("Request refused: %s", type(exc).__name__)
        with suppress(OSError):  # nobody is listening any more
            client.sendall(refusal_of(exc).answer())

    def finish_request(self, conn: Any, future: Future[Any]) -> None:
        """Part from a caller, or wait for the next request."""
        if conn.sock.unsent:
            self._await_listener(conn, future)
            return
        if future.cancelled() or future.exception() is not None or not future.result():
            self._part(conn)
            return
        conn.sock.take_back(conn.parser.unreader.take_buffered())
        if conn.sock.arrival.received:
            self.enqueue_req(conn)
        else:
            super().finish_request(conn, future)

    def _await_listener(self, conn: Any, future: Future[Any]) -> None:
        """Send the rest of an answer as the caller takes it; who has most to take gives way to others."""
        if conn not in self._taking:
            self.poller.register(conn.sock, EVENT_WRITE, partial(self._send_on, conn, future))
            self._taking[conn] = time.monotonic() + TAKEN_WITHIN_S
        if sum(len(one.sock.unsent) for one in self._taking) > _UNFINISHED_BODIES * self.max_body_bytes:
            self._untaken(max(self._taking, key=lambda one: len(one.sock.unsent)))

    def _send_on(self, conn: Any, future: Future[Any], _: Any) -> None:
        try:
            if not conn.sock.send_on():
                return
        except OSError:
            self._untaken(conn, "broke-off")
            return
        self._settled(conn)
        conn.sock.settle()
        self.finish_request(conn, future)

    def _untaken(self, conn: Any, loss: Loss = "not-read") -> None:
        """Nobody takes the rest of an answer."""
        self._settled(conn)
        self.tpool.submit(conn.sock.settle, loss)
        self._hang_up(conn)

    def _settled(self, conn: Any) -> None:
        """Nothing more is sent of an answer."""
        del self._taking[conn]
        self.poller.unregister(conn.sock)

    def _part(self, conn: Any) -> None:
        """Say that nothing follows, and let the caller hang up: else the answer may be lost (RFC 9112, 9.6)."""
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._hang_up(conn)
            return
        self.poller.register(conn.sock, EVENT_READ, partial(self._hear_out, conn))
        self._parting[conn] = time.monotonic() + _PARTED_WITHIN_S

    def _hear_out(self, conn: Any, _: Any) -> None:
        """Read what nobody asks for any more."""
        with suppress(OSError):
            if conn.sock.recv_into(bytearray(PIECE_BYTES)):
                return
        self._parted(conn)

    def _parted(self, conn: Any) -> None:
        del self._parting[conn]
        self.poller.unregister(conn.sock)
        self._hang_up(conn)

    def _hang_up(self, conn: Any) -> None:
        self.nr_conns -= 1
        conn.close()

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
            req = next(conn.parser)
            if req is None or conn.is_http2:
                return False
            if req.path in _ALWAYS:
                return bool(self._keepalive_after(conn, self.handle_request(req, conn)))
            read = bool(conn.parser.finish_body(deadline=time.monotonic() + _PORCH_PATIENCE_S))
            stays = read and self.alive and not req.should_close()
            conn.sock.sendall(FULL.answer(stays=stays))
        except (OSError, StopIteration):
            return False
        except ParseException as error:
            self.handle_error(None, conn.sock, conn.client, error)
            return False
        self.wsgi.extensions["meter"].call("", "refused", 503, time.monotonic() - since)
        return stays


def worker_of(max_waiting: int, max_body_bytes: int) -> type[Worker]:
    """The worker with a waiting room of this size, and all of its kind with one count of their connections."""
    chosen = {"max_waiting": max_waiting, "max_body_bytes": max_body_bytes, "crowd": Crowd()}
    return type("Worker", (Worker,), chosen)


def _comes(line: Line) -> bool:
    """Whether a request comes whole within a moment. Raises OSError or EOFError where the caller hangs up."""
    soon = select.poll()
    soon.register(line.fileno(), select.POLLIN)
    until = time.monotonic() + _MOMENT_S
    while (left_s := until - time.monotonic()) > 0 and soon.poll(1000 * left_s):
        if line.receive():
            return True
    return False
