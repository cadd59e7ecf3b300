"""Our bulk and subscription clients at a FHIR server that others made, from the token to the twin."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from werkzeug.serving import make_server

from cds_app.bootstrap import answering_of, app_of
from cds_app.commands.ingest import ingest
from cds_app.commands.issuers import issuers
from cds_app.commands.keys import keys
from cds_app.commands.subscribe import subscribe
from cds_app.deps import Deps, deps_of
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.sources.catching_up import SILENT
from cds_app.services.sources.subscriptions import Heard, Subscriptions
from cds_app.settings import load_settings
from tests.broker import free_port
from tests.interop.sekmet import Sekmet, environment, serving, topic
from tests.patients import observation, patient

pytestmark = pytest.mark.slow

TOPIC = "http://example.org/topics/all"
CLIENT = "twinline"
_PATIENCE_S = 60.0


@dataclass
class Site:
    """An installation of ours beside the server."""

    ehr: Sekmet
    deps: Deps
    port: int

    def run(self, command: Any, *words: str) -> str:
        found = CliRunner().invoke(command, list(words), catch_exceptions=False)
        assert found.exit_code == 0, found.output
        return found.output

    def heard(self) -> Heard:
        return Subscriptions(self.deps.ehrs.cabinet, self.deps.clock).heard("all")

    def potassium(self, patient_id: str) -> list[float]:
        record = answering_of(self.deps).records.load(self.deps.store.pseudonym(self.ehr.base, patient_id))
        return sorted(one.value for one in record.timeline.measured.get("potassium", ()))


@contextmanager
def listening(deps: Deps, port: int) -> Iterator[None]:
    server = make_server("127.0.0.1", port, app_of(deps), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config, knowledge: Knowledge) -> Iterator[Site]:
    folder, port, home = environment(pytestconfig.cache.mkdir("interop")), free_port(), tmp_path_factory.mktemp("site")
    jwks = f"http://127.0.0.1:{port}/.well-known/jwks.json"
    with pytest.MonkeyPatch.context() as patch, serving(folder, home, CLIENT, jwks) as ehr:
        patch.setattr("cds_app.deps.knowledge_of", lambda settings: knowledge)
        for name, value in {"PORT": str(port), "OPEN_TO_THIS_MACHINE": "true", "DATA_DIR": str(home / "ours")}.items():
            patch.setenv(f"TWINLINE_{name}", value)
        deps = deps_of(load_settings({}, os.environ, Path("none")))
        made = Site(ehr, deps, port)
        made.run(keys, "new")
        scopes = ("--scope", "system/*.rs", "--scope", "system/Subscription.cu")
        made.run(issuers, "add", "north", "--iss", ehr.base, "--client-id", CLIENT, *scopes)
        yield made
    deps.store.close()
    deps.trust.close()
    deps.ehrs.close()


def result(patient_id: str, value: float, key: str = "") -> Mapping[str, Any]:
    at = datetime.now(UTC) - timedelta(hours=1)
    return observation("potassium", value, at, patient_id, key=key or f"{patient_id}-{value:.0f}")


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_bulk_export_is_taken_in_and_then_what_changed_since(site: Site) -> None:
    site.ehr.put(patient("p1"), result("p1", 3.0), result("p1", 4.0))
    with listening(site.deps, site.port):
        assert json.loads(site.run(ingest, "bulk", "north"))["resources"] >= 3
        site.ehr.put(result("p1", 4.7, "p1-4"))
        assert json.loads(site.run(ingest, "bulk", "north"))["resources"] == 1
    assert site.potassium("p1") == [3.0, 4.7]


def test_a_subscription_keeps_a_twin_warm_and_is_begun_again_after_the_server_gave_up(site: Site) -> None:
    site.ehr.put(topic(TOPIC, "Observation"), patient("p2"))
    with listening(site.deps, site.port):
        made = site.run(subscribe, "add", "all", "--issuer", "north", "--topic", TOPIC, "--heartbeat", "1").strip()
        until(lambda: site.heard().shaken)
        site.ehr.put(result("p2", 3.0))
        until(lambda: site.potassium("p2") == [3.0])
    site.ehr.put(result("p2", 4.0))
    until(lambda: site.ehr.status(made) == "error")
    site.ehr.put(result("p2", 5.0))
    with listening(site.deps, site.port):
        assert site.potassium("p2") == [3.0]
        until(lambda: datetime.now(UTC) - (site.heard().at or datetime.now(UTC)) > SILENT * timedelta(seconds=1))
        told = json.loads(site.run(ingest, "subscriptions", "--once"))
        assert told == {"asked": 1, "woken": 1, "read-anew": 1, "resources": 1}  # whom the first event was about
        assert site.potassium("p2") == [3.0, 4.0, 5.0]
        until(lambda: site.ehr.status(made) == "active")
        site.ehr.put(result("p2", 6.0))
        until(lambda: site.potassium("p2") == [3.0, 4.0, 5.0, 6.0])
