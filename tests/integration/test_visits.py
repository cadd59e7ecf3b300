"""Visits: whose they are, when they are over, and two patients in one browser."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from cds_app.errors import OtherPatient, SessionExpired
from cds_app.services.smart.drawers import new_secret
from tests.authorisation import FakeEhr, Launcher, began, expired, registered
from tests.conftest import FrozenClock

# --- whose, and until when


@pytest.mark.parametrize("browser", ["", "x", "A" * 43, "../" * 15, "ü" * 43])
def test_a_visit_opens_with_its_browsers_secret_only(launcher: Launcher, browser: str) -> None:
    _, visit = began(launcher)
    expired(launcher, browser, visit.id)
    expired(launcher, new_secret(), visit.id)


@pytest.mark.parametrize("visit", ["", "x", "A" * 22, "../../etc/passwd"])
def test_an_unknown_visit_is_over(launcher: Launcher, visit: str) -> None:
    browser, _ = began(launcher)
    expired(launcher, browser, visit)


def test_a_visit_nobody_looks_at_is_over_after_a_quarter_of_an_hour(launcher: Launcher) -> None:
    browser, visit = began(launcher)
    launcher.clock.forward(minutes=15)
    assert launcher.visits.open(browser, visit.id, launcher.clock.at) == visit
    launcher.clock.forward(minutes=15, seconds=16)
    expired(launcher, browser, visit.id)


def test_a_visit_is_over_after_twelve_hours_however_busy(launcher: Launcher) -> None:
    browser, visit = began(launcher)
    for _ in range(71):
        launcher.clock.forward(minutes=10)
        assert launcher.visits.open(browser, visit.id, launcher.clock.at).id == visit.id
    launcher.clock.forward(minutes=9, seconds=59)
    launcher.visits.open(browser, visit.id, launcher.clock.at)
    launcher.clock.forward(seconds=1)
    expired(launcher, browser, visit.id)


def test_logging_out_ends_one_visit_and_no_other(launcher: Launcher) -> None:
    one, other = launcher.browser(), launcher.browser()
    (first, mine), (second, theirs) = began(launcher, one), began(launcher, other)
    launcher.visits.close(second, mine.id)
    launcher.visits.close("", mine.id)
    launcher.visits.open(first, mine.id, launcher.clock.at)
    launcher.visits.close(first, mine.id)
    launcher.visits.close(first, mine.id)
    expired(launcher, first, mine.id)
    launcher.visits.open(second, theirs.id, launcher.clock.at)


def test_logging_out_has_the_ehr_forget_the_token(launcher: Launcher) -> None:
    launcher.ehr.config = {"revocation_endpoint": "/revoke"}
    browser, visit = began(launcher)
    launcher.visits.close(browser, visit.id)
    path, form, _ = launcher.ehr.posted[-1]
    assert path == "/revoke"
    assert (form["token"] in launcher.ehr.refreshes, form["token_type_hint"]) == (True, "refresh_token")
    assert "client_assertion" in form


@pytest.mark.parametrize("status", [302, 400, 503])
def test_logging_out_works_whatever_the_ehr_says(launcher: Launcher, status: int) -> None:
    launcher.ehr.config, launcher.ehr.revoke_status = {"revocation_endpoint": "/revoke"}, status
    browser, visit = began(launcher)
    with capture_logs() as lines:
        launcher.visits.close(browser, visit.id)
    assert [line["event"] for line in lines] == ["not-revoked"]
    assert "ZQX" not in str(lines)
    expired(launcher, browser, visit.id)


# --- two patients


def test_two_tabs_of_two_patients_are_told_apart(launcher: Launcher) -> None:
    browser = launcher.browser()
    _, first = began(launcher, browser)
    launcher.ehr.answer = {"patient": "ZQXother"}
    secret, second = began(launcher, browser)
    with pytest.raises(OtherPatient) as caught:
        launcher.visits.open(secret, first.id, launcher.clock.at)
    error = caught.value
    assert (error.code, error.status, error.field) == ("other-patient", 409, None)
    assert "ZQX" not in f"{error!r}{error.message}"
    assert launcher.visits.resume(secret, first.id, launcher.clock.at) == first
    assert launcher.visits.open(secret, first.id, launcher.clock.at) == first
    with pytest.raises(OtherPatient):
        launcher.visits.open(secret, second.id, launcher.clock.at)


def test_two_launches_for_one_patient_go_on_together(launcher: Launcher) -> None:
    browser = launcher.browser()
    _, first = began(launcher, browser)
    secret, second = began(launcher, browser)
    for one in (first, second, first):
        assert launcher.visits.open(secret, one.id, launcher.clock.at) == one


def test_the_same_id_in_another_realm_is_another_patient(launcher: Launcher, clock: FrozenClock, keyed: Any) -> None:
    browser = launcher.browser()
    _, first = began(launcher, browser)
    other = FakeEhr(clock)
    threading.Thread(target=other.server.serve_forever, args=(0.01,), daemon=True).start()
    other.published = launcher.ehr.published
    registered(other, keyed, name="south")
    secret, _ = began(replace(launcher, ehr=other), browser)
    with pytest.raises(OtherPatient):
        launcher.visits.open(secret, first.id, launcher.clock.at)
    other.server.shutdown()
    other.server.server_close()


def test_an_older_visit_goes_along_when_the_cookie_is_renewed(launcher: Launcher) -> None:
    browser = launcher.browser()
    before, first = began(launcher, browser)
    after, _ = began(launcher, browser)
    expired(launcher, before, first.id)
    assert launcher.visits.open(after, first.id, launcher.clock.at) == first
    assert launcher.visits.token(after, first, launcher.clock.at) in launcher.ehr.access


def test_the_other_patient_stays_the_other_one_for_as_long_as_a_visit_lasts(launcher: Launcher) -> None:
    browser = launcher.browser()
    secret, visit = began(launcher, browser)
    for _ in range(6):
        launcher.clock.forward(minutes=14)
        assert launcher.visits.open(secret, visit.id, launcher.clock.at) == visit


def test_a_visit_that_is_over_cannot_be_resumed(launcher: Launcher) -> None:
    secret, visit = began(launcher)
    launcher.clock.forward(hours=1)
    with pytest.raises(SessionExpired):
        launcher.visits.resume(secret, visit.id, launcher.clock.at)
