"""Group commit without a thread of its own: one caller writes for all who wait, and the next one for who came since."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Sequence
from itertools import zip_longest
from threading import Condition
from typing import Final, TypeVar

from cds_app.adapters.sealed.drafting import Job
from cds_app.errors import DependencyDown, TwinlineError

ROOM: Final = 256  # jobs that may wait
GROUP: Final = 64  # jobs in one transaction
_NOT_WRITTEN: Final = "the store could not write"

Outcome = int | TwinlineError

_Result = TypeVar("_Result")


class _Place:
    """One job in the queue, and what became of it."""

    __slots__ = ("job", "outcome")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.outcome: Outcome | None = None


class Writer:
    """Runs jobs in groups, one group at a time, in the threads of those who brought them.

    Who finds nobody writing takes the whole queue along. The others sleep; when a group is done, its callers go, and
    one of those who came since writes next. A caller who is alone changes no thread at all.

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
        self._room = room
        self._group = group
        self._queue: deque[_Place] = deque()
        self._changed = Condition()
        self._busy = False
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many jobs wait for their transaction."""
        return len(self._queue)

    def submit(self, job: Job) -> int:
        """Return once the job is durable; what is returned is its outcome.

        Raises
        ------
        TwinlineError
            The job's own, or the one that befell its whole group.
        DependencyDown
            At once, if the queue is full or closed.
        """
        place = self._queued(job)
        if taken := self._turn(place):
            self._write_group(taken)
        if isinstance(place.outcome, TwinlineError):
            raise place.outcome
        return place.outcome or 0

    def alone(self, act: Callable[[], _Result]) -> _Result:
        """Run something between two groups. Raises what it raises, DependencyDown if closed."""
        with self._changed:
            self._changed.wait_for(lambda: not self._busy)
            self._check_open()
            self._busy = True
        try:
            return act()
        finally:
            self._end_turn()

    def close(self) -> None:
        """Take no more; finish what waits."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._busy and not self._queue)

    def _queued(self, job: Job) -> _Place:
        place = _Place(job)
        with self._changed:
            self._check_open()
            if len(self._queue) >= self._room:
                raise DependencyDown("the store has more to write than it can")
            self._queue.append(place)
        return place

    def _turn(self, place: _Place) -> list[_Place]:
        """The group to write, once nobody else writes; nothing if the job was taken along meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: place.outcome is not None or not self._busy)
            if place.outcome is not None:
                return []
            self._busy = True
            return self._taken(place)

    def _taken(self, place: _Place) -> list[_Place]:
        """The oldest jobs, the writer's own among them: whatever happens to the group, nobody leaves a job behind."""
        taken = [self._queue.popleft() for _ in range(min(self._group, len(self._queue)))]
        if place not in taken:
            self._queue.appendleft(taken.pop())
            self._queue.remove(place)
            taken.append(place)
        return taken

    def _write_group(self, taken: Sequence[_Place]) -> None:
        outcomes: Sequence[Outcome] = ()
        try:
            outcomes = self._write([place.job for place in taken])
        except TwinlineError as error:
            outcomes = [error] * len(taken)
        except Exception as error:
            raise DependencyDown(_NOT_WRITTEN) from error
        finally:  # also after an error that nobody foresaw: no caller is left waiting, and each gets to see it
            _settle(taken, outcomes, sys.exception())
            self._end_turn()

    def _end_turn(self) -> None:
        with self._changed:
            self._busy = False
            self._changed.notify_all()

    def _check_open(self) -> None:
        if self._closed:
            raise DependencyDown("the store is closed")


def _settle(taken: Sequence[_Place], outcomes: Sequence[Outcome], unforeseen: BaseException | None) -> None:
    for place, outcome in zip_longest(taken, outcomes):
        place.outcome = outcome
        if outcome is None:
            place.outcome = DependencyDown(_NOT_WRITTEN)
            place.outcome.__cause__ = unforeseen
