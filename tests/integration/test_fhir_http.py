"""The FHIR reader against a server on this machine that behaves as servers do."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cds_app.adapters.fhir_http import RequestsFhirReader
from cds_app.errors import DataUnavailable, SettingsError
from cds_app.ports import FhirReader

_PATIENT = {"resourceType": "Patient", "id": "ZQXid"}
_SECRET = "Observation?patient=ZQXid&code=ZQXcode"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        server.seen.append((self.path, dict(self.headers)))
        server.behave(self, len(server.seen))

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


Behaviour = Callable[[_Handler, int], None]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, behave: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behave = behave
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.base = f"http://127.0.0.1:{self.server_port}/fhir/r4"

    def handle_error(self, request: object, client_address: object) -> None:
        """Half of these tests hang up on it."""


@pytest.fixture
def serve() -> Iterator[Callable[[Behaviour], _Server]]:
    running: list[_Server] = []

    def start(behave: Behaviour) -> _Server:
        server = _Server(behave)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


Serve = Callable[[Behaviour], _Server]


def _read(
    server: _Server, path: str = "Patient/1", *, budget_s: float = 2.0, token: str | None = None, **limits: Any
) -> Any:
    reader = RequestsFhirReader([server.base], loopback_http=True, **limits)
    try:
        return reader.read(server.base, path, token=token, budget_s=budget_s)
    finally:
        reader.close()


def _refused(server: _Server, path: str = _SECRET, **more: Any) -> DataUnavailable:
    with pytest.raises(DataUnavailable) as caught:
        _read(server, path, **more)
    error = caught.value
    assert "ZQX" not in f"{error.message}{error.field}{error.__cause__!r}"
    assert error.__cause__ is None
    return error


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _page(key: str, url: str | None) -> bytes:
    link = [] if url is None else [{"relation": "next", "url": url}]
    entry = [{"resource": {"resourceType": "Observation", "id": key}}]
    return _json({"resourceType": "Bundle", "type": "searchset", "entry": entry, "link": link})


def test_a_resource_is_read_with_the_token_and_the_right_headers(serve: Serve) -> None:
    server = serve(lambda handler, _: handler.say(_json(_PATIENT), Set_Cookie="a=b"))
    reader = RequestsFhirReader([server.base + "/"], loopback_http=True)
    port: FhirReader = reader
    for base in (server.base, server.base + "/"):
        assert port.read(base, "Patient/1?_format=json|x", token="t0k", budget_s=2.0) == _PATIENT
    reader.close()
    path, headers = server.seen[1]
    assert path == "/fhir/r4/Patient/1?_format=json%7Cx"
    assert (headers["Authorization"], headers["Accept"]) == ("Bearer t0k", "application/fhir+json")
    assert "Cookie" not in headers


def test_without_a_token_none_is_sent(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    server = serve(lambda handler, _: handler.say(_json(_PATIENT)))
    _read(server)
    assert "Authorization" not in server.seen[0][1]


@pytest.mark.parametrize("token", ["a b", "x\r\nEvil: 1", "", "ä"])
def test_a_token_that_is_none_is_not_sent(serve: Serve, token: str) -> None:
    server = serve(lambda handler, _: handler.say(_json(_PATIENT)))
    _refused(server, token=token)
    assert server.seen == []


def test_pages_are_one_answer(serve: Serve) -> None:
    pages: dict[str, Callable[[_Server], str | None]] = {
        "/fhir/r4/Observation?patient=1": lambda it: it.base + "?_getpages=a",
        "/fhir/r4?_getpages=a": lambda it: "Observation?page=3",
        "/fhir/r4/Observation?page=3": lambda it: None,
    }
    server = serve(lambda handler, n: handler.say(_page(str(n), pages[handler.path](server))))
    bundle = _read(server, "Observation?patient=1")
    assert [entry["resource"]["id"] for entry in bundle["entry"]] == ["1", "2", "3"]
    assert bundle["link"] == []


def test_more_pages_than_allowed_leave_the_next_link(serve: Serve) -> None:
    server = serve(lambda handler, n: handler.say(_page(str(n), f"{server.base}/Observation?page={n + 1}")))
    bundle = _read(server, "Observation?page=1", max_pages=3)
    assert (len(bundle["entry"]), len(server.seen)) == (3, 3)
    assert bundle["link"][0]["relation"] == "next"


@pytest.mark.parametrize(
    "link",
    [
        "http://evil.example/fhir/r4/Observation",
        "{base}.evil.example/x",
        "{base}@evil.example/x",
        "{base}/../../admin",
        "{base}/%2e%2e/admin",
        "{base}/a/..%2fb",
        "//evil.example/x",
        "/admin",
        "http:evil",
        "{base}/x\\y",
        "{base}/x y",
        "{base}/Observation#x",
        "?page=2",
        "../x",
        "{base}/x?y\r\nz",
        "http://127.0.0.1:{port}/fhir/r40/x",
    ],
)
def test_an_evil_next_link_is_not_followed(serve: Serve, link: str) -> None:
    server = serve(lambda handler, n: handler.say(_page("1", link.format(base=server.base, port=server.server_port))))
    _refused(server)
    assert len(server.seen) == 1


def test_a_page_that_is_no_bundle_is_refused(serve: Serve) -> None:
    pages = [_page("1", "Observation?page=2"), _json(_PATIENT)]
    _refused(serve(lambda handler, n: handler.say(pages[n - 1])))


@pytest.mark.parametrize("status", [301, 302, 307, 401, 403, 404, 410, 429, 500])
def test_redirects_and_refusals_are_not_retried_or_followed(serve: Serve, status: int) -> None:
    server = serve(lambda handler, _: handler.say(b"{}", status=status, Location="http://127.0.0.1:1/x"))
    assert _refused(server).field == "Observation"
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>ZQX</html>", "text/html"),
        (b"<html>ZQX</html>", "application/fhir+json"),
        (_json(_PATIENT), "application/fhir+xml"),
        (_json({"resourceType": "OperationOutcome"}), "application/fhir+json"),
        (b"[]", "application/json"),
        (b'{"resourceType": NaN}', "application/json"),
        (b'{"resourceType": "A", "resourceType": "B"}', "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"", "application/json"),
    ],
)
def test_anything_but_fhir_json_is_refused(serve: Serve, body: bytes, kind: str) -> None:
    _refused(serve(lambda handler, _: handler.say(body, kind=kind)))


def test_a_packed_body_that_nobody_asked_for_is_refused(serve: Serve) -> None:
    bomb = gzip.compress(b" " * 1_000_000)
    _refused(serve(lambda handler, _: handler.say(bomb, Content_Encoding="gzip")))


def test_a_huge_body_is_cut_off(serve: Serve) -> None:
    def endless(handler: _Handler, _: int) -> None:
        handler.say(b"", Content_Length=str(2**40))
        for _ in range(1000):
            handler.wfile.write(b" " * 65536)

    assert "too large" in _refused(serve(endless), max_bytes=200_000).message


def test_the_cap_holds_over_all_pages(serve: Serve) -> None:
    server = serve(lambda handler, n: handler.say(_page("x" * 500, f"Observation?page={n}")))
    _refused(server, max_bytes=1500)
    assert len(server.seen) == 3


def _silent(handler: _Handler, _: int) -> None:
    time.sleep(3)


def _dripping_headers(handler: _Handler, _: int) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    _drip(handler, b"a")


def _dripping_body(handler: _Handler, _: int) -> None:
    handler.say(b"", Content_Length="1000")
    _drip(handler, b" ")


def _dripping_chunk(handler: _Handler, _: int) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    _drip(handler, b"0")


def _drip(handler: _Handler, byte: bytes) -> None:
    for _ in range(100):
        handler.wfile.write(byte)
        handler.wfile.flush()
        time.sleep(0.05)


@pytest.mark.parametrize("behave", [_silent, _dripping_headers, _dripping_body, _dripping_chunk])
def test_the_budget_holds_however_slow_the_server_is(serve: Serve, behave: Behaviour) -> None:
    server = serve(behave)
    start = time.monotonic()
    assert "too long" in _refused(server, budget_s=0.4).message
    assert time.monotonic() - start < 1.0


def test_no_budget_is_no_request(serve: Serve) -> None:
    server = serve(_silent)
    _refused(server, budget_s=0.0)
    assert server.seen == []


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_gateway_gets_one_second_chance(serve: Serve, status: int) -> None:
    def once(handler: _Handler, n: int) -> None:
        handler.say(_json(_PATIENT), status=status if n == 1 else 200, Retry_After="0")

    assert _read(serve(once)) == _PATIENT
    server = serve(lambda handler, _: handler.say(b"", status=status))
    _refused(server)
    assert len(server.seen) == 2


@pytest.mark.parametrize("after", ["60", "Wed, 21 Oct 2099 07:28:00 GMT", "Wed, 21 Oct 2099 07:28:00 -0000"])
def test_a_retry_that_does_not_fit_is_not_made(serve: Serve, after: str) -> None:
    server = serve(lambda handler, _: handler.say(b"", status=503, Retry_After=after))
    start = time.monotonic()
    _refused(server)
    assert (len(server.seen), time.monotonic() - start < 1.0) == (1, True)


def test_a_retry_after_that_fits_is_honoured(serve: Serve) -> None:
    def later(handler: _Handler, n: int) -> None:
        handler.say(_json(_PATIENT), status=503 if n == 1 else 200, Retry_After="1")

    start = time.monotonic()
    assert _read(serve(later), budget_s=5.0) == _PATIENT
    assert time.monotonic() - start >= 1.0


@pytest.mark.parametrize("after", ["soon", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_retry_after_that_says_nothing_is_a_short_pause(serve: Serve, after: str) -> None:
    server = serve(lambda handler, n: handler.say(_json(_PATIENT), status=503 if n == 1 else 200, Retry_After=after))
    assert _read(server) == _PATIENT


def test_a_reset_and_a_truncated_body_get_one_second_chance(serve: Serve) -> None:
    def reset(handler: _Handler, n: int) -> None:
        handler.reset() if n == 1 else handler.say(_json(_PATIENT))

    def cut(handler: _Handler, n: int) -> None:
        body = _json(_PATIENT)
        handler.say(body if n > 1 else body[:-5], Content_Length=str(len(body)))
        handler.close_connection = True

    assert _read(serve(reset)) == _PATIENT
    assert _read(serve(cut)) == _PATIENT
    server = serve(lambda handler, _: handler.reset())
    _refused(server)
    assert len(server.seen) == 2


def test_nobody_there_is_unavailable(serve: Serve) -> None:
    server = serve(_silent)
    reader = RequestsFhirReader([f"http://127.0.0.1:{_free_port()}/r4"], loopback_http=True)
    (base,) = reader._bases
    with pytest.raises(DataUnavailable):
        reader.read(base, _SECRET, token=None, budget_s=1.0)
    reader.close()
    assert server.seen == []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    "path",
    [
        "../admin",
        "Patient/..",
        "/Patient/1",
        "Patient//1",
        "http://evil.example/",
        "Patient/1#x",
        "a b",
        "Patient/%2e",
        "Patient/1?a=b c",
        "Patient/1\\x",
        "@evil.example",
        "",
    ],
)
def test_a_path_that_leaves_the_base_is_not_asked_for(serve: Serve, path: str) -> None:
    server = serve(lambda handler, _: handler.say(_json(_PATIENT)))
    if path:
        _refused(server, path)
        assert server.seen == []
    else:
        _read(server, path)
        assert server.seen[0][0] == "/fhir/r4"


@pytest.mark.parametrize(
    "base",
    [
        "http://ehr.example/r4",
        "http://127.0.0.1.evil.example/",
        "ftp://ehr.example",
        "https://",
        "https://a@ehr.example/r4",
        "https://ehr.example/r4?x=1",
        "https://ehr.example/r4#x",
        "https://ehr.example/a/../b",
        "https://ehr.example//b",
        "https://ehr.example\\r4",
        "https://ehr.example:99999/r4",
        "https://[::1",
        " https://ehr.example",
        "https://ehr.example/r4//",
    ],
)
def test_a_base_that_is_no_plain_https_url_is_refused_at_start(base: str) -> None:
    with pytest.raises(SettingsError):
        RequestsFhirReader([base], loopback_http=True)


def test_plain_http_needs_a_loopback_host_and_permission() -> None:
    with pytest.raises(SettingsError):
        RequestsFhirReader(["http://127.0.0.1/r4"])
    reader = RequestsFhirReader(["http://localhost:8080/r4", "http://[::1]/r4"], loopback_http=True)
    assert reader.allowed("http://[::1]/r4")


@pytest.mark.parametrize(
    "base",
    [
        "https://EHR.example/r4",
        "https://ehr.example/r4//",
        "https://ehr.example/r4/x",
        "https://ehr.example:443/r4",
        "https://ehr.example./r4",
        "https://ehr.example@evil.example/r4",
        "http://ehr.example/r4",
        "https://ehr.example/r4%2f..",
        "https://ehr.example/R4",
        "https://169.254.169.254/r4",
        "",
        "https://ehr.example\\@evil/r4",
    ],
)
def test_only_registered_bases_are_allowed(base: str) -> None:
    reader = RequestsFhirReader(["https://ehr.example/r4"])
    assert not reader.allowed(base)
    with pytest.raises(DataUnavailable):
        reader.read(base, "Patient/1", token="t", budget_s=1.0)
    assert reader.allowed("https://ehr.example/r4")
    assert reader.allowed("https://ehr.example/r4/")


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "public.pem", folder / "private.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, plain, none))
    return public, private


def _secure(server: _Server, folder: Path) -> tuple[str, Path]:
    public, private = _certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return f"https://localhost:{server.server_port}/r4", public


def test_over_tls_an_untrusted_certificate_is_refused_and_the_budget_holds(tmp_path: Path, serve: Serve) -> None:
    server = serve(lambda handler, n: handler.say(_json(_PATIENT)) if n == 1 else _dripping_body(handler, n))
    base, public = _secure(server, tmp_path)
    reader = RequestsFhirReader([base])
    with pytest.raises(DataUnavailable, match="certificate"):
        reader.read(base, "Patient/1", token="t", budget_s=2.0)
    assert server.seen == []
    reader._session.verify = str(public)
    assert reader.read(base, "Patient/1", token="t", budget_s=2.0) == _PATIENT
    start = time.monotonic()
    with pytest.raises(DataUnavailable, match="too long"):
        reader.read(base, "Patient/1", token="t", budget_s=0.4)
    assert time.monotonic() - start < 1.0
    reader.close()


def test_connections_are_used_again(serve: Serve) -> None:
    ports: set[int] = set()

    def note(handler: _Handler, _: int) -> None:
        ports.add(handler.client_address[1])
        handler.say(_json(_PATIENT))

    server = serve(note)
    reader = RequestsFhirReader([server.base], loopback_http=True)
    for _ in range(3):
        reader.read(server.base, "Patient/1", token=None, budget_s=2.0)
    reader.close()
    assert len(ports) == 1
    assert urlsplit(server.base).port not in ports
