"""The app on PostgreSQL from call to replay, and two services on one database."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import requests
from flask.testing import FlaskClient

from cds_app.bootstrap import app_of
from cds_app.commands.running import running_service
from cds_app.databases import store_of
from cds_app.deps import Deps
from cds_app.domain.decisions import Suppression
from cds_app.ports import TwinStore
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.replay import replay_decision
from cds_app.settings import Settings
from tests.conftest import FROZEN, FrozenClock
from tests.patients import hyperkalaemic
from tests.service import SIMULATED, at, post, shown, twinline

pytestmark = pytest.mark.postgres

URL = "/cds-services/twinline-patient-view"


@pytest.fixture
def settings(postgres_url: str, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, database_url=postgres_url, open_to_this_machine=True)


@pytest.fixture
def store(settings: Settings) -> Iterator[TwinStore]:
    made = store_of(settings)
    yield made
    made.close()


@pytest.fixture
def client(deps: Deps, settings: Settings, store: TwinStore) -> Iterator[FlaskClient]:
    held = Deps(settings=settings, knowledge=deps.knowledge, store=store, clock=deps.clock, fhir=deps.fhir)
    with app_of(held).test_client() as made:
        yield made


def ask(client: FlaskClient, patient: str = "p1") -> list[str]:
    answer = client.post(URL, json=hyperkalaemic(FROZEN, patient_id=patient))
    assert answer.status_code == 200, answer.text
    return [card["uuid"] for card in answer.get_json()["cards"]]


def test_a_call_is_answered_stored_remembered_and_replayed(
    client: FlaskClient, store: TwinStore, knowledge: Knowledge, clock: FrozenClock
) -> None:
    (card,) = ask(client)
    item = {"card": card, "outcome": "overridden", "outcomeTimestamp": FROZEN.isoformat(),
            "overrideReason": {"reason": {"code": "data-wrong", "system": "urn:x"}}}  # fmt: skip
    for _ in range(2):
        assert client.post(f"{URL}/feedback", json={"feedback": [item]}).status_code == 200
    clock.forward(hours=1)
    assert ask(client) == []
    entries = store.entries(store.pseudonym("local", "p1"))
    assert [one.feedback.reason_code for one in entries if one.feedback] == ["data-wrong"]
    assert [one.decision.suppression for one in entries if one.decision] == [Suppression.NONE, Suppression.SNOOZED]
    for entry in entries:
        if entry.decision:
            assert replay_decision(knowledge, store, entry.decision.id).same
    assert store.verify().broken_at is None
    assert client.get("/readyz").status_code == 200


def test_an_erased_patient_is_gone_for_every_later_call(client: FlaskClient, store: TwinStore) -> None:
    assert ask(client)
    store.erase(store.pseudonym("local", "p1"), FROZEN)
    assert client.post(URL, json=hyperkalaemic(FROZEN)).status_code == 410
    assert len(ask(client, "p2")) == 1
    assert store.verify().broken_at is None


def test_a_locked_log_is_503_and_nothing_is_half_written(
    client: FlaskClient, store: TwinStore, postgres_url: str
) -> None:
    with psycopg.connect(postgres_url) as other:
        other.execute("LOCK TABLE log_head IN ACCESS EXCLUSIVE MODE")
        refused = client.post(URL, json=hyperkalaemic(FROZEN))
        other.rollback()
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert list(store.segments(store.pseudonym("local", "p1"))) == []
    assert list(store.journal()) == []
    assert len(ask(client)) == 1


@pytest.mark.slow
def test_two_hosts_of_two_workers_on_one_database_show_one_card(postgres_url: str, tmp_path: Path) -> None:
    body = at(hyperkalaemic(FROZEN))
    store_of(Settings(data_dir=tmp_path, database_url=postgres_url)).close()  # the key that both use
    key = (tmp_path / "master.key").read_text("ascii").strip()
    with ExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setenv("TWINLINE_MASTER_KEY", key)
        flags = (SIMULATED, "--database-url", postgres_url)
        homes = [tmp_path / name for name in ("one", "two")]
        for home in homes:
            home.mkdir()
        urls = [stack.enter_context(running_service(home, *flags, workers=2)) for home in homes]
        with ThreadPoolExecutor(6) as pool:
            found = [card for one in pool.map(lambda n: post(urls[n % 2], body), range(12)) for card in shown(one)]
        assert len(found) == 1
        later = at(body, FROZEN + timedelta(minutes=1))
        assert [shown(post(url, later)) for url in urls] == [[], []]
        assert all(requests.get(f"{url}/readyz", timeout=10).ok for url in urls)
        verified = twinline("audit", "verify", "--data-dir", str(homes[0]), "--database-url", postgres_url)
        replayed = twinline("decision", "replay", found[0], "--data-dir", str(homes[1]), "--database-url", postgres_url)
    assert verified.stdout.endswith("entries, unbroken\n"), verified.stderr
    assert (replayed.returncode, replayed.stderr.strip()) == (0, "identical, byte for byte")
