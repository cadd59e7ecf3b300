"""The load generator counts what it sent and says what was not answered well."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from cds_app.bench.loading import send

pytestmark = pytest.mark.enable_socket


class Echo(BaseHTTPRequestHandler):
    """Sends back what it got; a teapot for ``tea``."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(418 if body == b"tea" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Not into the test's output."""


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_every_request_is_sent_and_timed(url: str) -> None:
    sent = send(url, "/", [b"a" * size for size in (1, 100_000, 3, 4, 5)], connections=2)
    assert (len(sent.seconds), sent.not_ok) == (5, 0)
    assert 0 < max(sent.seconds) <= sent.took_s


def test_answers_that_are_not_ok_are_counted(url: str) -> None:
    assert send(url, "/", [b"tea", b"milk", b"tea"], connections=1).not_ok == 2
