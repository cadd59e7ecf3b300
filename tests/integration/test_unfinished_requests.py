"""Callers who never finish what they began to say, or never listen: others are answered as ever."""

from __future__ import annotations

import json
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cds_app.commands.running import running_service, unconfigured
from cds_app.commands.server.worker import RECEIVED_WITHIN_S
from tests.conftest import FROZEN
from tests.patients import hyperkalaemic
from tests.service import SERVICE, SIMULATED, at, post, processes

pytestmark = pytest.mark.slow

THREADS = 2
CROWD = 200
BODY = b"{" + b" " * 400 + b"}"
POST = f"POST /cds-services/{SERVICE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()
BEGUN = {
    "headers": POST + b"X: " + b"y" * 400,
    "body": POST + b"Content-Length: 400\r\n\r\n" + BODY[:300],
    "promised": POST + b"Content-Length: 400\r\n\r\n",
    "chunks": POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 60,
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("unfinished")
    environ = {**unconfigured(), "TWINLINE_MAX_WAITING": "4", "TWINLINE_MAX_BODY_BYTES": "2000000"}
    with running_service(folder, SIMULATED, "--threads", str(THREADS), environ=environ) as url:
        yield url


@contextmanager
def connected(url: str, count: int) -> Iterator[list[socket.socket]]:
    where = urlsplit(url)
    with ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection((where.hostname or "", where.port or 80), 30))
            for _ in range(count)
        ]


@contextmanager
def trickled(crowd: list[socket.socket], begun: bytes) -> Iterator[None]:
    """Half of it at once, the rest byte by byte; promised bodies never come."""
    over = threading.Event()

    def drip() -> None:
        for at_byte in range(len(begun) // 2, len(begun)):
            for one in crowd:
                try:
                    one.sendall(begun[at_byte : at_byte + 1])
                except OSError:
                    continue  # cut off
            if over.wait(0.05):
                return

    for one in crowd:
        one.sendall(begun[: len(begun) // 2])
    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        yield
    finally:
        over.set()
        dripping.join()


def slowest(url: str, calls: int) -> float:
    """Of some calls one after the other, none of them refused, in seconds; the second slowest, for a busy machine."""
    taken = []
    for _ in range(calls):
        begun = time.monotonic()
        assert post(url, at(hyperkalaemic(FROZEN)), timeout=5).status_code == 200
        taken.append(time.monotonic() - begun)
    return sorted(taken)[-2]


@pytest.mark.parametrize("kind", BEGUN)
def test_46_a_crowd_that_never_finishes_its_requests_delays_nobody(service: str, kind: str) -> None:
    usual = slowest(service, 10)
    with connected(service, CROWD) as crowd, trickled(crowd, BEGUN[kind]):
        time.sleep(0.3)
        assert slowest(service, 20) < usual + 0.25


def test_46_who_does_not_finish_in_time_is_told_and_cut_off_without_delaying_anybody(service: str) -> None:
    slow: list[float] = []
    with connected(service, CROWD) as crowd:
        began = time.monotonic()
        for one in crowd:
            one.sendall(BEGUN["body"])
        while time.monotonic() - began < RECEIVED_WITHIN_S + 4:  # they do not hang up when they are told
            slow.append(slowest(service, 3))
            time.sleep(0.1)
        answer = crowd[-1].recv(10_000)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["resourceType"] == "OperationOutcome"
        assert crowd[-1].recv(1) == b""
    assert max(slow) < 1.0


def test_46_who_does_not_read_the_answers_holds_no_thread(service: str) -> None:
    where = urlsplit(service)
    with ExitStack() as stack:
        for _ in range(2 * THREADS):
            one = stack.enter_context(socket.socket())
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            one.connect((where.hostname, where.port))
            one.sendall(b"GET /models/sepsis HTTP/1.1\r\nHost: localhost\r\n\r\n" * 400)
        until = time.monotonic() + 20  # some 90 pages are in the buffers of either side before nothing goes out
        while time.monotonic() < until:
            assert slowest(service, 3) < 2.0


def test_46_what_is_unfinished_takes_bounded_memory(service: str) -> None:
    with connected(service, 30) as crowd:
        begun = POST + b"Content-Length: 1999999\r\n\r\n" + b" " * 1_900_000
        for one in crowd:
            one.sendall(begun)
        told = sum(one.recv(12) == b"HTTP/1.1 408" for one in crowd[:20])
        assert told == 20
        assert slowest(service, 5) < 2.0


def test_46_more_connections_than_there_are_places_for_shut_nobody_out(service: str) -> None:
    with connected(service, 1200):
        assert slowest(service, 5) < 2.0


def test_requests_that_come_at_once_on_one_connection_are_answered_in_their_order(service: str) -> None:
    one, two = (json.dumps(at(hyperkalaemic(FROZEN))).encode(), b"[]")
    sent = b"".join(POST + b"Content-Length: %d\r\n\r\n%b" % (len(body), body) for body in (one, two, one, two))
    with connected(service, 1) as (line,):
        line.sendall(sent + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        received = b"".join(iter(lambda: line.recv(65_536), b""))
    assert [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]] == [200, 400, 200, 400, 200]


@pytest.mark.parametrize("kind", ["headers", "body", "promised", "chunks"])
def test_a_request_that_breaks_off_is_refused_where_the_caller_still_listens(service: str, kind: str) -> None:
    with connected(service, 1) as (line,):
        line.sendall(BEGUN[kind])
        line.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: line.recv(65_536), b""))
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"OperationOutcome" in received


def test_46_more_connections_than_the_system_has_descriptors_for_end_no_worker(tmp_path: Path) -> None:
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (150, usual[1]))
    try:
        with running_service(tmp_path, SIMULATED, environ=unconfigured()) as url:
            resource.setrlimit(resource.RLIMIT_NOFILE, usual)
            workers = processes(tmp_path)
            with connected(url, 400):
                assert slowest(url, 5) < 2.0
            assert processes(tmp_path) == workers
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)
