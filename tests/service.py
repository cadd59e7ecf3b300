"""The running service as a test meets it: its processes, its command line, calls over HTTP, what it stored."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import requests

from cds_app.adapters.sql.store import SqlStore
from cds_app.databases import store_of
from cds_app.domain.events import HookEvent
from cds_app.settings import Settings
from cds_app.web.requests import SIMULATED_TIME
from tests.conftest import FROZEN

ROOT = Path(__file__).resolve().parents[1]
SERVICE = "twinline-patient-view"
SIMULATED = "--simulated-time"


def at(body: Mapping[str, Any], time: object = FROZEN) -> dict[str, Any]:
    """The call with a stated event time."""
    return {**body, "extension": {SIMULATED_TIME: getattr(time, "isoformat", str)()}}


def opening(received: datetime = FROZEN, tenant: str = "local") -> HookEvent:
    """Somebody opens the chart."""
    return HookEvent(
        service=SERVICE,
        hook="patient-view",
        instance="3f1dde72-162b-11ec-82a8-0242ac130003",
        tenant=tenant,
        patient="p1",
        user="Practitioner/1",
        encounter=None,
        received=received,
    )


def post(url: str, body: object, *, path: str = "", timeout: float = 30) -> requests.Response:
    """Send something to the patient-view service, on a connection of its own."""
    return requests.post(f"{url}/cds-services/{SERVICE}{path}", json=body, timeout=timeout)


def shown(answer: requests.Response) -> list[str]:
    """The uuids of the cards in an answer, which is to be one."""
    assert answer.status_code == 200, answer.text
    return [card["uuid"] for card in answer.json()["cards"]]


def processes(data_dir: Path) -> list[int]:
    """Ids of the service's processes, the master first."""
    found: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(data_dir) in (entry / "cmdline").read_bytes().decode(errors="replace"):
                found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it ended while we looked
    return sorted(found, key=lambda pid: (found[pid] in found, pid))


def twinline(
    *words: str, root: Path = ROOT, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line of a checkout."""
    return subprocess.run(
        [sys.executable, "-m", "cds_app", *words],
        cwd=root,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(environ or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@contextmanager
def stored(data_dir: Path) -> Iterator[SqlStore]:
    """The service's own store, opened beside it."""
    store = store_of(Settings(data_dir=data_dir))
    try:
        yield store
    finally:
        store.close()
