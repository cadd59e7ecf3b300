"""The same patient-view calls to Twinline and to HealthChain, in turn, from the same load generator, in one run.

    make compare

HealthChain lives in an environment of its own (`.venv-compare`) and is never installed beside Twinline.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from cds_app.bench.charts import bodies
from cds_app.bench.loading import send_from_elsewhere
from cds_app.commands.running import end_as_interrupted, free_port, running_service, unconfigured
from cds_app.content import latest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SERVICE = "twinline-patient-view"
CONNECTIONS, WORKERS, ROUNDS, CALLS = 4, 2, 3, 600
_START_S = 90.0


@contextmanager
def healthchain(python: str) -> Iterator[str]:
    """HealthChain with our job on a free loopback port, ready."""
    port = free_port()
    command = [python, "-m", "uvicorn", "healthchain_app:app", "--port", str(port), "--workers", str(WORKERS)]
    environ = {**os.environ, "TWINLINE_SEPSIS": str(latest("sepsis").root), "OMP_NUM_THREADS": "1"}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(  # noqa: S603 - our own application
        [*command, "--log-level", "error", "--no-access-log"], cwd=HERE, env=environ, stdout=quiet, stderr=quiet
    )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(f"{url}/health", process)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SystemExit("HealthChain did not start")
        try:
            if requests.get(url, timeout=2).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.3)
    raise SystemExit("HealthChain was not ready in time")


def cards_of(url: str, path: str) -> int:
    """How many cards one call brings: a service that fails in silence would be fast."""
    answer = requests.post(
        url + path, data=bodies(1, seed=99)[0], headers={"content-type": "application/json"}, timeout=30
    )
    return len(answer.json()["cards"])


def measured(url: str, path: str, seed: int) -> dict[str, float]:
    """One round."""
    sent = send_from_elsewhere(url, path, bodies(CALLS, seed=seed), CONNECTIONS)
    if sent.not_ok:
        raise SystemExit(f"{sent.not_ok} calls were not answered with 200")
    return {"per_second": len(sent.seconds) / sent.took_s, "p50_ms": 1000 * statistics.median(sent.seconds)}


def main() -> None:
    """Rounds in turn; medians and their ratio as JSON."""
    end_as_interrupted()
    with (
        tempfile.TemporaryDirectory(prefix="twinline-compare-") as folder,
        running_service(Path(folder), workers=WORKERS, environ=unconfigured()) as ours,
        healthchain(str(Path(sys.argv[1]).absolute())) as theirs,
    ):
        paths = {
            "twinline": (ours, f"/cds-services/{SERVICE}"),
            "healthchain": (theirs, f"/cds/cds-services/{SERVICE}"),
        }
        if 0 in [cards_of(*place) for place in paths.values()]:
            raise SystemExit("one of them answers without a card")
        rounds: dict[str, list[dict[str, float]]] = {name: [] for name in paths}
        for seed in range(ROUNDS + 1):
            for name, place in paths.items():
                rounds[name].append(measured(*place, seed=seed))
    middle = {
        name: {key: statistics.median(one[key] for one in found) for key in found[0]}
        for name, (_, *found) in rounds.items()
    }
    ratio = middle["twinline"]["per_second"] / middle["healthchain"]["per_second"]
    report = {name: {key: round(value, 1) for key, value in one.items()} for name, one in middle.items()}
    print(json.dumps({**report, "twinline_to_healthchain": round(ratio, 2)}, indent=2))


if __name__ == "__main__":
    main()
