"""MLLP over real sockets: frames, limits, TLS, slow and silent peers, and a service that is killed."""

from __future__ import annotations

import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hl7.client import MLLPClient
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_app.adapters.mllp import END, START, Frames, Limits, MllpServer, NoFrame, tls_context
from cds_app.databases import store_of
from cds_app.errors import DependencyDown
from cds_app.settings import Settings
from tests.certificates import certified
from tests.conftest import MRN
from tests.hl7 import ack, framed, obx, oru
from tests.service import ROOT

_PATIENCE_S = 60.0


@contextmanager
def serving(
    answer: Callable[[Sequence[bytes]], Sequence[bytes]] = list,
    *,
    limits: Limits | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[int]:
    """A server that answers with what came; yields its port."""
    ports: list[int] = []
    ready, stop = threading.Event(), threading.Event()

    def listening(port: int) -> None:
        ports.append(port)
        ready.set()

    server = MllpServer(answer, lambda reason, _: reason.encode(), limits=limits, tls=tls)
    thread = threading.Thread(target=server.run, args=("127.0.0.1", 0, stop, listening))
    thread.start()
    try:
        assert ready.wait(_PATIENCE_S)
        yield ports[0]
    finally:
        stop.set()
        thread.join()


def talk(port: int, *pieces: bytes, pause_s: float = 0.0) -> bytes:
    """What comes back until the other side, or we, have nothing more to say."""
    with socket.create_connection(("127.0.0.1", port), _PATIENCE_S) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause_s)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@settings(max_examples=30)
@given(
    frames=st.lists(st.binary(max_size=20).map(lambda raw: raw.replace(START, b"").replace(END, b"")), max_size=4),
    cuts=st.lists(st.integers(0, 120), max_size=6),
)
def test_frames_are_whole_however_the_stream_is_cut(frames: list[bytes], cuts: list[int]) -> None:
    frames = [one.rstrip(b"\x1c") for one in frames]
    stream = framed(*frames)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    cutter = Frames(1000)
    pieces = [stream[start:end] for start, end in pairwise(edges)]
    assert [frame for piece in pieces for frame in cutter.feed(piece)] == frames
    assert not cutter.begun


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (b"MSH|no frame", "garbled"),
        (START + b"MSH|" + START + b"x" + END, "garbled"),
        (START + b"x" * 2000, "oversize"),
        (START + b"x" * 2000 + END, "oversize"),
        (START + b"x" * 3_000_000, "oversize"),
        (b"GET / HTTP/1.1\r\n\r\n", "garbled"),
    ],
)
def test_what_is_no_frame_is_answered_and_the_peer_hung_up_on(stream: bytes, reason: str) -> None:
    with pytest.raises(NoFrame):
        list(Frames(1000).feed(stream))
    with serving(limits=Limits(frame=1000)) as port:
        assert talk(port, framed(b"first"), stream) == framed(b"first", reason.encode())


def test_a_peer_may_send_ahead_and_is_answered_in_order() -> None:
    sizes: list[int] = []

    def answer(frames: Sequence[bytes]) -> Sequence[bytes]:
        sizes.append(len(frames))
        time.sleep(0.02)
        return frames

    sent = [f"m{number}".encode() for number in range(300)]
    with serving(answer, limits=Limits(ahead=50, group=40)) as port:
        assert talk(port, framed(*sent)) == framed(*sent)
    assert 1 < max(sizes) <= 40


def test_a_slow_peer_is_left_and_the_others_are_served() -> None:
    with serving(limits=Limits(silent_s=0.3)) as port, _peer(port) as slow:
        slow.sendall(START + b"MSH|begun and never")
        assert talk(port, framed(b"quick")) == framed(b"quick")
        assert slow.recv(100) == b""


def test_a_peer_that_drips_is_left_too() -> None:
    with serving(limits=Limits(silent_s=0.4)) as port, _peer(port) as slow:
        slow.sendall(START)
        begun = time.monotonic()
        while time.monotonic() - begun < _PATIENCE_S:
            try:
                slow.sendall(b"x")
            except OSError:
                break
            time.sleep(0.05)
        assert time.monotonic() - begun < _PATIENCE_S


def _peer(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), _PATIENCE_S)


def test_too_many_peers_are_turned_away() -> None:
    with serving(limits=Limits(peers=1)) as port, socket.create_connection(("127.0.0.1", port), _PATIENCE_S) as one:
        one.sendall(framed(b"here"))
        assert one.recv(100) == framed(b"here")
        with socket.create_connection(("127.0.0.1", port), _PATIENCE_S) as other:
            assert other.recv(100) == b""


def test_peers_that_vanish_while_their_answers_wait_give_their_places_back() -> None:
    hold = threading.Event()

    def answer(frames: Sequence[bytes]) -> Sequence[bytes]:
        hold.wait(_PATIENCE_S)
        return frames

    with serving(answer, limits=Limits(peers=2, ahead=1, silent_s=0.3, idle_s=30.0)) as port:
        for _ in range(2):
            vanished = socket.create_connection(("127.0.0.1", port), _PATIENCE_S)
            vanished.sendall(framed(b"1", b"2", b"3", b"4"))
            vanished.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            time.sleep(0.1)
            vanished.close()  # a reset, not an end
        hold.set()
        until = time.monotonic() + _PATIENCE_S
        found = b""
        while found != framed(b"x") and time.monotonic() < until:
            with suppress(OSError):
                found = talk(port, framed(b"x"))
            time.sleep(0.05)
        assert found == framed(b"x")


def test_what_a_peer_sent_that_is_gone_is_taken_in_also_when_the_server_ends() -> None:
    came, hold = list[bytes](), threading.Event()

    def answer(frames: Sequence[bytes]) -> Sequence[bytes]:
        came.extend(frames)
        hold.wait(_PATIENCE_S)
        return frames

    with serving(answer, limits=Limits(group=1)) as port:
        vanished = _peer(port)
        vanished.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        vanished.sendall(framed(b"1", b"2", b"3"))
        until = time.monotonic() + _PATIENCE_S
        while not came and time.monotonic() < until:
            time.sleep(0.01)
        vanished.close()  # a reset, not an end
        threading.Timer(1.0, hold.set).start()  # by then the loop has ended
    assert came == [b"1", b"2", b"3"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_server_whose_worker_died_ends_and_says_so() -> None:
    def answer(frames: Sequence[bytes]) -> Sequence[bytes]:
        raise ZeroDivisionError

    ports: list[int] = []
    server = MllpServer(answer, lambda reason, _: reason.encode())
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(server.run, "127.0.0.1", 0, threading.Event(), ports.append)
        while not ports:
            time.sleep(0.01)
        with suppress(OSError):
            talk(ports[0], framed(b"x"))
        with pytest.raises(DependencyDown):
            running.result(_PATIENCE_S)


def test_what_waits_is_bounded_in_bytes() -> None:
    held: list[int] = []

    def answer(frames: Sequence[bytes]) -> Sequence[bytes]:
        held.append(sum(map(len, frames)))
        return [b"ok"] * len(frames)

    with serving(answer, limits=Limits(waiting=10_000)) as port:
        assert talk(port, framed(*[b"x" * 4000] * 30)) == framed(*[b"ok"] * 30)
    assert max(held) <= 16_000


def test_peers_talk_tls_and_prove_who_they_are(tmp_path: Path) -> None:
    certificate, key = certified(tmp_path)
    ours = tls_context(str(certificate), str(key), clients=str(certificate))
    theirs = ssl.create_default_context(cafile=str(certificate))
    with serving(tls=ours) as port:
        assert _over(theirs, port) == b""
        theirs.load_cert_chain(certificate, key)
        assert _over(theirs, port) == framed(b"sealed")
        assert framed(b"in clear") not in talk(port, framed(b"in clear"))


def _over(context: ssl.SSLContext, port: int) -> bytes:
    """The answer; nothing where the handshake fails, which TLS 1.3 shows at the first reading only."""
    with suppress(OSError), _peer(port) as plain, context.wrap_socket(plain, server_hostname="localhost") as connection:
        connection.sendall(framed(b"sealed"))
        return connection.recv(100)
    return b""


@contextmanager
def service(home: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The real process on a database of its own."""
    words = ("ingest", "hl7v2", "--listen", "127.0.0.1:0", "--identifier", f"HOSP/MR={MRN}", "--data-dir", str(home))
    with subprocess.Popen(
        [sys.executable, "-m", "cds_app", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            said = next(line for line in process.stdout if line.startswith("listening"))
            yield process, int(said.rpartition(":")[2])
        finally:
            process.kill()


def result(number: int) -> bytes:
    return oru(obx(value=f"{4 + number / 1000:.3f}"), control=f"M{number}", order=f"F{number}")


def test_what_was_acknowledged_outlives_a_kill_and_what_was_not_is_sent_again(tmp_path: Path) -> None:
    store_of(Settings(data_dir=tmp_path)).close()
    acknowledged: set[str] = set()
    with service(tmp_path) as (process, port):
        with socket.create_connection(("127.0.0.1", port), _PATIENCE_S) as connection:
            connection.sendall(framed(*map(result, range(200))))
            heard = b""
            while heard.count(END) < 20:
                heard += connection.recv(65536)
            process.kill()
        acknowledged |= {ack(one)[1] for one in heard.split(END)[:-1] if ack(one.removeprefix(START))[0] == "AA"}
    assert len(acknowledged) >= 20
    store = store_of(Settings(data_dir=tmp_path))
    (one,) = store.arrived()
    assert one.number >= len(acknowledged)
    store.close()
    with service(tmp_path) as (process, port):
        with MLLPClient("127.0.0.1", port) as client:  # somebody else's idea of MLLP
            answers = [client.send_message(result(number)) for number in range(0, 200, 40)]
        assert [ack(one.strip(START + END))[0] for one in answers] == ["AA"] * 5
        again = talk(port, framed(*map(result, range(200))))
        assert again.count(b"MSA|AA|") == 200
        process.terminate()
        assert process.wait(_PATIENCE_S) == 0
    store = store_of(Settings(data_dir=tmp_path))
    assert [(one.number, one.facts) for one in store.arrived()] == [(200, 200)]
    store.close()
