"""``twinline ingest bulk`` as it is run at night: its own token, killed in the middle, and run again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner

from cds_app.commands.ingest import ingest
from cds_app.databases import cabinet_of
from cds_app.domain.issuers import Method
from cds_app.errors import SettingsError
from cds_app.ports import TwinStore
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.smart.issuers import Issuers, new_issuer
from cds_app.services.sources.exporting import BATCH
from cds_app.settings import Settings
from tests.authorisation import CLIENT_ID, SECRET, FakeEhr, Handler
from tests.conftest import FROZEN
from tests.exports import lines
from tests.patients import observation, patient
from tests.service import stored

PATIENTS = 50
RESULTS = BATCH + 500
STAMP = "2026-02-28T00:00:00Z"


class ExportingHandler(Handler, BaseHTTPRequestHandler):
    """The EHR's export: two files, for who has a token."""

    def do_GET(self) -> None:
        night, place = Night.of(self), self.path.removeprefix("/fhir").partition("?")[0]
        if not place.startswith(("/Patient/$export", "/jobs", "/files")):
            super().do_GET()
        elif self.headers.get("Authorization", "").removeprefix("Bearer ") not in night.ehr.access:
            self._say(401, {})
        elif place == "/Patient/$export":
            night.begun.append(self.path)
            self._begin(night.ehr.base)
        elif place == "/jobs/1":
            self._say(200, night.manifest())
        else:
            self._stream(night)

    def do_DELETE(self) -> None:
        Night.of(self).deleted += 1
        self._say(202, b"")

    def _begin(self, base: str) -> None:
        self.send_response(202)
        self.send_header("Content-Location", f"{base}/jobs/1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _stream(self, night: Night) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "application/fhir+ndjson")
        self.send_header("Connection", "close")
        self.end_headers()
        for piece in night.pieces(self.path):
            self.wfile.write(piece)


class Night:
    """What the EHR exports, and how far it sends before it stops to be killed in front of."""

    nights: ClassVar[dict[int, Night]] = {}

    def __init__(self, ehr: FakeEhr) -> None:
        self.ehr = ehr
        self.begun: list[str] = []
        self.deleted = 0
        self.go_on = threading.Event()
        self.nights[ehr.server.server_port] = self
        ehr.server.RequestHandlerClass = ExportingHandler

    @classmethod
    def of(cls, handler: Handler) -> Night:
        return cls.nights[handler._ehr().server.server_port]

    def manifest(self) -> dict[str, Any]:
        files = ["Observation", "Patient"]
        output = [{"type": one, "url": f"{self.ehr.base}/files/{one}"} for one in files]
        return {"transactionTime": STAMP, "requiresAccessToken": True, "output": output}

    def pieces(self, path: str) -> Iterator[bytes]:
        if path.endswith("Patient"):
            yield lines(*(patient(f"p{i}") for i in range(PATIENTS)))
            return
        sent = BATCH + 100
        yield lines(*(result(i) for i in range(sent)))
        self.go_on.wait(60)
        yield lines(*(result(i) for i in range(sent, RESULTS)))


def result(i: int) -> dict[str, Any]:
    return observation("potassium", 4.0 + i % 7 / 10, FROZEN, f"p{i % PATIENTS}", key=f"r{i}")


@pytest.fixture
def night(ehr: FakeEhr) -> Night:
    return Night(ehr)


@pytest.fixture
def data(tmp_path: Path, night: Night) -> Path:
    register(tmp_path / "data", night, ["system/*.rs"])
    return tmp_path / "data"


def register(folder: Path, night: Night, scopes: list[str]) -> None:
    made = new_issuer(
        name="north", iss=night.ehr.base, client_id=CLIENT_ID, method=Method.BASIC, secret=SECRET, scopes=scopes
    )
    with cabinet_of(Settings(data_dir=folder)) as cabinet:
        Issuers(cabinet).add(made, FROZEN)


def taken(store: TwinStore, night: Night) -> Counter[str]:
    names = (store.pseudonym(night.ehr.base, f"p{i}") for i in range(PATIENTS))
    return Counter(fact.ref for name in names for segment in store.segments(name) for fact in segment.facts)


def test_what_was_durable_when_a_run_was_killed_is_where_the_next_goes_on(
    data: Path, night: Night, knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-m", "cds_app", "ingest", "bulk", "north", "--data-dir", str(data)]
    running = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
    try:
        with stored(data) as store:
            patience = time.monotonic() + 120
            while len(taken(store, night)) < BATCH and time.monotonic() < patience:
                assert running.poll() is None
                time.sleep(0.2)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    night.go_on.set()
    monkeypatch.setattr("cds_app.deps.knowledge_of", lambda settings: knowledge)
    told = CliRunner().invoke(ingest, ["bulk", "north", "--data-dir", str(data)], catch_exceptions=False)
    assert json.loads(told.output)["resources"] == RESULTS + PATIENTS
    with stored(data) as store:
        found = taken(store, night)
    assert set(found) == {f"Observation/r{i}" for i in range(RESULTS)} | {f"Patient/p{i}" for i in range(PATIENTS)}
    assert set(found.values()) == {1}, "nothing is written twice"
    assert (len(night.begun), night.deleted) == (1, 1)
    CliRunner().invoke(ingest, ["bulk", "north", "--data-dir", str(data), "--types", "Patient"], catch_exceptions=False)
    CliRunner().invoke(ingest, ["bulk", "north", "--data-dir", str(data), "--types", "Patient"], catch_exceptions=False)
    assert night.begun[1:] == [
        "/fhir/Patient/$export?_type=Patient",
        f"/fhir/Patient/$export?_type=Patient&_since={STAMP}",
    ]


def test_without_system_scopes_or_with_a_name_that_is_none_nothing_is_asked(
    tmp_path: Path, night: Night, knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cds_app.deps.knowledge_of", lambda settings: knowledge)
    register(tmp_path / "data", night, ["openid"])
    words = ["bulk", "north", "--data-dir", str(tmp_path / "data")]
    for more in ([], ["--group", "../x"], ["--types", "Patient;x"]):
        with pytest.raises(SettingsError):
            CliRunner().invoke(ingest, [*words, *more], catch_exceptions=False)
    assert night.begun == []
