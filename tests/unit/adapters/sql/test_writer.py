"""Group commit: who waits goes together, and nobody is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import monotonic, sleep

import pytest

from cds_app.adapters.sealed.drafting import Job
from cds_app.adapters.sql.writer import Outcome, Writer
from cds_app.errors import Conflict, DependencyDown, TwinlineError


def job(patient: str) -> Job:
    return Job(patient=patient, segments_known=0, entries_known=0, learned="", facts=b"", notes=())


class Recorder:
    """Writes groups into a list; holds the first one until told to go on."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.started, self.go_on = Event(), Event()

    def __call__(self, jobs: Sequence[Job]) -> list[Outcome]:
        names = [one.patient for one in jobs]
        self.groups.append(names)
        self.started.set()
        assert self.go_on.wait(10)
        return [self.outcome(name) for name in names]

    def outcome(self, name: str) -> Outcome:
        return Conflict("no") if name == "conflict" else len(name)


def wait_until(writer: Writer, waiting: int) -> None:
    end = monotonic() + 10
    while writer.waiting < waiting and monotonic() < end:
        sleep(0.001)
    assert writer.waiting == waiting


def attempt(writer: Writer, name: str) -> int | type[BaseException]:
    try:
        return writer.submit(job(name))
    except TwinlineError as error:
        return type(error)


def test_jobs_that_wait_share_a_group_and_each_gets_its_own_outcome() -> None:
    write = Recorder()
    writer = Writer(write, group=4)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(attempt, writer, "first")
        assert write.started.wait(10)
        others = []
        for count, name in enumerate(("a", "bb", "conflict", "dddd", "eeeee"), start=1):
            others.append(pool.submit(attempt, writer, name))
            wait_until(writer, count)
        write.go_on.set()
        assert first.result() == 5
        assert [other.result() for other in others] == [1, 2, Conflict, 4, 5]
    writer.close()
    first_group, shared, rest = write.groups
    assert (first_group, shared[:3]) == (["first"], ["a", "bb", "conflict"])
    assert sorted([*shared[3:], *rest]) == ["dddd", "eeeee"]  # whoever writes the group is one of it
    assert len(shared) == 4


def test_a_full_queue_refuses_at_once_and_recovers() -> None:
    write = Recorder()
    writer = Writer(write, room=1)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(attempt, writer, "first")
        assert write.started.wait(10)
        second = pool.submit(attempt, writer, "second")
        wait_until(writer, 1)
        begin = monotonic()
        with pytest.raises(DependencyDown, match="more to write"):
            writer.submit(job("third"))
        assert monotonic() - begin < 0.1
        write.go_on.set()
        assert (first.result(), second.result()) == (5, 6)
    assert writer.submit(job("third")) == 5
    writer.close()


def test_closing_finishes_what_waits_and_takes_nothing_more() -> None:
    write = Recorder()
    writer = Writer(write)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(attempt, writer, "first")
        assert write.started.wait(10)
        second = pool.submit(attempt, writer, "second")
        wait_until(writer, 1)
        closing = pool.submit(writer.close)
        write.go_on.set()
        closing.result()
        assert (first.result(), second.result()) == (5, 6)
    with pytest.raises(DependencyDown, match="closed"):
        writer.submit(job("late"))
    with pytest.raises(DependencyDown, match="closed"):
        writer.alone(lambda: None)
    writer.close()


def test_an_error_of_the_group_goes_to_all_of_it() -> None:
    def write(jobs: Sequence[Job]) -> list[Outcome]:
        raise DependencyDown("the disk is full")

    writer = Writer(write)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda name: attempt(writer, name), "abcd")) == {DependencyDown}
    writer.close()


def test_an_error_that_nobody_foresaw_leaves_nobody_waiting_and_the_writer_alive() -> None:
    recorder = Recorder()

    def write(jobs: Sequence[Job]) -> list[Outcome]:
        outcomes = recorder(jobs)
        if len(jobs) > 1:
            raise LookupError
        return outcomes

    writer = Writer(write)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(attempt, writer, "first")
        assert recorder.started.wait(10)
        others = []
        for count in (1, 2, 3):
            others.append(pool.submit(attempt, writer, "x"))
            wait_until(writer, count)
        recorder.go_on.set()
        assert first.result() == 5
        assert [other.result() for other in others] == [DependencyDown] * 3
    assert writer.submit(job("next")) == 4
    writer.close()


def test_nobody_writes_for_others_and_leaves_the_own_job_behind() -> None:
    """Who was told that nothing was written must not find it written by somebody else later."""
    recorder, written = Recorder(), list[str]()

    def write(jobs: Sequence[Job]) -> list[Outcome]:
        outcomes = recorder(jobs)
        if recorder.started.is_set() and len(written) == 1:
            written.append("failed")
            raise LookupError
        written.extend(one.patient for one in jobs)
        return outcomes

    writer = Writer(write, group=1)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(attempt, writer, "first")
        assert recorder.started.wait(10)
        others = []
        for count in (1, 2):
            others.append(pool.submit(attempt, writer, f"other-{count}"))
            wait_until(writer, count)
        recorder.go_on.set()
        first.result()
        refused = [f"other-{k + 1}" for k, other in enumerate(others) if other.result() is DependencyDown]
    assert len(refused) == 1
    assert writer.waiting == 0
    assert refused[0] not in written
    writer.close()


def test_an_error_that_nobody_foresaw_is_the_cause_that_the_caller_sees() -> None:
    def write(jobs: Sequence[Job]) -> list[Outcome]:
        raise LookupError

    writer = Writer(write)
    with pytest.raises(DependencyDown) as caught:
        writer.submit(job("a"))
    assert isinstance(caught.value.__cause__, LookupError)
    writer.close()
