"""A launch, from the EHR's link to the first page, against an authorisation server that is strict."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc.jwk import ECKey, RSAKey
from structlog.testing import capture_logs

from cds_app.domain.clients import Caller, Client
from cds_app.domain.visits import Visit
from cds_app.errors import SessionExpired
from cds_app.services.drawers import is_secret
from cds_app.services.issuers import DEFAULT_SCOPES, Issuers
from cds_app.web.browser import COOKIE, form_token
from tests.authorisation import (
    BASE_URL,
    CLIENT_ID,
    HIDDEN,
    PATIENT,
    REDIRECT,
    SECRET,
    FakeEhr,
    Launcher,
    ehr,
    keyed,
    launcher,
    made_keys,
    registered,
    secret_of,
    settings,
    visit_of,
)
from tests.conftest import FROZEN
from tests.trust import ec_key, rsa_key

__all__ = ["ehr", "keyed", "launcher", "made_keys", "settings"]


def query(location: str) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(urlsplit(location).query).items()}


def opened(launcher: Launcher, browser: Any, visit: str) -> Visit:
    return launcher.visits.open(secret_of(browser), visit, launcher.clock.at)


def refused(launcher: Launcher, browser: Any, response: Any, status: int, words: str) -> None:
    """A plain page with the right status, that repeats nothing; and no visit."""
    assert response.status_code == status, response.text
    assert response.mimetype == "text/html"
    assert words in response.text
    assert HIDDEN not in response.text
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors https://ehr.example" in policy
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "X-Frame-Options" not in response.headers
    assert launcher.cabinet.all("visit", launcher.clock.at) == ()


# --- what works


def test_the_way_to_the_ehr_says_everything_that_it_must(launcher: Launcher) -> None:
    response = launcher.begin(launcher.browser())
    assert response.status_code == 303
    location = response.headers["Location"]
    assert location.startswith(f"{launcher.ehr.root}/authorize?")
    asked = query(location)
    assert len(base64.urlsafe_b64decode(asked.pop("state") + "==")) * 8 >= 122
    assert len(asked.pop("code_challenge")) == 43
    assert len(asked.pop("nonce")) >= 22
    assert asked == {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": REDIRECT,
        "launch": "xyz",
        "scope": " ".join(("launch", *DEFAULT_SCOPES)),
        "aud": launcher.ehr.base,
        "code_challenge_method": "S256",
    }
    assert response.headers["Cache-Control"] == "no-store"


def test_a_launch_without_the_ehr_asks_it_for_a_patient(launcher: Launcher) -> None:
    asked = query(launcher.begin(launcher.browser(), launch=...).headers["Location"])
    assert "launch" not in asked
    assert asked["scope"].split()[0] == "launch/patient"


def test_a_launch_makes_a_visit(launcher: Launcher) -> None:
    browser = launcher.browser()
    done = launcher.launch(browser)
    assert done.status_code == 303
    assert done.headers["Location"] == f"{BASE_URL}/sidebar/{visit_of(done)}/now"
    visit = opened(launcher, browser, visit_of(done))
    assert visit == Visit(
        id=visit_of(done),
        issuer=launcher.ehr.base,
        realm=launcher.ehr.base,
        patient=PATIENT,
        encounter="ZQXencounter",
        user="Practitioner/ZQXdoc",
        scopes=frozenset(("launch", *DEFAULT_SCOPES)),
        needs_banner=False,
        app_context="ZQXcard",
        frames=("https://ehr.example",),
        began=FROZEN,
    )
    assert HIDDEN not in done.headers["Location"]


def test_the_cookie_works_inside_of_another_page_and_nowhere_else(launcher: Launcher) -> None:
    browser = launcher.browser()
    done = launcher.launch(browser)
    (cookie,) = done.headers.getlist("Set-Cookie")
    name, _, rest = cookie.partition("=")
    value, *attributes = rest.split("; ")
    assert name == COOKIE == "__Host-twinline"
    assert is_secret(value)
    assert set(attributes) == {"Secure", "HttpOnly", "SameSite=None", "Partitioned", "Path=/"}


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_client_secret_does_too(launcher: Launcher, method: str) -> None:
    Issuers(launcher.cabinet).remove("north", FROZEN)
    registered(launcher.ehr, launcher.cabinet, method=method, secret=SECRET)
    browser = launcher.browser()
    assert opened(launcher, browser, launcher.visit(browser)).patient == PATIENT
    ((_, form, headers),) = launcher.ehr.posted
    assert "client_assertion" not in form
    assert (headers.get("Authorization", "").startswith("Basic ")) == (method == "client_secret_basic")
    assert ("client_secret" in form) == (method == "client_secret_post")


@pytest.mark.parametrize("alg", ["ES384", "RS384"])
def test_both_algorithms_prove_who_we_are(launcher: Launcher, alg: str) -> None:
    Issuers(launcher.cabinet).remove("north", FROZEN)
    registered(launcher.ehr, launcher.cabinet, alg=alg)
    launcher.visit(launcher.browser())
    ((_, form, headers),) = launcher.ehr.posted
    header = json.loads(base64.urlsafe_b64decode(form["client_assertion"].split(".")[0] + "=="))
    assert header["alg"] == alg
    assert header["jku"] == f"{BASE_URL}/.well-known/jwks.json"
    assert form.keys() == {
        "grant_type",
        "code",
        "redirect_uri",
        "code_verifier",
        "client_assertion_type",
        "client_assertion",
    }
    assert "Authorization" not in headers
    assert "Cookie" not in headers


def test_our_keys_are_published_to_everybody(launcher: Launcher) -> None:
    response = launcher.browser().get("/.well-known/jwks.json")
    assert {key["alg"] for key in response.get_json()["keys"]} == {"ES384", "RS384"}
    assert response.headers["Cache-Control"] == "public, max-age=300"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "Set-Cookie" not in response.headers


def test_the_patients_are_those_of_the_client(launcher: Launcher) -> None:
    client = Client(name="epic", iss="https://ehr.example/r4", jku="https://ehr.example/keys")
    Issuers(launcher.cabinet).remove("north", FROZEN)
    registered(launcher.ehr, launcher.cabinet, client="epic")
    assert launcher.launch(launcher.browser()).status_code == 503  # nobody of this name is registered
    launcher.clients.add(client)
    browser = launcher.browser()
    realm = Caller(client="epic", iss=client.iss).realm(launcher.ehr.base)
    assert opened(launcher, browser, launcher.visit(browser)).realm == realm


@pytest.mark.parametrize(
    ("answer", "change"),
    [
        ({"encounter": ...}, {"encounter": None}),
        ({"appContext": ...}, {"app_context": ""}),
        ({"appContext": 7}, {"app_context": ""}),
        ({"need_patient_banner": ...}, {"needs_banner": True}),
        ({"need_patient_banner": True}, {"needs_banner": True}),
        ({"id_token": ...}, {"user": ""}),
        ({"scope": "patient/*.read openid"}, {"scopes": frozenset({"patient/*.read", "openid"})}),
        ({"scope": ...}, {"scopes_assumed": True}),
        ({"refresh_token": ...}, {}),
        ({"token_type": "bearer"}, {}),
        ({"expires_in": "600"}, {}),
        ({"expires_in": ...}, {}),
        ({"intent": "review"}, {"intent": "review"}),
        ({"smart_style_url": "https://ehr.example/style", "tenant": "x", "fhirContext": [{"reference": "X/1"}]}, {}),
    ],
)
def test_what_an_ehr_may_leave_out_may_be_left_out(
    launcher: Launcher, answer: dict[str, Any], change: dict[str, Any]
) -> None:
    launcher.ehr.answer = answer
    browser = launcher.browser()
    visit = opened(launcher, browser, launcher.visit(browser))
    assert {name: getattr(visit, name) for name in change} == change


@pytest.mark.parametrize(
    "config",
    [
        {"authorization_endpoint": "/authorize", "token_endpoint": "/token"},
        {"authorization_endpoint": "../authorize", "token_endpoint": "../token"},
        {"capabilities": ...},
        {"issuer": ..., "jwks_uri": ...},
    ],
)
def test_older_ehrs_launch_too(launcher: Launcher, config: dict[str, Any]) -> None:
    launcher.ehr.config = config
    launcher.ehr.openid = {"issuer": launcher.ehr.root, "jwks_uri": f"{launcher.ehr.root}/jwks"}
    browser = launcher.browser()
    assert opened(launcher, browser, launcher.visit(browser)).user == "Practitioner/ZQXdoc"


def test_discovery_is_asked_for_at_the_registered_base_and_seldom(launcher: Launcher) -> None:
    for _ in range(3):
        launcher.visit(launcher.browser())
    assert [path for path, _ in launcher.ehr.seen] == ["/fhir/.well-known/smart-configuration", "/jwks"]


@pytest.mark.parametrize(
    ("claims", "user"),
    [
        ({"fhirUser": "Practitioner/7"}, "Practitioner/7"),
        ({"fhirUser": "PractitionerRole/a.b-C"}, "PractitionerRole/a.b-C"),
        ({"fhirUser": ...}, ""),
        ({"fhirUser": ..., "profile": "Practitioner/8"}, "Practitioner/8"),
        ({"fhirUser": ..., "profile": "https://people.example/me"}, ""),
        ({"aud": [CLIENT_ID]}, "Practitioner/ZQXdoc"),
        ({"aud": [CLIENT_ID, "other"], "azp": CLIENT_ID}, "Practitioner/ZQXdoc"),
    ],
)
def test_the_user_is_whom_the_id_token_names(launcher: Launcher, claims: dict[str, Any], user: str) -> None:
    launcher.ehr.claims = claims
    browser = launcher.browser()
    assert opened(launcher, browser, launcher.visit(browser)).user == user


@pytest.mark.parametrize("key", [rsa_key("k"), ec_key("k"), ec_key("k", "P-256")])
@pytest.mark.parametrize("named", [True, False])
def test_id_tokens_are_signed_in_several_ways(launcher: Launcher, key: ECKey, named: bool) -> None:
    launcher.ehr.id_key = key
    stated = key.as_dict(private=False)
    other = ec_key("other", "P-384" if key.as_dict().get("crv") != "P-384" else "P-256").as_dict(private=False)
    if not named:
        launcher.ehr.id_header = {"kid": ...}
        stated.pop("kid")
    launcher.ehr.jwks = {"keys": [other, {"kty": "unknown"}, "x", stated]}
    browser = launcher.browser()
    assert opened(launcher, browser, launcher.visit(browser)).user == "Practitioner/ZQXdoc"


# --- the link


@pytest.mark.parametrize(
    "iss",
    [
        "https://evil.example/fhir",
        "{base}.evil.example",
        "{base}@evil.example",
        "{base}/../evil",
        "{base}x",
        "{base}/x",
        "{base}//",
        "{base}?x",
        "{base}#x",
        "javascript:alert(1)",
        "//evil.example",
    ],
)
def test_an_ehr_that_is_not_registered_launches_nothing(launcher: Launcher, iss: str) -> None:
    browser = launcher.browser()
    response = launcher.begin(browser, iss=iss.format(base=launcher.ehr.base))
    refused(launcher, browser, response, 403, "not registered")
    assert "Location" not in response.headers
    assert "evil" not in response.text
    assert launcher.ehr.seen == []


@pytest.mark.parametrize(
    "asked",
    ["", "iss=", "launch=x", "iss={base}&iss={base}", "iss={base}&launch=a&launch=b", "iss={base}&launch={long}"],
)
def test_a_link_that_is_incomplete_or_ambiguous_launches_nothing(launcher: Launcher, asked: str) -> None:
    browser = launcher.browser()
    path = f"/smart/launch?{asked.format(base=launcher.ehr.base, long='x' * 5000)}"
    refused(launcher, browser, browser.get(path), 400, "incomplete")


@pytest.mark.parametrize(
    ("config", "status", "words"),
    [
        ({"code_challenge_methods_supported": ...}, 502, "PKCE"),
        ({"code_challenge_methods_supported": ["plain"]}, 502, "PKCE"),
        ({"authorization_endpoint": ...}, 502, "cannot be used"),
        ({"authorization_endpoint": "http://ehr.example/authorize"}, 502, "cannot be used"),
        ({"authorization_endpoint": "javascript:alert(1)"}, 502, "cannot be used"),
        ({"authorization_endpoint": "https://a@b.example/authorize"}, 502, "cannot be used"),
        ({"token_endpoint": "http://ehr.example/token"}, 502, "cannot be used"),
        ({"token_endpoint": ...}, 502, "cannot be used"),
        ({"token_endpoint": 7}, 502, "cannot be used"),
    ],
)
def test_an_ehr_that_cannot_be_launched_from_safely_launches_nothing(
    launcher: Launcher, config: dict[str, Any], status: int, words: str
) -> None:
    launcher.ehr.config = config
    browser = launcher.browser()
    refused(launcher, browser, launcher.begin(browser), status, words)


# --- the answer


def test_a_state_works_once(launcher: Launcher) -> None:
    browser = launcher.browser()
    location = launcher.begin(browser).headers["Location"]
    launcher.ehr.authorise(location)
    launcher.ehr.answer = {"patient": ...}
    launcher.finish(browser, launcher.ehr.authorise(location))
    again = launcher.finish(browser, launcher.ehr.authorise(location))
    refused(launcher, browser, again, 400, "completed already")
    assert launcher.ehr.requests_for("authorization_code") == 1


@pytest.mark.parametrize("state", [..., "", "x", "A" * 43, ["a", "b"]])
def test_a_state_that_is_not_ours_is_unknown(launcher: Launcher, state: Any) -> None:
    browser = launcher.browser()
    answer = launcher.ehr.authorise(launcher.begin(browser).headers["Location"], state=state)
    response = launcher.finish(browser, answer)
    refused(launcher, browser, response, 400, "Twinline could not be opened")
    assert launcher.ehr.posted == []


def test_a_state_is_over_after_ten_minutes(launcher: Launcher) -> None:
    browser = launcher.browser()
    answer = launcher.ehr.authorise(launcher.begin(browser).headers["Location"])
    launcher.clock.forward(minutes=10, seconds=1)
    refused(launcher, browser, launcher.finish(browser, answer), 400, "ten minutes")


def test_a_state_of_another_browser_is_unknown_and_stays_good_for_its_own(launcher: Launcher) -> None:
    mine, other, without = launcher.browser(), launcher.browser(), launcher.browser()
    answer = launcher.ehr.authorise(launcher.begin(mine).headers["Location"])
    launcher.begin(other)
    for stranger in (other, without):
        refused(launcher, stranger, launcher.finish(stranger, answer), 400, "another")
    assert launcher.ehr.posted == []
    assert launcher.finish(mine, answer).status_code == 303


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        ("access_denied", 403, "access was denied"),
        ("invalid_scope", 502, "did not complete"),
        ("<script>ZQX</script>", 502, "did not complete"),
    ],
)
def test_what_the_ehr_refuses_is_said_plainly(launcher: Launcher, error: str, status: int, words: str) -> None:
    browser = launcher.browser()
    answer = {"code": ..., "error": error, "error_description": "ZQX <b>", "error_uri": "https://evil.example/ZQX"}
    response = launcher.launch(browser, **answer)
    refused(launcher, browser, response, status, words)
    assert "evil" not in response.text


def test_an_answer_of_another_ehr_is_refused(launcher: Launcher) -> None:
    """RFC 9207: the code would go to whom the launch was begun with."""
    browser = launcher.browser()
    refused(launcher, browser, launcher.launch(browser, iss="https://evil.example"), 400, "another EHR")
    assert launcher.ehr.posted == []


def test_an_answer_may_name_its_ehr_and_must_if_that_says_so(launcher: Launcher) -> None:
    assert launcher.launch(launcher.browser(), iss=launcher.ehr.root).status_code == 303


def test_an_ehr_that_names_itself_always_must(launcher: Launcher) -> None:
    launcher.ehr.config = {"authorization_response_iss_parameter_supported": True}
    browser = launcher.browser()
    refused(launcher, browser, launcher.launch(browser), 400, "another EHR")
    assert launcher.launch(browser, iss=launcher.ehr.root).status_code == 303


def test_a_code_is_needed(launcher: Launcher) -> None:
    for code in (..., "", ["a", "b"]):
        browser = launcher.browser()
        refused(launcher, browser, launcher.launch(browser, code=code), 400, "incomplete")


def test_a_code_that_the_ehr_does_not_know_is_refused(launcher: Launcher) -> None:
    browser = launcher.browser()
    refused(launcher, browser, launcher.launch(browser, code="ZQXother"), 403, "did not accept")


def test_a_code_of_another_launch_is_refused_by_its_challenge(launcher: Launcher) -> None:
    """PKCE: a code that was stolen from one launch does not complete another."""
    stolen = launcher.ehr.authorise(launcher.begin(launcher.browser()).headers["Location"])["code"]
    browser = launcher.browser()
    refused(launcher, browser, launcher.launch(browser, code=stolen), 403, "did not accept")


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        ({"patient": ...}, 502, "which patient"),
        ({"patient": ""}, 502, "which patient"),
        ({"patient": "Patient/1"}, 502, "cannot be used"),
        ({"patient": "../1"}, 502, "cannot be used"),
        ({"patient": 7}, 502, "cannot be used"),
        ({"encounter": "a b"}, 502, "cannot be used"),
        ({"access_token": ...}, 502, "cannot be used"),
        ({"access_token": "a\nb"}, 502, "cannot be used"),
        ({"token_type": "DPoP"}, 502, "cannot be used"),
        ({"token_type": ...}, 502, "cannot be used"),
        ({"expires_in": -1}, 502, "cannot be used"),
        ({"expires_in": True}, 502, "cannot be used"),
        ({"refresh_token": 7}, 502, "cannot be used"),
        ({"id_token": "x"}, 403, "who you are"),
    ],
)
def test_tokens_that_are_not_as_they_must_be_make_no_visit(
    launcher: Launcher, answer: dict[str, Any], status: int, words: str
) -> None:
    launcher.ehr.answer = answer
    browser = launcher.browser()
    refused(launcher, browser, launcher.launch(browser), status, words)


@pytest.mark.parametrize("status", [302, 307, 404, 429, 500, 503])
def test_an_authorisation_server_that_fails_or_redirects_makes_no_visit(launcher: Launcher, status: int) -> None:
    launcher.ehr.status = status
    browser = launcher.browser()
    refused(launcher, browser, launcher.launch(browser), 502, "cannot be reached")
    assert len(launcher.ehr.posted) == 1


@pytest.mark.parametrize(
    ("claims", "header"),
    [
        ({"aud": "somebody-else"}, {}),
        ({"aud": [CLIENT_ID, "other"]}, {}),
        ({"azp": "other"}, {}),
        ({"iss": "https://evil.example"}, {}),
        ({"nonce": "other"}, {}),
        ({"nonce": ...}, {}),
        ({"nonce": 7}, {}),
        ({"exp": int(FROZEN.timestamp()) - 61}, {}),
        ({"exp": ...}, {}),
        ({"exp": True}, {}),
        ({"iat": int(FROZEN.timestamp()) + 61}, {}),
        ({"iat": ...}, {}),
        ({"nbf": int(FROZEN.timestamp()) + 61}, {}),
        ({"sub": ...}, {}),
        ({}, {"alg": "none"}),
        ({}, {"kid": "unknown"}),
        ({"fhirUser": "https://evil.example/fhir/Practitioner/1"}, {}),
        ({"fhirUser": "Device/1"}, {}),
        ({"fhirUser": "Practitioner/1/../2"}, {}),
        ({"fhirUser": 7}, {}),
    ],
)
def test_an_id_token_that_proves_nothing_makes_no_visit(
    launcher: Launcher, claims: dict[str, Any], header: dict[str, Any]
) -> None:
    launcher.ehr.claims, launcher.ehr.id_header = claims, header
    browser = launcher.browser()
    refused(launcher, browser, launcher.launch(browser), 403, "who you are")


def test_an_id_token_of_another_key_makes_no_visit(launcher: Launcher) -> None:
    launcher.ehr.id_key = RSAKey.generate_key(2048, parameters={"kid": launcher.ehr.id_key.kid or ""})
    browser = launcher.browser()
    refused(launcher, browser, launcher.launch(browser), 403, "who you are")


def test_an_id_token_without_a_key_name_is_not_tried_with_every_key(launcher: Launcher) -> None:
    launcher.ehr.id_header = {"kid": ...}
    launcher.ehr.jwks = {"keys": [key.as_dict(private=False) for key in (launcher.ehr.id_key, rsa_key("second"))]}
    browser = launcher.browser()
    refused(launcher, browser, launcher.launch(browser), 403, "who you are")


def test_without_keys_of_our_own_nothing_is_launched(launcher: Launcher) -> None:
    for one in launcher.cabinet.all("signing-key", FROZEN):
        launcher.cabinet.take("signing-key", one.name, FROZEN)
    browser = launcher.browser()
    refused(launcher, browser, launcher.launch(browser), 503, "not set up")


def test_an_ehr_that_was_removed_meanwhile_gets_no_code(launcher: Launcher) -> None:
    browser = launcher.browser()
    answer = launcher.ehr.authorise(launcher.begin(browser).headers["Location"])
    Issuers(launcher.cabinet).remove("north", FROZEN)
    assert launcher.finish(browser, answer).status_code == 403
    assert launcher.ehr.posted == []


@pytest.mark.parametrize("more", ["redirect_uri", "next", "return", "url"])
def test_nothing_in_a_link_says_where_a_browser_goes(launcher: Launcher, more: str) -> None:
    browser = launcher.browser()
    begun = launcher.begin(browser, **{more: "https://evil.example"})
    assert "evil" not in begun.headers["Location"]
    answer = launcher.ehr.authorise(begun.headers["Location"], **{more: "https://evil.example"})
    done = launcher.finish(browser, answer)
    assert done.headers["Location"] == f"{BASE_URL}/sidebar/{visit_of(done)}/now"


# --- the browser


def test_the_cookie_changes_with_every_launch(launcher: Launcher) -> None:
    """Fixation: who knew the cookie from before has nothing."""
    browser = launcher.browser()
    begun = launcher.begin(browser)
    before = secret_of(browser)
    launcher.finish(browser, launcher.ehr.authorise(begun.headers["Location"]))
    after = secret_of(browser)
    assert is_secret(before)
    assert is_secret(after)
    assert before != after
    (visit,) = launcher.cabinet.all("visit", FROZEN)
    assert visit.name not in (before, after)


def test_a_cookie_that_is_not_one_of_ours_is_not_kept(launcher: Launcher) -> None:
    browser = launcher.browser()
    browser.set_cookie(COOKIE, "chosen-by-somebody", domain="127.0.0.1")
    launcher.begin(browser)
    assert secret_of(browser) != "chosen-by-somebody"


def test_launches_that_overlap_in_one_browser_are_both_completed(launcher: Launcher) -> None:
    browser = launcher.browser()
    first = launcher.ehr.authorise(launcher.begin(browser).headers["Location"])
    second = launcher.ehr.authorise(launcher.begin(browser).headers["Location"])
    ids = [visit_of(launcher.finish(browser, answer)) for answer in (second, first)]
    assert [opened(launcher, browser, one).id for one in ids] == ids


def test_a_visit_is_its_browsers_alone(launcher: Launcher) -> None:
    mine, other = launcher.browser(), launcher.browser()
    visit = launcher.visit(mine)
    launcher.visit(other)
    with pytest.raises(SessionExpired):
        opened(launcher, other, visit)


def test_nothing_that_identifies_anybody_is_logged(launcher: Launcher) -> None:
    with capture_logs() as lines:
        launcher.visit(launcher.browser())
        launcher.ehr.claims = {"aud": "ZQXother"}
        launcher.launch(launcher.browser())
        launcher.ehr.status = 400
        launcher.launch(launcher.browser())
        launcher.begin(launcher.browser(), iss="https://ZQX.example")
    assert len(lines) >= 4
    assert HIDDEN not in str(lines)


def test_a_visit_is_over_when_its_browser_logs_out(launcher: Launcher) -> None:
    browser = launcher.browser()
    visit = launcher.visit(browser)
    form = {"visit": visit, "form_token": form_token(secret_of(browser), visit)}
    foreign = browser.post("/smart/logout", data=form, headers={"Origin": "https://evil.example"}, base_url=BASE_URL)
    assert foreign.status_code == 403
    assert opened(launcher, browser, visit).id == visit
    done = browser.post("/smart/logout", data=form, headers={"Origin": BASE_URL}, base_url=BASE_URL)
    assert done.status_code == 200
    assert "logged out" in done.text
    with pytest.raises(SessionExpired):
        opened(launcher, browser, visit)


def test_ten_minutes_later_the_launch_is_forgotten(launcher: Launcher) -> None:
    launcher.begin(launcher.browser())
    later = FROZEN + timedelta(minutes=10, seconds=1)
    assert [launcher.cabinet.all(kind, later) for kind in ("launch", "browser")] == [(), ()]


def test_the_ehr_is_believed_whatever_it_calls_its_json(ehr: FakeEhr, launcher: Launcher) -> None:
    ehr.config = {"extra": [1, {"deep": []}]}
    assert launcher.launch(launcher.browser()).status_code == 303
