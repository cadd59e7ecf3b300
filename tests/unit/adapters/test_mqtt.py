"""Groups of messages, from a broker that sends few of them ahead."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from cds_app.adapters.mqtt import Link, Received, Subscriber, take_turns


class Ahead(Subscriber):
    """Stands for a broker that sends so many messages before one of them is acknowledged."""

    def __init__(self, window: int, messages: int) -> None:
        super().__init__(Link(host="127.0.0.1", port=1, client="c", topic="t"))
        self._left = messages
        self._send(window)

    def acknowledge(self, messages: Sequence[Received]) -> None:
        self._send(len(messages))

    def _send(self, number: int) -> None:
        for _ in range(min(number, self._left)):
            self._queue.put(Received(b"", False, self._left, 0))
            self._left -= 1


def groups_of(subscriber: Subscriber, messages: int) -> list[int]:
    sizes: list[int] = []
    stop = threading.Event()

    def take(group: Sequence[Received]) -> None:
        sizes.append(len(group))

    take_turns(subscriber, take, lambda: stop.set() if sum(sizes) >= messages else None, stop, wait_s=30.0)
    return sizes


def test_a_broker_that_sends_few_ahead_is_not_waited_for() -> None:
    begun = time.monotonic()
    assert sum(groups_of(Ahead(20, 400), 400)) == 400
    assert time.monotonic() - begun < 30.0, "not even one group waited for messages that cannot come"
