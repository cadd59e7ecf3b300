"""``twinline replay``: finished records through Twinline in event time, in process or over HTTP."""

from __future__ import annotations

import gzip
import json
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

import click
import requests

from cds_app.bootstrap import answering_of, knowledge_of, memory_deps
from cds_app.domain.events import HookEvent
from cds_app.domain.strict_json import loads
from cds_app.errors import BadRequest, DependencyDown
from cds_app.fabric.bundles import unpack
from cds_app.fabric.reading import read
from cds_app.services.calls import HookCall
from cds_app.services.chronicle import Step, monitored_days, steps, tell
from cds_app.services.knowledge import Knowledge
from cds_app.settings import Settings
from cds_app.web.requests import SIMULATED_TIME

SERVICE, HOOK, USER = "twinline-patient-view", "patient-view", "Practitioner/replay"
_STEP = re.compile(r"(\d+(?:\.\d+)?)(m|h|d)\Z")
_MINUTES = {"m": 1.0, "h": 60.0, "d": 1440.0}
_SUFFIXES = (".json", ".json.gz", ".ndjson", ".ndjson.gz")
_MAX_BYTES = 1 << 30

Entries = list[tuple[str, Mapping[str, Any]]]
Cards = Sequence[Mapping[str, Any]]
Ask = Callable[[str, Step, Mapping[str, Any]], Cards]


@dataclass(slots=True)
class Totals:
    """What a replay adds up."""

    patients: int = 0
    calls: int = 0
    days: float = 0.0
    cards: Counter[str] = field(default_factory=Counter)
    resources: Counter[str] = field(default_factory=Counter)
    issues: Counter[str] = field(default_factory=Counter)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--service", help="URL of a running service started with --simulated-time; in process without.")
@click.option("--step", default="1h", show_default=True, help="How often the chart is opened: 30m, 1h, 1d.")
@click.option("--out", type=click.Path(path_type=Path), help="Every card shown, one JSON object a line.")
def replay(paths: tuple[Path, ...], service: str | None, step: str, out: Path | None) -> None:
    """Feed FHIR bundles through Twinline as the EHR would: patient-view at each step with what was known by then."""
    knowledge = knowledge_of(Settings())
    ask = over_http(service) if service else in_process(knowledge)
    totals, begun = Totals(), time.monotonic()
    with ExitStack() as stack:
        sink = stack.enter_context(out.open("w", encoding="utf-8")) if out else None
        for file in files_of(paths):
            for patient, entries in patients_of(file):
                replay_patient(patient, entries, interval_of(step), ask, totals, sink)
                account(patient, entries, knowledge, totals)
    for line in report(totals, time.monotonic() - begun):
        click.echo(line)


def replay_patient(
    patient: str, entries: Entries, every: timedelta, ask: Ask, totals: Totals, sink: TextIO | None
) -> None:
    """Open one patient's chart at every step that brings news."""
    moments: list[datetime] = []
    for step in steps(tell(entries), every):
        prefetch = prefetch_of(step)
        for card in ask(patient, step, prefetch):
            totals.cards[f"{card['indicator']:8} {card['source']['topic']['code']}"] += 1
            if sink is not None:
                said = {"patient": patient, "at": step.at.isoformat(), "card": card}
                sink.write(json.dumps(said, ensure_ascii=False) + "\n")
        moments.append(step.at)
    totals.patients += 1
    totals.calls += len(moments)
    totals.days += monitored_days(moments)


def prefetch_of(step: Step) -> dict[str, Any]:
    """News by resource type, as Bundles; types without news as empty ones, so that nothing is left to fetch."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in step.news:
        entry = {"fullUrl": one.full_url} if one.full_url else {}
        found.setdefault(str(one.resource.get("resourceType")), []).append({**entry, "resource": one.resource})
    bundles = {kind: {"resourceType": "Bundle", "type": "collection", "entry": rows} for kind, rows in found.items()}
    empty: dict[str, Any] = {"patient": None, "vitals": None}
    return {**empty, **bundles}


def in_process(knowledge: Knowledge) -> Ask:
    """Through the use case itself, over a store in memory."""
    answering = answering_of(memory_deps(knowledge, Settings(simulated_time=True)))

    def ask(patient: str, step: Step, prefetch: Mapping[str, Any]) -> Cards:
        event = HookEvent(
            service=SERVICE,
            hook=HOOK,
            instance=str(uuid.uuid4()),
            tenant="local",
            patient=patient,
            user=USER,
            encounter=None,
            received=step.at,
        )
        call = HookCall(event=event, prefetch=prefetch, context={"patientId": patient, "userId": USER})
        return [json.loads(card) for card in answering.answer(call)]

    return ask


def over_http(service: str) -> Ask:
    """Through a running service."""
    session = requests.Session()
    session.trust_env = False
    url = f"{service.rstrip('/')}/cds-services/{SERVICE}"

    def ask(patient: str, step: Step, prefetch: Mapping[str, Any]) -> Cards:
        body = {
            "hook": HOOK,
            "hookInstance": str(uuid.uuid4()),
            "context": {"patientId": patient, "userId": USER},
            "prefetch": prefetch,
            "extension": {SIMULATED_TIME: step.at.isoformat()},
        }
        try:
            answer = session.post(url, json=body, timeout=60)
        except requests.RequestException as error:
            raise DependencyDown("the service does not answer", field="--service") from error
        if not answer.ok:
            raise DependencyDown(f"the service answered {answer.status_code}: {_why(answer)}", field="--service")
        cards: Cards = answer.json()["cards"]
        return cards

    return ask


def _why(answer: requests.Response) -> str:
    try:
        return str(answer.json()["issue"][0]["details"]["text"])
    except (ValueError, LookupError, TypeError):
        return "no reason given"


def account(patient: str, entries: Entries, knowledge: Knowledge, totals: Totals) -> None:
    """Count every resource of the finished record once: used, unknown code, or dropped with a reason."""
    told = [one.at for one in tell(entries) if one.at is not None]
    end = max(told, default=datetime.now(UTC))
    bundle = {"resourceType": "Bundle", "entry": [{"fullUrl": url, "resource": one} for url, one in entries]}
    reading = read([bundle], patient=patient, ontology=knowledge.ontology, units=knowledge.units, learned=end, now=end)
    for kind, tally in reading.tally.items():
        totals.resources.update({f"{kind} used": tally.used, f"{kind} unknown code": tally.unknown})
        totals.resources[f"{kind} dropped"] += tally.dropped
    totals.issues.update(f"{one.code.value}{'' if one.dropped else ' (kept)'}" for one in reading.issues)


def report(totals: Totals, seconds: float) -> Iterator[str]:
    """The totals as lines."""
    yield f"{totals.patients} patients, {totals.calls} chart openings, {totals.days:.1f} patient-days, {seconds:.0f} s"
    yield "resources:"
    yield from (f"  {count:>8}  {name}" for name, count in sorted(totals.resources.items()) if count)
    yield "issues:"
    yield from (f"  {count:>8}  {name}" for name, count in totals.issues.most_common())
    yield "cards shown:"
    yield from (f"  {count:>8}  {name}" for name, count in sorted(totals.cards.items()))
    urgent = sum(count for name, count in totals.cards.items() if not name.startswith("info"))
    if totals.days > 0:
        per = 100.0 / totals.days
        every = sum(totals.cards.values()) * per
        yield f"cards per 100 patient-days: {every:.1f}; alerts (warning or critical): {urgent * per:.1f}"


def interval_of(text: str) -> timedelta:
    """Read ``30m``, ``1h`` or ``1d``."""
    found = _STEP.match(text)
    if found is None or float(found[1]) <= 0:
        raise click.BadParameter("use a number with m, h or d, for example 1h", param_hint="--step")
    return timedelta(minutes=float(found[1]) * _MINUTES[found[2]])


def files_of(paths: Sequence[Path]) -> Iterator[Path]:
    """Files as given, and every bundle in folders as given."""
    for path in paths:
        inside = sorted(one for one in path.rglob("*") if one.name.endswith(_SUFFIXES)) if path.is_dir() else [path]
        yield from inside


def patients_of(file: Path) -> Iterator[tuple[str, Entries]]:
    """Each patient in a file with everything that speaks of them.

    Resources that name no patient (Practitioner, Medication) go to every patient of the file.
    """
    entries: Entries = []
    for document in _documents(file):
        items, _ = unpack(document, at=file.name)
        entries.extend((item.full_url, item.resource) for item in items if isinstance(item.resource, dict))
    people = {one["id"]: url for url, one in entries if one.get("resourceType") == "Patient" and one.get("id")}
    for patient, url in people.items():
        names = {f"Patient/{patient}", f"urn:uuid:{patient}", url or patient}
        yield patient, [(at, one) for at, one in entries if _speaks_of(one, patient, names)]


def _speaks_of(resource: Mapping[str, Any], patient: str, names: set[str]) -> bool:
    if resource.get("resourceType") == "Patient":
        return resource.get("id") == patient
    subject = resource.get("subject") or resource.get("patient")
    reference = subject.get("reference") if isinstance(subject, dict) else None
    if not isinstance(reference, str):
        return True
    return reference in names or reference.endswith(f"/Patient/{patient}")


def _documents(file: Path) -> Iterator[object]:
    raw = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    try:
        if ".ndjson" in file.name:
            yield from (loads(line, max_bytes=_MAX_BYTES) for line in raw.splitlines() if line.strip())
        else:
            yield loads(raw, max_bytes=_MAX_BYTES)
    except BadRequest as error:
        raise BadRequest(f"{file.name} is not JSON: {error.message}", field=error.field) from error
