"""One writer thread and group commit: who comes while a transaction is being made durable shares the next one."""

from __future__ import annotations

import queue
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import zip_longest
from threading import Lock
from typing import Final, TypeVar

from cds_app.adapters.drafting import Job
from cds_app.errors import DependencyDown, TwinlineError

ROOM: Final = 256  # jobs that may wait
GROUP: Final = 64  # jobs in one transaction

Outcome = int | TwinlineError

_Result = TypeVar("_Result")


class Writer:
    """Runs jobs in groups, one group at a time, in a thread of its own.

    Parameters
    ----------
    write : callable
        Makes a group durable in one transaction and returns an outcome per job, in order. If it raises, nothing of
        the group was written.
    room : int
        How many jobs may wait; more are refused at once.
    group : int
        How many jobs one transaction takes.
    """

    def __init__(
        self, write: Callable[[Sequence[Job]], Sequence[Outcome]], *, room: int = ROOM, group: int = GROUP
    ) -> None:
        self._write = write
        self._group = group
        self._waiting: queue.Queue[tuple[Job, Future[int]]] = queue.Queue(room)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="twinline-writer")
        self._lock = Lock()
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many jobs wait for their transaction."""
        return self._waiting.qsize()

    def submit(self, job: Job) -> int:
        """Wait until the job is durable; returns its outcome.

        Raises
        ------
        TwinlineError
            The job's own, or the one that befell its whole group.
        DependencyDown
            At once, if the queue is full or closed.
        """
        done: Future[int] = Future()
        with self._lock:
            self._enqueue(job, done)
            self._turn(self._write_waiting)  # an earlier turn may take the job along; then this one finds less to do
        return done.result()

    def alone(self, act: Callable[[], _Result]) -> _Result:
        """Run something between two groups and wait for it. Raises what it raises, DependencyDown if closed."""
        with self._lock:
            if self._closed:
                raise DependencyDown("the store is closed")
            turn = self._turn(act)
        return turn.result()

    def close(self) -> None:
        """Take no more; finish what waits."""
        with self._lock:
            self._closed = True
        self._thread.shutdown(wait=True)

    def _turn(self, act: Callable[[], _Result]) -> Future[_Result]:
        try:
            return self._thread.submit(act)
        except RuntimeError as error:  # the interpreter is going down
            raise DependencyDown("the store is closed") from error

    def _enqueue(self, job: Job, done: Future[int]) -> None:
        if self._closed:
            raise DependencyDown("the store is closed")
        try:
            self._waiting.put_nowait((job, done))
        except queue.Full:
            raise DependencyDown("the store has more to write than it can") from None

    def _write_waiting(self) -> None:
        taken = self._take()
        if not taken:
            return
        outcomes: Sequence[Outcome] = ()
        try:
            outcomes = self._write([job for job, _ in taken])
        except TwinlineError as error:
            outcomes = [error] * len(taken)
        finally:  # also after an error that nobody foresaw: no caller is left waiting, and each gets to see it
            unforeseen = sys.exception()
            for (_, done), outcome in zip_longest(taken, outcomes):
                _settle(done, outcome, unforeseen)

    def _take(self) -> list[tuple[Job, Future[int]]]:
        taken: list[tuple[Job, Future[int]]] = []
        while len(taken) < self._group:
            try:
                taken.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return taken


def _settle(done: Future[int], outcome: Outcome | None, unforeseen: BaseException | None) -> None:
    if outcome is None:
        outcome = DependencyDown("the store could not write")
        outcome.__cause__ = unforeseen
    if isinstance(outcome, TwinlineError):
        done.set_exception(outcome)
    else:
        done.set_result(outcome)
