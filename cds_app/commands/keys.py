"""``twinline keys``: the keys with which Twinline proves who it is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from cds_app.adapters.clock import SystemClock
from cds_app.commands.registers import check_registered
from cds_app.commands.stores import open_cabinet, with_store
from cds_app.services.smart.signing import LEAD, OVERLAP, SigningKey, SigningKeys


@click.group()
def keys() -> None:
    """Make and rotate the keys with which Twinline proves to an EHR who it is; served at /.well-known/jwks.json."""


@keys.command()
@with_store
def new(**flags: Any) -> None:
    """Make the first keys: one for ES384, one for RS384."""
    with open_cabinet(flags, make=True) as (_, cabinet):
        own, now = SigningKeys(cabinet), SystemClock().now()
        lines = [_line(one, own, now) for one in own.make(now)]
    click.echo("\n".join(lines))


@keys.command()
@with_store
def rotate(**flags: Any) -> None:
    """Make new keys. They are used in five minutes; the old ones stay published for a day."""
    with open_cabinet(flags) as (_, cabinet):
        own, now = SigningKeys(cabinet), SystemClock().now()
        lines = [_line(one, own, now) for one in own.rotate(now)]
    click.echo("\n".join(lines))
    click.echo(f"the keys before stay published for {OVERLAP.total_seconds() / 3600:.0f} hours", err=True)


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="The key set as it is served.")
@with_store
def list_keys(*, as_json: bool, **flags: Any) -> None:
    """Show the keys that are published. Never their private halves; status 4 if one is not what the log says."""
    now = SystemClock().now()
    with open_cabinet(flags) as (_, cabinet):
        own = SigningKeys(cabinet)
        if as_json:
            click.echo(own.published(now).decode())
            return
        check_registered([one.kid for one in own.all(now)], cabinet.history("signing-key"))
        for one in own.all(now):
            click.echo(_line(one, own, now))


def _line(key: SigningKey, keys: SigningKeys, now: datetime) -> str:
    used = "in use" if keys.signer(key.alg, now) == key else f"in use from {key.made + LEAD:%H:%M}Z"
    ends = [used] if key.until is None or used == "in use" else []
    ends += [f"published until {key.until:%Y-%m-%d %H:%M}Z"] if key.until else []
    return f"{key.alg}  {key.kid}  made {key.made:%Y-%m-%d %H:%M}Z  {', '.join(ends)}"
