"""Bulk exports from a real socket: what is sent, what is taken, and by what name everything else is refused."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from cds_app.adapters.http.export import RequestsExportServer
from cds_app.errors import DataUnavailable, Gone, SettingsError, TokenRefused, TryLater
from tests.fhir_server import FhirServer, Handler, Serve

NDJSON = "application/fhir+ndjson"
Act = Callable[[RequestsExportServer, FhirServer], object]


@contextmanager
def export(server: FhirServer, *files_at: str) -> Iterator[RequestsExportServer]:
    made = RequestsExportServer(server.base, files_at, loopback_http=True, silence_s=1.0)
    try:
        yield made
    finally:
        made.close()


def read(made: RequestsExportServer, server: FhirServer, *, shown: bool = True) -> bytes:
    with made.stream(f"{server.base}/files/1", token="t" if shown else None) as pieces:
        return b"".join(pieces)


def said(serve: Serve, body: bytes, **headers: Any) -> bytes:
    server = serve(lambda handler, _: handler.say(body, kind=NDJSON, **headers))
    with export(server) as made:
        return read(made, server)


def test_a_kick_off_asks_for_an_answer_later_and_says_who_asks(serve: Serve) -> None:
    where: dict[str, Any] = {}

    def behave(handler: Handler, _: int) -> None:
        handler.say(b"", status=202, **where)

    server = serve(behave)
    where["Content_Location"] = f"{server.base}/jobs/1"
    with export(server) as made:
        assert made.start("Group/g/$export?_since=2026-01-01T00:00:00%2B01:00", token="t") == f"{server.base}/jobs/1"
    ((path, headers),) = server.seen
    assert path == "/fhir/r4/Group/g/$export?_since=2026-01-01T00:00:00%2B01:00"
    assert (headers["Prefer"], headers["Authorization"]) == ("respond-async", "Bearer t")


def test_a_status_is_how_long_to_wait_or_the_manifest(serve: Serve) -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)

    waits: list[dict[str, Any]] = [{}, {"Retry_After": "120"}, {"Retry_After": at}]

    def behave(handler: Handler, call: int) -> None:
        if call == 4:
            handler.say(json.dumps({"transactionTime": "x"}).encode(), kind="application/json")
        else:
            handler.say(b"", status=202, **waits[call - 1])

    server = serve(behave)
    with export(server) as made:
        found = [made.look(f"{server.base}/jobs/1", token="t") for _ in range(4)]
    assert found[:2] == [0.0, 120.0]
    assert isinstance(found[2], float)
    assert 90 < found[2] <= 100
    assert found[3] == {"transactionTime": "x"}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        *((401, TokenRefused), (404, Gone), (410, Gone), (429, TryLater), (500, TryLater), (503, TryLater)),
        *((400, DataUnavailable), (302, DataUnavailable), (403, DataUnavailable)),
    ],
)
def test_a_refusal_has_a_name(serve: Serve, status: int, error: type[DataUnavailable]) -> None:
    server = serve(lambda handler, _: handler.say(b"ZQX", status=status, Location="/fhir/r4/x", Retry_After="9"))
    acts: list[Act] = [
        lambda made, server: made.start("Patient/$export", token="t"),
        lambda made, server: made.look(f"{server.base}/jobs/1", token="t"),
        lambda made, server: made.forget(f"{server.base}/jobs/1", token="t"),
        read,
    ]
    with export(server) as made:
        for act in acts:
            with pytest.raises(error) as caught:
                act(made, server)
            assert type(caught.value) is error
            assert "ZQX" not in f"{caught.value.message}{caught.value.__cause__!r}"
            assert not isinstance(caught.value, TryLater) or caught.value.after_s == 9.0
    assert len(server.seen) == len(acts), "no redirect is followed"


def test_files_come_as_they_are_or_compressed(serve: Serve) -> None:
    lines = b'{"a": 1}\n' * 100_000
    assert said(serve, lines) == lines
    assert said(serve, gzip.compress(lines), Content_Encoding="gzip") == lines
    assert said(serve, gzip.compress(lines) + gzip.compress(b"7\n"), Content_Encoding="gzip") == lines + b"7\n"


@pytest.mark.parametrize(
    ("body", "headers", "error"),
    [
        (b"1\n2\n", {"Content_Length": "400"}, TryLater),
        (gzip.compress(b"1\n" * 999)[:-9], {"Content_Encoding": "gzip"}, TryLater),
        (b"1\n2\n", {"Content_Encoding": "gzip"}, DataUnavailable),
        (b"1\n2\n", {"Content_Encoding": "br"}, DataUnavailable),
    ],
    ids=["short", "short-gzip", "no-gzip", "brotli"],
)
def test_what_is_cut_off_or_another_coding_is_told(
    serve: Serve, body: bytes, headers: dict[str, str], error: type[DataUnavailable]
) -> None:
    with pytest.raises(error) as caught:
        said(serve, body, **headers)
    assert type(caught.value) is error


def test_a_signed_address_that_is_over_is_gone(serve: Serve) -> None:
    server = serve(lambda handler, _: handler.say(b"", status=403))
    with export(server) as made, pytest.raises(Gone):
        read(made, server, shown=False)


def test_a_connection_that_breaks_may_be_tried_again_and_a_page_may_not(serve: Serve) -> None:
    server = serve(lambda handler, _: handler.reset())
    with export(server) as made, pytest.raises(TryLater):
        read(made, server)
    server = serve(lambda handler, _: handler.say(b"<html>", kind="text/html"))
    with export(server) as made, pytest.raises(DataUnavailable, match="something else than NDJSON"):
        read(made, server)


def test_no_token_goes_to_another_origin_and_nothing_to_one_that_is_not_named(serve: Serve) -> None:
    ehr, files = (serve(lambda handler, _: handler.say(b"1\n", kind=NDJSON)) for _ in range(2))
    with export(ehr) as made:
        for url in (f"{files.base}/1", "file:///etc/passwd", f"http://u:p@127.0.0.1:{ehr.server_port}/1", "http://["):
            with pytest.raises(DataUnavailable, match="not registered"), made.stream(url, token="t"):
                pass
    assert files.seen == ehr.seen == []
    with export(ehr, f"http://127.0.0.1:{files.server_port}") as made:
        assert read(made, files, shown=False) == b"1\n"
    assert "Authorization" not in files.seen[0][1]


def test_a_kick_off_must_say_where_to_look_at_home(serve: Serve) -> None:
    places = "Content_Location"
    answers: list[dict[str, Any]] = [{}, {places: "https://elsewhere.example/jobs/1"}, {places: "/jobs/1"}]
    server = serve(lambda handler, call: handler.say(b"", status=202, **answers[call - 1]))
    with export(server) as made:
        for _ in answers:
            with pytest.raises(DataUnavailable):
                made.start("Patient/$export", token="t")
        with pytest.raises(DataUnavailable, match="not a path"):
            made.start("../x", token="t")
    with pytest.raises(SettingsError):
        RequestsExportServer("http://ehr.example/fhir")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff"])
def test_a_manifest_is_a_json_object(serve: Serve, body: bytes) -> None:
    server = serve(lambda handler, _: handler.say(body, kind="application/json"))
    with export(server) as made, pytest.raises(DataUnavailable, match="manifest"):
        made.look(f"{server.base}/jobs/1", token="t")
