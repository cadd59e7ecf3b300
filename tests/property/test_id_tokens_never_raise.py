"""Whatever an EHR sends as an id_token or as an answer is read or refused, and never repeated."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_app.errors import DataUnavailable
from cds_app.services.smart.discovery import Endpoints, read_endpoints
from cds_app.services.smart.grants import read_grant
from cds_app.services.smart.id_tokens import Expected, IdTokenRefused, IdTokens, user_of
from tests.conftest import FROZEN
from tests.trust import PublishedKeys, ec_key, key_set

BASE = "https://ehr.example/fhir"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
CLAIMS = ("iss", "aud", "azp", "sub", "exp", "iat", "nbf", "nonce", "fhirUser", "profile")
ANSWER = ("access_token", "token_type", "refresh_token", "id_token", "expires_in", "scope", "patient", "encounter")
DISCOVERY = ("issuer", "jwks_uri", "authorization_endpoint", "token_endpoint", "capabilities", "revocation_endpoint")


def objects(names: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(names) | st.text(max_size=5), JSON, max_size=8)


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def expected() -> Expected:
    endpoints = Endpoints(authorize="", token=BASE, issuer=BASE, jwks=BASE)
    return Expected(endpoints=endpoints, client_id="c", base=BASE, nonce="n")


def refused(token: str) -> None:
    checker = IdTokens(PublishedKeys(key_set(ec_key())))
    with pytest.raises(IdTokenRefused) as caught:
        checker.check(token, expected(), FROZEN.timestamp())
    assert len(token) < 40 or token not in str(caught.value)


@given(st.text())
def test_any_text_is_refused(token: str) -> None:
    refused(token)


@settings(max_examples=200)
@given(objects(("alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5c")), objects(CLAIMS), st.binary(max_size=100))
def test_any_unsigned_token_is_refused(header: dict[str, Any], claims: dict[str, Any], signature: bytes) -> None:
    end = base64.urlsafe_b64encode(signature).rstrip(b"=").decode()
    refused(f"{encoded(header)}.{encoded(claims)}.{end}")
    refused(f"{encoded({**header, 'alg': 'ES384'})}.{encoded(claims)}.{end}")


@given(objects(CLAIMS))
def test_any_claims_name_a_user_or_none(claims: dict[str, Any]) -> None:
    with suppress(IdTokenRefused):
        assert "//" not in user_of(claims, BASE)


@settings(max_examples=200)
@given(objects(ANSWER))
def test_any_answer_is_read_or_refused(answer: dict[str, Any]) -> None:
    for change in ({}, {"token_type": "Bearer", "access_token": "a"}):
        with suppress(DataUnavailable):
            grant = read_grant({**answer, **change}, ("openid",), FROZEN)
            assert grant.expires > FROZEN


@settings(max_examples=200)
@given(objects(DISCOVERY), objects(DISCOVERY))
def test_any_discovery_is_read_or_refused(smart: dict[str, Any], openid: dict[str, Any]) -> None:
    for change in ({}, {"token_endpoint": "token"}):
        with suppress(DataUnavailable):
            found = read_endpoints(BASE, {**smart, **change}, openid)
            assert found.token.startswith("https://")
