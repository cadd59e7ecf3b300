"""Token endpoints are asked at exactly their URL, within a time and a size, and believed only if they are clear."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import pytest

from cds_app.adapters.http.oauth import ASSERTION_TYPE, AuthlibTokenEndpoint
from cds_app.domain.issuers import Method, TokenRequest
from cds_app.errors import DataUnavailable, GrantRefused

TOKENS = {"access_token": "a", "token_type": "Bearer"}
Behaviour = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        server.seen.append((self.path, {name: value for name, (value,) in parse_qs(body).items()}, dict(self.headers)))
        server.behave(self)

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        server.seen.append((self.path, {}, dict(self.headers)))
        self.say(TOKENS)

    def log_message(self, format: str, *args: object) -> None:
        return

    def say(self, value: object, status: int = 200, **headers: str) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", headers.pop("length", str(len(body))))
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, behave: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behave = behave
        self.seen: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/token?x=1"

    def handle_error(self, request: object, client_address: object) -> None:
        """Half of these tests hang up on it."""


Serve = Callable[[Behaviour], Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    running: list[Server] = []

    def start(behave: Behaviour) -> Server:
        running.append(Server(behave))
        Thread(target=running[-1].serve_forever, args=(0.01,), daemon=True).start()
        return running[-1]

    yield start
    for one in running:
        one.shutdown()
        one.server_close()


def request(url: str, **change: Any) -> TokenRequest:
    usual = {
        "url": url,
        "form": {
            "grant_type": "authorization_code",
            "code": "ZQX+/=&",
            "code_verifier": "v",
            "redirect_uri": "https://a/b",
        },
        "method": Method.PRIVATE_KEY_JWT,
        "assertion": "a.b.c",
    }
    return TokenRequest(**{**usual, **change})


def ask(serve: Serve, behave: Behaviour, **change: Any) -> Any:
    return AuthlibTokenEndpoint(deadline_s=1.0, max_bytes=10_000).ask(request(serve(behave).url, **change))


def refused(serve: Serve, behave: Behaviour, kind: type[Exception] = DataUnavailable) -> Any:
    with pytest.raises(kind) as caught:
        ask(serve, behave)
    error = caught.value
    assert "ZQX" not in f"{error!r}{vars(error)}"
    assert error.__cause__ is None
    return error


def test_an_assertion_goes_into_the_form(serve: Serve) -> None:
    server = serve(lambda handler: handler.say(TOKENS))
    assert AuthlibTokenEndpoint().ask(request(server.url))["access_token"] == "a"
    ((path, form, headers),) = server.seen
    assert path == "/token?x=1"
    assert form == {
        "grant_type": "authorization_code",
        "code": "ZQX+/=&",
        "code_verifier": "v",
        "redirect_uri": "https://a/b",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": "a.b.c",
    }
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert not {"Authorization", "Cookie"} & headers.keys()


@pytest.mark.parametrize("grant", ["refresh_token", "client_credentials"])
def test_other_grants_are_asked_for_too(serve: Serve, grant: str) -> None:
    server = serve(lambda handler: handler.say(TOKENS))
    more = {"refresh_token": "r"} if grant == "refresh_token" else {"scope": "system/*.rs"}
    AuthlibTokenEndpoint().ask(request(server.url, form={"grant_type": grant, **more}))
    ((_, form, _),) = server.seen
    assert form == {
        "grant_type": grant,
        **more,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": "a.b.c",
    }


def test_a_secret_goes_where_it_was_agreed_to_go(serve: Serve) -> None:
    server = serve(lambda handler: handler.say(TOKENS))
    for method in (Method.BASIC, Method.POST):
        known = {"method": method, "client_id": "id", "client_secret": "s", "assertion": ""}
        AuthlibTokenEndpoint().ask(request(server.url, **known))
    (_, first, headers), (_, second, others) = server.seen
    assert headers["Authorization"] == "Basic " + base64.b64encode(b"id:s").decode()
    assert not {"client_id", "client_secret", "client_assertion"} & first.keys()
    assert (second["client_id"], second["client_secret"]) == ("id", "s")
    assert "Authorization" not in others


@pytest.mark.parametrize(
    ("error", "reason"), [("invalid_grant", "invalid_grant"), ("invalid_client", "invalid_client"), ("ZQX<b>", "other")]
)
@pytest.mark.parametrize("status", [200, 400, 401, 403])
def test_a_refusal_is_known_by_its_code_and_nothing_else_of_it(
    serve: Serve, error: str, reason: str, status: int
) -> None:
    said = {"error": error, "error_description": "ZQX", "access_token": "ZQX"}
    assert refused(serve, lambda handler: handler.say(said, status), GrantRefused).reason == reason


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(serve: Serve, status: int) -> None:
    elsewhere = serve(lambda handler: handler.say(TOKENS))
    refused(serve, lambda handler: handler.say(TOKENS, status, Location=elsewhere.url))
    assert elsewhere.seen == []


@pytest.mark.parametrize("status", [201, 204, 400, 401, 404, 429, 500, 503])
def test_tokens_come_with_200_only(serve: Serve, status: int) -> None:
    refused(serve, lambda handler: handler.say(TOKENS, status))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"ZQX",
        b"[]",
        b"null",
        b'{"access_token":"a","access_token":"ZQX"}',
        b'{"access_token":NaN}',
        b"access_token=ZQX&token_type=Bearer",
        b"[" * 5000,
    ],
)
def test_what_is_not_one_clear_object_is_no_answer(serve: Serve, body: bytes) -> None:
    refused(serve, lambda handler: handler.say(body))


def test_an_answer_that_is_too_large_or_cut_off_is_none(serve: Serve) -> None:
    assert "large" in refused(serve, lambda handler: handler.say({"access_token": "x" * 20_000})).message

    def cut(handler: Handler) -> None:
        handler.say(b'{"access_token":', length="500")
        handler.close_connection = True

    refused(serve, cut)


def test_a_server_that_drips_is_cut_off_at_the_deadline(serve: Serve) -> None:
    def drip(handler: Handler) -> None:
        handler.say(b"", length="1000")
        for _ in range(50):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.1)

    began = time.monotonic()
    refused(serve, drip)
    assert time.monotonic() - began < 3


def test_nobody_there_is_said_plainly() -> None:
    with pytest.raises(DataUnavailable) as caught:
        AuthlibTokenEndpoint().ask(request("http://127.0.0.1:9/token"))
    assert caught.value.field == "token_endpoint"
    assert caught.value.__cause__ is None


def test_what_is_sent_is_not_in_what_a_request_looks_like() -> None:
    shown = repr(request("https://a", client_secret="ZQXs", assertion="ZQXa"))
    assert "ZQX" not in shown


def test_proxies_of_the_environment_are_not_used(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    assert ask(serve, lambda handler: handler.say(TOKENS))["token_type"] == "Bearer"
