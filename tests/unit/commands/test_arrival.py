"""When a request is whole is known from its head, however it was cut in pieces."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_app.commands.server.arrival import MAX_HEAD_BYTES, Arrival
from cds_app.commands.server.line import Line

MAX = 1000
POST = b"POST /x HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
WHOLE = [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    POST + b"Content-Length: 0\r\n\r\n",
    POST + b"Content-Length: 5\r\n\r\n{   }",
    POST + b"content-LENGTH:7\r\nX: \r\n\r\n\r\n\r\n\r\n\n",
    CHUNKED + b"2\r\n{}\r\n0\r\n\r\n",
    CHUNKED + b"a ;x=y\r\n0\r\n\r\n45678\r\n00\r\nTrailer: 1\r\n\r\n",
]
REFUSED = [
    b"GET / HTTP/1.1\nHost: x\n\n",
    POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
    POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    POST + b"Content-Length: +5\r\n\r\n",
    POST + b"Content-Length: \xb2\r\n\r\n",
    POST + b"Content-Length: 1001\r\n\r\n",
    POST + b"Transfer-Encoding: identity\r\n\r\n{}",
    CHUNKED + b"zz\r\n",
    CHUNKED + b"-5\r\n",
    CHUNKED + b"x" * 9000,
    CHUNKED + b"fffffffff\r\n",
    CHUNKED + b"1\r\nx\r\n" * 400,
    CHUNKED + b"0\r\n" + b"A: b\r\n" * 12_000,
    b"A" * (MAX_HEAD_BYTES + 1),
]


@given(st.sampled_from(WHOLE), st.lists(st.integers(1, 60), min_size=1))
def test_a_request_is_whole_with_its_last_byte_and_not_before(request_: bytes, cuts: list[int]) -> None:
    arrival = Arrival(MAX)
    at = 0
    for cut in cuts * len(request_):
        piece = request_[at : at + cut]
        at += len(piece)
        assert arrival.add(piece) is (at == len(request_))
        if at == len(request_):
            break
    assert arrival.received == request_


@pytest.mark.parametrize("request_", WHOLE)
def test_what_follows_a_request_is_kept(request_: bytes) -> None:
    arrival = Arrival(MAX)
    assert arrival.add(request_ + b"GET /next")
    assert arrival.received == request_ + b"GET /next"


@pytest.mark.parametrize("request_", REFUSED, ids=range(len(REFUSED)))
def test_what_can_only_be_refused_is_not_waited_for(request_: bytes) -> None:
    assert Arrival(MAX).add(request_)


def test_a_body_that_is_told_to_come_comes_once() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        line = Line(ours, MAX)
        theirs.sendall(POST + b"Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n")
        assert not line.receive()
        assert theirs.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        theirs.sendall(b"{")
        assert not line.receive()
        theirs.sendall(b"}")
        assert line.receive()
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(100)


@pytest.mark.parametrize(
    "head", [b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
             POST + b"Expect: 100-continue\r\nContent-Length: 2000\r\n\r\n"]
)  # fmt: skip
def test_nobody_is_told_to_go_on_who_does_not_know_it_or_will_be_refused(head: bytes) -> None:
    arrival = Arrival(MAX)
    arrival.add(head)
    assert not arrival.awaits_word


def test_a_request_is_read_to_its_end_and_the_next_one_is_kept() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        line = Line(ours, MAX)
        theirs.sendall(WHOLE[2] + b"GET /next HTTP/1.1\r\n")
        assert line.receive()
        line.hand_over()
        read = line.recv(20) + line.recv(1000)
        assert read == WHOLE[2] + b"GET /next HTTP/1.1\r\n"
        with pytest.raises(ConnectionResetError):
            line.recv(1)
        line.take_back(b"GET /next HTTP/1.1\r\n")
        theirs.sendall(b"\r\n")
        assert line.receive()
        line.hand_over()
        assert line.recv(1000) == b"GET /next HTTP/1.1\r\n\r\n"


def test_a_caller_who_does_not_take_the_answer_is_not_waited_for() -> None:
    ours, theirs = socket.socketpair()
    answer = bytes(range(256)) * 20_000
    with ours, theirs:
        line = Line(ours, MAX)
        line.sendall(answer[:3_000_000])
        line.sendall(answer[3_000_000:])
        assert line.unsent
        taken = b""
        while not line.send_on():
            taken += theirs.recv(1_000_000)
        while len(taken) < len(answer):
            taken += theirs.recv(1_000_000)
    assert taken == answer
