"""``twinline bench bulk``: how fast a bulk export is taken in here, and in how much memory."""

from __future__ import annotations

import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, NamedTuple

from cds_app.adapters.http.export import RequestsExportServer
from cds_app.bootstrap import intake_of
from cds_app.deps import deps_of
from cds_app.services.sources.exporting import Exporting
from cds_app.services.sources.intake import Source
from cds_app.services.sources.populating import Populating
from cds_app.settings import Settings

_TESTS: Final = (
    *(("2823-3", "mmol/L", 4.1), ("2951-2", "mmol/L", 140.0), ("2160-0", "mg/dL", 1.1), ("718-7", "g/dL", 13.2)),
    *(("8867-4", "/min", 84.0), ("8310-5", "Cel", 36.9), ("9279-1", "/min", 16.0), ("59408-5", "%", 96.0)),
)
_START: Final = datetime(2025, 1, 1, tzinfo=UTC)
_MEGABYTE: Final = 1_000_000


class _Size(NamedTuple):
    megabytes: int
    patients: int
    each: int


def bench_bulk(megabytes: int, patients: int, each: int) -> dict[str, Any]:
    """Take an export in, from the socket of an EHR beside it to the SQLite file.

    The EHR is another process, which makes the file up as it sends it. CPU time is this process's own, of all threads.

    Parameters
    ----------
    each : int
        How many results of one patient follow in a row.
    """
    ours, theirs = multiprocessing.Pipe()
    size = _Size(megabytes, patients, each)
    ehr = multiprocessing.get_context("spawn").Process(target=_ehr, args=(theirs, size), daemon=True)
    ehr.start()
    try:
        return _measured(f"http://127.0.0.1:{ours.recv()}/fhir")
    finally:
        ehr.terminate()
        ehr.join()


def _measured(base: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        deps = deps_of(Settings(data_dir=Path(folder)))
        server = RequestsExportServer(base, loopback_http=True)
        intake = intake_of(deps, Source(name="bench", tenant=base))
        exporting = Exporting(
            name="bench",
            server=server,
            taker=Populating(intake),
            cabinet=deps.ehrs.cabinet,
            token=lambda new: "token",
            clock=deps.clock,
            pause=time.sleep,
        )
        wall, cpu = time.perf_counter(), time.process_time()
        place = exporting.run("Patient/$export")
        cpu_s, wall_s = time.process_time() - cpu, time.perf_counter() - wall
        deps.close()
        server.close()
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
    return {
        "resources": place.counts["resources"],
        "resources_per_cpu_s": round(place.counts["resources"] / cpu_s),
        "cpu_s": round(cpu_s, 2),
        "wall_s": round(wall_s, 2),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "database_mb": round(size / _MEGABYTE),
        "counts": dict(sorted(place.counts.items())),
    }


def _lines(size: _Size) -> Iterator[bytes]:
    """Results of patients who come again and again, until there are so many megabytes."""
    made = number = 0
    while made < size.megabytes * _MEGABYTE:
        patient = number // size.each % size.patients
        code, unit, value = _TESTS[number % len(_TESTS)]
        at = (_START + timedelta(minutes=number)).isoformat()
        line = json.dumps(_result(number, patient, at, code, unit, round(value * (1 + number % 7 / 100), 2)))
        made += len(line) + 1
        number += 1
        yield line.encode() + b"\n"


def _result(number: int, patient: int, at: str, code: str, unit: str, value: float) -> dict[str, Any]:
    concept = {"coding": [{"system": "http://loinc.org", "code": code, "display": "A result of the bench"}]}
    category = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}
    return {
        "resourceType": "Observation",
        "id": f"r{number}",
        "meta": {"versionId": "1", "lastUpdated": at},
        "status": "final",
        "category": [{"coding": [category]}],
        "code": concept,
        "subject": {"reference": f"Patient/p{patient}"},
        "encounter": {"reference": f"Encounter/e{patient}"},
        "effectiveDateTime": at,
        "issued": at,
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
    }


class _Export(BaseHTTPRequestHandler):
    server: _Ehr

    def do_GET(self) -> None:
        base = f"http://127.0.0.1:{self.server.server_port}"
        if self.path.startswith("/fhir/Patient"):
            self.send_response(202)
            self.send_header("Content-Location", f"{base}/status")
            self.end_headers()
        elif self.path == "/status":
            output = [{"type": "Observation", "url": f"{base}/file"}]
            manifest = {"transactionTime": _START.isoformat(), "requiresAccessToken": True, "output": output}
            self._say("application/json", iter([json.dumps(manifest).encode()]))
        else:
            self._say("application/fhir+ndjson", _lines(self.server.size))

    def do_DELETE(self) -> None:
        self.send_response(202)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return

    def _say(self, kind: str, pieces: Iterator[bytes]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        for piece in pieces:
            self.wfile.write(piece)


class _Ehr(ThreadingHTTPServer):
    size: _Size


def _ehr(pipe: Connection, size: _Size) -> None:
    """An EHR that has one file to export."""
    server = _Ehr(("127.0.0.1", 0), _Export)
    server.size = size
    pipe.send(server.server_port)
    server.serve_forever()
