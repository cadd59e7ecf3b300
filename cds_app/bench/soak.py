"""``twinline bench soak``: whether the real service grows, slows down or leaks under a steady load for a long time."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cds_app.bench.charts import bodies
from cds_app.bench.loading import send_from_elsewhere
from cds_app.bench.processes import memory_mib, open_files, workers_of
from cds_app.commands.running import running_service, unconfigured

_PATH = "/cds-services/twinline-patient-view"
_CONNECTIONS = 8
_BURST = 400  # at full speed first, so that every pool of connections has what it will ever have
_WARM = 2  # minutes in which the patients in memory grow to their limit
_FIFTHS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """One minute of load; memory and open files of all workers together."""

    requests: int
    not_ok: int
    p50_ms: float
    p99_ms: float
    rss_mib: float
    files: int


def bench_soak(minutes: int, rate: int, workers: int, most_growth: float) -> dict[str, Any]:
    """Load a service steadily; ``held`` says whether it did.

    Parameters
    ----------
    rate : int
        Requests a second.
    most_growth : float
        Of memory, per cent.
    """
    with (
        tempfile.TemporaryDirectory(prefix="twinline-soak-") as folder,
        running_service(Path(folder), workers=workers, environ=unconfigured()) as url,
    ):
        pids = workers_of(url, Path(folder))
        send_from_elsewhere(url, _PATH, bodies(_BURST, seed=-1 % 2**32), 2 * _CONNECTIONS)
        found = [_minute(url, rate, seed, pids) for seed in range(_WARM + minutes)][_WARM:]
        same = set(pids) == set(workers_of(url, Path(folder)))
    figures = summary(found)
    grown = figures["files_growth"] > 0 or figures["memory_growth_percent"] > most_growth
    held = same and not figures["not_ok"] and not grown
    return {"held": held, "same_workers": same, **figures, "minutes": [asdict(one) for one in found]}


def _minute(url: str, rate: int, seed: int, pids: Sequence[int]) -> Minute:
    sent = send_from_elsewhere(url, _PATH, bodies(60 * rate, seed=seed), _CONNECTIONS, per_second=rate)
    p50, p99 = np.percentile(1000 * np.array(sent.seconds), (50, 99))
    return Minute(
        requests=len(sent.seconds),
        not_ok=sent.not_ok,
        p50_ms=round(float(p50), 2),
        p99_ms=round(float(p99), 2),
        rss_mib=round(sum(map(memory_mib, pids)), 1),
        files=sum(map(open_files, pids)),
    )


def summary(found: Sequence[Minute]) -> dict[str, Any]:
    """The last fifth of the minutes against the first, by their medians."""
    size = len(found) // _FIFTHS
    first, last = found[:size], found[-size:]
    rss = [statistics.median(one.rss_mib for one in part) for part in (first, last)]
    files = [statistics.median(one.files for one in part) for part in (first, last)]
    slowest = [statistics.median(one.p99_ms for one in part) for part in (first, last)]
    return {
        "requests": sum(one.requests for one in found),
        "not_ok": sum(one.not_ok for one in found),
        "memory_growth_percent": round(100 * (rss[1] / rss[0] - 1), 2),
        "files_growth": files[1] - files[0],
        "p99_ms_first_and_last": slowest,
        "rss_mib_last": rss[1],
    }
