"""Commands of the standing watch: switches, canary patients, what fires."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import click

from cds_app.adapters.clock import SystemClock
from cds_app.commands.examples import examples
from cds_app.commands.stores import open_store, with_store
from cds_app.content import MANIFEST, canonical_json, content_root, latest, write_manifest
from cds_app.deps import knowledge_of
from cds_app.domain.switches import Mode, Switch, fold
from cds_app.errors import BadRequest, IntegrityError
from cds_app.services.canary import GOLDEN, NAME, PATIENTS, answers, differences, patients_of, read_patients
from cds_app.services.firing import Firing, firings
from cds_app.services.knowledge import Knowledge
from cds_app.services.switchboard import turn_to
from cds_app.settings import configured


@click.command(
    epilog=examples(
        'twinline switch twinline-order-sign shadow --reason "many overrides" --by "Dr Lee"',
        "twinline switch twinline-patient-view off --topic sepsis",
        "twinline switch --list",
    )
)
@with_store
@click.argument("service", required=False)
@click.argument("mode", required=False, type=click.Choice([Mode.OFF.value, Mode.SHADOW.value, Mode.ON.value]))
@click.option("--topic", default="", help="One topic of the service instead of all of it.")
@click.option("--reason", default="", help="Why; kept in the log.")
@click.option("--by", default="", help="Who says so; kept in the log.")
@click.option("--list", "listing", is_flag=True, help="Show every switch that is not on, and every turn.")
@click.option("--json", "as_json", is_flag=True, help="With --list: for machines.")
def switch(service: str | None, mode: str | None, *, topic: str, listing: bool, as_json: bool, **flags: Any) -> None:
    """Turn SERVICE (an id, or all) off, into shadow or on again. Running workers see it within seconds."""
    reason, by = flags.pop("reason"), flags.pop("by")
    with open_store(flags) as (settings, store):
        if listing:
            (_list_json if as_json else _list)(list(store.turns()))
            return
        if service is None or mode is None:
            raise BadRequest("name a service (or all) and off, shadow or on; or ask for --list", field="service")
        turned = turn_to(
            store,
            knowledge_of(settings),
            SystemClock(),
            service=service,
            topic=topic,
            mode=Mode(mode),
            by=by,
            reason=reason,
        )
    click.echo(_line(turned))


@click.command()
@click.option("--write", is_flag=True, help="Write what comes out as the golden answers: after a signed-off change.")
@click.option("--json", "as_json", is_flag=True, help="Patients and differences as one JSON object; the status stays.")
def canary(*, write: bool, as_json: bool) -> None:
    """Ask for the canary patients now; status 4 if anything is not what it must be."""
    knowledge = knowledge_of(configured())
    if write:
        click.echo(_write_golden(knowledge))
        return
    found = latest(NAME, root=content_root())
    golden, said = found.read_json(GOLDEN), answers(knowledge, patients_of(found))
    wrong = list(differences(golden, said))
    if as_json:
        click.echo(json.dumps({"patients": len(said), "differences": wrong}, indent=2))
    for where in () if as_json else wrong:
        click.echo(f"differs: {where}")
    if wrong:
        raise IntegrityError(f"the canary patients differ in {len(wrong)} places")
    if not as_json:
        click.echo(f"{len(said)} canary patients, as they must be")


def _write_golden(knowledge: Knowledge) -> str:
    """The newest version's golden answers from what comes out now, and its manifest."""
    folder = max((content_root() / "models" / NAME).iterdir())
    draft = folder / GOLDEN
    patients = json.loads((folder / PATIENTS).read_text("utf-8"))
    draft.write_bytes(canonical_json(answers(knowledge, read_patients(patients))))
    kept = json.loads((folder / MANIFEST).read_text("utf-8"))
    made = write_manifest(folder, kept)
    return f"models/{NAME}/{made.version}  {made.sha256}"


@click.command()
@with_store
@click.option("--json", "as_json", is_flag=True, help="One JSON object per topic and line.")
def monitor(as_json: bool, **flags: Any) -> None:
    """Rates per topic against their baselines, alarms, and what clinicians answered."""
    with open_store(flags) as (settings, store):
        found = firings(store, ZoneInfo(settings.timezone), SystemClock().now())
    for one in found:
        click.echo(json.dumps(_stated(one), sort_keys=True) if as_json else _told(one))
    if not found and not as_json:
        click.echo("nothing fired in the last twelve weeks")


def _stated(one: Firing) -> dict[str, object]:
    return {
        "service": one.service,
        "topic": one.topic,
        "per_day": round(one.per_day, 2),
        "baseline_per_day": round(one.baseline.per_day, 2) if one.baseline else None,
        "cusum_high": round(one.cusum.high, 2),
        "cusum_low": round(one.cusum.low, 2),
        "last_hour": one.last_hour,
        "alarms": list(one.alarms),
        "shown": one.shown,
        "accepted": _share(one.accepted, one.shown),
        "overridden": _share(one.overridden, one.shown),
        "taken_back": _share(one.undone, one.shown),
        "share_of_cards": round(one.share, 4),
        "is_abstention": one.is_abstention,
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _told(one: Firing) -> str:
    expected = f"{one.baseline.per_day:.1f} expected" if one.baseline else "too few days to expect anything"
    answered = f"{one.accepted} accepted, {one.overridden} overridden, {one.undone} taken back of {one.shown}"
    cusum = f"CUSUM +{one.cusum.high:.1f} -{one.cusum.low:.1f}"
    alarms = ", ".join(one.alarms) or "no alarm"
    share = f", {100 * one.share:.0f} % of all cards" if one.is_abstention else ""
    return f"{one.name}: {one.per_day:.1f} a day ({expected}); {cusum}; {alarms}; {answered}{share}"


def _list_json(turns: list[Switch]) -> None:
    standing = [{"what": _name(one), "mode": one.mode.value} for one in fold(turns).turned()]
    told = [
        {
            "at": one.at.isoformat(timespec="seconds"),
            "what": _name(one),
            "before": one.before.value,
            "mode": one.mode.value,
            "by": one.by,
            "reason": one.reason,
        }
        for one in turns
    ]
    click.echo(json.dumps({"standing": standing, "turns": told}, indent=2))


def _list(turns: list[Switch]) -> None:
    standing = fold(turns).turned()
    for one in standing:
        click.echo(f"{_name(one)} is {one.mode.value}")
    if not standing:
        click.echo("everything is on")
    for one in turns:
        click.echo(_line(one))


def _line(one: Switch) -> str:
    turned = f"{one.before.value} -> {one.mode.value}"
    return f"{one.at:%Y-%m-%d %H:%M:%S}Z  {_name(one)}  {turned}  {json.dumps(one.by)}  {json.dumps(one.reason)}"


def _name(one: Switch) -> str:
    return f"{one.service}/{one.topic}" if one.topic else one.service
