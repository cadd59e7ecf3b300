"""Tokens of visits: refreshed once however many need them, and for the same patient and user only."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from cds_app.adapters.sql.cabinet import SqlCabinet
from cds_app.adapters.sql.database import Database
from cds_app.adapters.sql.migrate import migrate
from cds_app.bootstrap import app_of, smart_of
from cds_app.deps import Deps, Ehrs
from cds_app.domain.visits import Visit
from cds_app.errors import DataUnavailable, SessionExpired
from cds_app.ports import Document
from cds_app.services.smart.discovery import Discovery, Endpoints
from cds_app.services.smart.issuers import Issuers
from cds_app.services.smart.signing import SigningKeys
from cds_app.services.smart.visits import Visits
from cds_app.settings import Settings
from tests.authorisation import CLIENT_ID, FakeEhr, Launcher, began, expired, registered
from tests.conftest import FrozenClock
from tests.stores import vault


def token(launcher: Launcher, browser: str, visit: Visit) -> str:
    return launcher.visits.token(browser, visit, launcher.clock.at)


def test_a_token_is_used_while_it_lasts_and_then_refreshed(launcher: Launcher) -> None:
    browser, visit = began(launcher)
    first = token(launcher, browser, visit)
    launcher.clock.forward(seconds=569)
    assert token(launcher, browser, visit) == first
    launcher.clock.forward(seconds=1)
    second = token(launcher, browser, visit)
    assert second != first
    assert {first, second} == launcher.ehr.access
    assert token(launcher, browser, visit) == second
    assert launcher.ehr.requests_for("refresh_token") == 1


def test_refresh_tokens_rotate(launcher: Launcher) -> None:
    browser, visit = began(launcher)
    for _ in range(4):
        launcher.clock.forward(minutes=10)
        launcher.visits.open(browser, visit.id, launcher.clock.at)
        token(launcher, browser, visit)
    forms = [form for _, form, _ in launcher.ehr.posted if form["grant_type"] == "refresh_token"]
    assert len({form["refresh_token"] for form in forms}) == 4
    assert all("client_id" not in form and "scope" not in form for form in forms)


def test_a_server_that_does_not_rotate_gets_the_same_one_again(launcher: Launcher) -> None:
    browser, visit = began(launcher)
    launcher.ehr.answer = {"refresh_token": ...}
    launcher.clock.forward(minutes=10)
    token(launcher, browser, visit)
    (used,) = (form["refresh_token"] for _, form, _ in launcher.ehr.posted if "refresh_token" in form)
    launcher.ehr.refreshes[used] = "openid"
    launcher.visits.open(browser, visit.id, launcher.clock.at)
    launcher.clock.forward(minutes=10)
    assert token(launcher, browser, visit) in launcher.ehr.access


def test_without_a_refresh_token_the_visit_lasts_as_long_as_its_token(launcher: Launcher) -> None:
    launcher.ehr.answer = {"refresh_token": ...}
    browser, visit = began(launcher)
    launcher.clock.forward(seconds=599)
    assert token(launcher, browser, visit) in launcher.ehr.access
    launcher.clock.forward(seconds=1)
    with pytest.raises(SessionExpired):
        token(launcher, browser, visit)


def test_what_is_granted_less_later_counts(launcher: Launcher) -> None:
    browser, visit = began(launcher)
    launcher.ehr.answer = {"scope": "patient/Observation.rs"}
    launcher.clock.forward(minutes=10)
    token(launcher, browser, visit)
    assert launcher.visits.open(browser, visit.id, launcher.clock.at).scopes == {"patient/Observation.rs"}


@pytest.mark.parametrize(
    "change",
    [
        {"answer": {"patient": "ZQXother"}},
        {"claims": {"sub": "another-user"}},
        {"claims": {"aud": "somebody-else"}},
        {"claims": {"iss": "https://evil.example"}},
        {"status": 400},
    ],
)
def test_a_refresh_that_does_not_belong_to_the_visit_ends_it(launcher: Launcher, change: dict[str, Any]) -> None:
    browser, visit = began(launcher)
    for name, value in change.items():
        setattr(launcher.ehr, name, value)
    launcher.clock.forward(minutes=10)
    with capture_logs() as lines, pytest.raises(SessionExpired):
        token(launcher, browser, visit)
    assert "ZQX" not in str(lines)
    expired(launcher, browser, visit.id)


def test_a_refreshed_id_token_needs_no_nonce(launcher: Launcher) -> None:
    browser, visit = began(launcher)
    launcher.ehr.claims = {"nonce": ...}
    launcher.clock.forward(minutes=10)
    assert token(launcher, browser, visit) in launcher.ehr.access


def test_a_refresh_may_come_without_patient_and_id_token(launcher: Launcher) -> None:
    browser, visit = began(launcher)
    launcher.ehr.answer = {"patient": ..., "id_token": ..., "scope": ...}
    launcher.clock.forward(minutes=10)
    assert token(launcher, browser, visit) in launcher.ehr.access
    assert launcher.visits.open(browser, visit.id, launcher.clock.at) == visit


def test_an_authorisation_server_that_is_down_ends_nothing(launcher: Launcher) -> None:
    browser, visit = began(launcher)
    first = token(launcher, browser, visit)
    launcher.ehr.status = 503
    launcher.clock.forward(seconds=580)
    assert token(launcher, browser, visit) == first  # it lasts for 20 seconds more
    launcher.clock.forward(seconds=20)
    with pytest.raises(DataUnavailable) as caught:
        token(launcher, browser, visit)
    assert "ZQX" not in f"{caught.value.message}{caught.value.__cause__!r}"
    launcher.ehr.status = 200
    assert token(launcher, browser, visit) in launcher.ehr.access


def test_a_refresh_is_not_lost_because_the_issuers_keys_cannot_be_had(
    deps: Deps, launcher: Launcher, clock: FrozenClock
) -> None:
    browser, visit = began(launcher)
    launcher.ehr.jwks = b"ZQX"
    launcher.clock.forward(minutes=10)
    restarted = visits_of(deps, launcher.cabinet, clock)  # it has not read the keys yet
    with capture_logs() as lines:
        assert restarted.token(browser, visit, clock.at) in launcher.ehr.access
    assert [line["event"] for line in lines] == ["id-token-unchecked"]
    assert restarted.token(browser, visit, clock.at) in launcher.ehr.access
    assert launcher.ehr.requests_for("refresh_token") == 1


def test_a_refresh_is_not_lost_because_the_configuration_cannot_be_had_again(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, visit = began(launcher)
    launcher.clock.forward(minutes=10)
    find, asked = Discovery.find, []

    def once(self: Discovery, base: str) -> Endpoints:
        asked.append(base)
        if len(asked) > 1:
            raise DataUnavailable("no configuration", field="iss")
        return find(self, base)

    with monkeypatch.context() as patched, capture_logs() as lines:
        patched.setattr(Discovery, "find", once)
        assert token(launcher, browser, visit) in launcher.ehr.access
    assert (len(asked), [line["event"] for line in lines]) == (2, ["id-token-unchecked"])
    assert token(launcher, browser, visit) in launcher.ehr.access


def test_an_issuer_that_was_removed_gives_no_more_tokens(launcher: Launcher) -> None:
    browser, visit = began(launcher)
    Issuers(launcher.cabinet).remove("north", launcher.clock.at)
    launcher.clock.forward(minutes=10)
    with pytest.raises(SessionExpired):
        token(launcher, browser, visit)


# --- many at once


def visits_of(deps: Deps, cabinet: Any, clock: FrozenClock) -> Visits:
    """As another process has them."""
    whole = Deps(
        settings=Settings(open_to_this_machine=True),
        knowledge=deps.knowledge,
        store=deps.store,
        clock=clock,
        fhir=deps.fhir,
        ehrs=Ehrs(cabinet=cabinet),
    )
    return smart_of(whole).visits


@pytest.mark.parametrize("late_s", [570, 700])
def test_of_many_threads_one_refreshes(launcher: Launcher, late_s: int) -> None:
    browser, visit = began(launcher)
    before = token(launcher, browser, visit)
    launcher.clock.forward(seconds=late_s)
    launcher.ehr.before_token = lambda: time.sleep(0.3)
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: token(launcher, browser, visit), range(16)))
    assert launcher.ehr.requests_for("refresh_token") == 1
    new = launcher.ehr.access - {before}
    assert len(new) == 1
    assert found <= new | {before}
    assert (found == new) == (late_s > 600)  # over: who came later waited


def test_of_two_who_see_the_same_at_the_same_moment_one_refreshes(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both find that nobody has begun to; what the cabinet lets only one of them write decides."""
    browser, visit = began(launcher)
    launcher.clock.forward(minutes=12)
    meeting, reads, read = threading.Barrier(2), itertools.count(), launcher.cabinet.read

    def read_together(kind: str, name: str, now: datetime) -> Document | None:
        found = read(kind, name, now)
        if next(reads) < 2:
            meeting.wait(10)
        return found

    monkeypatch.setattr(launcher.cabinet, "read", read_together)
    with ThreadPoolExecutor(2) as pool:
        found = set(pool.map(lambda _: token(launcher, browser, visit), range(2)))
    assert launcher.ehr.requests_for("refresh_token") == 1
    assert len(found) == 1


def test_of_two_processes_one_refreshes(
    deps: Deps, ehr: FakeEhr, keyed: Any, clock: FrozenClock, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'twinline.sqlite'}"
    migrate(url)
    databases = [Database(url, waits_for_disk=False) for _ in range(2)]
    cabinets = [SqlCabinet(one, vault()) for one in databases]
    for document in keyed.all("signing-key", clock.at):
        cabinets[0].write(replace(document, version=0), clock.at)
    registered(ehr, cabinets[0])
    ehr.published = lambda: SigningKeys(keyed).published(clock.at)
    both = [visits_of(deps, cabinet, clock) for cabinet in cabinets]
    whole = Deps(
        settings=Settings(open_to_this_machine=True),
        knowledge=deps.knowledge,
        store=deps.store,
        clock=clock,
        fhir=deps.fhir,
        ehrs=Ehrs(cabinet=cabinets[0]),
    )
    one = Launcher(
        app=app_of(whole), cabinet=cabinets[0], ehr=ehr, clock=clock, clients=whole.trust.clients, smart=smart_of(whole)
    )
    browser, visit = began(one)
    clock.forward(minutes=12)
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda n: both[n % 2].token(browser, visit, clock.at), range(16)))
    assert ehr.requests_for("refresh_token") == 1
    assert len(found) == 1
    with databases[0].read() as session:
        rows = session.rows(text("SELECT * FROM documents"))
    assert not any(word in str(rows) for word in ("ZQX", browser, visit.id))
    for database in databases:
        database.close()


def test_a_refresh_that_never_ended_is_begun_anew(launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process died: nobody waits for it for ever."""
    browser, visit = began(launcher)
    launcher.clock.forward(minutes=12)
    granting = launcher.visits._granting

    def die(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(type(granting), "refresh", die)
    with pytest.raises(SystemExit):
        token(launcher, browser, visit)
    monkeypatch.undo()
    launcher.clock.forward(seconds=21)
    assert token(launcher, browser, visit) in launcher.ehr.access


def test_who_waits_for_a_refresh_in_vain_is_told_so(launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    browser, visit = began(launcher)
    launcher.clock.forward(minutes=12)
    passed = iter(range(0, 10_000, 5))
    monkeypatch.setattr(launcher.visits, "_ticking", lambda: float(next(passed)))
    monkeypatch.setattr(launcher.visits, "_pause", lambda _: None)
    monkeypatch.setattr(launcher.visits, "_claimed", lambda *_: None)
    with pytest.raises(DataUnavailable):
        token(launcher, browser, visit)


def test_tokens_and_secrets_are_in_nothing_that_can_be_printed(launcher: Launcher) -> None:
    _, visit = began(launcher)
    assert "ZQXaccess" not in repr(visit)
    assert CLIENT_ID not in repr(visit)


def test_the_master_key_and_the_database_do_not_open_a_visit(launcher: Launcher) -> None:
    """What the cabinet gives out, as it does to who has its key, is sealed once more."""
    began(launcher)
    for kind in ("visit", "browser"):
        documents = tuple(launcher.cabinet.all(kind, launcher.clock.at))
        assert documents, kind
        for document in documents:
            assert b"ZQX" not in document.content
            assert b"patient" not in document.content


def test_a_visit_does_not_open_later_than_its_end_even_while_it_is_refreshed(launcher: Launcher) -> None:
    browser, visit = began(launcher)
    with pytest.raises(SessionExpired):
        launcher.visits.token(browser, visit, launcher.clock.at + timedelta(hours=12, seconds=1))
