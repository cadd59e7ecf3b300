"""Metrics name services, topics and codes, and nothing that came with a request."""

from __future__ import annotations

import errno
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from cds_app.adapters.metrics import FOLDER, PrometheusMeter
from cds_app.bootstrap import app_of
from cds_app.deps import Deps
from cds_app.settings import Settings
from tests.conftest import FROZEN
from tests.patients import hyperkalaemic

URL = "/cds-services/twinline-patient-view"
TOKEN = {"Authorization": "Bearer t0k"}
COUNTING = """
from cds_app.adapters.metrics import PrometheusMeter
meter = PrometheusMeter()
for _ in range(3):
    meter.call("a", "call", 200, 0.01)
meter.stands("breakers", {"open": 1})
print(meter.page().decode())
"""


def client_of(deps: Deps, **settings: object) -> FlaskClient:
    return app_of(
        replace(deps, settings=Settings.model_validate({"open_to_this_machine": True, **settings}))
    ).test_client()


def lines(deps: Deps) -> list[str]:
    return [line for line in deps.meter.page().decode().splitlines() if not line.startswith("#")]


def test_calls_cards_and_feedback_are_counted(deps: Deps) -> None:
    client = client_of(deps)
    client.get("/cds-services")
    (card,) = client.post(URL, json=hyperkalaemic(FROZEN)).get_json()["cards"]
    client.post(URL, json=hyperkalaemic(FROZEN))
    item = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": FROZEN.isoformat()}
    assert client.post(f"{URL}/feedback", json={"feedback": [item]}).status_code == 200
    client.post(URL, json={"hook": "patient-view"})
    client.post("/cds-services/ZQX", json={})
    found = lines(deps)
    service = 'service="twinline-patient-view"'
    for wanted in (
        f'twinline_calls_total{{kind="call",{service},status="200"}} 2.0',
        f'twinline_calls_total{{kind="call",{service},status="400"}} 1.0',
        'twinline_calls_total{kind="call",service="",status="404"} 1.0',
        'twinline_calls_total{kind="discovery",service="",status="200"} 1.0',
        f'twinline_cards_total{{outcome="shown",{service},tier="3",topic="hyperkalaemia"}} 1.0',
        f'twinline_cards_total{{outcome="lockout",{service},tier="3",topic="hyperkalaemia"}} 1.0',
        f'twinline_feedback_total{{outcome="overridden",{service},topic="hyperkalaemia"}} 1.0',
        f"twinline_last_decided_timestamp_seconds {FROZEN.timestamp():.7e}",
    ):
        assert wanted in found, wanted
    assert f'twinline_call_seconds_count{{kind="call",{service}}} 3.0' in found
    assert any(one.startswith("twinline_abstentions_total{") for one in found)


def test_nothing_that_came_with_a_request_is_a_label(deps: Deps) -> None:
    client = client_of(deps)
    body = hyperkalaemic(FROZEN, patient_id="ZQXp")
    body["context"]["userId"] = "Practitioner/ZQXu"
    body["fhirServer"] = "https://zqx.example/ZQX"
    client.post(URL, json=body)
    client.post("/cds-services/ZQX-service", json=body)
    client.get("/ZQX")
    item = {"card": "ZQX", "outcome": "accepted", "outcomeTimestamp": FROZEN.isoformat()}
    client.post(f"{URL}/feedback", json={"feedback": [{**item, "acceptedSuggestions": [{"id": "ZQX"}]}]})
    page = deps.meter.page().decode()
    assert "zqx" not in page.lower()
    assert 'status="404"' in page


def test_39_metrics_are_not_there_unless_somebody_wants_them(deps: Deps) -> None:
    assert client_of(deps).get("/metrics").status_code == 404


def test_metrics_are_for_this_machine_only(deps: Deps) -> None:
    client = client_of(deps, metrics=True)
    assert client.get("/metrics").status_code == 200
    assert client.get("/metrics", environ_base={"REMOTE_ADDR": "10.0.0.7"}).status_code == 404
    assert client.get("/metrics", headers={"X-Forwarded-For": "10.0.0.7"}).status_code == 404


def test_with_a_token_metrics_are_for_who_has_it(deps: Deps) -> None:
    client = client_of(deps, metrics=True, metrics_token="t0k")
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics", headers={"Authorization": "Bearer other"}).status_code == 404
    answer = client.get("/metrics", headers=TOKEN, environ_base={"REMOTE_ADDR": "10.0.0.7"})
    assert answer.status_code == 200
    assert b"twinline_calls_total" in answer.data


def test_the_token_is_never_shown() -> None:
    assert "abcdef" not in repr(Settings(metrics_token="abcdef"))


def test_workers_are_added_up_and_outlived_by_what_they_counted(tmp_path: Path) -> None:
    environ = {FOLDER: str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[3])}
    runs = [
        subprocess.run([sys.executable, "-c", COUNTING], env=environ, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert 'twinline_calls_total{kind="call",service="a",status="200"} 3.0' in runs[0].stdout
    assert 'twinline_calls_total{kind="call",service="a",status="200"} 6.0' in runs[1].stdout


def test_what_cannot_be_counted_fails_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def full(*_: object) -> None:
        tried.append(1)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("prometheus_client.Counter.inc", full)
    PrometheusMeter().call("a", "call", 200, 0.1)
    assert tried
