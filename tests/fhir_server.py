"""A FHIR server on this machine that behaves as servers do, and a reader to ask it."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from cds_app.adapters.http.fhir import RequestsFhirReader
from cds_app.errors import DataUnavailable

PATIENT = {"resourceType": "Patient", "id": "ZQXid"}
SECRET = "Observation?patient=ZQXid&code=ZQXcode"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, FhirServer)
        server.seen.append((self.path, dict(self.headers)))
        server.behave(self, len(server.seen))

    def do_DELETE(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        return

    def say(
        self, body: bytes, *, status: int = 200, kind: str = "application/fhir+json; charset=utf-8", **headers: str
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.rfile.close()
        self.close_connection = True


Behaviour = Callable[[Handler, int], None]


class FhirServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, behave: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behave = behave
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.base = f"http://127.0.0.1:{self.server_port}/fhir/r4"

    def handle_error(self, request: object, client_address: object) -> None:
        """Half of these tests hang up on it."""


@pytest.fixture
def serve() -> Iterator[Callable[[Behaviour], FhirServer]]:
    running: list[FhirServer] = []

    def start(behave: Behaviour) -> FhirServer:
        server = FhirServer(behave)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


Serve = Callable[[Behaviour], FhirServer]


def read(
    server: FhirServer, path: str = "Patient/1", *, budget_s: float = 2.0, token: str | None = None, **limits: Any
) -> Any:
    reader = RequestsFhirReader([server.base], loopback_http=True, **limits)
    try:
        return reader.read(server.base, path, token=token, budget_s=budget_s)
    finally:
        reader.close()


def refused(server: FhirServer, path: str = SECRET, **more: Any) -> DataUnavailable:
    with pytest.raises(DataUnavailable) as caught:
        read(server, path, **more)
    error = caught.value
    assert "ZQX" not in f"{error.message}{error.field}{error.__cause__!r}"
    assert error.__cause__ is None
    return error


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def page(key: str, url: str | None) -> bytes:
    link = [] if url is None else [{"relation": "next", "url": url}]
    entry = [{"resource": {"resourceType": "Observation", "id": key}}]
    return encoded({"resourceType": "Bundle", "type": "searchset", "entry": entry, "link": link})


def dripping_body(handler: Handler, _: int) -> None:
    handler.say(b"", Content_Length="1000")
    drip(handler, b" ")


def drip(handler: Handler, byte: bytes) -> None:
    for _ in range(100):
        handler.wfile.write(byte)
        handler.wfile.flush()
        time.sleep(0.05)
