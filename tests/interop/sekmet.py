"""SEKMET: a FHIR server that others made, with Backend Services, bulk exports and topic-based subscriptions.

It runs out of an environment of its own, filled from the lock file beside this one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.broker import free_port
from tests.interop.medplum import alone

_LOCK = Path(__file__).with_name("requirements.lock")
_PIP_S = 300
_START_S = 90
_CALL_S = 60
_TOPIC = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic"


def environment(cache: Path) -> Path:
    """An environment with the locked packages, made once."""
    folder = cache / sha256(_LOCK.read_bytes()).hexdigest()[:16]
    with alone(cache / "sekmet-lock"):
        if not (folder / "complete").exists():
            _fill(folder)
    return folder


def _fill(folder: Path) -> None:
    venv.create(folder, clear=True, with_pip=False, symlinks=True)
    into = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    pip = [*into, "install", "-qq", "--disable-pip-version-check", "--only-binary", ":all:"]
    try:
        done = subprocess.run(
            [*pip, "--require-hashes", "-r", str(_LOCK)], capture_output=True, text=True, check=False, timeout=_PIP_S
        )
    except subprocess.TimeoutExpired:
        pytest.skip("pip did not come to an end: is its registry within reach?")
    assert "DO NOT MATCH THE HASHES" not in done.stderr, "a package is not the locked one"
    if done.returncode:
        pytest.skip("pip failed: is its registry within reach?")
    (folder / "complete").touch()


@dataclass
class Sekmet:
    """The server. ``base`` is its FHIR base."""

    base: str
    session: requests.Session = field(default_factory=requests.Session)

    def sign_in(self) -> None:
        form = {"grant_type": "client_credentials", "scope": "system/*.cruds"}
        url = self.base.replace("/fhir", "/auth/token")
        answer = requests.post(url, data=form, auth=("loader", "secret"), timeout=_CALL_S)
        self.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        self.session.headers["Content-Type"] = "application/fhir+json"

    def put(self, *resources: Mapping[str, Any]) -> None:
        """Write resources under their own ids."""
        for one in resources:
            url = f"{self.base}/{one['resourceType']}/{one['id']}"
            self.session.put(url, data=json.dumps(one), timeout=_CALL_S).raise_for_status()

    def status(self, reference: str) -> str:
        """Of a subscription."""
        found: str = self.session.get(f"{self.base}/{reference}", timeout=_CALL_S).json()["status"]
        return found


@contextmanager
def serving(folder: Path, home: Path, client: str, jwks_url: str) -> Iterator[Sekmet]:
    """An empty server that knows one client by its published keys."""
    port = free_port()
    found = Sekmet(f"http://127.0.0.1:{port}/fhir")
    clients = [
        {"client_id": client, "jwks_url": jwks_url, "scopes": "system/*.rs system/Subscription.cu"},
        {"client_id": "loader", "client_secret": "secret", "scopes": "system/*.cruds"},
    ]
    settings = {
        "base_url": found.base,
        "host": "127.0.0.1",
        "port": port,
        "data_dir": str(home / "data"),
        "server_auth": {"types": ["smart"], "smart_clients": clients},
        "simulator": {"enabled": False, "delay_seconds": 0.0},
        "subscriptions": {"retries": 1},
    }
    (home / "settings.yaml").write_text(yaml.safe_dump(settings), "utf-8")
    command = [str(folder / "bin" / "sekmet"), "serve", "-c", str(home / "settings.yaml")]
    with subprocess.Popen(command, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait(found.base, process)
            found.sign_in()
            yield found
        finally:
            process.terminate()


def _wait(base: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        assert process.poll() is None, "the server ended"
        with suppress(requests.RequestException):
            if requests.get(f"{base}/metadata", timeout=5).ok:
                return
        time.sleep(0.2)
    raise AssertionError("the server does not answer")


def topic(url: str, kind: str) -> dict[str, Any]:
    """A topic of all that is made or changed of a type, as R4 has it: a Basic."""
    trigger = [
        {"url": "resource", "valueUri": f"http://hl7.org/fhir/StructureDefinition/{kind}"},
        {"url": "supportedInteraction", "valueCode": "create"},
        {"url": "supportedInteraction", "valueCode": "update"},
        {"url": "fhirPathCriteria", "valueString": "true"},
    ]
    return {
        "resourceType": "Basic",
        "id": "topic-all",
        "modifierExtension": [{"url": f"{_TOPIC}.status", "valueCode": "active"}],
        "extension": [
            {"url": f"{_TOPIC}.url", "valueUri": url},
            {"url": f"{_TOPIC}.resourceTrigger", "extension": trigger},
        ],
        "code": {"coding": [{"system": "http://hl7.org/fhir/fhir-types", "code": "SubscriptionTopic"}]},
    }
