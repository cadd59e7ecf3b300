"""``twinline subscribe`` at an EHR that makes subscriptions, and at one that does not."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner, Result

from cds_app.commands.ingest import ingest
from cds_app.commands.stores import open_deps
from cds_app.commands.subscribe import subscribe
from cds_app.databases import cabinet_of
from cds_app.domain.issuers import Method
from cds_app.errors import DataUnavailable, GrantRefused, NotFound, SettingsError
from cds_app.fabric.exchange.notifications import read_notification
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.smart.issuers import Issuers, new_issuer
from cds_app.services.sources.subscriptions import Subscriptions, digest, told
from cds_app.settings import Settings
from tests.authorisation import CLIENT_ID, SECRET, FakeEhr, Handler
from tests.conftest import FROZEN
from tests.notifications import bundle, status

TOPIC = "https://ehr.example/topics/results"


class SubscribingHandler(Handler, BaseHTTPRequestHandler):
    """Makes subscriptions for who has a token, and counts no events."""

    made: ClassVar[list[dict[str, Any]]] = []
    refuses: ClassVar[bool] = False

    def do_POST(self) -> None:
        if self.path != "/fhir/Subscription":
            super().do_POST()
            return
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = self.headers["Authorization"].removeprefix("Bearer ") in self._ehr().access
        if self.refuses or not known:
            self._say(403, {})
            return
        self.made.append(body)
        self._say(201, {**body, "id": "12"})


@pytest.fixture
def home(ehr: FakeEhr, tmp_path: Path, knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch) -> Path:
    ehr.server.RequestHandlerClass = SubscribingHandler
    monkeypatch.setattr("cds_app.deps.knowledge_of", lambda settings: knowledge)
    monkeypatch.setattr(SubscribingHandler, "made", [])
    issuer = new_issuer(
        name="north",
        iss=ehr.base,
        client_id=CLIENT_ID,
        method=Method.BASIC,
        secret=SECRET,
        scopes=["system/Subscription.c", "system/Observation.rs"],
    )
    with cabinet_of(Settings(data_dir=tmp_path)) as cabinet:
        Issuers(cabinet).add(issuer, FROZEN)
    return tmp_path


def run(home: Path, *words: str) -> Result:
    return CliRunner().invoke(subscribe, [*words, "--data-dir", str(home)], catch_exceptions=False)


def add(home: Path, *more: str, name: str = "results") -> str:
    return run(home, "add", name, "--issuer", "north", "--topic", TOPIC, *more).output


def listed(home: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run(home, "list", "--json").output)
    return found


def test_a_subscription_is_made_with_a_secret_of_which_the_digest_is_kept(home: Path, ehr: FakeEhr) -> None:
    assert add(home, "--filter", "Observation?category=laboratory", "--content", "id-only") == "Subscription/12\n"
    (made,) = SubscribingHandler.made
    assert made["channel"]["endpoint"].endswith("/fhir-notifications/results")
    secret = made["channel"]["header"][0].removeprefix("Authorization: Bearer ")
    with open_deps({"data_dir": home}) as deps:
        kept = Subscriptions(deps.ehrs.cabinet, deps.clock).named("results")
    assert kept is not None
    assert (kept.reference, kept.iss, kept.realm, kept.secret_sha256) == (
        "Subscription/12",
        ehr.base,
        ehr.base,
        digest(secret),
    )
    assert len(secret) >= 43
    (row,) = listed(home)
    assert (row["name"], row["handshake"], row["missing"]) == ("results", False, [])
    assert row["whole_until"]
    assert secret not in json.dumps(row)


def test_one_that_people_of_the_ehr_made_is_listened_to(home: Path) -> None:
    said = add(home, "--reference", "Subscription/7")
    assert "/fhir-notifications/results" in said
    assert "Authorization: Bearer " in said
    assert SubscribingHandler.made == []
    assert listed(home)[0]["reference"] == "Subscription/7"


def test_nothing_is_left_of_a_subscription_that_the_ehr_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SubscribingHandler, "refuses", True)
    with pytest.raises(DataUnavailable):
        add(home)
    assert listed(home) == []


def test_nothing_is_left_of_a_subscription_for_which_there_is_no_token(home: Path, ehr: FakeEhr) -> None:
    ehr.status = 400
    with pytest.raises(GrantRefused):
        add(home)
    assert listed(home) == []


def test_names_references_and_types_are_checked_and_names_taken_once(home: Path) -> None:
    for more in (["--reference", "Patient/1"], ["--type", "observation"]):
        with pytest.raises(SettingsError):
            add(home, *more)
    with pytest.raises(SettingsError):
        add(home, name="Results!")
    add(home)
    with pytest.raises(SettingsError, match="already"):
        add(home)
    assert run(home, "remove", "results").output.startswith("removed here")
    with pytest.raises(NotFound):
        run(home, "remove", "results")


def test_what_is_missing_is_listed_and_looked_for(home: Path) -> None:
    add(home)
    with open_deps({"data_dir": home}) as deps:
        missed = read_notification(bundle(status("heartbeat", 3)))
        Subscriptions(deps.ehrs.cabinet, deps.clock).change("results", lambda one: told(one, missed, deps.clock.now()))
    assert listed(home)[0]["missing"] == [[1, 3]]
    words = ["subscriptions", "--once", "--data-dir", str(home)]
    assert CliRunner().invoke(ingest, words, catch_exceptions=False).output == '{"unavailable": 1}\n'
    assert '"events": 3' in run(home, "list").output
