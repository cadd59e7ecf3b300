"""A caller's connection, and what becomes of the answer on it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest

from cds_app.commands.server.line import Line
from cds_app.domain.decisions import Loss
from cds_app.services.calls.hook_call import Listener


@pytest.fixture
def ends() -> Iterator[tuple[Line, socket.socket]]:
    """Ours and the caller's."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        far = socket.create_connection(door.getsockname())
        near, _ = door.accept()
    yield Line(near, 1000), far
    near.close()
    far.close()


def reset(far: socket.socket) -> None:
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    far.close()


def watched(line: Line) -> list[Loss]:
    lost: list[Loss] = []
    line.unless_taken(lost.append)
    return lost


def test_it_is_a_listener(ends: tuple[Line, socket.socket]) -> None:
    assert isinstance(ends[0], Listener)
    assert not isinstance(ends[1], Listener)


def test_who_waits_is_there_also_after_saying_more(ends: tuple[Line, socket.socket]) -> None:
    line, far = ends
    assert not line.gone()
    far.sendall(b"GET / HTTP/1.1")
    assert not line.gone()


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1"])
def test_who_has_closed_is_gone_whatever_was_said_before(ends: tuple[Line, socket.socket], said: bytes) -> None:
    line, far = ends
    far.sendall(said)
    far.close()
    assert line.gone()


def test_who_ended_one_side_only_looks_the_same(ends: tuple[Line, socket.socket]) -> None:
    line, far = ends
    lost = watched(line)
    far.shutdown(socket.SHUT_WR)
    assert line.gone()
    line.sendall(b"an answer")
    assert far.recv(100) == b"an answer"  # it is sent all the same
    line.settle()
    assert lost == ["hung-up"]


def test_who_resets_is_gone(ends: tuple[Line, socket.socket]) -> None:
    line, far = ends
    lost = watched(line)
    reset(far)
    assert line.gone()
    with pytest.raises(OSError, match=r"reset|Broken pipe"):
        line.sendall(b"an answer")
    line.settle("broke-off")
    assert lost == ["hung-up"]  # which was known first


def test_of_an_answer_that_went_out_nothing_is_said(ends: tuple[Line, socket.socket]) -> None:
    line, far = ends
    lost = watched(line)
    line.sendall(b"an answer")
    line.settle()
    reset(far)
    line.settle("broke-off")
    assert lost == []


def test_it_is_said_once(ends: tuple[Line, socket.socket]) -> None:
    line, _ = ends
    lost = watched(line)
    line.settle("not-read")
    line.settle("broke-off")
    assert lost == ["not-read"]
