"""``twinline bench``: the benchmarks. Each prints its figures as one JSON object, which `> FILE` keeps.

Each loads what it measures and no more: what the others need would count as its memory.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from typing import Any

import click

from cds_app.bootstrap import quiet_logs
from cds_app.commands.examples import examples
from cds_app.commands.running import end_as_interrupted
from cds_app.errors import DependencyDown

_COUNT = click.IntRange(1)


@click.group()
def bench() -> None:
    """Measure speed and memory on this machine; figures come as JSON."""
    quiet_logs()
    end_as_interrupted()


@bench.command(epilog=examples("twinline bench service", "twinline bench service --requests 1000 --connections 16"))
@click.option("--requests", "count", type=_COUNT, default=2000, show_default=True, help="In each of six runs.")
@click.option("--connections", type=_COUNT, default=4, show_default=True, help="Of the load generator.")
@click.option("--workers", type=_COUNT, default=2, show_default=True, help="Of the service.")
def service(count: int, connections: int, workers: int) -> None:
    """Open charts over HTTP. The load generator stands beside the service."""
    from cds_app.bench.service import bench_service

    _tell(bench_service(count, connections, workers))


@bench.command()
def parts() -> None:
    """Time each part of a call and of a page. Twin, attributions, store, pages, simulations, check of tokens."""
    from cds_app.bench.parts import bench_parts

    _tell(bench_parts())


@bench.command()
def drugs() -> None:
    """Simulate drugs, beside an ODE solver. Times virtual patients and what-if questions, in CPU time."""
    from cds_app.bench.drugs import bench_drugs

    _tell(bench_drugs())


@bench.command()
@click.option("--messages", type=_COUNT, default=4000, show_default=True, help="HL7 v2, eight results each.")
@click.option("--peers", type=_COUNT, default=8, show_default=True, help="That send side by side.")
@click.option("--minutes", type=_COUNT, default=4, show_default=True, help="Of 50 monitors with 6 channels.")
@click.option("--broker", default="", help="HOST:PORT of an MQTT broker to measure through, too.")
def sources(messages: int, peers: int, minutes: int, broker: str) -> None:
    """Take in HL7 v2 messages and samples of monitors. Measured from the socket to the disk."""
    from cds_app.bench.sources import bench_sources

    _tell(bench_sources(messages, peers, minutes, broker))


@bench.command(epilog=examples("twinline bench bulk", "twinline bench bulk --megabytes 2048 --each 1"))
@click.option("--megabytes", type=_COUNT, default=50, show_default=True, help="Size of the file.")
@click.option("--patients", type=_COUNT, default=1000, show_default=True, help="Whom it is about.")
@click.option("--each", type=_COUNT, default=40, show_default=True, help="Results of one that follow in a row.")
def bulk(megabytes: int, patients: int, each: int) -> None:
    """Take in a bulk export. Measured from the socket of an EHR beside it to the disk."""
    from cds_app.bench.bulk import bench_bulk

    _tell(bench_bulk(megabytes, patients, each))


@bench.command(epilog=examples("twinline bench soak --minutes 30 --rate 50"))
@click.option("--minutes", type=click.IntRange(5), default=30, show_default=True, help="After two to warm up.")
@click.option("--rate", type=_COUNT, default=50, show_default=True, help="Requests a second.")
@click.option("--workers", type=_COUNT, default=2, show_default=True, help="Of the service.")
@click.option("--most-growth", type=float, default=5.0, show_default=True, help="Of memory, per cent.")
def soak(minutes: int, rate: int, workers: int, most_growth: float) -> None:
    """Load a service for long. Status 3 if it grows, keeps files open, or does not answer with 200."""
    from cds_app.bench.soak import bench_soak

    found = bench_soak(minutes, rate, workers, most_growth)
    _tell(found)
    if not found["held"]:
        raise DependencyDown("the service did not hold under the load")


def _tell(figures: Mapping[str, Any]) -> None:
    machine = {"python": platform.python_version(), "cpus": os.cpu_count(), "load": os.getloadavg()}
    click.echo(json.dumps({"machine": machine, **figures}, indent=2))
