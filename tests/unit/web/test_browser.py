"""The cookie, and forms that only pages of ours can send."""

from __future__ import annotations

import pytest
from flask import Request, Response
from werkzeug.test import EnvironBuilder

from cds_app.errors import Forbidden
from cds_app.services.smart.drawers import is_secret, new_secret
from cds_app.web.browser import COOKIE, FIELD, browser_of, check_form, form_token, set_browser
from cds_app.web.smart import origin_of

OWN = "https://cds.example"
BROWSER, OTHER = "A" * 43, "B" * 43
TOKEN = form_token(BROWSER, "visit-1")


def request(headers: dict[str, str] | None = None, **form: str) -> Request:
    return Request(EnvironBuilder(method="POST", data=form, headers=list((headers or {}).items())).get_environ())


def test_a_secret_is_256_random_bits() -> None:
    assert len({new_secret() for _ in range(100)}) == 100
    assert is_secret(new_secret())


@pytest.mark.parametrize(
    ("cookie", "secret"),
    [
        (f"{COOKIE}={BROWSER}", BROWSER),
        (f"a=b; {COOKIE}={BROWSER}; c=d", BROWSER),
        ("", ""),
        (f"{COOKIE}=", ""),
        (f"{COOKIE}=short", ""),
        (f"{COOKIE}={'A' * 44}", ""),
        (f"{COOKIE}={'A' * 42}!", ""),
        (f"__Host-twinline2={BROWSER}", ""),
        (f"twinline={BROWSER}", ""),
    ],
)
def test_a_browser_is_whose_cookie_it_has(cookie: str, secret: str) -> None:
    assert browser_of(request({"Cookie": cookie})) == secret


def test_the_cookie_ends_with_the_browser_and_is_hidden_from_scripts() -> None:
    response = Response()
    set_browser(response, BROWSER)
    (cookie,) = response.headers.getlist("Set-Cookie")
    assert cookie.startswith(f"__Host-twinline={BROWSER}; ")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=None", "Partitioned"} == set(cookie.split("; ")[1:])


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": OWN},
        {"Origin": OWN, "Sec-Fetch-Site": "same-origin"},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-origin"},
    ],
)
def test_a_form_of_our_own_is_taken(headers: dict[str, str]) -> None:
    check_form(request(headers, **{FIELD: TOKEN}), BROWSER, "visit-1", OWN)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "null"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://cds.example"},
        {"Origin": "https://cds.example:8443"},
        {"Origin": "https://cds.example.evil.example"},
        {"Origin": ""},
        {"Referer": f"{OWN}/sidebar/x"},
    ],
)
def test_a_form_from_elsewhere_is_not(headers: dict[str, str]) -> None:
    with pytest.raises(Forbidden) as caught:
        check_form(request(headers, **{FIELD: TOKEN}), BROWSER, "visit-1", OWN)
    assert (caught.value.code, caught.value.status) == ("forbidden", 403)


@pytest.mark.parametrize(
    "form", [{}, {FIELD: ""}, {FIELD: "x"}, {FIELD: "ü"}, {FIELD: TOKEN.upper()}, {"other": TOKEN}]
)
def test_a_form_without_its_token_is_not(form: dict[str, str]) -> None:
    with pytest.raises(Forbidden):
        check_form(request({"Origin": OWN}, **form), BROWSER, "visit-1", OWN)


@pytest.mark.parametrize(("browser", "visit"), [(BROWSER, "visit-2"), (OTHER, "visit-1"), ("", "visit-1")])
def test_a_token_is_for_one_browser_and_one_visit(browser: str, visit: str) -> None:
    with pytest.raises(Forbidden):
        check_form(request({"Origin": OWN}, **{FIELD: TOKEN}), browser, visit, OWN)


def test_a_token_does_not_tell_the_cookie() -> None:
    assert len(TOKEN) == 64
    assert BROWSER not in TOKEN


@pytest.mark.parametrize(
    ("base", "origin"),
    [
        ("https://cds.example", "https://cds.example"),
        ("https://CDS.example:443/twinline", "https://cds.example"),
        ("https://cds.example:8443", "https://cds.example:8443"),
        ("http://127.0.0.1:8717", "http://127.0.0.1:8717"),
        ("http://[::1]:8717", "http://[::1]:8717"),
        ("http://localhost:80/x", "http://localhost"),
    ],
)
def test_our_origin_is_as_browsers_write_it(base: str, origin: str) -> None:
    assert origin_of(base) == origin
