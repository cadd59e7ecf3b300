"""``twinline switch``: how far a service or a topic may speak."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import click

from cds_app.adapters.clock import SystemClock
from cds_app.commands.examples import examples
from cds_app.commands.stores import open_store, with_store
from cds_app.content import content_root
from cds_app.domain.switches import Mode, Switch, fold
from cds_app.errors import BadRequest
from cds_app.services.content.service_files import load_services
from cds_app.services.watch.switchboard import Names, turn_to
from cds_app.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Services:
    """Services alone."""

    services: Collection[str]
    topics: Collection[str] = ()


@click.command(
    epilog=examples(
        'twinline switch twinline-order-sign shadow --reason "many overrides" --by "Dr Lee"',
        'twinline switch twinline-patient-view shadow --topic sepsis --reason "new assay" --by "Dr Lee"',
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
            _names(settings, topics=bool(topic)),
            SystemClock(),
            service=service,
            topic=topic,
            mode=Mode(mode),
            by=by,
            reason=reason,
        )
        standing = fold(store.turns()).beside(turned)
    click.echo(_line(turned))
    for one in standing:
        click.echo(f"{_name(one)} is still {one.mode.value}: it has a switch of its own", err=True)


def _names(settings: Settings, *, topics: bool) -> Names:
    """What can be switched; topics come from all content, for which turning a service does not wait."""
    if not topics:
        return _Services(services=load_services(content_root() / "hooks"))
    from cds_app.deps import knowledge_of

    return knowledge_of(settings)


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
