"""The sandbox's authorisation server: what it grants, and everything that it must not."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from flask import Flask
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from cds_app.sandbox.clients import SmartClient, SmartClients
from cds_app.sandbox.oauth import OAuthRefusal
from cds_app.sandbox.proof import ASSERTION_TYPE, Prover
from cds_app.sandbox.server import running
from tests.unit.sandbox.smart_app import (
    BASE,
    CALLBACK,
    ORIGIN,
    SICK,
    VERIFIER,
    WELL,
    Bench,
    basic,
    challenge,
    ec_key,
    refused,
    rsa_key,
    sent,
)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def published(bench: Bench) -> KeySet:
    """The keys that id tokens are signed with."""
    return KeySet.import_key_set(json.loads(bench.http.get("/oauth/jwks").text))


# --- discovery


def test_discovery_says_what_is_there_whatever_is_accepted(bench: Bench) -> None:
    said = bench.http.get("/fhir/.well-known/smart-configuration", headers={"Accept": "text/html"})
    assert said.mimetype == "application/json"
    stated = said.json or {}
    assert stated["issuer"] == BASE
    assert stated["code_challenge_methods_supported"] == ["S256"]
    assert set(stated["token_endpoint_auth_methods_supported"]) == {"private_key_jwt", "client_secret_basic"}
    assert {"launch-ehr", "launch-standalone", "client-confidential-asymmetric", "sso-openid-connect"} <= set(
        stated["capabilities"]
    )
    openid = bench.http.get("/fhir/.well-known/openid-configuration").json or {}
    assert openid["id_token_signing_alg_values_supported"] == ["RS256"]
    assert openid["jwks_uri"] == stated["jwks_uri"]
    keys = bench.http.get(stated["jwks_uri"].removeprefix(ORIGIN)).json or {}
    assert [(one["kty"], "d" in one) for one in keys["keys"]] == [("RSA", False)]


# --- happy ways


def test_an_ehr_launch_gives_tokens_context_and_who_signed_in(bench: Bench) -> None:
    answered = bench.redeem(bench.code())
    assert answered.headers["Cache-Control"] == "no-store"
    said = answered.json or {}
    assert (said["token_type"], said["expires_in"], said["need_patient_banner"]) == ("Bearer", 600, False)
    assert said["patient"] == SICK
    assert bench.desk.store.read("Encounter", said["encounter"])["type"] == [{"text": "Intensive care unit"}]
    assert said["scope"].split() == [
        *("launch", "openid", "fhirUser", "online_access"),
        *("patient/Observation.rs", "patient/Patient.r", "patient/ServiceRequest.c"),
    ]
    token = jwt.decode(said["id_token"], published(bench), algorithms=["RS256"])
    assert token.claims["iss"] == BASE
    assert token.claims["aud"] == "signs"
    assert token.claims["nonce"] == "n1"
    assert token.claims["fhirUser"] == f"{BASE}/Practitioner/synthetic-clinician"
    assert token.claims["exp"] > token.claims["iat"] == int(bench.at[0])
    assert bench.get("Practitioner/synthetic-clinician", said["access_token"]).status_code == 403  # not granted


def test_state_comes_back_and_posting_the_request_does_the_same(bench: Bench) -> None:
    query = bench.query(launch=bench.launch())
    answered = sent(bench.http.post("/oauth/authorize", data=query))
    assert answered["state"] == query["state"]
    assert bench.redeem(answered["code"]).status_code == 200


def test_what_a_card_hands_over_arrives(bench: Bench) -> None:
    launch = bench.launch(app_context='{"card": "1"}')
    code = sent(bench.authorise(**bench.query(launch=launch)))["code"]
    assert (bench.redeem(code).json or {})["appContext"] == '{"card": "1"}'


def test_a_standalone_launch_lets_a_person_choose_the_patient(bench: Bench) -> None:
    scope = "launch/patient openid fhirUser patient/Patient.rs"
    page = bench.authorise(**bench.query(scope=scope))
    assert page.status_code == 200
    assert "App that signs" in page.text
    assert "form-action 'self' http://127.0.0.1:8717;" in page.headers["Content-Security-Policy"]
    name = re.findall(r'name="request" value="([^"]+)"', page.text)[0]
    form = {"request": name, "patient": WELL, "answer": "allow"}
    answered = sent(bench.http.post("/oauth/authorize/choice", data=form, headers={"Origin": ORIGIN}))
    said = bench.redeem(answered["code"]).json or {}
    assert (said["patient"], said["need_patient_banner"]) == (WELL, True)
    assert "encounter" not in said
    again = bench.http.post("/oauth/authorize/choice", data=form, headers={"Origin": ORIGIN})
    assert again.status_code == 404  # a request is answered once


def test_a_person_may_say_no(bench: Bench) -> None:
    page = bench.authorise(**bench.query(scope="launch/patient patient/Patient.rs"))
    name = re.findall(r'name="request" value="([^"]+)"', page.text)[0]
    form = {"request": name, "answer": "deny"}
    answered = bench.http.post("/oauth/authorize/choice", data=form, headers={"Origin": ORIGIN})
    assert sent(answered)["error"] == "access_denied"


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example"])
def test_nobody_else_s_page_says_yes(bench: Bench, origin: str | None) -> None:
    page = bench.authorise(**bench.query(scope="launch/patient patient/Patient.rs"))
    name = re.findall(r'name="request" value="([^"]+)"', page.text)[0]
    form = {"request": name, "patient": WELL, "answer": "allow"}
    headers = {"Origin": origin} if origin else {}
    assert bench.http.post("/oauth/authorize/choice", data=form, headers=headers).status_code == 403


def test_the_one_with_a_secret_gets_tokens_too(bench: Bench) -> None:
    code = bench.code("knows")
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    assert bench.http.post("/oauth/token", data=form, headers=basic()).status_code == 200


def test_another_user_is_who_the_token_names(bench: Bench) -> None:
    bench.desk.seat.take("synthetic-nurse")
    said = bench.tokens()
    claims = jwt.decode(said["id_token"], published(bench), algorithms=["RS256"]).claims
    assert claims["fhirUser"].endswith("/Practitioner/synthetic-nurse")


def test_a_server_gets_a_short_token_for_system_scopes_only(bench: Bench) -> None:
    form = {"grant_type": "client_credentials", "scope": "system/Patient.rs patient/Patient.r system/Condition.rs"}
    said = bench.http.post("/oauth/token", data={**form, **bench.proof(key=rsa_key())}).json or {}
    assert (said["scope"], said["expires_in"]) == ("system/Patient.rs", 300)
    assert not {"refresh_token", "id_token", "patient"} & set(said)
    found = bench.get("Patient", said["access_token"]).json or {}
    assert found["total"] == 2
    bench.wait(301)
    assert bench.get("Patient", said["access_token"]).status_code == 401


# --- the authorisation endpoint refuses


@pytest.mark.parametrize(
    "change",
    [
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": CALLBACK + "?x=1"},
        {"redirect_uri": CALLBACK.upper()},
        {"redirect_uri": None},
        {"client_id": "stranger"},
        {"client_id": None},
    ],
)
def test_without_a_registered_address_nobody_is_sent_anywhere(bench: Bench, change: dict[str, Any]) -> None:
    answered = bench.authorise(**(bench.query(**{"launch": bench.launch(), **change})))
    assert answered.status_code == 400
    assert "Location" not in answered.headers
    assert "evil" not in answered.text


def test_an_address_given_twice_is_none(bench: Bench) -> None:
    query = [*bench.query(launch=bench.launch()).items(), ("redirect_uri", "https://evil.example/")]
    answered = bench.http.get("/oauth/authorize", query_string=query)
    assert (answered.status_code, "Location" in answered.headers) == (400, False)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"state": None}, "invalid_request"),
        ({"aud": "https://other.example/fhir"}, "invalid_request"),
        ({"aud": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": VERIFIER, "code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "launch patient/Practitioner.cud"}, "invalid_scope"),
        ({"scope": "launch system/Patient.rs"}, "invalid_scope"),
        ({"scope": "openid"}, "invalid_request"),  # with a launch token, and no scope for it
        ({"launch": None}, "invalid_request"),
        ({"launch": "made-up"}, "invalid_request"),
    ],
)
def test_a_request_that_is_wrong_comes_back_as_an_error(bench: Bench, change: dict[str, Any], error: str) -> None:
    answered = sent(bench.authorise(**bench.query(**{"launch": bench.launch(), **change})))
    assert answered["error"] == error
    assert answered.get("state") == bench.query(**change).get("state")
    assert "code" not in answered


def test_a_launch_token_opens_once_for_its_app_and_for_two_minutes(bench: Bench) -> None:
    launch = bench.launch()
    assert "code" in sent(bench.authorise(**bench.query(launch=launch)))
    assert sent(bench.authorise(**bench.query(launch=launch)))["error"] == "invalid_request"
    others = bench.launch("knows")
    assert sent(bench.authorise(**bench.query(launch=others)))["error"] == "invalid_request"
    late = bench.launch()
    bench.wait(121)
    assert sent(bench.authorise(**bench.query(launch=late)))["error"] == "invalid_request"


def test_scopes_are_granted_as_far_as_the_client_may_have_them(bench: Bench) -> None:
    asked = "launch patient/*.cruds patient/Condition.read patient/Observation.rs?category=laboratory user/*.rs made-up"
    said = bench.tokens(scope=asked)
    assert set(said["scope"].split()) == {
        *("launch", "patient/*.rs", "patient/ServiceRequest.c", "patient/Provenance.c", "patient/Task.c"),
        *("patient/Condition.read", "user/Patient.rs"),
    }
    assert "refresh_token" not in said
    assert "id_token" not in said


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


def test_the_pages_say_what_they_may_frame_and_where_forms_may_end(bench: Bench) -> None:
    policy = bench.http.get("/").headers["Content-Security-Policy"]
    assert "form-action 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    failed = bench.authorise(**bench.query(launch="x", client_id=None))
    assert "frame-ancestors 'self'" in failed.headers["Content-Security-Policy"]
