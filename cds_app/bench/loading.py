"""A load generator that costs little: requests made before, plain sockets, a process of its own."""

from __future__ import annotations

import multiprocessing
import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import urlsplit

_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of the requests.

    Parameters
    ----------
    seconds : tuple of float
        From the first byte sent to the last byte received, for each request.
    not_ok : int
        Answers with another status than 200.
    took_s : float
        From the first request to the last answer.
    """

    seconds: tuple[float, ...]
    not_ok: int
    took_s: float


def send_from_elsewhere(
    url: str, path: str, bodies: Sequence[bytes], connections: int, *, per_second: float | None = None
) -> Sent:
    """`send` in another process, so that it shares no interpreter with whoever looks at the service meanwhile."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        sending = pool.submit(send, url, path, bodies, connections, per_second)
        try:
            return sending.result()
        except KeyboardInterrupt:  # which the other process has not heard; without, its end would be waited for
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def send(url: str, path: str, bodies: Sequence[bytes], connections: int, per_second: float | None = None) -> Sent:
    """POST all bodies over so many connections.

    Parameters
    ----------
    per_second : float or None
        How many to begin in a second, all connections together; None: on each one as soon as the one before is
        answered. One that is late goes at once.
    """
    where = urlsplit(url)
    requests = [_request(where.netloc, path, body) for body in bodies]
    shares = [requests[index::connections] for index in range(connections)]
    results: list[list[tuple[float, bool]]] = [[] for _ in shares]
    address = (where.hostname or "", where.port or 80)
    every_s = connections / per_second if per_second else 0.0
    begun = time.perf_counter()
    threads = [
        threading.Thread(target=_talk, args=(address, share, found, begun + every_s * index / connections, every_s))
        for index, (share, found) in enumerate(zip(shares, results, strict=True))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took_s = time.perf_counter() - begun
    answers = [answer for found in results for answer in found]
    return Sent(seconds=tuple(one for one, _ in answers), not_ok=sum(not ok for _, ok in answers), took_s=took_s)


def _request(host: str, path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode("ascii") + body


def _talk(
    address: tuple[str, int], requests: Sequence[bytes], found: list[tuple[float, bool]], first: float, every_s: float
) -> None:
    with socket.create_connection(address, _PATIENCE_S) as connection, connection.makefile("rb") as answers:
        for number, request in enumerate(requests):
            time.sleep(max(first + number * every_s - time.perf_counter(), 0.0) if every_s else 0.0)
            begun = time.perf_counter()
            connection.sendall(request)
            ok = _read_answer(answers)
            found.append((time.perf_counter() - begun, ok))


def _read_answer(answers: BinaryIO) -> bool:
    """Read one answer to its end; whether its status is 200."""
    ok = answers.readline().split()[1:2] == [b"200"]
    length = 0
    while line := answers.readline().strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    answers.read(length)
    return ok
