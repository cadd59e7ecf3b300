"""``twinline bench``: speed and memory of the real service over HTTP, with the load generator beside it."""

from __future__ import annotations

import json
import os
import platform
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import numpy as np

from cds_app.adapters.store_bench import bench_store
from cds_app.bootstrap import door_through
from cds_app.commands.examples import examples
from cds_app.commands.loading import send_from_elsewhere
from cds_app.commands.page_bench import bench_pages
from cds_app.commands.serving import running_service, unconfigured
from cds_app.commands.trial_bench import bench_trials
from cds_app.content import artefact
from cds_app.deps import Trust, knowledge_of, register_of, trust_of
from cds_app.domain.clients import Client
from cds_app.explain.bench import bench_shap
from cds_app.fabric.reading import read
from cds_app.services.knowledge import Knowledge
from cds_app.services.records import Twinner
from cds_app.services.trust import Door
from cds_app.services.trust_bench import bench_door
from cds_app.settings import Settings
from cds_app.twin.bench import bench_twin

_LOINC = "http://loinc.org"
_UCUM = "http://unitsofmeasure.org"
_HOURS = 11
# LOINC code, unit, value at first, drift per hour, spread: everybody gets worse, so that cards are built and explained.
_VITALS = (
    ("8867-4", "/min", 84.0, 4.0, 6.0),
    ("9279-1", "/min", 16.0, 1.2, 2.0),
    ("59408-5", "%", 97.0, -0.5, 1.0),
    ("8310-5", "Cel", 36.9, 0.2, 0.2),
    ("8480-6", "mm[Hg]", 122.0, -3.2, 6.0),
    ("8462-4", "mm[Hg]", 68.0, -2.0, 4.0),
    ("8478-0", "mm[Hg]", 86.0, -2.4, 4.0),
)
_LABS = (
    ("2160-0", "mg/dL", 1.0, 0.05, 0.1),
    ("3094-0", "mg/dL", 18.0, 0.5, 2.0),
    ("2823-3", "mmol/L", 4.2, 0.0, 0.2),
    ("2951-2", "mmol/L", 139.0, 0.0, 1.5),
    ("32693-4", "mmol/L", 1.4, 0.25, 0.3),
    ("6690-2", "10*3/uL", 10.5, 0.7, 1.0),
    ("777-3", "10*3/uL", 210.0, -5.0, 15.0),
    ("718-7", "g/dL", 11.2, 0.0, 0.4),
    ("1975-2", "mg/dL", 0.8, 0.05, 0.1),
    ("2345-7", "mg/dL", 132.0, 2.0, 12.0),
    ("1963-8", "mmol/L", 24.0, -0.4, 1.0),
)


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


@click.command(epilog=examples("twinline bench", "twinline bench --requests 1000 --connections 16 --json bench.json"))
@click.option("--requests", "count", type=int, default=2000, show_default=True, help="Requests in each of three runs.")
@click.option("--connections", type=int, default=4, show_default=True)
@click.option("--workers", type=int, default=2, show_default=True)
@click.option("--json", "report", type=click.Path(path_type=Path), help="Also write the figures here.")
def bench(count: int, connections: int, workers: int, report: Path | None) -> None:
    """Measure speed and memory on this machine."""
    figures = {"machine": _machine(), "service": _service(count, connections, workers), **_parts()}
    text = json.dumps(figures, indent=2)
    click.echo(text)
    if report is not None:
        report.write_text(text + "\n", "utf-8")


def _service(count: int, connections: int, workers: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="twinline-bench-") as folder:
        begun = time.monotonic()
        with running_service(Path(folder), workers=workers, environ=unconfigured()) as url:
            ready_s = time.monotonic() - begun
            pids = workers_of(url, Path(folder))
            run_load(url, bodies(200, seed=0), connections, pids)
            first, again = [], []
            for seed in (1, 2, 3):
                first.append(run_load(url, bodies(count, seed=seed), connections, pids))
                again.append(run_load(url, bodies(count, seed=seed, later_h=1), connections, pids))
    return {
        "cold_start_s": round(ready_s, 2),
        "first_opening": _median(first),
        "opened_again_an_hour_later": _median(again),
    }


def _median(runs: Sequence[Load]) -> dict[str, Any]:
    """Medians over the runs, each figure on its own, beside the runs."""
    rows = [asdict(run) for run in runs]
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]} | {"runs": rows}


def bodies(count: int, *, seed: int, later_h: int = 0) -> list[bytes]:
    """Patient-view calls with about 100 Observations prefetched each.

    Parameters
    ----------
    seed : int
        Another seed, other patients.
    later_h : int
        The same patients so many hours later: as many newer vital signs come first, as many of the oldest are gone.
    """
    rng = np.random.default_rng(seed)
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    return [_body(f"bench-{seed}-{index}", now, later_h, rng.spawn(1)[0]) for index in range(count)]


def _body(patient: str, now: datetime, later_h: int, rng: np.random.Generator) -> bytes:
    request = {
        "hook": "patient-view",
        "hookInstance": str(uuid.UUID(bytes=rng.bytes(16))),
        "context": {"userId": "Practitioner/bench", "patientId": patient},
        "prefetch": {
            "patient": {"resourceType": "Patient", "id": patient, "gender": "female", "birthDate": "1961-04-02"},
            "encounters": _bundle([_encounter(patient, now)]),
            "vitals": _bundle(list(_observations(patient, _VITALS, range(later_h, _HOURS + later_h), now, rng))),
            "labs": _bundle(list(_observations(patient, _LABS, (1, 8), now, rng))),
            **{key: _bundle([]) for key in ("conditions", "medications", "administrations", "statements")},
            **{key: _bundle([]) for key in ("allergies", "procedures", "orders")},
        },
    }
    return json.dumps(request).encode()


def _bundle(resources: Sequence[dict[str, Any]]) -> dict[str, Any]:
    entries = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}


def _encounter(patient: str, now: datetime) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": f"{patient}-stay",
        "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "type": [{"text": "Intensive care unit"}],
        "subject": {"reference": f"Patient/{patient}"},
        "period": {"start": (now - timedelta(hours=_HOURS + 1)).isoformat()},
    }


def _observations(
    patient: str,
    kinds: Sequence[tuple[str, str, float, float, float]],
    hours: Sequence[int],
    now: datetime,
    rng: np.random.Generator,
) -> Iterator[dict[str, Any]]:
    """Values at hours counted from the start of monitoring; hour `_HOURS` - 1 is ``now``."""
    for code, unit, first, drift, sd in kinds:
        noise = rng.normal(0.0, sd, 2 * _HOURS)
        for hour in hours:
            at = (now + timedelta(hours=hour + 1 - _HOURS)).isoformat()
            yield {
                "resourceType": "Observation",
                "id": f"{patient}-{code}-{hour}",
                "meta": {"versionId": "1"},
                "status": "final",
                "code": {"coding": [{"system": _LOINC, "code": code}]},
                "subject": {"reference": f"Patient/{patient}"},
                "effectiveDateTime": at,
                "issued": at,
                "valueQuantity": {
                    "value": round(float(first + drift * hour + noise[hour]), 2),
                    "unit": unit,
                    "system": _UCUM,
                    "code": unit,
                },
            }


def run_load(url: str, requests: Sequence[bytes], connections: int, pids: Sequence[int]) -> Load:
    """Send all requests from another process and look what they took, here and in the workers."""
    before = sum(map(_cpu_s, pids))
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
        cpu_ms_per_request=round(1000 * (sum(map(_cpu_s, pids)) - before) / len(sent.seconds), 2),
        worker_peak_mib=round(max(map(_peak_mib, pids)), 1),
    )


def workers_of(url: str, folder: Path) -> list[int]:
    """Process ids of the workers: the children of the process whose command line names the port."""
    port = str(urlsplit(url).port)
    master = [pid for pid in _all_pids() if str(folder) in (line := _command_line(pid)) and port in line]
    parents = {pid: _parent(pid) for pid in _all_pids()}
    roots = [pid for pid in master if parents.get(pid) not in master]
    return [pid for pid, parent in parents.items() if parent in roots]


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def _cpu_s(pid: int) -> float:
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    peak = next(line for line in status if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


def _machine() -> dict[str, Any]:
    return {"python": platform.python_version(), "cpus": os.cpu_count(), "load": os.getloadavg()}


def _parts() -> dict[str, Any]:
    """The twin, the attributions, the store and the pages on their own."""
    knowledge = knowledge_of(Settings())
    with tempfile.TemporaryDirectory(prefix="twinline-bench-") as folder:
        store = bench_store(f"sqlite:///{folder}/store.sqlite")
    twin = asdict(bench_twin(knowledge.twin, knowledge.ontology, time.perf_counter))
    parts = {"ingest_and_twin": _ingest(knowledge), "twin": twin}
    parts |= {"attributions": _attributions(knowledge), "store_sqlite": store}
    parts |= {"sidebar": bench_pages(knowledge, bodies(1, seed=4)[0]), "simulations": bench_trials(knowledge)}
    return {**parts, "jwt_check": _jwt_check()}


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
            "memory": bench_door(in_memory, time.perf_counter),
            "sqlite": bench_door(in_sqlite, time.perf_counter),
        }


def _attributions(knowledge: Knowledge) -> dict[str, dict[str, float]]:
    """Per learned risk, exact SHAP values of our own engine beside xgboost's."""
    found = {}
    for name, model in knowledge.risks.items():
        content = artefact(name, model.version).read_bytes("model.ubj")
        found[name] = bench_shap(model, content, time.perf_counter).figures()
    return found


def _ingest(knowledge: Knowledge) -> dict[str, float]:
    """Observations per second from JSON resources to the updated twin, on one core."""
    rng, now = np.random.default_rng(5), datetime.now(UTC).replace(microsecond=0)
    made = [list(_observations(f"i{n}", _VITALS, range(_HOURS), now, rng)) for n in range(100)]
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
                learned=now,
                now=now,
            )
            twinner.extended(twinner.empty(), reading.facts)
        times.append(time.perf_counter() - begun)
    count = sum(map(len, made))
    return {"observations_per_s": round(count / statistics.median(times)), "observations": count}
