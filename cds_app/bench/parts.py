"""``twinline bench parts``: what one call and one page are made of, each part on its own, without a network."""

from __future__ import annotations

import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from cds_app.bench.attributions import bench_attributions
from cds_app.bench.charts import bodies, vital_signs
from cds_app.bench.door import bench_door
from cds_app.bench.pages import bench_pages
from cds_app.bench.store import bench_store
from cds_app.bench.trials import bench_trials
from cds_app.bench.twin import bench_twin
from cds_app.bootstrap import door_through
from cds_app.content import artefact
from cds_app.databases import register_of
from cds_app.deps import Trust, knowledge_of, trust_of
from cds_app.domain.clients import Client
from cds_app.fabric.reading import read
from cds_app.services.callers.trust import Door
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.records import Twinner
from cds_app.settings import Settings


def bench_parts() -> dict[str, Any]:
    """Reading and twin, attributions, store, pages, simulations, and finding out who calls."""
    knowledge = knowledge_of(Settings())
    with tempfile.TemporaryDirectory(prefix="twinline-bench-") as folder:
        store = bench_store(f"sqlite:///{folder}/store.sqlite")
    return {
        "ingest_and_twin": _ingest(knowledge),
        "twin": bench_twin(knowledge.twin, knowledge.ontology),
        "attributions": {
            name: bench_attributions(model, artefact(name, model.version).read_bytes("model.ubj"))
            for name, model in knowledge.risks.items()
        },
        "store_sqlite": store,
        "sidebar": bench_pages(knowledge, bodies(1, seed=4)[0]),
        "simulations": bench_trials(knowledge),
        "jwt_check": _jwt_check(),
    }


def _jwt_check() -> dict[str, dict[str, float]]:
    """Finding out who calls, with used tokens remembered in memory and in SQLite."""
    with tempfile.TemporaryDirectory(prefix="twinline-bench-") as folder:
        settings = Settings(data_dir=Path(folder))

        def in_memory(client: Client) -> Door:
            trust = Trust()
            trust.clients.add(client)
            return door_through(trust, settings)

        def in_sqlite(client: Client) -> Door:
            with register_of(settings) as register:
                for one in register.clients():
                    register.remove(one.name)
                register.add(client)
            return door_through(trust_of(settings), settings)

        return {
            "memory": bench_door(in_memory),
            "sqlite": bench_door(in_sqlite),
        }


def _ingest(knowledge: Knowledge) -> dict[str, float]:
    """Observations per second from JSON resources to the updated twin, on one core."""
    rng, now = np.random.default_rng(5), datetime.now(UTC).replace(microsecond=0)
    made = [vital_signs(f"i{n}", now, rng) for n in range(100)]
    twinner = Twinner(knowledge.twin, knowledge.ontology)
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        for number, resources in enumerate(made):
            reading = read(
                resources,
                patient=f"i{number}",
                ontology=knowledge.ontology,
                units=knowledge.units,
                zone=UTC,
                learned=now,
                now=now,
            )
            twinner.extended(twinner.empty(), reading.facts)
        times.append(time.perf_counter() - begun)
    count = sum(map(len, made))
    return {"observations_per_s": round(count / statistics.median(times)), "observations": count}
