"""Medplum's FHIR server and CDS Hooks client, which node runs out of a folder that npm filled from the lock file."""

from __future__ import annotations

import fcntl
import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
import requests

_HERE = Path(__file__).parent
_PACKAGES = ("package.json", "package-lock.json")
_PROGRAMS = ("websocket.mjs", "server.mjs", "client.mjs")
_NPM_CI = ("npm", "ci", "--prefer-offline", "--fetch-retries=1", "--no-audit", "--no-fund", "--ignore-scripts")
_OURS = frozenset({"EUSAGE", "EINTEGRITY", "EJSONPARSE"})  # package.json and its lock file are to blame, and no network
_OLDEST_NODE = 20
_NPM_S = 180
_START_S = 90
_CALL_S = 90
_STOP_S = 20


def installed(cache: Path) -> Path:
    """A folder with the locked packages and our programs; of one lock file they are fetched once and kept."""
    _require_node()
    locked = (_HERE / "package-lock.json").read_bytes()
    folder = cache / sha256(locked).hexdigest()[:16]
    with alone(cache / "lock"):
        if not (folder / "complete").exists():
            _fetch(folder)
        for name in _PROGRAMS:
            _put(folder, name)
    return folder


def _require_node() -> None:
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("no npm and node on PATH")
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    if int(said.removeprefix("v").partition(".")[0]) < _OLDEST_NODE:
        pytest.skip(f"node is older than {_OLDEST_NODE}")


@contextmanager
def alone(place: Path) -> Iterator[None]:
    """Tests run side by side, and one of them fetches for all."""
    with place.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _fetch(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in _PACKAGES:
        _put(folder, name)
    try:
        done = subprocess.run(_NPM_CI, cwd=folder, capture_output=True, text=True, check=False, timeout=_NPM_S)
    except subprocess.TimeoutExpired:
        pytest.skip("npm ci did not come to an end: is its registry within reach?")
    if done.returncode:
        code = next(iter(re.findall(r"^npm \S+ code (\w+)$", done.stderr, re.MULTILINE)), "no code")
        assert code not in _OURS, code
        pytest.skip(f"npm ci failed ({code}): is its registry within reach?")
    (folder / "complete").touch()


def _put(folder: Path, name: str) -> None:
    """Copy one of our files at once: another test's node may be reading it."""
    shutil.copy(_HERE / name, folder / f"{name}.new")
    (folder / f"{name}.new").replace(folder / name)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Medplum's server; below its URL every name is a FHIR server of its own, empty at first."""
    with subprocess.Popen(
        ["node", "server.mjs"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        late = Timer(_START_S, process.kill)
        late.start()
        try:
            url = process.stdout.readline().strip()
            late.cancel()
            assert url, "the server did not say where it listens"
            yield url
        finally:
            late.cancel()
            process.stdin.close()
            process.wait(_STOP_S)


def seed(base: str, resources: Iterable[Mapping[str, Any]]) -> None:
    """Write resources under their own ids, in one batch."""
    entry = [
        {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
        for one in resources
    ]
    answer = requests.post(base, json={"resourceType": "Bundle", "type": "batch", "entry": entry}, timeout=_CALL_S)
    answer.raise_for_status()
    said = answer.json()["entry"]
    refused = [one["response"] for one in said if not one["response"]["status"].startswith("2")]
    assert (len(said), refused) == (len(entry), [])


def found(base: str, query: str) -> list[dict[str, Any]]:
    """What a search finds; all of it has to be on one page."""
    answer = requests.get(f"{base}/{query}", timeout=_CALL_S)
    answer.raise_for_status()
    bundle = answer.json()
    resources = [one["resource"] for one in bundle.get("entry", ())]
    assert len(resources) == bundle["total"]
    return resources


def call(folder: Path, wish: Mapping[str, Any]) -> dict[str, Any]:
    """What Medplum's client says after it called a CDS service."""
    done = subprocess.run(
        ["node", "client.mjs"],
        cwd=folder,
        input=json.dumps(wish),
        capture_output=True,
        text=True,
        check=False,
        timeout=_CALL_S,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said: dict[str, Any] = json.loads(done.stdout)
    return said
