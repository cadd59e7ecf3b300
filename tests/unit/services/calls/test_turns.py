"""Taking turns for a patient: one at a time here, another try when another process was faster."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cds_app.errors import Conflict, DependencyDown
from cds_app.services.calls.turns import Turns


def losing(times: int) -> list[int]:
    return [0] * times


def test_an_attempt_that_nobody_beats_is_made_once() -> None:
    assert Turns().take("p", lambda: "done") == ("done", 1)


def test_a_lost_race_is_run_again() -> None:
    lost = losing(5)

    def attempt() -> str:
        if lost:
            lost.pop()
            raise Conflict("somebody was faster")
        return "done"

    assert Turns().take("p", attempt) == ("done", 6)


def test_who_loses_every_time_is_told_so_within_a_second_or_so() -> None:
    tries: list[float] = []

    def attempt() -> None:
        tries.append(time.monotonic())
        raise Conflict("somebody was faster")

    with pytest.raises(Conflict):
        Turns().take("p", attempt)
    assert len(tries) == 40
    assert tries[-1] - tries[0] < 2


def test_another_failure_is_not_tried_again() -> None:
    tries: list[int] = []

    def attempt() -> None:
        tries.append(1)
        raise DependencyDown("down")

    with pytest.raises(DependencyDown):
        Turns().take("p", attempt)
    assert tries == [1]


def test_calls_for_one_patient_never_overlap_and_a_failure_ends_the_turn() -> None:
    turns, inside, most = Turns(), threading.Semaphore(1), list[bool]()

    def attempt() -> None:
        most.append(inside.acquire(blocking=False))
        time.sleep(0.005)
        inside.release()
        if len(most) % 2:
            raise DependencyDown("down")

    def call(_: int) -> None:
        try:
            turns.take("p", attempt)
        except DependencyDown:
            return

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(call, range(18)))
    assert most == [True] * 18


def test_no_patient_waits_for_another() -> None:
    turns = Turns()

    def within(left: int) -> None:
        if left:
            turns.take(f"patient {left}", lambda: within(left - 1))

    all_at_once = threading.Thread(target=within, args=(100,), daemon=True)
    all_at_once.start()
    all_at_once.join(10)
    assert not all_at_once.is_alive()
