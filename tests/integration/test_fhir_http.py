"""The FHIR reader against a server on this machine that behaves as servers do."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from cds_app.adapters.http.fhir import RequestsFhirReader
from cds_app.errors import DataUnavailable
from cds_app.ports import FhirReader
from tests.fhir_server import (
    PATIENT,
    SECRET,
    Behaviour,
    FhirServer,
    Handler,
    Serve,
    drip,
    dripping_body,
    encoded,
    page,
    read,
    refused,
)


def test_a_resource_is_read_with_the_token_and_the_right_headers(serve: Serve) -> None:
    server = serve(lambda handler, _: handler.say(encoded(PATIENT), Set_Cookie="a=b"))
    reader = RequestsFhirReader([server.base + "/"], loopback_http=True)
    port: FhirReader = reader
    for base in (server.base, server.base + "/"):
        assert port.read(base, "Patient/1?_format=json|x", token="t0k", budget_s=2.0) == PATIENT
    reader.close()
    path, headers = server.seen[1]
    assert path == "/fhir/r4/Patient/1?_format=json%7Cx"
    assert (headers["Authorization"], headers["Accept"]) == ("Bearer t0k", "application/fhir+json")
    assert "Cookie" not in headers


def test_without_a_token_none_is_sent(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    server = serve(lambda handler, _: handler.say(encoded(PATIENT)))
    read(server)
    assert "Authorization" not in server.seen[0][1]


@pytest.mark.parametrize("token", ["a b", "x\r\nEvil: 1", "", "ä"])
def test_a_token_that_is_none_is_not_sent(serve: Serve, token: str) -> None:
    server = serve(lambda handler, _: handler.say(encoded(PATIENT)))
    refused(server, token=token)
    assert server.seen == []


def test_pages_are_one_answer(serve: Serve) -> None:
    pages: dict[str, Callable[[FhirServer], str | None]] = {
        "/fhir/r4/Observation?patient=1": lambda it: it.base + "?_getpages=a",
        "/fhir/r4?_getpages=a": lambda it: "Observation?page=3",
        "/fhir/r4/Observation?page=3": lambda it: "/fhir/r4/Observation?page=4",
        "/fhir/r4/Observation?page=4": lambda it: "/fhir/r4?page=5",
        "/fhir/r4?page=5": lambda it: None,
    }
    server = serve(lambda handler, n: handler.say(page(str(n), pages[handler.path](server))))
    bundle = read(server, "Observation?patient=1")
    assert [entry["resource"]["id"] for entry in bundle["entry"]] == ["1", "2", "3", "4", "5"]
    assert bundle["link"] == []


def test_more_pages_than_allowed_leave_the_next_link(serve: Serve) -> None:
    server = serve(lambda handler, n: handler.say(page(str(n), f"{server.base}/Observation?page={n + 1}")))
    bundle = read(server, "Observation?page=1", max_pages=3)
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
        "/fhir/r40/x",
        "/fhir/r4/../../admin",
        "/fhir/r4//evil.example/x",
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
    server = serve(lambda handler, n: handler.say(page("1", link.format(base=server.base, port=server.server_port))))
    refused(server)
    assert len(server.seen) == 1


def test_a_page_that_is_no_bundle_is_refused(serve: Serve) -> None:
    pages = [page("1", "Observation?page=2"), encoded(PATIENT)]
    refused(serve(lambda handler, n: handler.say(pages[n - 1])))


@pytest.mark.parametrize("status", [301, 302, 307, 401, 403, 404, 410, 429, 500])
def test_redirects_and_refusals_are_not_retried_or_followed(serve: Serve, status: int) -> None:
    server = serve(lambda handler, _: handler.say(b"{}", status=status, Location="http://127.0.0.1:1/x"))
    assert refused(server).field == "Observation"
    assert len(server.seen) == 1


def test_a_byte_order_mark_is_passed_over(serve: Serve) -> None:
    assert read(serve(lambda handler, _: handler.say(b"\xef\xbb\xbf" + encoded(PATIENT)))) == PATIENT


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>ZQX</html>", "text/html"),
        (b"<html>ZQX</html>", "application/fhir+json"),
        (encoded(PATIENT), "application/fhir+xml"),
        (encoded({"resourceType": "OperationOutcome"}), "application/fhir+json"),
        (b"[]", "application/json"),
        (b'{"resourceType": NaN}', "application/json"),
        (b'{"resourceType": "A", "resourceType": "B"}', "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"", "application/json"),
    ],
)
def test_anything_but_fhir_json_is_refused(serve: Serve, body: bytes, kind: str) -> None:
    refused(serve(lambda handler, _: handler.say(body, kind=kind)))


def test_a_packed_body_that_nobody_asked_for_is_refused(serve: Serve) -> None:
    bomb = gzip.compress(b" " * 1_000_000)
    refused(serve(lambda handler, _: handler.say(bomb, Content_Encoding="gzip")))


def test_a_huge_body_is_cut_off(serve: Serve) -> None:
    def endless(handler: Handler, _: int) -> None:
        handler.say(b"", Content_Length=str(2**40))
        for _ in range(1000):
            handler.wfile.write(b" " * 65536)

    assert "too large" in refused(serve(endless), max_bytes=200_000).message


def test_the_cap_holds_over_all_pages(serve: Serve) -> None:
    server = serve(lambda handler, n: handler.say(page("x" * 500, f"Observation?page={n}")))
    refused(server, max_bytes=1500)
    assert len(server.seen) == 3


def _silent(handler: Handler, _: int) -> None:
    time.sleep(3)


def _dripping_headers(handler: Handler, _: int) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    drip(handler, b"a")


def _dripping_chunk(handler: Handler, _: int) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    drip(handler, b"0")


@pytest.mark.parametrize("behave", [_silent, _dripping_headers, dripping_body, _dripping_chunk])
def test_the_budget_holds_however_slow_the_server_is(serve: Serve, behave: Behaviour) -> None:
    server = serve(behave)
    start = time.monotonic()
    assert "too long" in refused(server, budget_s=0.4).message
    assert time.monotonic() - start < 1.0


def test_no_budget_is_no_request(serve: Serve) -> None:
    server = serve(_silent)
    refused(server, budget_s=0.0)
    assert server.seen == []


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_gateway_gets_one_second_chance(serve: Serve, status: int) -> None:
    def once(handler: Handler, n: int) -> None:
        handler.say(encoded(PATIENT), status=status if n == 1 else 200, Retry_After="0")

    assert read(serve(once)) == PATIENT
    server = serve(lambda handler, _: handler.say(b"", status=status))
    refused(server)
    assert len(server.seen) == 2


@pytest.mark.parametrize("after", ["60", "Wed, 21 Oct 2099 07:28:00 GMT", "Wed, 21 Oct 2099 07:28:00 -0000"])
def test_a_retry_that_does_not_fit_is_not_made(serve: Serve, after: str) -> None:
    server = serve(lambda handler, _: handler.say(b"", status=503, Retry_After=after))
    start = time.monotonic()
    refused(server)
    assert (len(server.seen), time.monotonic() - start < 1.0) == (1, True)


@pytest.mark.parametrize("status", [503, 429])
def test_a_retry_after_that_fits_is_honoured(serve: Serve, status: int) -> None:
    def later(handler: Handler, n: int) -> None:
        handler.say(encoded(PATIENT), status=status if n == 1 else 200, Retry_After="1")

    start = time.monotonic()
    assert read(serve(later), budget_s=5.0) == PATIENT
    assert time.monotonic() - start >= 1.0


@pytest.mark.parametrize("after", ["soon", "Wed, 21 Oct 2015 07:28:00 GMT", f"Wed, 21 Oct {'9' * 20} 07:28:00 GMT"])
def test_a_retry_after_that_says_nothing_is_a_short_pause(serve: Serve, after: str) -> None:
    server = serve(lambda handler, n: handler.say(encoded(PATIENT), status=503 if n == 1 else 200, Retry_After=after))
    assert read(server) == PATIENT


def test_a_reset_and_a_truncated_body_get_one_second_chance(serve: Serve) -> None:
    def reset(handler: Handler, n: int) -> None:
        handler.reset() if n == 1 else handler.say(encoded(PATIENT))

    def cut(handler: Handler, n: int) -> None:
        body = encoded(PATIENT)
        handler.say(body if n > 1 else body[:-5], Content_Length=str(len(body)))
        handler.close_connection = True

    assert read(serve(reset)) == PATIENT
    assert read(serve(cut)) == PATIENT
    server = serve(lambda handler, _: handler.reset())
    refused(server)
    assert len(server.seen) == 2


def test_nobody_there_is_unavailable(serve: Serve) -> None:
    server = serve(_silent)
    base = f"http://127.0.0.1:{_free_port()}/r4"
    reader = RequestsFhirReader([base], loopback_http=True)
    with pytest.raises(DataUnavailable):
        reader.read(base, SECRET, token=None, budget_s=1.0)
    reader.close()
    assert server.seen == []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_connections_are_used_again(serve: Serve) -> None:
    ports: set[int] = set()

    def note(handler: Handler, _: int) -> None:
        ports.add(handler.client_address[1])
        handler.say(encoded(PATIENT))

    server = serve(note)
    reader = RequestsFhirReader([server.base], loopback_http=True)
    for _ in range(3):
        reader.read(server.base, "Patient/1", token=None, budget_s=2.0)
    reader.close()
    assert len(ports) == 1
    assert urlsplit(server.base).port not in ports
