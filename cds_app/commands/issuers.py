"""``twinline issuers``: which EHRs may launch the sidebar."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cds_app.adapters.clock import SystemClock
from cds_app.commands.examples import examples
from cds_app.commands.registers import check_registered, tell_history
from cds_app.commands.stores import open_cabinet, with_store
from cds_app.databases import register_of
from cds_app.domain.issuers import SIGNING_ALGS, Issuer, Method
from cds_app.errors import SettingsError
from cds_app.services.smart.issuers import Issuers, client_of, new_issuer
from cds_app.services.smart.signing import SigningKeys
from cds_app.settings import ISSUER_SECRET

if TYPE_CHECKING:
    from cds_app.services.smart.backend import Finding

_MAX_SECRET_BYTES: Final = 4096


@click.group()
def issuers() -> None:
    """Say which EHRs may launch the sidebar. Running services take a change up at the next launch."""


@issuers.command(
    epilog=examples(
        "twinline issuers add ward --iss https://fhir.ehr.example/r4 --client-id twinline --frame https://ehr.example",
        "twinline issuers check ward",
    )
)
@click.argument("name")
@click.option("--iss", required=True, help="FHIR base URL, as the EHR sends it when it launches.")
@click.option("--client-id", required=True, help="What the EHR calls Twinline.")
@click.option(
    "--method",
    type=click.Choice([one.value for one in Method]),
    default=Method.PRIVATE_KEY_JWT.value,
    show_default=True,
    help="How Twinline proves who it is.",
)
@click.option(
    "--secret-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help=f"File with the client secret; without it, the variable {ISSUER_SECRET}.",
)
@click.option("--alg", type=click.Choice(SIGNING_ALGS), default="ES384", show_default=True, help="Signature.")
@click.option("--scope", multiple=True, help="Scope to ask for, instead of the usual ones. Repeatable.")
@click.option("--client", default="", help="The CDS client (`twinline clients`) whose patients are this EHR's.")
@click.option("--tenant", default="", help="The organisation of that client for which this EHR stands.")
@click.option("--frame", multiple=True, help="Origin of the EHR's pages that embed the sidebar. Repeatable.")
@with_store
def add(  # noqa: PLR0913 - one for each option
    name: str,
    *,
    iss: str,
    client_id: str,
    method: str,
    secret_file: Path | None,
    alg: str,
    scope: tuple[str, ...],
    client: str,
    tenant: str,
    frame: tuple[str, ...],
    **flags: Any,
) -> None:
    """Register the EHR that launches under NAME. A secret never stands on the command line, where others can see it."""
    issuer = new_issuer(
        name=name,
        iss=iss,
        client_id=client_id,
        method=method,
        secret=_secret(secret_file) if method != Method.PRIVATE_KEY_JWT else "",
        alg=alg,
        scopes=scope,
        client=client,
        tenant=tenant,
        frames=frame,
    )
    now = SystemClock().now()
    with open_cabinet(flags, make=True) as (settings, cabinet):
        with register_of(settings) as register:
            client_of(issuer, register.clients())
        Issuers(cabinet).add(issuer, now)
        unsigned = issuer.method is Method.PRIVATE_KEY_JWT and not SigningKeys(cabinet).all(now)
    click.echo(f"{name} may launch")
    if unsigned:
        click.echo("there are no keys yet to sign with: make them with `twinline keys new`", err=True)


@issuers.command("list")
@click.option("--json", "as_json", is_flag=True, help="For machines. Secrets are left out.")
@with_store
def list_issuers(*, as_json: bool, **flags: Any) -> None:
    """Show all issuers. Status 4 if one of them is not what the log says."""
    with open_cabinet(flags) as (_, cabinet):
        found = Issuers(cabinet).all(SystemClock().now())
        check_registered([one.name for one in found], cabinet.history("issuer"))
    if as_json:
        click.echo(json.dumps([_shown(one) for one in found], indent=2))
        return
    for one in found:
        click.echo(one.name)
        for word, value in _shown(one).items():
            if word != "name" and value:
                click.echo(f"  {word:<10}  {' '.join(value) if isinstance(value, list) else value}")


@issuers.command()
@click.argument("name")
@with_store
def remove(name: str, **flags: Any) -> None:
    """Have an EHR's launches refused from now on. Visits that were begun go on until their token is over."""
    with open_cabinet(flags) as (_, cabinet):
        Issuers(cabinet).remove(name, SystemClock().now())
    click.echo(f"{name} may not launch any more")


@issuers.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@with_store
def check(name: str, *, as_json: bool, **flags: Any) -> None:
    """Ask an EHR whether all that launches need is there. The server's own reads are tried too; status 1 if not."""
    from cds_app.adapters.http.fhir import RequestsFhirReader  # these load what serves: no other command needs it
    from cds_app.bootstrap import granting_of
    from cds_app.deps import Ehrs
    from cds_app.services.smart.backend import examine

    now = SystemClock().now()
    with open_cabinet(flags) as (settings, cabinet):
        issuer = Issuers(cabinet).named(name, now)
        granting = granting_of(Ehrs(cabinet=cabinet), settings)
        reader = RequestsFhirReader(
            settings.fhir_servers, loopback_http=True, registered=lambda base: base == issuer.iss
        )
        found = []
        for one in examine(issuer, granting, reader, now):
            found.append(one)
            if not as_json:
                click.echo(f"{'ok   ' if one.fine else 'WRONG'}  {one.what}{_mending(one)}")
        reader.close()
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2))
    if not all(one.fine for one in found):
        raise SystemExit(1)


def _mending(finding: Finding) -> str:
    return f"\n       to mend it: {finding.mend}" if finding.mend else ""


@issuers.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@with_store
def history(*, as_json: bool, **flags: Any) -> None:
    """Say which were written and removed, and when. `twinline audit verify` tells whether anybody touched it."""
    with open_cabinet(flags) as (_, cabinet):
        tell_history(cabinet.history("issuer"), as_json=as_json)


def _secret(file: Path | None) -> str:
    """The secret, from its file or from the environment."""
    if file is None:
        return os.environ.get(ISSUER_SECRET, "")
    if file.stat().st_size > _MAX_SECRET_BYTES:
        raise SettingsError("too large for a secret", field="secret")
    try:
        return file.read_text("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise SettingsError("is not a text", field="secret") from None  # the cause holds the secret


def _shown(issuer: Issuer) -> dict[str, str | list[str]]:
    """A record without its secret."""
    return {
        "name": issuer.name,
        "iss": issuer.iss,
        "client_id": issuer.client_id,
        "method": issuer.method.value,
        "alg": issuer.alg if issuer.method is Method.PRIVATE_KEY_JWT else "",
        "client": issuer.client,
        "tenant": issuer.tenant,
        "frames": list(issuer.frames),
        "scopes": list(issuer.scopes),
    }
