"""A store that cannot be written, as callers and operators see it: 503, red readiness that says why, and over again."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from cds_app.adapters.sealed.vault import Vault
from cds_app.adapters.sql.store import SqlStore
from cds_app.bootstrap import app_of
from cds_app.deps import Deps
from cds_app.ports import TwinStore
from tests.conftest import FROZEN, FrozenClock
from tests.patients import hyperkalaemic
from tests.stores import MASTER, sqlite_locked, sqlite_store, vault

URL = "/cds-services/twinline-patient-view"


def client_over(deps: Deps, store: TwinStore) -> FlaskClient:
    return app_of(replace(deps, store=store)).test_client()


def refused(client: FlaskClient, part: str, code: str) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.get_json()["status"] == "not-ready"
    assert answer.get_json()["parts"][part] == code


def ask(client: FlaskClient, who: str = "p1") -> int:
    return client.post(URL, json=hyperkalaemic(FROZEN, patient_id=who)).status_code


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """No file may grow beyond the largest that is there: as good as a full disk."""
    size = max(path.stat().st_size for path in folder.iterdir())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    made = sqlite_store(tmp_path, patience_s=0.3)
    yield made
    made.close()


def test_a_full_disk_is_red_and_gets_over(deps: Deps, store: SqlStore, tmp_path: Path) -> None:
    client = client_over(deps, store)
    assert ask(client) == 200
    with full_disk(tmp_path):
        refused(client, "store", "down")
        assert ask(client, "p2") == 503
        assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 200
    assert ask(client, "p2") == 200
    assert store.verify().broken_at is None


def test_a_locked_store_is_red_and_gets_over(deps: Deps, store: SqlStore, tmp_path: Path) -> None:
    client = client_over(deps, store)
    with sqlite_locked(tmp_path / "twinline.sqlite"):
        refused(client, "store", "down")
        assert ask(client) == 503
    assert client.get("/readyz").status_code == 200
    assert ask(client) == 200


def test_a_read_only_store_is_red_and_writes_nothing(deps: Deps, store: SqlStore, tmp_path: Path) -> None:
    read_only = SqlStore(f"sqlite:///file:{tmp_path / 'twinline.sqlite'}?mode=ro&uri=true", vault())
    client = client_over(deps, read_only)
    refused(client, "store", "down")
    assert ask(client) == 503
    assert list(store.journal()) == []
    read_only.close()


def test_keys_that_do_not_fit_the_store_are_said_to_be_keys(deps: Deps, store: SqlStore, tmp_path: Path) -> None:
    assert ask(client_over(deps, store)) == 200
    other = SqlStore(f"sqlite:///{tmp_path / 'twinline.sqlite'}", Vault(bytes(reversed(MASTER))))
    refused(client_over(deps, other), "keys", "integrity-broken")
    other.close()


def test_a_clock_behind_the_log_is_an_alarm_for_who_runs_it(deps: Deps, clock: FrozenClock) -> None:
    app = app_of(deps)
    assert ask(app.test_client()) == 200
    assert app.test_client().get("/readyz").get_json()["alarms"] == []
    clock.forward(days=-2)
    found = app.test_client().get("/readyz")
    assert found.status_code == 200  # which of two clocks is wrong is not known
    assert found.get_json()["status"] == "degraded"
    assert found.get_json()["alarms"] == ["clock behind"]


def test_a_patient_known_by_a_later_clock_is_refused_in_words(deps: Deps, clock: FrozenClock) -> None:
    client = app_of(deps).test_client()
    body = hyperkalaemic(FROZEN)
    assert client.post(URL, json=body).status_code == 200
    clock.forward(days=-2)
    answer = client.post(URL, json=body)
    assert answer.status_code == 503
    assert answer.get_json()["issue"][0]["details"]["coding"][0]["code"] == "clock-behind"
