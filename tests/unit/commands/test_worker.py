"""The main loop of a worker."""

from __future__ import annotations

import selectors
import socket
from contextlib import ExitStack

from cds_app.commands.server.worker import Worker


def test_what_was_given_up_in_the_same_round_is_not_seen_to() -> None:
    worker = Worker.__new__(Worker)
    worker.poller = selectors.DefaultSelector()
    seen: list[str] = []
    with ExitStack() as stack:
        stack.callback(worker.poller.close)
        pairs = [[stack.enter_context(end) for end in socket.socketpair()] for _ in range(2)]

        def give_up_the_other(one: socket.socket) -> None:
            """As to a caller who has to make place: it is then only heard out."""
            seen.append(f"first: {one.recv(1)!r}")
            for other, _ in pairs:
                if other is not one:
                    worker.poller.modify(other, selectors.EVENT_READ, lambda _: seen.append("heard out"))

        for near, far in pairs:
            worker.poller.register(near, selectors.EVENT_READ, give_up_the_other)
            far.sendall(b"x")
        worker.wait_for_and_dispatch_events(1.0)
        assert seen == ["first: b'x'"]
        worker.wait_for_and_dispatch_events(1.0)
    assert seen[1:] == ["heard out"]
