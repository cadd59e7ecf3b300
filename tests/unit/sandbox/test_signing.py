"""The sandbox signs each call for the very URL that it calls, with a key whose private half stays where it is."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from flask import Flask, request
from flask.typing import ResponseReturnValue
from joserfc import jwt
from joserfc.jwk import KeySet

from cds_app.sandbox import ehr_client
from cds_app.sandbox.ehr_client import Event, Service
from cds_app.sandbox.server import running
from cds_app.sandbox.signing import ISSUER, Signer
from tests.unit.sandbox.stub_service import START

SERVICE = Service(id="one", hook="patient-view", title="One", prefetch={})


def claims(signer: Signer, token: str) -> dict[str, object]:
    keys = KeySet.import_key_set(json.loads(signer.public_keys()))
    decoded = jwt.decode(token, keys, algorithms=["ES384"])
    assert decoded.header["typ"] == "JWT"
    return decoded.claims


def test_a_token_says_who_calls_what_and_for_how_long() -> None:
    signer = Signer()
    said = claims(signer, signer.token("http://127.0.0.1/cds-services"))
    assert (said["iss"], said["aud"]) == (ISSUER, "http://127.0.0.1/cds-services")
    assert said["exp"] == int(str(said["iat"])) + 300


def test_no_two_tokens_have_one_name() -> None:
    signer = Signer()
    assert len({str(claims(signer, signer.token("x"))["jti"]) for _ in range(20)}) == 20


def test_what_is_handed_over_is_public() -> None:
    (key,) = json.loads(Signer().public_keys())["keys"]
    assert "d" not in key
    assert (key["kty"], key["crv"]) == ("EC", "P-384")
    assert key["kid"] != json.loads(Signer().public_keys())["keys"][0]["kid"]


@pytest.fixture
def calls() -> list[tuple[str, str | None]]:
    return []


@pytest.fixture
def service(calls: list[tuple[str, str | None]]) -> Iterator[str]:
    app = Flask("service")

    @app.route("/<path:_path>", methods=["GET", "POST"])
    def answer(_path: str) -> ResponseReturnValue:
        calls.append((request.base_url, request.headers.get("Authorization")))
        return {"services": [], "cards": []}

    with running(app) as url:
        yield url


def call_everything(url: str, signer: Signer | None) -> None:
    ehr_client.discover(url, signer)
    ehr_client.fire(url, Event(service=SERVICE, context={}, fhir_server=url, at=START, prefetch={}), signer)
    ehr_client.send_feedback(url, "one", [], signer)


def test_every_call_is_signed_for_the_url_that_it_goes_to(service: str, calls: list[tuple[str, str | None]]) -> None:
    signer = Signer()
    call_everything(service, signer)
    assert len(calls) == 3
    for url, authorization in calls:
        assert authorization is not None
        assert claims(signer, authorization.removeprefix("Bearer "))["aud"] == url


def test_without_a_signer_nothing_is_claimed(service: str, calls: list[tuple[str, str | None]]) -> None:
    call_everything(service, None)
    assert [authorization for _, authorization in calls] == [None] * 3
