"""``twinline replay``: finished records through Twinline in event time, in process or over HTTP."""

from __future__ import annotations

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

from cds_app.bootstrap import answering_of, quiet_logs
from cds_app.commands.examples import examples
from cds_app.commands.progress import track
from cds_app.commands.record_files import Entries, contents_of, files_of
from cds_app.deps import knowledge_of, memory_deps
from cds_app.domain.events import HookEvent
from cds_app.errors import BadRequest, DependencyDown
from cds_app.fabric.reading import read
from cds_app.services.calls.answer import Answering
from cds_app.services.calls.hook_call import HookCall
from cds_app.services.chronicle import Step, Told, monitored_days, steps, tell
from cds_app.services.content.knowledge import Knowledge
from cds_app.settings import Settings, configured
from cds_app.web.requests import SIMULATED_TIME

SERVICE, HOOK, USER = "twinline-patient-view", "patient-view", "Practitioner/replay"
_STEP = re.compile(r"(\d+(?:\.\d+)?)(m|h|d)\Z")
_MINUTES = {"m": 1.0, "h": 60.0, "d": 1440.0}
_ASKED_FOR = frozenset(
    {
        "AllergyIntolerance",
        "Condition",
        "DiagnosticReport",
        "Encounter",
        "Medication",
        "MedicationAdministration",
        "MedicationRequest",
        "MedicationStatement",
        "Observation",
        "Patient",
        "Procedure",
        "ServiceRequest",
    }
)
_STANDING = frozenset({"Patient", "Encounter", "Medication"})  # what others refer to: EHRs send it at every call


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Cards of one call, and how many were held back, by reason; a service over HTTP does not tell."""

    cards: Sequence[Mapping[str, Any]]
    held: Mapping[str, int] = field(default_factory=dict)


Ask = Callable[[str, Step, Mapping[str, Any]], Answer]


@dataclass(slots=True)
class Totals:
    """What a replay adds up."""

    patients: int = 0
    calls: int = 0
    days: float = 0.0
    cards: Counter[str] = field(default_factory=Counter)
    resources: Counter[str] = field(default_factory=Counter)
    issues: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)


@click.command(
    epilog=examples(
        "twinline replay records/ --step 1h --out cards.ndjson",
        "twinline replay stay.ndjson --service http://127.0.0.1:8717",
    )
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--service", help="URL of a running service started with --simulated-time; in process without.")
@click.option("--step", default="1h", show_default=True, help="How often the chart is opened: 30m, 1h, 1d.")
@click.option("--out", type=click.Path(path_type=Path), help="Every card shown, one JSON object a line.")
def replay(paths: tuple[Path, ...], service: str | None, step: str, out: Path | None) -> None:
    """Feed FHIR records through Twinline as the EHR would: patient-view at each step with what was known by then.

    Bundles or resources as .json, .json.gz or .ndjson, files or folders. A running service must not know the patients
    yet. A file that cannot be used is named and left out; the exit status is then 1.
    Cards are told in the units of TWINLINE_UNITS.
    """
    quiet_logs()
    every, knowledge = interval_of(step), knowledge_of(Settings(units=configured().units))
    ask = telling_all(over_http(service) if service else in_process(knowledge), knowledge)
    totals, begun, bad = Totals(), time.monotonic(), 0
    with ExitStack() as stack:
        sink = stack.enter_context(out.open("w", encoding="utf-8")) if out else None
        for file in track(list(files_of(paths)), "Replaying"):
            try:
                replay_file(file, every, ask, knowledge, totals, sink)
            except BadRequest as error:
                click.echo(f"twinline: {error.message}", err=True)
                bad += 1
    for line in report(totals, time.monotonic() - begun):
        click.echo(line)
    if bad:
        raise SystemExit(1)


def replay_file(
    file: Path, every: timedelta, ask: Ask, knowledge: Knowledge, totals: Totals, sink: TextIO | None
) -> None:
    """Replay every patient of a file."""
    contents = contents_of(file)
    totals.issues.update(contents.left_out)
    for patient, entries in contents.patients:
        replay_patient(patient, tell(entries, knowledge.zone), every, ask, totals, sink)
        account(patient, entries, knowledge, totals)


def replay_patient(
    patient: str, told: Sequence[Told], every: timedelta, ask: Ask, totals: Totals, sink: TextIO | None
) -> None:
    """Open one patient's chart at every step that brings news."""
    moments: list[datetime] = []
    standing: dict[object, Told] = {}
    for step in steps(told, every):
        standing.update((_name(one), one) for one in step.news if one.resource.get("resourceType") in _STANDING)
        own = [one for one in step.news if one.resource.get("resourceType") not in _STANDING]
        answer = ask(patient, step, bundles_of([*standing.values(), *own]))
        totals.held.update(answer.held)
        for card in answer.cards:
            totals.cards[f"{card['indicator']:8} {card['source']['topic']['code']}"] += 1
            if sink is not None:
                said = {"patient": patient, "at": step.at.isoformat(), "card": card}
                sink.write(json.dumps(said, ensure_ascii=False) + "\n")
        moments.append(step.at)
    totals.patients += 1
    totals.calls += len(moments)
    totals.days += monitored_days(moments)


def _name(one: Told) -> object:
    return one.resource.get("resourceType"), str(one.resource.get("id") or one.full_url or id(one))


def bundles_of(told: Sequence[Told]) -> dict[str, Any]:
    """What was told of the types a service asks for, as Bundles."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in told:
        if one.resource.get("resourceType") not in _ASKED_FOR:
            continue
        entry = {"fullUrl": one.full_url} if one.full_url else {}
        found.setdefault(str(one.resource.get("resourceType")), []).append({**entry, "resource": one.resource})
    return {kind: {"resourceType": "Bundle", "type": "collection", "entry": rows} for kind, rows in found.items()}


def telling_all(ask: Ask, knowledge: Knowledge) -> Ask:
    """Ask with every key of the service: of what there is no news it is said that there is none, so none is missed."""
    nothing = dict.fromkeys(knowledge.service(SERVICE).prefetch)
    return lambda patient, step, news: ask(patient, step, {**nothing, **news})


def in_process(knowledge: Knowledge) -> Ask:
    """Through the use case itself, over a store in memory that holds one patient at a time."""
    settings = Settings(simulated_time=True)
    known: dict[str, Answering] = {}

    def ask(patient: str, step: Step, prefetch: Mapping[str, Any]) -> Answer:
        if patient not in known:
            known.clear()
            known[patient] = answering_of(memory_deps(knowledge, settings))
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
        decisions = known[patient].decide(call)
        return Answer(
            cards=[json.loads(one.card) for one in decisions if one.shown],
            held=Counter(one.suppression.value for one in decisions if not one.shown),
        )

    return ask


def over_http(service: str) -> Ask:
    """Through a running service."""
    session = requests.Session()
    session.trust_env = False
    url = f"{service.rstrip('/')}/cds-services/{SERVICE}"

    def ask(patient: str, step: Step, prefetch: Mapping[str, Any]) -> Answer:
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
        return Answer(cards=answer.json()["cards"])

    return ask


def _why(answer: requests.Response) -> str:
    try:
        return str(answer.json()["issue"][0]["details"]["text"])
    except (ValueError, LookupError, TypeError):
        return "no reason given"


def account(patient: str, entries: Entries, knowledge: Knowledge, totals: Totals) -> None:
    """Count every resource of the finished record once: used, unknown code, or dropped with a reason."""
    told = [one.at for one in tell(entries, knowledge.zone) if one.at is not None]
    end = max(told, default=datetime.now(UTC))
    bundle = {"resourceType": "Bundle", "entry": [{"fullUrl": url, "resource": one} for url, one in entries]}
    reading = read(
        [bundle],
        patient=patient,
        ontology=knowledge.ontology,
        units=knowledge.units,
        zone=knowledge.zone,
        learned=end,
        now=end,
    )
    for kind, tally in reading.tally.items():
        totals.resources.update({f"{kind} used": tally.used, f"{kind} unknown code": tally.unknown})
        totals.resources[f"{kind} dropped"] += tally.dropped
    totals.issues.update(f"{one.code.value}{'' if one.dropped else ' (kept)'}" for one in reading.issues)


def report(totals: Totals, seconds: float) -> Iterator[str]:
    """The totals as lines."""
    people = "1 patient" if totals.patients == 1 else f"{totals.patients} patients"
    yield f"{people}, {totals.calls} chart openings, {totals.days:.1f} patient-days, {seconds:.0f} s"
    yield "resources:"
    yield from (f"  {count:>8}  {name}" for name, count in sorted(totals.resources.items()) if count)
    yield "issues:"
    yield from (f"  {count:>8}  {name}" for name, count in totals.issues.most_common())
    yield "cards shown:"
    yield from (f"  {count:>8}  {name}" for name, count in sorted(totals.cards.items()))
    if totals.held:
        yield "cards ready and held back, each time the chart was opened:"
        yield from (f"  {count:>8}  {name}" for name, count in totals.held.most_common())
    urgent = sum(count for name, count in totals.cards.items() if not name.startswith("info"))
    if totals.days > 0:
        per = 100.0 / totals.days
        every = sum(totals.cards.values()) * per
        yield f"cards per 100 patient-days: {every:.1f}; alerts (warning or critical): {urgent * per:.1f}"
    else:
        yield "cards per 100 patient-days: not known, no two chart openings lie within a day"


def interval_of(text: str) -> timedelta:
    """Read ``30m``, ``1h`` or ``1d``."""
    found = _STEP.match(text)
    if found is None or float(found[1]) <= 0:
        raise click.BadParameter("use a number with m, h or d, for example 1h", param_hint="--step")
    return timedelta(minutes=float(found[1]) * _MINUTES[found[2]])
