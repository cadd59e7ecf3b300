"""The sandbox's token endpoint: who proves nothing gets nothing, and what counts once counts once."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from flask import Flask
from joserfc.jwk import ECKey, RSAKey

from cds_app.sandbox.server import running
from cds_app.sandbox.smart.clients import SmartClient, SmartClients
from cds_app.sandbox.smart.oauth import OAuthRefusal
from cds_app.sandbox.smart.proof import ASSERTION_TYPE, Prover
from tests.unit.sandbox.smart_app import CALLBACK, SICK, VERIFIER, Bench, basic, challenge, ec_key, refused, rsa_key


@pytest.fixture
def bench() -> Bench:
    return Bench()


# --- the token endpoint refuses


@pytest.mark.parametrize(
    "change",
    [
        {"code_verifier": "w" * 64},
        {"code_verifier": ""},
        {"code_verifier": challenge()},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": ""},
        {"code": "made-up"},
    ],
)
def test_a_code_is_worth_nothing_without_what_belongs_to_it(bench: Bench, change: dict[str, str]) -> None:
    code = bench.code()
    assert refused(bench.redeem(code, **change)) == (400, "invalid_grant")
    if "code" not in change:
        assert refused(bench.redeem(code)) == (400, "invalid_grant")  # and is used up


def test_a_code_that_comes_twice_ends_what_was_made_from_it(bench: Bench) -> None:
    code = bench.code()
    said = bench.redeem(code).json or {}
    assert bench.get(f"Patient/{SICK}", said["access_token"]).status_code == 200
    assert refused(bench.redeem(code)) == (400, "invalid_grant")
    assert bench.get(f"Patient/{SICK}", said["access_token"]).status_code == 401
    assert refused(bench.refresh(said["refresh_token"])) == (400, "invalid_grant")


def test_a_code_ends_after_a_minute(bench: Bench) -> None:
    code = bench.code()
    bench.wait(61)
    assert refused(bench.redeem(code)) == (400, "invalid_grant")


def test_a_code_is_not_another_client_s(bench: Bench) -> None:
    assert refused(bench.redeem(bench.code("knows"))) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "stranger", "sub": "stranger"},
        {"sub": "knows"},
        {"iss": "knows", "sub": "knows"},  # authenticates with its secret
        {"aud": "https://other.example/token"},
        {"aud": None},
        {"exp": 1_770_000_000 - 1},
        {"exp": 1_770_000_000 + 400},
        {"exp": "soon"},
        {"exp": float("nan")},
        {"exp": None},
        {"nbf": 1_770_000_000 + 60},
        {"jti": None},
        {"jti": "x" * 513},
        {"key": ECKey.generate_key("P-384", parameters={"kid": "ec"})},
        {"key": ECKey.generate_key("P-384", parameters={"kid": "unknown"})},
        {"header": {"typ": "at+jwt"}},
        {"header": {"kid": None}},
    ],
)
def test_an_assertion_that_proves_nothing_is_refused(bench: Bench, claims: dict[str, Any]) -> None:
    assert refused(bench.redeem(bench.code(), **bench.proof(**claims))) == (401, "invalid_client")


@pytest.mark.parametrize("key", [ec_key(), rsa_key()], ids=["ES384", "RS384"])
def test_both_algorithms_prove_a_client(bench: Bench, key: ECKey | RSAKey) -> None:
    assert bench.redeem(bench.code(), **bench.proof(key=key)).status_code == 200


def test_an_assertion_counts_once(bench: Bench) -> None:
    proof = bench.proof()
    assert bench.redeem(bench.code(), **proof).status_code == 200
    assert refused(bench.redeem(bench.code(), **proof)) == (401, "invalid_client")


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "x" * 9000, "e30.e30.", "bnVsbA.bnVsbA.x"])
def test_what_is_no_assertion_is_refused(bench: Bench, text: str) -> None:
    proof = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": text}
    assert refused(bench.redeem(bench.code(), **proof)) == (401, "invalid_client")


def test_an_unsigned_assertion_is_refused(bench: Bench) -> None:
    head, claims, _ = bench.assertion().split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": "ec"}).encode()).rstrip(b"=").decode()
    for text in (f"{none}.{claims}.", f"{head}.{claims}."):
        proof = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": text}
        assert refused(bench.redeem(bench.code(), **proof)) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        (basic(secret="wrong"), {}),
        (basic(name="stranger"), {}),
        (basic(name="signs"), {}),
        ({"Authorization": "Basic !!!"}, {}),
        ({"Authorization": "Basic \xe9"}, {}),
        ({"Authorization": "Bearer x"}, {}),
        ({}, {}),
        ({}, {"client_id": "knows", "client_secret": "a secret: with + and %"}),
        (basic(), {"client_id": "signs"}),
    ],
)
def test_a_wrong_secret_or_none_is_refused(bench: Bench, headers: dict[str, str], fields: dict[str, str]) -> None:
    form = {"grant_type": "authorization_code", "code": bench.code("knows"), "redirect_uri": CALLBACK, **fields}
    answered = bench.http.post("/oauth/token", data={**form, "code_verifier": VERIFIER}, headers=headers)
    assert refused(answered) == (401, "invalid_client")


def test_two_proofs_at_once_are_refused(bench: Bench) -> None:
    form = {"grant_type": "client_credentials", "scope": "system/Patient.rs", **bench.proof()}
    assert refused(bench.http.post("/oauth/token", data=form, headers=basic())) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "scope": "user/Patient.rs"}, "invalid_scope"),
        ({"grant_type": "client_credentials"}, "invalid_scope"),
        ({"grant_type": "refresh_token"}, "invalid_grant"),
        ({"grant_type": "authorization_code"}, "invalid_grant"),
    ],
)
def test_other_grants_are_refused(bench: Bench, fields: dict[str, str], error: str) -> None:
    assert refused(bench.http.post("/oauth/token", data={**fields, **bench.proof()})) == (400, error)


def test_a_secret_gets_no_system_scopes(bench: Bench) -> None:
    form = {"grant_type": "client_credentials", "scope": "system/Patient.rs"}
    assert refused(bench.http.post("/oauth/token", data=form, headers=basic())) == (400, "unauthorized_client")


def test_parameters_come_once_and_as_a_form(bench: Bench) -> None:
    twice = [("grant_type", "refresh_token"), ("grant_type", "client_credentials")]
    body = "&".join(f"{key}={value}" for key, value in twice)
    kind = "application/x-www-form-urlencoded"
    assert refused(bench.http.post("/oauth/token", data=body, content_type=kind)) == (400, "invalid_request")
    assert refused(bench.http.post("/oauth/token", json={"grant_type": "refresh_token"})) == (400, "invalid_request")


# --- refreshing, asking, ending


def test_refresh_tokens_are_used_once_and_their_coming_back_ends_everything(bench: Bench) -> None:
    first = bench.tokens()
    second = bench.refresh(first["refresh_token"]).json or {}
    assert second["refresh_token"] != first["refresh_token"]
    assert (second["scope"], second["patient"]) == (first["scope"], SICK)
    assert "id_token" not in second
    assert bench.get(f"Patient/{SICK}", second["access_token"]).status_code == 200
    assert refused(bench.refresh(first["refresh_token"])) == (400, "invalid_grant")
    assert bench.get(f"Patient/{SICK}", second["access_token"]).status_code == 401
    assert refused(bench.refresh(second["refresh_token"])) == (400, "invalid_grant")


def test_a_refresh_may_narrow_and_never_widen(bench: Bench) -> None:
    token = bench.tokens()["refresh_token"]
    assert refused(bench.refresh(token, scope="patient/Condition.rs")) == (400, "invalid_scope")
    narrow = bench.refresh(token, scope="patient/Observation.rs").json or {}
    assert narrow["scope"] == "patient/Observation.rs"
    assert bench.get(f"Patient/{SICK}", narrow["access_token"]).status_code == 403
    whole = bench.refresh(narrow["refresh_token"]).json or {}
    assert "patient/Patient.r" in whole["scope"]


def test_a_refresh_token_is_its_client_s_and_ends_after_the_working_day(bench: Bench) -> None:
    token = bench.tokens()["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": token}
    assert refused(bench.http.post("/oauth/token", data=form, headers=basic())) == (400, "invalid_grant")
    bench.wait(7 * 3600)
    token = (bench.refresh(token).json or {})["refresh_token"]
    bench.wait(3601)
    assert refused(bench.refresh(token)) == (400, "invalid_grant")


def test_offline_access_lasts_a_month(bench: Bench) -> None:
    token = bench.tokens(scope="launch offline_access patient/Patient.r")["refresh_token"]
    bench.wait(29 * 24 * 3600)
    assert bench.refresh(token).status_code == 200


def test_a_client_learns_about_its_own_tokens_only(bench: Bench) -> None:
    said = bench.tokens()
    asked = {"token": said["access_token"]}
    known = bench.http.post("/oauth/introspect", data={**asked, **bench.proof()}).json or {}
    assert (known["active"], known["patient"], known["client_id"]) == (True, SICK, "signs")
    assert known["scope"] == said["scope"]
    assert known["exp"] == int(bench.at[0]) + 600
    assert bench.http.post("/oauth/introspect", data=asked, headers=basic()).json == {"active": False}
    assert refused(bench.http.post("/oauth/introspect", data=asked)) == (401, "invalid_client")
    bench.wait(601)
    assert bench.http.post("/oauth/introspect", data={**asked, **bench.proof()}).json == {"active": False}


def test_an_app_may_end_its_tokens_and_nobody_else_s(bench: Bench) -> None:
    said = bench.tokens()
    for token in (said["access_token"], said["refresh_token"], "made-up"):
        assert bench.http.post("/oauth/revoke", data={"token": token}, headers=basic()).status_code == 200
    assert bench.get(f"Patient/{SICK}", said["access_token"]).status_code == 200
    bench.http.post("/oauth/revoke", data={"token": said["refresh_token"], **bench.proof()})
    assert bench.get(f"Patient/{SICK}", said["access_token"]).status_code == 401


# --- clients


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"jwks": {"keys": []}, "jwks_url": "http://127.0.0.1/jwks"},
        {"jwks_url": "https://elsewhere.example/jwks"},
        {"method": "client_secret_basic"},
        {"jwks": {"keys": []}, "redirect_uris": ("https://elsewhere.example/",)},
        {"jwks": {"keys": []}, "redirect_uris": ("http://127.0.0.1/#x",)},
    ],
)
def test_a_client_that_could_not_be_trusted_is_not_registered(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        SmartClient(id="x", name="x", **fields)


def test_published_keys_are_fetched_and_fetched_anew_for_a_new_name() -> None:
    served: list[dict[str, Any]] = [{"keys": []}]
    asked: list[int] = []
    app = Flask("keys", static_folder=None)

    @app.get("/jwks.json")
    def jwks() -> dict[str, Any]:
        asked.append(1)
        return served[0]

    bench = Bench()
    with running(app) as url:
        client = SmartClient(id="signs", name="x", jwks_url=f"{url}/jwks.json")
        prover = Prover(SmartClients([client]), lambda: bench.at[0])
        ticks = [0.0]
        prover._keys._ticking = lambda: ticks[0]

        def identify(**claims: Any) -> SmartClient:
            return prover.identify(bench.proof(**claims), None, {"http://localhost/oauth/token"})

        with pytest.raises(OAuthRefusal, match="no key of this kid"):
            identify()
        served[0] = {"keys": [ec_key().as_dict(private=False)]}
        with pytest.raises(OAuthRefusal, match="no key of this kid"):
            identify()  # a moment later: not asked again
        ticks[0] = 1.5
        assert identify().id == "signs"
        ticks[0] = 30.0
        identify()
        assert len(asked) == 2
        with pytest.raises(OAuthRefusal, match="jku"):
            identify(header={"jku": f"{url}/other.json"})
        served[0] = {"keys": [ec_key().as_dict(private=True)]}
        ticks[0] = 91.0
        with pytest.raises(OAuthRefusal, match="private"):
            identify()
    ticks[0] = 200.0
    with pytest.raises(OAuthRefusal, match="cannot be had"):
        identify()
