"""``twinline bench service``: the real service over HTTP, with the load generator beside it."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cds_app.bench.charts import bodies
from cds_app.bench.loading import send_from_elsewhere
from cds_app.bench.processes import cpu_s, memory_mib, workers_of
from cds_app.commands.running import running_service, unconfigured


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one run under load gave; times in milliseconds, memory in MiB."""

    requests: int
    connections: int
    not_ok: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    per_second: float
    cpu_ms_per_request: float
    worker_peak_mib: float


def bench_service(count: int, connections: int, workers: int) -> dict[str, Any]:
    """Start a service and open charts that it has never seen, and the same an hour later, three times each."""
    with tempfile.TemporaryDirectory(prefix="twinline-bench-") as folder:
        begun = time.monotonic()
        with running_service(Path(folder), workers=workers, environ=unconfigured()) as url:
            ready_s = time.monotonic() - begun
            pids = workers_of(url, Path(folder))
            _loaded(url, bodies(200, seed=0), connections, pids)
            first, again = [], []
            for seed in (1, 2, 3):
                first.append(_loaded(url, bodies(count, seed=seed), connections, pids))
                again.append(_loaded(url, bodies(count, seed=seed, later_h=1), connections, pids))
    return {
        "cold_start_s": round(ready_s, 2),
        "first_opening": _median(first),
        "opened_again_an_hour_later": _median(again),
    }


def _median(runs: Sequence[Load]) -> dict[str, Any]:
    """Medians over the runs, each figure on its own, beside the runs."""
    rows = [asdict(run) for run in runs]
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]} | {"runs": rows}


def _loaded(url: str, requests: Sequence[bytes], connections: int, pids: Sequence[int]) -> Load:
    """Send all requests from another process and look what they took, here and in the workers."""
    before = sum(map(cpu_s, pids))
    sent = send_from_elsewhere(url, "/cds-services/twinline-patient-view", requests, connections)
    p50, p95, p99 = np.percentile(1000 * np.array(sent.seconds), (50, 95, 99))
    return Load(
        requests=len(sent.seconds),
        connections=connections,
        not_ok=sent.not_ok,
        p50_ms=round(float(p50), 2),
        p95_ms=round(float(p95), 2),
        p99_ms=round(float(p99), 2),
        per_second=round(len(sent.seconds) / sent.took_s, 1),
        cpu_ms_per_request=round(1000 * (sum(map(cpu_s, pids)) - before) / len(sent.seconds), 2),
        worker_peak_mib=round(max(memory_mib(pid, peak=True) for pid in pids), 1),
    )
