"""A fair lock: one thread at a time, in the order in which they came."""

from __future__ import annotations

import threading
import time

import pytest

from cds_app.services.calls.fair_lock import FairLock

_PATIENCE_S = 10.0


def test_whoever_came_first_goes_first() -> None:
    lock, order = FairLock(), list[int]()

    def take(number: int) -> None:
        with lock:
            order.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    with lock:
        for came, thread in enumerate(threads, start=1):
            thread.start()
            until_waiting(lock, came)
    for thread in threads:
        thread.join(_PATIENCE_S)
    assert order == list(range(8))


def test_one_is_inside_at_a_time() -> None:
    lock, inside, most = FairLock(), 0, 0

    def take() -> None:
        nonlocal inside, most
        for _ in range(200):
            with lock:
                inside += 1
                most = max(most, inside)
                time.sleep(0)
                inside -= 1

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_PATIENCE_S)
    assert (most, inside) == (1, 0)


def test_an_error_inside_lets_the_next_one_in() -> None:
    lock = FairLock()
    with pytest.raises(ZeroDivisionError), lock:
        raise ZeroDivisionError
    with lock:
        pass


def until_waiting(lock: FairLock, count: int) -> None:
    until = time.monotonic() + _PATIENCE_S
    while len(lock._waiting) < count:
        assert time.monotonic() < until
        time.sleep(0.001)
