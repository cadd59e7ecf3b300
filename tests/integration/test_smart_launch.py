"""A launch, from the EHR's link to the first page, against an authorisation server that is strict."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc.jwk import ECKey
from structlog.testing import capture_logs

from cds_app.domain.clients import Caller, Client
from cds_app.domain.visits import Visit
from cds_app.errors import SessionExpired
from cds_app.services.smart.drawers import is_secret
from cds_app.services.smart.issuers import DEFAULT_SCOPES, Issuers
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
    registered,
    secret_of,
    visit_of,
)
from tests.conftest import FROZEN
from tests.trust import ec_key, rsa_key


def query(location: str) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(urlsplit(location).query).items()}


def opened(launcher: Launcher, browser: Any, visit: str) -> Visit:
    return launcher.visits.open(secret_of(browser), visit, launcher.clock.at)


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
    assert done.headers["Location"] == f"{BASE_URL}/sidebar/{visit_of(done)}"
    visit = opened(launcher, browser, visit_of(done))
    assert visit == Visit(
        id=visit_of(done),
        issuer=launcher.ehr.base,
        realm=launcher.ehr.base,
        patient=PATIENT,
        encounter="ZQXencounter",
        user="Practitioner/ZQXdoc",
        scopes=frozenset(("launch", *DEFAULT_SCOPES)),
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
        ({"need_patient_banner": ...}, {}),
        ({"id_token": ...}, {"user": ""}),
        ({"scope": "patient/*.read openid"}, {"scopes": frozenset({"patient/*.read", "openid"})}),
        ({"scope": ...}, {"scopes": frozenset(("launch", *DEFAULT_SCOPES))}),
        ({"refresh_token": ...}, {}),
        ({"token_type": "bearer"}, {}),
        ({"expires_in": "600"}, {}),
        ({"expires_in": ...}, {}),
        ({"intent": "review"}, {}),
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
