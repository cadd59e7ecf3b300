"""The sandbox's authorisation server: what it grants, and everything that it must not."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.unit.sandbox.smart_app import (
    BASE,
    CALLBACK,
    ORIGIN,
    SICK,
    VERIFIER,
    WELL,
    Bench,
    basic,
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


# --- pages


def test_the_pages_say_what_they_may_frame_and_where_forms_may_end(bench: Bench) -> None:
    policy = bench.http.get("/").headers["Content-Security-Policy"]
    assert "form-action 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    failed = bench.authorise(**bench.query(launch="x", client_id=None))
    assert "frame-ancestors 'self'" in failed.headers["Content-Security-Policy"]
