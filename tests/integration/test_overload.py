"""More calls than can be answered: the excess is told so at once, the rest is answered, and then it is over."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import requests
from gunicorn.http.unreader import Unreader
from gunicorn.workers.gthread import ThreadWorker

from cds_app.commands.running import running_service, unconfigured
from cds_app.commands.server.line import Line
from cds_app.commands.server.worker import Crowd, Worker, worker_of
from tests.conftest import FROZEN
from tests.patients import QUIET, call, course, patient, stay
from tests.service import SERVICE, SIMULATED, at, post, processes

pytestmark = pytest.mark.slow

WAITING = 4
THREADS = 2
_SHORT = b"GET /healthz HTTP/1.1\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    head: str
    body: bytes
    seconds: float


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("overload")
    environ = {**unconfigured(), "TWINLINE_MAX_WAITING": str(WAITING), "TWINLINE_METRICS": "true"}
    with running_service(folder, SIMULATED, "--threads", str(THREADS), environ=environ) as url:
        yield url


def body(who: str) -> dict[str, object]:
    """A new patient of 80 hours: some tens of milliseconds of work."""
    return at(call(patient(who), stay(FROZEN - timedelta(hours=90), who), *course(FROZEN, QUIET, QUIET, 80, who),
                   patient_id=who))  # fmt: skip


def request_of(url: str, who: str) -> bytes:
    content = json.dumps(body(who)).encode()
    head = f"POST /cds-services/{SERVICE} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nConnection: close\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content


def exchange(url: str, sent: bytes) -> Answer:
    """Send on a new connection, and read to its end."""
    where = urlsplit(url)
    begun = time.perf_counter()
    with socket.create_connection((where.hostname or "", where.port or 80), 30) as connection:
        connection.sendall(sent)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, content = received.partition(b"\r\n\r\n")
    return Answer(int(head.split()[1]), head.decode("ascii"), content, time.perf_counter() - begun)


def burst(url: str, count: int, over_s: float, name: str) -> list[Answer]:
    """An open loop: each is sent at its time, whatever became of those before."""
    requests_made = [request_of(url, f"{name}{n}") for n in range(count)]
    answers: list[Answer] = []

    def send(index: int) -> None:
        time.sleep(index * over_s / count)
        answers.append(exchange(url, requests_made[index]))

    threads = [threading.Thread(target=send, args=(index,)) for index in range(count)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return answers


def middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def test_the_excess_is_refused_at_once_and_the_rest_is_answered(service: str) -> None:
    burst(service, 3, 1.0, "warm")
    refused: list[Answer] = []
    at_once = in_time = False
    for number in range(3):  # a machine that has something else to do for a second says nothing about the service
        answers = burst(service, 150, 1.0, f"burst{number}-")
        taken = [one.seconds for one in answers if one.status == 200]
        away = [one for one in answers if one.status == 503]
        assert len(taken) + len(away) == 150
        assert len(taken) > THREADS + WAITING
        assert len(away) > 15, "the burst was no overload"
        refused.extend(away)
        at_once, in_time = middle([one.seconds for one in away]) <= 0.05, middle(taken) <= 1.0
        if at_once and in_time:
            break
    assert at_once
    assert in_time
    for one in refused:
        assert "Retry-After: 1" in one.head
        assert json.loads(one.body)["issue"][0]["details"]["coding"][0]["code"] == "overloaded"
    begun = time.monotonic()
    assert post(service, body("after")).status_code == 200
    assert time.monotonic() - begun < 2.0
    counted = requests.get(f"{service}/metrics", timeout=10).text
    assert f'twinline_calls_total{{kind="refused",service="",status="503"}} {len(refused)}.0' in counted


def test_health_is_answered_while_calls_are_refused(service: str) -> None:
    found: list[int] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            found.append(requests.get(f"{service}/healthz", timeout=10).status_code)
            found.append(requests.get(f"{service}/readyz", timeout=10).status_code)

    looking = threading.Thread(target=look)
    looking.start()
    refused = [one for one in burst(service, 120, 0.5, "health") if one.status == 503]
    over.set()
    looking.join()
    assert refused
    assert set(found) == {200}


def test_connections_that_say_nothing_take_no_place(service: str) -> None:
    where = urlsplit(service)
    silent = [socket.create_connection((where.hostname or "", where.port or 80), 30) for _ in range(40)]
    try:
        time.sleep(0.2)
        begun = time.monotonic()
        assert post(service, body("beside")).status_code == 200
        assert time.monotonic() - begun < 2.0
    finally:
        for one in silent:
            one.close()


def test_a_connection_that_was_refused_can_be_used_again(service: str) -> None:
    with requests.Session() as session:
        url = f"{service}/cds-services/{SERVICE}"
        assert session.post(url, json=body("kept"), timeout=10).status_code == 200
        crowd = threading.Thread(target=burst, args=(service, 60, 0.2, "crowd"))
        crowd.start()
        said = {session.post(url, json=body("kept"), timeout=10).status_code for _ in range(15)}
        crowd.join()
        assert said <= {200, 503}
        assert session.post(url, json=body("kept"), timeout=10).status_code == 200


def counted_in(pid: int) -> set[Path]:
    """Folders in which a worker counts: it has their files mapped."""
    maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").split()
    return {Path(one).parent for one in maps if "twinline-metrics-" in one}


def test_what_was_counted_leaves_nothing_behind(tmp_path: Path) -> None:
    with running_service(tmp_path, SIMULATED, environ=unconfigured()) as url:
        assert post(url, body("x")).status_code == 200
        master, *workers = processes(tmp_path)
        (folder,) = set().union(*map(counted_in, workers))
        assert folder.is_dir()
        assert tmp_path not in folder.parents
    assert not folder.exists()
    with running_service(tmp_path, SIMULATED, environ=unconfigured()):
        master, *workers = processes(tmp_path)
        (folder,) = set().union(*map(counted_in, workers))
        for pid in (master, *workers):
            os.kill(pid, signal.SIGKILL)
    if folder.parent == Path("/dev/shm"):  # noqa: S108 - only looked at
        assert folder.exists()
        with running_service(tmp_path, SIMULATED, environ=unconfigured()):
            assert not folder.exists()


@pytest.mark.parametrize(
    "chunks",
    [b"zz\r\n", b"-5\r\n", b"5\r\n{}  xXX", b"5;\x01\r\n{}   \r\n0\r\n\r\n", b"2\r\n{}\r\n0\r\nno header\r\n\r\n"],
)
def test_46_broken_chunks_are_refused_and_end_the_connection(service: str, chunks: bytes) -> None:
    head = f"POST /cds-services/{SERVICE} HTTP/1.1\r\nHost: {urlsplit(service).netloc}\r\n"
    begun = f"{head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    answer = exchange(service, begun + chunks + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.status == 400
    assert b"was not received whole" in answer.body
    assert b"HTTP/1.1" not in answer.body  # what stood behind was not taken for the next request


@pytest.mark.slow
def test_46_a_flood_of_headers_is_refused(service: str) -> None:
    many = b"".join(b"X-%d: y\r\n" % number for number in range(10_000))
    answer = exchange(service, b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + many + b"\r\n")
    assert answer.status in (400, 431)
    assert requests.get(f"{service}/healthz", timeout=5).status_code == 200


@pytest.mark.parametrize(
    ("own", "others", "waits"),
    [(3, [3], False), (3, [4], False), (3, [2], True), (3, [], False), (3, [Crowd.AWAY], False)],
)
def test_a_worker_lets_one_with_fewer_connections_go_first(
    monkeypatch: pytest.MonkeyPatch, own: int, others: list[int], waits: bool
) -> None:
    """Callers who come at once would otherwise all be taken, and kept, by the worker that was awake."""
    slept: list[float] = []
    monkeypatch.setattr(ThreadWorker, "accept", lambda *_: None)
    monkeypatch.setattr(time, "sleep", slept.append)
    worker = worker_of(12, 1024)
    mine = a_worker(worker, own, 1)
    for number, count in enumerate(others, start=2):
        a_worker(worker, count, number)
    mine.accept(None)
    assert bool(slept) is waits
    assert sum(slept) < 0.01


def test_a_worker_that_has_not_begun_or_has_ended_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = worker_of(12, 1024)
    monkeypatch.setattr(ThreadWorker, "__init__", lambda *_: None)
    monkeypatch.setattr(ThreadWorker, "run", lambda _: None)
    kind.age = 1
    begun = kind()
    assert kind.crowd.fewest() == 0
    assert begun.nr_conns == Crowd.AWAY
    begun.run()
    begun.nr_conns = 5
    assert kind.crowd.fewest() == 5


@pytest.mark.parametrize(
    ("goes_on", "inside", "alive", "served"), [(2, 1, True, 3), (0, 1, True, 1), (2, 3, True, 1), (2, 1, False, 1)]
)
def test_a_caller_who_goes_on_at_once_keeps_its_thread_unless_others_wait(
    monkeypatch: pytest.MonkeyPatch, goes_on: int, inside: int, alive: bool, served: int
) -> None:
    ours, theirs = socket.socketpair()
    requests_read: list[bytes] = []

    def answer(_: ThreadWorker, conn: SimpleNamespace) -> bool:
        requests_read.append(conn.sock.recv(100))
        if len(requests_read) <= goes_on:
            theirs.sendall(_SHORT)
        return True

    monkeypatch.setattr(ThreadWorker, "handle", answer)
    worker = a_worker(worker_of(12, 1024), 1, 1)
    worker.cfg, worker.alive, worker._inside, worker._idle = SimpleNamespace(threads=2), alive, inside, set()
    with ours, theirs:
        theirs.sendall(_SHORT)
        line = Line(ours, 1024)
        assert line.receive()
        line.hand_over()
        assert worker.handle(SimpleNamespace(sock=line, parser=SimpleNamespace(unreader=Unreader()))) is True
    assert requests_read == served * [_SHORT]
    assert not worker._idle


def a_worker(kind: type[Worker], connections: int, number: int) -> Worker:
    worker = object.__new__(kind)
    worker.age, worker.worker_connections = number, 1000
    worker.nr_conns = connections
    return worker
