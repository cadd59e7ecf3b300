"""Which FHIR servers and paths the reader asks at all, and how it trusts them."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

import pytest

from cds_app.adapters.http.fhir import RequestsFhirReader
from cds_app.errors import DataUnavailable, SettingsError
from tests.certificates import certified
from tests.fhir_server import PATIENT, FhirServer, Serve, dripping_body, encoded, read, refused


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
    server = serve(lambda handler, _: handler.say(encoded(PATIENT)))
    if path:
        refused(server, path)
        assert server.seen == []
    else:
        read(server, path)
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


def _secure(server: FhirServer, folder: Path) -> tuple[str, Path]:
    public, private = certified(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return f"https://localhost:{server.server_port}/r4", public


def test_over_tls_an_untrusted_certificate_is_refused_and_the_budget_holds(tmp_path: Path, serve: Serve) -> None:
    server = serve(lambda handler, n: handler.say(encoded(PATIENT)) if n == 1 else dripping_body(handler, n))
    base, public = _secure(server, tmp_path)
    reader = RequestsFhirReader([base])
    with pytest.raises(DataUnavailable, match="certificate"):
        reader.read(base, "Patient/1", token="t", budget_s=2.0)
    assert server.seen == []
    reader._session.verify = str(public)
    assert reader.read(base, "Patient/1", token="t", budget_s=2.0) == PATIENT
    start = time.monotonic()
    with pytest.raises(DataUnavailable, match="too long"):
        reader.read(base, "Patient/1", token="t", budget_s=0.4)
    assert time.monotonic() - start < 1.0
    reader.close()
