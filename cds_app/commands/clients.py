"""``twinline clients``: which EHRs may call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from cds_app.commands.examples import examples
from cds_app.commands.registers import check_registered, tell_history
from cds_app.commands.stores import open_register, with_store
from cds_app.domain.clients import ALGS, Client
from cds_app.errors import SettingsError
from cds_app.services.callers.keys import MAX_BYTES, usable_keys
from cds_app.services.callers.registration import new_client


@click.group()
def clients() -> None:
    """Say which EHRs may call. Running services take a change up within seconds."""


@clients.command(
    epilog=examples(
        "twinline clients add ward --iss https://ehr.example/cds --jku https://ehr.example/jwks.json",
        "twinline clients add lab --iss https://lab.example --jwks keys.json --tenant https://fhir.lab.example/r4",
    )
)
@click.argument("name")
@click.option("--iss", required=True, help="Issuer of its tokens, character by character.")
@click.option("--jku", default="", help="https URL at which it publishes its keys.")
@click.option("--jwks", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="File with its public keys.")
@click.option("--audience", multiple=True, help="Audience its tokens may name beside the endpoint's URL. Repeatable.")
@click.option("--tenant", multiple=True, help="Organisation it may speak for; without one, none. Repeatable.")
@click.option("--alg", multiple=True, type=click.Choice(sorted(ALGS)), help="Only these; default ES384 and RS384.")
@with_store
def add(  # noqa: PLR0913 - one for each option
    name: str,
    *,
    iss: str,
    jku: str,
    jwks: Path | None,
    audience: tuple[str, ...],
    tenant: tuple[str, ...],
    alg: tuple[str, ...],
    **flags: Any,
) -> None:
    """Register a client under NAME."""
    client = new_client(name=name, iss=iss, jku=jku, jwks=_text(jwks), audiences=audience, tenants=tenant, algs=alg)
    with open_register(flags, make=True) as register:
        register.add(client)
    click.echo(f"{name} may call")


@clients.command("list")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@with_store
def list_clients(*, as_json: bool, **flags: Any) -> None:
    """Show all clients. Status 4 if one of them is not what the log says."""
    with open_register(flags) as register:
        found, history = register.clients(), register.history()
    if as_json:
        click.echo(json.dumps([_shown(one) for one in found], indent=2))
    for one in () if as_json else found:
        click.echo("\n".join(_lines(one)))
    check_registered([one.name for one in found], history)


@clients.command()
@click.argument("name")
@with_store
def remove(name: str, **flags: Any) -> None:
    """Have a client's calls refused from now on."""
    with open_register(flags) as register:
        register.remove(name)
        left = len(register.clients())
    click.echo(f"{name} may not call any more")
    if not left:
        click.echo("no client is left: the service refuses every call, and will not start again", err=True)


@clients.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@with_store
def history(*, as_json: bool, **flags: Any) -> None:
    """Say who was added and removed, and when. `twinline audit verify` tells whether anybody touched it."""
    with open_register(flags) as register:
        tell_history(register.history(), as_json=as_json)


def _text(file: Path | None) -> str:
    """The file's text. A key set is small: what is larger is something else."""
    if file is None:
        return ""
    if file.stat().st_size > MAX_BYTES:
        raise SettingsError("too large for a key set", field="jwks")
    try:
        return file.read_text("utf-8") or " "
    except UnicodeDecodeError as error:
        raise SettingsError("not a JSON Web Key Set", field="jwks") from error


def _shown(client: Client) -> dict[str, str | list[str]]:
    return {
        "name": client.name,
        "iss": client.iss,
        "jku": client.jku,
        "keys": [] if client.jku else sorted(usable_keys(client.jwks.encode())),
        "algorithms": sorted(client.algs),
        "audiences": sorted(client.audiences),
        "tenants": sorted(client.tenants),
    }


def _lines(client: Client) -> Iterator[str]:
    yield client.name
    yield f"  issuer      {client.iss}"
    yield f"  keys        {client.jku or ', '.join(sorted(usable_keys(client.jwks.encode())))}"
    yield f"  algorithms  {', '.join(sorted(client.algs))}"
    yield from (f"  audience    {one}" for one in sorted(client.audiences))
    yield from (f"  tenant      {one}" for one in sorted(client.tenants))
