"""Our own keys: made, published, rotated without a gap, and never seen."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from cds_app.adapters.sql.cabinet import MemoryCabinet
from cds_app.domain.issuers import SigningAlg
from cds_app.errors import IntegrityError, SettingsError
from cds_app.ports import Document
from cds_app.services.callers.keys import usable_keys
from cds_app.services.smart.signing import ASSERTION_S, KIND, LEAD, OVERLAP, SigningKeys, assertion
from tests.authorisation import with_keys
from tests.conftest import FROZEN


@pytest.fixture(scope="module")
def made() -> MemoryCabinet:
    return with_keys()


def published(keys: SigningKeys, now: Any = FROZEN) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(keys.published(now))["keys"]
    return found


def test_both_algorithms_that_a_client_must_have_are_there(made: MemoryCabinet) -> None:
    assert [one.alg for one in SigningKeys(made).all(FROZEN)] == ["ES384", "RS384"]


def test_what_is_published_is_public_and_usable(made: MemoryCabinet) -> None:
    keys = published(SigningKeys(made))
    assert not {"d", "p", "q", "dp", "dq", "qi"} & {name for key in keys for name in key}
    assert {key["use"] for key in keys} == {"sig"}
    assert usable_keys(SigningKeys(made).published(FROZEN)).keys() == {key["kid"] for key in keys}


def test_private_halves_are_not_in_what_a_key_looks_like(made: MemoryCabinet) -> None:
    for one in SigningKeys(made).all(FROZEN):
        assert json.loads(one.private)["d"] not in repr(one)


@pytest.mark.parametrize("alg", ["ES384", "RS384"])
def test_an_assertion_says_what_the_specification_asks_for(made: MemoryCabinet, alg: SigningAlg) -> None:
    keys = SigningKeys(made)
    signer = keys.signer(alg, FROZEN)
    text = assertion(signer, "client", "https://ehr.example/token", "https://cds.example/.well-known/jwks.json", FROZEN)
    read = jwt.decode(text, KeySet.import_key_set(json.loads(keys.published(FROZEN))), algorithms=[alg])
    assert read.header == {
        "alg": alg,
        "kid": signer.kid,
        "typ": "JWT",
        "jku": "https://cds.example/.well-known/jwks.json",
    }
    at = int(FROZEN.timestamp())
    assert len(read.claims.pop("jti")) >= 22
    assert read.claims == {
        "iss": "client",
        "sub": "client",
        "aud": "https://ehr.example/token",
        "iat": at,
        "exp": at + ASSERTION_S,
    }
    assert ASSERTION_S <= 300


def test_no_two_assertions_are_the_same(made: MemoryCabinet) -> None:
    signer = SigningKeys(made).signer("ES384", FROZEN)
    jku = "http://127.0.0.1:8717/.well-known/jwks.json"
    assert len({assertion(signer, "c", "https://a.example", jku, FROZEN) for _ in range(3)}) == 3


def test_keys_are_made_once_and_rotated_only_when_there_are_some(made: MemoryCabinet) -> None:
    with pytest.raises(SettingsError, match="rotate"):
        SigningKeys(made).make(FROZEN)
    with pytest.raises(SettingsError, match="new"):
        SigningKeys(MemoryCabinet()).rotate(FROZEN)
    with pytest.raises(SettingsError, match="new"):
        SigningKeys(MemoryCabinet()).signer("ES384", FROZEN)


def test_a_rotation_leaves_nobody_with_a_key_that_he_cannot_know() -> None:
    keys = SigningKeys(MemoryCabinet())
    old = {one.kid for one in keys.make(FROZEN)}
    at = FROZEN + timedelta(days=30)
    new = {one.kid for one in keys.rotate(at)}
    assert {one.kid for one in keys.all(at)} == old | new
    assert keys.signer("ES384", at).kid in old  # others may still have the set from before
    assert keys.signer("ES384", at + LEAD).kid in new
    last = at + OVERLAP - timedelta(seconds=1)
    assert {one["kid"] for one in published(keys, last)} == old | new
    assert {one["kid"] for one in published(keys, at + OVERLAP)} == new


def test_rotating_twice_leaves_the_first_end_as_it_was() -> None:
    keys = SigningKeys(MemoryCabinet())
    first = {one.kid for one in keys.make(FROZEN)}
    keys.rotate(FROZEN + timedelta(hours=1))
    keys.rotate(FROZEN + timedelta(hours=20))
    assert not first & {one.kid for one in keys.all(FROZEN + timedelta(hours=25))}


def test_a_key_that_cannot_be_read_is_named_without_its_content() -> None:
    cabinet = MemoryCabinet()
    cabinet.write(Document(kind=KIND, name="x", version=0, content=b'{"private":"zqx"}'), FROZEN)
    with pytest.raises(IntegrityError) as caught:
        SigningKeys(cabinet).all(FROZEN)
    assert caught.value.__cause__ is None
