"""Writing to the EHR: once, to registered servers, and never taken for done where it is not known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from cds_app.adapters.http.fhir_write import RequestsFhirWriter
from cds_app.errors import DataUnavailable, SettingsError

WHO = {"reference": "Patient/p1"}
DRAFT = {"resourceType": "ServiceRequest", "status": "draft", "intent": "proposal", "subject": WHO}
TOKEN = "t0"
ONLY = "identifier=urn:ietf:rfc:3986|urn:uuid:1"


@contextmanager
def server(status: int = 201, body: bytes = b"", **headers: str) -> Iterator[tuple[str, list[Any]]]:
    seen: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PATCH(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, dict(self.headers), json.loads(content)))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=found.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{found.server_port}/r4", seen
    finally:
        found.shutdown()
        found.server_close()


def create(base: str, bases: tuple[str, ...] | None = None, *, token: str = TOKEN, budget_s: float = 2.0) -> str:
    writer = RequestsFhirWriter((base,) if bases is None else bases, loopback_http=True)
    try:
        return writer.create(base, DRAFT, token=token, only_if_none=ONLY, budget_s=budget_s)
    finally:
        writer.close()


def test_a_draft_is_posted_with_the_token_and_its_identifier() -> None:
    with server(Location="http://elsewhere/r4/ServiceRequest/12/_history/1") as (base, seen):
        assert create(base) == "ServiceRequest/12"
    path, headers, body = seen[0]
    assert path == "/r4/ServiceRequest"
    assert body == DRAFT
    assert headers["Authorization"] == "Bearer t0"
    assert headers["If-None-Exist"] == "identifier=urn:ietf:rfc:3986|urn:uuid:1"
    assert headers["Content-Type"] == "application/fhir+json"


@pytest.mark.parametrize(("status", "fine"), [(200, True), (204, True), (403, False), (302, False), (201, False)])
def test_a_status_is_changed_alone_and_only_what_the_server_took_is_taken_for_changed(status: int, fine: bool) -> None:
    with server(status, Location="http://127.0.0.1:1/steal") as (base, seen):
        writer = RequestsFhirWriter((base,), loopback_http=True)
        with nullcontext() if fine else pytest.raises(DataUnavailable):
            writer.set_status(base, "Subscription/12", "requested", token=TOKEN, budget_s=2.0)
        with pytest.raises(DataUnavailable):
            writer.set_status(f"{base}/x", "Subscription/12", "requested", token=TOKEN, budget_s=2.0)
        writer.close()
    ((path, headers, body),) = seen
    assert (path, body) == ("/r4/Subscription/12", [{"op": "replace", "path": "/status", "value": "requested"}])
    assert headers["Content-Type"] == "application/json-patch+json"
    assert headers["Authorization"] == "Bearer t0"


def test_what_was_there_already_is_taken_for_it() -> None:
    body = json.dumps({"resourceType": "ServiceRequest", "id": "old"}).encode()
    with server(200, body) as (base, _):
        assert create(base) == "ServiceRequest/old"


@pytest.mark.parametrize(
    ("status", "body", "location"),
    [
        (201, b"", ""),
        (201, b"{}", ""),
        (201, b"not json", ""),
        (201, b'{"resourceType":"Patient","id":"p"}', "https://h/r4/Patient/p"),
        (302, b"", "http://127.0.0.1:1/steal"),
        (401, b"", ""),
        (403, b"", ""),
        (412, b"", ""),
        (500, b"", ""),
    ],
)
def test_anything_else_is_not_taken_for_written(status: int, body: bytes, location: str) -> None:
    with server(status, body, **({"Location": location} if location else {})) as (base, seen):
        with pytest.raises(DataUnavailable) as refused:
            create(base)
        assert len(seen) == 1
    assert refused.value.field == "ServiceRequest"
    assert "p1" not in refused.value.message


def test_only_registered_servers_are_written_to() -> None:
    with server() as (base, seen):
        for other in (base + "/x", base.replace("127.0.0.1", "localhost")):
            with pytest.raises(DataUnavailable):
                create(base, (other,))
        assert seen == []
    with pytest.raises(SettingsError):
        RequestsFhirWriter(("http://hospital.example/r4",))


def test_a_token_that_is_none_is_not_sent() -> None:
    with server() as (base, seen):
        with pytest.raises(DataUnavailable):
            create(base, token="a b\r\nX-Evil: 1")
        assert seen == []


def test_a_server_that_is_gone_is_said_to_be() -> None:
    with server() as (base, _):
        pass
    with pytest.raises(DataUnavailable):
        create(base)
