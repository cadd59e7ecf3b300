"""``twinline ingest bulk``: a hospital's twins from its FHIR server's bulk export, and what changed since the last."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

import click

from cds_app.adapters.http.export import RequestsExportServer
from cds_app.bootstrap import granting_of, intake_of
from cds_app.commands.stores import open_deps, with_store
from cds_app.content import canonical_json
from cds_app.deps import Deps
from cds_app.domain.issuers import Issuer
from cds_app.errors import SettingsError
from cds_app.services.smart.backend import Backend
from cds_app.services.smart.issuers import Issuers, client_of
from cds_app.services.sources.catching_up import BUDGET_S
from cds_app.services.sources.exporting import Exporting
from cds_app.services.sources.intake import Source
from cds_app.services.sources.populating import Populating

_MOST_NAME: Final = 63
_EVERYTHING: Final = "Patient/$export"
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_TYPES: Final = re.compile(r"[A-Z][A-Za-z]{1,39}(,[A-Z][A-Za-z]{1,39})*")


@click.command()
@click.argument("issuer")
@click.option("--group", default="", help="Id of the Group whose patients are exported; without, all patients.")
@click.option("--types", default="", help="Resource types, comma-separated (_type); without, all that the EHR gives.")
@click.option("--full", is_flag=True, help="Everything, anew; without, what changed since the last export.")
@click.option("--files-at", multiple=True, help="Origin at which the EHR lays the files, if it is another. Repeatable.")
@click.option(
    "--name",
    default="",
    help="Of the source, in metrics and pages (default bulk-ISSUER, and a digest of the options).",
)
@with_store
def bulk(
    issuer: str,
    *,
    group: str,
    types: str,
    full: bool,
    files_at: tuple[str, ...],
    name: str,
    **flags: Any,
) -> None:
    """Take in the bulk export of ISSUER (`twinline issuers`). One that was broken off goes on.

    The EHR must be registered with system scopes (``--scope system/*.rs``). Run it every night.
    """
    path = _path(group, types)
    name = name or _name(issuer, path)
    with open_deps(flags) as deps:
        found = Issuers(deps.ehrs.cabinet).named(issuer, deps.clock.now())
        if not found.system_scopes:
            raise SettingsError(
                "the issuer is registered without system scopes: `issuers add` it with --scope 'system/*.rs'",
                field="issuer",
            )
        realm = found.realm(client_of(found, deps.trust.clients.clients()))
        server = RequestsExportServer(found.iss, files_at, loopback_http=True)
        tokens = tokens_of(deps, found)

        def find(reference: str) -> object:
            return deps.fhir.read(found.iss, reference, token=tokens(False), budget_s=BUDGET_S)

        exporting = Exporting(
            name=name,
            server=server,
            taker=Populating(intake_of(deps, Source(name=name, tenant=realm)), find),
            cabinet=deps.ehrs.cabinet,
            token=tokens,
            clock=deps.clock,
            pause=time.sleep,
        )
        try:
            place = exporting.run(path, full=full)
        finally:
            server.close()
    click.echo(canonical_json(dict(sorted(place.counts.items()))).decode())


def tokens_of(deps: Deps, issuer: Issuer) -> Callable[[bool], str]:
    """Access tokens of the server itself; a new one when asked for it."""
    granting = granting_of(deps.ehrs, deps.settings)
    held = [Backend(granting)]

    def token(new: bool) -> str:
        if new:
            held[0] = Backend(granting)
        return held[0].token(issuer, deps.clock.now())

    return token


def _name(issuer: str, path: str) -> str:
    """One for each thing that is asked for: exports of one name go on with each other."""
    if path == _EVERYTHING:
        return f"bulk-{issuer}"[:_MOST_NAME]
    digest = sha256(path.encode()).hexdigest()[:8]
    return f"bulk-{issuer}"[: _MOST_NAME - 9] + f"-{digest}"


def _path(group: str, types: str) -> str:
    if group and not _ID.fullmatch(group):
        raise SettingsError("must be a FHIR id", field="group")
    if types and not _TYPES.fullmatch(types):
        raise SettingsError("must be names of resource types, with commas between", field="types")
    place = f"Group/{group}/$export" if group else _EVERYTHING
    return f"{place}?_type={types}" if types else place
