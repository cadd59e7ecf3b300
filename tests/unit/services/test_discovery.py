"""What EHRs say of themselves: read seldom, resolved against the FHIR base, and never leading anywhere unsafe."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cds_app.errors import DataUnavailable
from cds_app.services.smart.discovery import FRESH_S, Discovery, read_endpoints
from tests.trust import Ticking

BASE = "https://ehr.example/t/1/fhir"
SMART = f"{BASE}/.well-known/smart-configuration"
OPENID = {"issuer": "https://id.example", "jwks_uri": "https://id.example/keys"}


class Published:
    """Documents by URL; what is not there cannot be had."""

    def __init__(self, **smart: Any) -> None:
        usual = {"authorization_endpoint": "https://a.example/authorize", "token_endpoint": "https://a.example/token"}
        self.documents: dict[str, Any] = {SMART: {**usual, **OPENID, **smart}}
        self.asked: list[str] = []

    def read(self, url: str) -> bytes:
        self.asked.append(url)
        if url not in self.documents:
            raise DataUnavailable("the EHR's document is refused or redirected", field="iss")
        found = self.documents[url]
        return found if isinstance(found, bytes) else json.dumps(found).encode()


def test_it_is_asked_for_once_in_ten_minutes() -> None:
    published, ticking = Published(), Ticking()
    discovery = Discovery(published, ticking)
    for _ in range(3):
        discovery.find(BASE)
    ticking.at += FRESH_S
    discovery.find(BASE)
    assert published.asked == [SMART]
    ticking.at += 1
    discovery.find(BASE)
    assert published.asked == [SMART, SMART]


def test_what_cannot_be_had_is_asked_for_again() -> None:
    published = Published()
    documents, published.documents = published.documents, {}
    discovery = Discovery(published, Ticking())
    with pytest.raises(DataUnavailable) as caught:
        discovery.find(BASE)
    assert caught.value.field == "smart-configuration"
    published.documents = documents
    assert discovery.find(BASE).token == "https://a.example/token"


@pytest.mark.parametrize("document", [b"", b"[]", b"<html>", b'{"a":1,"a":2}', b"\xff"])
def test_what_is_no_object_is_no_document(document: bytes) -> None:
    published = Published()
    published.documents[SMART] = document
    with pytest.raises(DataUnavailable) as caught:
        Discovery(published, Ticking()).find(BASE)
    assert caught.value.field == "smart-configuration"
    assert caught.value.__cause__ is None


def test_keys_come_from_the_openid_document_where_smart_names_none() -> None:
    published = Published(issuer=None, jwks_uri=None)
    published.documents[f"{BASE}/.well-known/openid-configuration"] = OPENID
    found = Discovery(published, Ticking()).find(BASE)
    assert (found.issuer, found.jwks) == ("https://id.example", "https://id.example/keys")


def test_the_openid_document_is_that_of_the_issuer_that_smart_names() -> None:
    published = Published(jwks_uri=None)
    published.documents["https://id.example/.well-known/openid-configuration"] = OPENID
    assert Discovery(published, Ticking()).find(BASE).jwks == "https://id.example/keys"


@pytest.mark.parametrize("issuer", ["https://evil.example", "https://id.example/", None])
def test_a_document_of_another_issuer_is_not_taken_for_it(issuer: str | None) -> None:
    published = Published(jwks_uri=None)
    published.documents["https://id.example/.well-known/openid-configuration"] = {**OPENID, "issuer": issuer}
    found = Discovery(published, Ticking()).find(BASE)
    assert (found.issuer, found.jwks) == ("", "")


def test_without_an_openid_document_nobody_can_be_identified_but_all_else_works() -> None:
    found = Discovery(Published(issuer=None, jwks_uri=None), Ticking()).find(BASE)
    assert (found.issuer, found.jwks, found.token) == ("", "", "https://a.example/token")


@pytest.mark.parametrize(
    ("stated", "whole"),
    [
        ("https://a.example/token", "https://a.example/token"),
        ("https://a.example/token?tenant=1", "https://a.example/token?tenant=1"),
        ("token", f"{BASE}/token"),
        ("/token", "https://ehr.example/token"),
        ("../token", "https://ehr.example/t/1/token"),
        ("http://127.0.0.1:8080/token", "http://127.0.0.1:8080/token"),
    ],
)
def test_an_endpoint_may_be_relative_to_the_fhir_base(stated: str, whole: str) -> None:
    assert read_endpoints(BASE, {"token_endpoint": stated}, {}).token == whole


@pytest.mark.parametrize(
    "stated",
    [
        None,
        "",
        7,
        [],
        "http://a.example/token",
        "//user@a.example/token",
        "https://a.example/token#x",
        "https://a.example\\@b.example/",
        "https://[::1/token",
        "ftp://a.example",
        "javascript:alert(1)",
        "https://a.example/" + "x" * 3000,
        "https://a.example/a b",
    ],
)
def test_an_endpoint_that_is_not_safe_is_none(stated: object) -> None:
    for name in ("token_endpoint", "authorization_endpoint", "revocation_endpoint"):
        if stated is None and name != "token_endpoint":
            continue
        with pytest.raises(DataUnavailable) as caught:
            read_endpoints(BASE, {"token_endpoint": "token", name: stated}, {})
        assert caught.value.field == name


def test_keys_are_not_read_from_where_it_is_not_safe() -> None:
    with pytest.raises(DataUnavailable) as caught:
        read_endpoints(BASE, {"token_endpoint": "token"}, {"issuer": "x", "jwks_uri": "http://keys.example"})
    assert caught.value.field == "jwks_uri"
