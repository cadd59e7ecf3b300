"""Launches that are not as they should be: a plain page, nothing repeated, no visit, and no token asked for."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from cds_app.errors import DependencyDown
from cds_app.services.smart.issuers import Issuers
from cds_app.services.smart.turnstile import Pace
from tests.authorisation import BASE_URL, CLIENT_ID, HIDDEN, Launcher, visit_of
from tests.conftest import FROZEN
from tests.trust import rsa_key


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


@pytest.mark.parametrize(
    ("config", "jwks", "status", "words"),
    [
        ({"issuer": ..., "jwks_uri": ...}, None, 403, "who you are"),
        ({}, b"ZQX", 502, "cannot be used"),
        ({}, {"keys": []}, 403, "who you are"),
        ({"jwks_uri": "http://127.0.0.1:9/keys"}, None, 502, "cannot be used"),
    ],
)
def test_an_id_token_that_cannot_be_checked_makes_no_visit(
    launcher: Launcher, *, config: dict[str, Any], jwks: Any, status: int, words: str
) -> None:
    launcher.ehr.config = config
    launcher.ehr.jwks = jwks if jwks is not None else launcher.ehr.jwks
    browser = launcher.browser()
    refused(launcher, browser, launcher.launch(browser), status, words)


def test_a_store_that_is_down_is_said_plainly_and_embedded_by_nobody(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> None:
        raise DependencyDown("ZQX")

    monkeypatch.setattr(launcher.cabinet, "all", down)
    response = launcher.begin(launcher.browser())
    assert (response.status_code, response.headers["Refresh"]) == (503, "1")
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    assert HIDDEN not in response.text


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
    assert done.headers["Location"] == f"{BASE_URL}/sidebar/{visit_of(done)}"


def test_a_slow_ehr_does_not_take_all_threads_and_who_has_to_wait_loses_nothing(launcher: Launcher) -> None:
    """Half of a worker's four threads may wait for an EHR."""
    browsers = [launcher.browser() for _ in range(3)]
    answers = [launcher.ehr.authorise(launcher.begin(one).headers["Location"]) for one in browsers]
    going, go_on = threading.Semaphore(0), threading.Event()

    def wait() -> None:
        going.release()
        go_on.wait(4)

    launcher.ehr.before_token = wait
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(launcher.finish, *pair) for pair in zip(browsers[:2], answers[:2], strict=True)]
        assert all(going.acquire(timeout=4) for _ in waiting)
        busy = launcher.finish(browsers[2], answers[2])
        assert launcher.browser().get("/.well-known/jwks.json").status_code == 200
        go_on.set()
        assert [one.result().status_code for one in waiting] == [303, 303]
    assert (busy.status_code, busy.headers["Refresh"], busy.headers["Retry-After"]) == (503, "1", "1")
    assert "at the moment" in busy.text
    assert launcher.finish(browsers[2], answers[2]).status_code == 303


def test_a_flood_of_launches_writes_down_no_more_than_the_pace_allows(launcher: Launcher) -> None:
    """Everybody may begin one; each is kept for ten minutes."""
    launching = replace(launcher.smart.launching, pace=Pace(0.0, 3))
    for number in range(10):
        with nullcontext() if number < 3 else pytest.raises(DependencyDown):
            launching.begin("", {"iss": [launcher.ehr.base]}, launcher.clock.at)
    assert len(launcher.cabinet.all("launch", launcher.clock.at)) == 3
