"""Requests that are HTTP only just, or not at all: answered by one clear refusal, whatever stands behind them."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from cds_app.commands.running import running_service, unconfigured
from tests.conftest import FROZEN
from tests.patients import call, hyperkalaemic, observation, patient
from tests.service import SERVICE, SIMULATED, at

pytestmark = pytest.mark.slow

HOST = b"Host: localhost\r\n"
GET = b"GET /cds-services HTTP/1.1\r\n" + HOST
POST = f"POST /cds-services/{SERVICE} HTTP/1.1\r\n".encode() + HOST + b"Content-Type: application/json\r\n"
BODY = json.dumps(at(hyperkalaemic(FROZEN))).encode()
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
NEXT = GET + b"Connection: close\r\n\r\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_service(tmp_path_factory.mktemp("framing"), SIMULATED, environ=unconfigured()) as url:
        yield url


def answers(url: str, *pieces: bytes) -> list[tuple[int, bytes]]:
    """Status and what follows it, of every answer until the service ends; after each piece an answer is waited for."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname or "", where.port or 80), 5) as line:
        received = b""
        for number, piece in enumerate(pieces, 1):
            line.sendall(piece)
            received += line.recv(65_536) if number < len(pieces) else b""
        received += b"".join(iter(lambda: line.recv(65_536), b""))
    return [(int(one[2:5]), one) for one in received.split(b"HTTP/1.")[1:]]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (GET + b"Host: evil\r\n\r\n", 400),
        (b"GET /cds-services\r\n\r\n", 400),
        (GET.replace(HOST, b"") + b"\r\n", 400),
        (POST.replace(HOST, b"") + LENGTH + b"\r\n" + BODY, 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (GET + b"X: a\0b\r\n\r\n", 400),
        (GET + b"X: a\r\n b\r\n\r\n", 400),
        (GET + b"X : a\r\n\r\n", 400),
        (GET + b"X: y\n\r\n\r\n", 400),
        (GET + b"X: " + b"y" * 9000 + b"\r\n\r\n", 431),
        (GET + b"X: y\r\n" * 60 + b"\r\n", 431),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
        (POST + LENGTH + LENGTH + b"\r\n" + BODY, 400),
        (POST + b"Content-Length: 3\r\n" + LENGTH + b"\r\n" + BODY, 400),
        (POST + b"Content-Length: 2, 2\r\n\r\n{}", 400),
        (POST + b"Content-Length: -2\r\n\r\n{}", 400),
        (POST + b"Content-Length: " + b"9" * 400 + b"\r\n\r\n{}", 413),
        (POST + b"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n", 413),
        (POST + b"Expect: tea\r\n" + LENGTH + b"\r\n" + BODY, 417),
        (POST + CHUNKED + LENGTH + b"\r\n0\r\n\r\n", 400),
        (POST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: identity\r\n\r\n{}", 400),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
        (POST.replace(b"1.1", b"1.0") + CHUNKED + b"\r\n0\r\n\r\n", 400),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused_once_and_ends_the_connection(
    service: str, sent: bytes, status: int
) -> None:
    (only,) = answers(service, sent + NEXT)
    assert only[0] == status
    assert json.loads(only[1].partition(b"\r\n\r\n")[2])["resourceType"] == "OperationOutcome"
    assert b"evil" not in only[1]


def test_a_body_that_is_announced_is_asked_for_once(service: str) -> None:
    found = answers(service, POST + b"Expect: 100-continue\r\nConnection: close\r\n" + LENGTH + b"\r\n", BODY)
    assert [status for status, _ in found] == [100, 200]


def test_http_1_0_is_answered_in_its_own_version_and_ends(service: str) -> None:
    ((status, answer),) = answers(service, POST.replace(b"1.1", b"1.0") + LENGTH + b"\r\n" + BODY)
    assert (status, answer[:2]) == (200, b"0 ")


def test_who_leaves_out_the_host_is_told_so_where_http_asks_for_one(service: str) -> None:
    hostless = GET.replace(HOST, b"") + b"\r\n"
    ((status, answer),) = answers(service, hostless)
    assert (status, b"a Host header" in answer) == (400, True)
    assert [one[0] for one in answers(service, hostless.replace(b"1.1", b"1.0"))] == [401]  # by no name of this machine


def test_two_patients_on_one_connection_are_not_mixed_up(service: str) -> None:
    other = call(patient("p2"), observation("potassium", 7.7, FROZEN, "p2", key="k"), patient_id="p2")
    bodies = [BODY, json.dumps(at(other)).encode(), BODY]
    sent = b"".join(POST + b"Content-Length: %d\r\n\r\n%b" % (len(one), one) for one in bodies)
    found = answers(service, sent + NEXT)
    assert [status for status, _ in found] == [200, 200, 200, 200]
    assert [b"7.7" in answer for _, answer in found] == [False, True, False, False]
