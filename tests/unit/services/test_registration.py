"""A trust record is checked before anybody is trusted on its word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cds_app.domain.clients import Client
from cds_app.errors import SettingsError
from cds_app.services.callers.registration import new_client
from tests.trust import ec_key, key_set, rsa_key

STATED: dict[str, Any] = {"name": "north", "iss": "https://ehr.example/r4", "jwks": key_set(ec_key(), rsa_key())}


def made(**change: Any) -> Client:
    return new_client(**{**STATED, **change})


def test_a_record_has_strong_algorithms_unless_told_otherwise() -> None:
    client = made()
    assert client.algs == {"ES384", "RS384"}
    assert (client.jku, client.audiences, client.tenants) == ("", frozenset(), frozenset())
    assert made(jwks=key_set(rsa_key()), algs=("RS256",)).algs == {"RS256"}


@pytest.mark.parametrize("iss", ["https://ehr.example", "urn:ehr:1", "https://ehr.example/a/b?c=d"])
def test_an_issuer_is_any_uri(iss: str) -> None:
    assert made(iss=iss).iss == iss


@pytest.mark.parametrize("jku", ["https://ehr.example/keys", "https://ehr.example:8443/a?b=c", "http://127.0.0.1:9/k"])
def test_a_jku_is_https_or_on_this_machine(jku: str) -> None:
    assert made(jwks="", jku=jku).jku == jku


def test_only_what_is_public_is_kept() -> None:
    stated = json.loads(key_set(ec_key()))
    stated["keys"][0] |= {"note": "keep out", "x5c": ["MIIB"]}
    kept = json.loads(made(jwks=json.dumps(stated)).jwks)
    assert set(kept["keys"][0]) == {"kty", "kid", "crv", "x", "y"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "North"}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": "-a"}, "name"),
        ({"name": "a" * 64}, "name"),
        ({"iss": ""}, "iss"),
        ({"iss": "ehr"}, "iss"),
        ({"iss": "https://ehr.example/ x"}, "iss"),
        ({"iss": "https://ehr.example/#x"}, "iss"),
        ({"jwks": ""}, "jwks"),
        ({"jku": "https://ehr.example/keys"}, "jwks"),
        *(
            ({"jwks": "", "jku": jku}, "jku")
            for jku in (
                "http://ehr.example/keys",
                "ftp://ehr.example/keys",
                "file:///etc/passwd",
                "https://",
                "https://user@ehr.example/keys",
                "https://user:pw@ehr.example/keys",
                "https://ehr.example:x/keys",
                "https://ehr.example\\@evil.example/",
                "https://ehr.example/#keys",
                "https://ehr example/keys",
                "http://127.0.0.1.evil.example/keys",
                "//ehr.example/keys",
            )
        ),
        ({"audiences": ("cds",)}, "audience"),
        ({"audiences": ("https://a.example", "")}, "audience"),
        ({"tenants": ("",)}, "tenant"),
        ({"tenants": ("a#b",)}, "tenant"),
        ({"tenants": ("a b",)}, "tenant"),
        ({"algs": ("HS256",)}, "alg"),
        ({"algs": ("none",)}, "alg"),
        ({"jwks": "{}"}, "jwks"),
        ({"jwks": "no json"}, "jwks"),
        ({"jwks": '{"keys": []}'}, "jwks"),
        ({"jwks": key_set(ec_key(), private=True)}, "jwks.keys[0]"),
        ({"jwks": key_set(ec_key(), ec_key())}, "jwks.keys[1]"),
        ({"jwks": key_set(ec_key("p256", "P-256"))}, "jwks.keys[0]"),
        ({"jwks": key_set(rsa_key("weak", 1024))}, "jwks.keys[0]"),
        ({"jwks": key_set(ec_key()), "algs": ("RS256",)}, "jwks.keys[0]"),
        ({"jwks": key_set(rsa_key()), "algs": ("ES384",)}, "jwks.keys[0]"),
    ],
)
def test_what_cannot_be_trusted_is_refused_and_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(SettingsError) as caught:
        made(**change)
    assert caught.value.field == field


def test_a_private_key_is_not_repeated() -> None:
    private = ec_key().as_dict(private=True)
    with pytest.raises(SettingsError) as caught:
        made(jwks=json.dumps({"keys": [private]}))
    assert str(private["d"]) not in str(caught.value)
    assert "private" in caught.value.message
