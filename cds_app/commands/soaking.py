"""``twinline soak``: whether the real service grows, slows down or leaks under a steady load for a long time."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from cds_app.commands.benching import bodies, workers_of
from cds_app.commands.examples import examples
from cds_app.commands.loading import send_from_elsewhere
from cds_app.commands.serving import running_service, unconfigured
from cds_app.errors import DependencyDown

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


@click.command(epilog=examples("twinline soak --minutes 30 --rate 50 --json soak.json"))
@click.option("--minutes", type=click.IntRange(_FIFTHS), default=30, show_default=True, help="After two to warm up.")
@click.option("--rate", type=click.IntRange(1), default=50, show_default=True, help="Requests a second.")
@click.option("--workers", type=int, default=2, show_default=True)
@click.option("--most-growth", type=float, default=5.0, show_default=True, help="Of memory, per cent.")
@click.option("--json", "report", type=click.Path(path_type=Path), help="Also write the figures here.")
def soak(minutes: int, rate: int, workers: int, most_growth: float, report: Path | None) -> None:
    """Load a service steadily; status 3 if memory grows, files stay open, or a call is not answered with 200."""
    with (
        tempfile.TemporaryDirectory(prefix="twinline-soak-") as folder,
        running_service(Path(folder), workers=workers, environ=unconfigured()) as url,
    ):
        pids = workers_of(url, Path(folder))
        send_from_elsewhere(url, _PATH, bodies(_BURST, seed=-1 % 2**32), 2 * _CONNECTIONS)
        found = [_minute(url, rate, seed, pids) for seed in range(_WARM + minutes)][_WARM:]
        same = set(pids) == set(workers_of(url, Path(folder)))
    figures = summary(found)
    text = json.dumps({**figures, "minutes": [asdict(one) for one in found]}, indent=2)
    if report is not None:
        report.write_text(text + "\n", "utf-8")
    click.echo(json.dumps(figures, indent=2))
    if not same or figures["not_ok"] or figures["files_growth"] > 0 or figures["memory_growth_percent"] > most_growth:
        raise DependencyDown("the service did not hold under the load" if same else "a worker was replaced")


def _minute(url: str, rate: int, seed: int, pids: Sequence[int]) -> Minute:
    sent = send_from_elsewhere(url, _PATH, bodies(60 * rate, seed=seed), _CONNECTIONS, per_second=rate)
    p50, p99 = np.percentile(1000 * np.array(sent.seconds), (50, 99))
    return Minute(
        requests=len(sent.seconds),
        not_ok=sent.not_ok,
        p50_ms=round(float(p50), 2),
        p99_ms=round(float(p99), 2),
        rss_mib=round(sum(map(_resident_mib, pids)), 1),
        files=sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids),  # noqa: PTH208 - names are all that is needed
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


def _resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024
