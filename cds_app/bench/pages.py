"""How long the sidebar's pages take, and how large they are: the service's own time, without EHR and network."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cds_app.bench.charts import bundle, observation
from cds_app.bootstrap import answering_of, app_of, bedside_of, quiet_logs, smart_of
from cds_app.content import content_root
from cds_app.deps import memory_deps
from cds_app.domain.visits import Visit
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.feedback import Listening
from cds_app.services.sidebar.frame import Asking
from cds_app.settings import Settings

BASE: Final = "https://bench.example/r4"
_TIMES: Final = 15
_BODY: Final = (
    *(("29463-7", "kg", 78.0), ("8302-2", "cm", 168.0)),
    *(("8480-6", "mm[Hg]", 118.0), ("8462-4", "mm[Hg]", 66.0), ("8478-0", "mm[Hg]", 83.0), ("8867-4", "/min", 88.0)),
)
"""Weight, height and a circulation of now, which simulations need and the calls of the other benchmarks lack."""


@dataclass(frozen=True, slots=True)
class Chart:
    """The prefetch of one call, as a FHIR server would tell it."""

    found: Mapping[str, Any]

    def allowed(self, base: str) -> bool:
        return base == BASE

    def breakers(self) -> tuple[str, ...]:
        return ()

    def read(self, base: str, path: str, *, token: str | None, budget_s: float) -> Mapping[str, Any]:
        kind = path.partition("?")[0].partition("/")[0]
        if kind == "Patient":
            patient: Mapping[str, Any] = self.found["patient"]
            return patient
        held = [one for one in self.found.values() if isinstance(one, dict) and one.get("resourceType") == "Bundle"]
        rows = [row for one in held for row in one.get("entry", ()) if row["resource"]["resourceType"] == kind]
        return {"resourceType": "Bundle", "type": "searchset", "entry": rows}


def bench_pages(knowledge: Knowledge, body: bytes) -> dict[str, Any]:
    """Median milliseconds and kilobytes of each page, of a patient-view call's patient."""
    quiet_logs()
    call = json.loads(body)
    asked = _asking(knowledge, call)
    pages = asked.desk.sidebar
    looks: dict[str, Callable[[], str]] = {
        "now": lambda: pages.now(asked.asking),
        "trend": lambda: pages.trend(asked.asking, "lactate", 24),
        "why": lambda: pages.why(asked.asking, "sepsis"),
        "options": lambda: pages.options(asked.asking),
        "history": lambda: pages.history(asked.asking, lambda: ""),
    }
    found = {name: _measured(look, _TIMES) for name, look in looks.items()}
    script = (content_root() / "templates" / "static" / "sidebar.js").stat().st_size
    return {**found, "script_kb": round(script / 1000, 1)}


def _measured(look: Callable[[], str], times: int) -> dict[str, float]:
    size = len(look().encode())
    spent = []
    for _ in range(times):
        begun = time.perf_counter()
        look()
        spent.append(1000 * (time.perf_counter() - begun))
    return {"ms": round(statistics.median(spent), 1), "kb": round(size / 1000, 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    desk: Any
    asking: Asking


def _asking(knowledge: Knowledge, call: Mapping[str, Any]) -> _Asked:
    now, patient = datetime.now(UTC), call["context"]["patientId"]
    body = bundle(observation(patient, *one, now - timedelta(minutes=5)) for one in _BODY)
    chart = Chart({**call["prefetch"], "body": body})
    deps = replace(memory_deps(knowledge, Settings(open_to_this_machine=True)), fhir=chart)
    app_of(deps)  # as it is served: everything is loaded
    answering = answering_of(deps)
    listening = Listening(deps.store, answering.records, knowledge.templates, deps.meter)
    desk = bedside_of(deps, answering, listening, smart_of(deps))
    visit = Visit(id="bench", issuer=BASE, realm=BASE, patient=patient, began=now - timedelta(minutes=1))
    opened = desk.opening.refresh(visit, lambda: "token")
    return _Asked(desk=desk, asking=Asking(opened=opened, root="/sidebar/bench", token=""))
