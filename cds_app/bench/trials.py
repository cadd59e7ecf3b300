"""How long simulations take at the HTTP edge: pages of what if over loopback, for every drug that can be simulated."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import numpy as np

from cds_app.bench.charts import LOINC, bundle, observation
from cds_app.bench.pages import BASE, Chart
from cds_app.bootstrap import app_of, quiet_logs, smart_of
from cds_app.deps import Deps, memory_deps
from cds_app.domain.visits import Visit
from cds_app.sandbox.server import running
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.smart.drawers import Drawer, new_secret
from cds_app.services.smart.visits import Held
from cds_app.settings import Settings
from cds_app.web.browser import COOKIE

_SNOMED: Final = "http://snomed.info/sct"
_IV: Final = "47625008"
_ORAL: Final = "26643006"
_VISIT: Final = "bench"
_TIMES: Final = 20
_JUST_BEFORE_H: Final = 0.5
_GENES: Final = {"CYP2C9": "*1/*3", "VKORC1": "C/T", "CYP3A5": "*1/*3"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Treated:
    """What somebody has had of a drug: doses, and what was measured before the newest, and every so many before it.

    ``wander_min``: how far the minutes of doses are from regular ones at most. ``goal``: aimed at; "": the usual one.
    """

    dose_mg: float
    every_h: float
    route: str = _IV
    code: str = ""
    unit: str = "ug/mL"
    levels: tuple[float, ...] = ()
    given: int = 6
    between: int = 1
    wander_min: int = 0
    goal: str = ""


TREATED: Final[Mapping[str, _Treated]] = {
    "gentamicin": _Treated(dose_mg=360.0, every_h=24.0, code="35668-3", levels=(0.9, 1.2)),
    "meropenem": _Treated(dose_mg=1000.0, every_h=8.0),
    "tacrolimus": _Treated(
        dose_mg=4.0,
        every_h=12.0,
        route=_ORAL,
        code="11253-2",
        unit="ng/mL",
        levels=(5.5, 6.2),
        goal="kidney_maintenance",
    ),
    "tobramycin": _Treated(dose_mg=360.0, every_h=24.0, code="35670-9", levels=(0.6, 0.8)),
    "vancomycin": _Treated(dose_mg=1000.0, every_h=12.0, code="20578-1", levels=(11.0, 14.0)),
    "warfarin": _Treated(dose_mg=4.0, every_h=24.0, route=_ORAL, code="6301-6", unit="{INR}", levels=(1.4, 1.8)),
}
LONG: Final = replace(
    TREATED["warfarin"],
    levels=(1.3, 1.8, 2.2, 2.4, 2.1, 2.3, 2.6, 2.2, 2.4, 2.5, 2.2, 2.3),
    given=60,
    between=5,
)
ODD: Final = replace(LONG, wander_min=60)
_USUAL: Final = (
    *(("29463-7", "kg", 78.0), ("8302-2", "cm", 168.0), ("2160-0", "mg/dL", 1.0), ("4544-3", "%", 34.0)),
    *(("8480-6", "mm[Hg]", 118.0), ("8462-4", "mm[Hg]", 66.0), ("8478-0", "mm[Hg]", 83.0), ("8867-4", "/min", 88.0)),
    ("2345-7", "mg/dL", 214.0),
)


def bench_trials(knowledge: Knowledge, *, times: int = _TIMES) -> dict[str, dict[str, float]]:
    """Milliseconds from the request to the whole page, by what is simulated: median and 95th of 100.

    ``cpu_p95_ms`` is what a core spends on it, which other work on the machine moves less. Every request asks for
    another dose, so that nothing is remembered from the one before.
    """
    quiet_logs()
    found = {}
    for name, treated in TREATED.items():
        aimed = {"drug": name, "goal": treated.goal}
        asked = [{**aimed, "dose": f"{treated.dose_mg * (1.0 + 0.02 * n):.3f}"} for n in range(times)]
        found[name] = _timed(knowledge, {name: treated}, "what-if", asked)
        if name == "warfarin":
            found["warfarin after 60 days"] = _timed(knowledge, {name: LONG}, "what-if", asked)
            found["warfarin after 60 days at odd minutes"] = _timed(knowledge, {name: ODD}, "what-if", asked)
    operations = [{"propofol": f"{1.5 + 0.05 * n:.2f}", "loss": "500", "fluid": "500"} for n in range(times)]
    found["operation"] = _timed(knowledge, {}, "operation", operations)
    injections = [{"bolus": f"{2.0 + 0.25 * n:g}", "carbohydrate": "45", "daily": "50"} for n in range(times)]
    found["insulin"] = _timed(knowledge, {}, "insulin", injections)
    return found


def _timed(
    knowledge: Knowledge, treated: Mapping[str, _Treated], page: str, asked: list[dict[str, str]]
) -> dict[str, float]:
    now = datetime.now(UTC).replace(microsecond=0)
    chart = Chart({"patient": _PATIENT, "record": bundle(_record(treated, now))})
    deps = replace(memory_deps(knowledge, Settings(open_to_this_machine=True)), fhir=chart)
    browser = _begun(deps, now)
    spent = []
    with running(app_of(deps)) as url:
        for query in [asked[0], *asked]:  # the first reads the chart and loads what is loaded once
            begun, worked = time.perf_counter(), time.process_time()
            _look(url, f"/sidebar/{_VISIT}/{page}?{urlencode(query)}", {"Cookie": f"{COOKIE}={browser}"})
            spent.append((time.perf_counter() - begun, time.process_time() - worked))
    wall, core = 1000.0 * np.array(spent[1:]).T
    figures = {"p50_ms": np.median(wall), "p95_ms": np.percentile(wall, 95), "cpu_p95_ms": np.percentile(core, 95)}
    return {key: round(float(value), 1) for key, value in figures.items()}


def _look(url: str, path: str, headers: Mapping[str, str]) -> None:
    door = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60.0)
    door.request("GET", path, headers=dict(headers))
    response = door.getresponse()
    text = response.read().decode()
    door.close()
    if response.status != http.client.OK or "Not simulated" in text:
        raise RuntimeError(f"a page of the benchmark was not answered: {response.status}")


def _begun(deps: Deps, now: datetime) -> str:
    """A visit as a launch leaves it behind; the secret of its browser."""
    browser = new_secret()
    visit = Visit(id=_VISIT, issuer=BASE, realm=BASE, patient="bench", began=now)
    held = Held(visit=visit, access="token", expires=now + timedelta(hours=1), seen=now)
    smart_of(deps).visits.begin(Drawer(deps.ehrs.cabinet, browser), held, now)
    return browser


# --- the chart

_ACTIVE: Final = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}
_PROBLEMS: Final = {"diabetes": "E10.9", "transplant": "Z94.0"}  # in ICD-10-CM
_PATIENT: Final = {"resourceType": "Patient", "id": "bench", "gender": "female", "birthDate": "1961-04-02"}


def _record(treated: Mapping[str, _Treated], now: datetime) -> Iterator[dict[str, Any]]:
    for code, unit, value in _USUAL:
        yield observation("bench", code, unit, value, now - timedelta(minutes=5))
    for key, code in _PROBLEMS.items():
        coded = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}]}
        yield {**_about("Condition", key), "clinicalStatus": _ACTIVE, "code": coded}
    for gene, call in _GENES.items():
        yield _genotype(gene, call, now - timedelta(days=90))
    for name, one in treated.items():
        newest = now - timedelta(hours=1)
        starts = [newest - n * timedelta(hours=one.every_h) - _wandered(one, n) for n in range(one.given)]
        yield from (_given(name, one, start) for start in starts)
        if one.unit == "{INR}":
            yield observation("bench", one.code, one.unit, 1.1, starts[-1] - timedelta(hours=1))
        for start, value in zip(starts[:: one.between], reversed(one.levels), strict=False):
            yield observation("bench", one.code, one.unit, value, start - timedelta(hours=_JUST_BEFORE_H))


def _wandered(one: _Treated, n: int) -> timedelta:
    return timedelta(minutes=(37 * n) % (2 * one.wander_min + 1) - one.wander_min) if n else timedelta(0)


def _about(kind: str, key: str) -> dict[str, Any]:
    return {"resourceType": kind, "id": key, "subject": {"reference": "Patient/bench"}}


def _coded(code: str) -> dict[str, Any]:
    return {"coding": [{"system": LOINC, "code": code}]}


def _genotype(gene: str, call: str, at: datetime) -> dict[str, Any]:
    studied = {"coding": [{"system": "http://www.genenames.org/geneId", "display": gene}]}
    return {
        **_about("Observation", gene.lower()),
        "status": "final",
        "code": _coded("84413-4"),
        "effectiveDateTime": at.isoformat(),
        "valueCodeableConcept": {"text": call},
        "component": [{"code": _coded("48018-6"), "valueCodeableConcept": studied}],
    }


def _given(name: str, one: _Treated, at: datetime) -> dict[str, Any]:
    route = {"coding": [{"system": _SNOMED, "code": one.route}]}
    return {
        **_about("MedicationAdministration", f"{name}-{at:%y%m%d%H%M}"),
        "status": "completed",
        "medicationCodeableConcept": {"text": name},
        "effectiveDateTime": at.isoformat(),
        "dosage": {"dose": {"value": one.dose_mg, "unit": "mg"}, "route": route},
    }
