"""Key sets are read from the URL on record and from nowhere else, within a time and a size."""

from __future__ import annotations

import time

import pytest

from cds_app.adapters.http.published import RequestsPublishedReader
from cds_app.errors import DataUnavailable
from tests.fhir_server import Behaviour, Handler, Serve
from tests.trust import ec_key, key_set

KEYS = key_set(ec_key()).encode()


def read(serve: Serve, behave: Behaviour, *, deadline_s: float = 2.0, max_bytes: int = 10_000) -> bytes:
    return RequestsPublishedReader(deadline_s=deadline_s, max_bytes=max_bytes).read(serve(behave).base)


def test_a_key_set_comes_as_it_is(serve: Serve) -> None:
    server = serve(lambda handler, _: handler.say(KEYS, kind="application/json"))
    assert RequestsPublishedReader().read(server.base + "/keys?v=1") == KEYS
    ((path, headers),) = server.seen
    assert path.endswith("/keys?v=1")
    assert not {"Authorization", "Cookie"} & headers.keys()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 401, 404, 500, 204])
def test_redirects_are_not_followed_and_errors_not_believed(serve: Serve, status: int) -> None:
    elsewhere = serve(lambda handler, _: handler.say(KEYS))
    with pytest.raises(DataUnavailable):
        read(serve, lambda handler, _: handler.say(KEYS, status=status, Location=elsewhere.base))
    assert elsewhere.seen == []


def test_a_set_that_is_too_large_is_not_read_to_its_end(serve: Serve) -> None:
    with pytest.raises(DataUnavailable, match="large"):
        read(serve, lambda handler, _: handler.say(b" " * 200_000), max_bytes=1000)


def test_a_set_that_was_cut_off_is_none(serve: Serve) -> None:
    def cut(handler: Handler, _: int) -> None:
        handler.say(KEYS[:20], Content_Length=str(len(KEYS)))
        handler.close_connection = True

    with pytest.raises(DataUnavailable):
        read(serve, cut)


def test_a_server_that_drips_is_cut_off_at_the_deadline(serve: Serve) -> None:
    def drip(handler: Handler, _: int) -> None:
        handler.say(b"", Content_Length="1000")
        for _second in range(50):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.1)

    begun = time.monotonic()
    with pytest.raises(DataUnavailable):
        read(serve, drip, deadline_s=0.5)
    assert time.monotonic() - begun < 2


def test_environment_and_proxies_do_not_count(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert read(serve, lambda handler, _: handler.say(KEYS)) == KEYS


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/keys", "https://127.0.0.1:9/keys", "ftp://127.0.0.1/keys"])
def test_a_server_that_is_not_there_is_data_that_cannot_be_had(url: str) -> None:
    with pytest.raises(DataUnavailable):
        RequestsPublishedReader().read(url)
