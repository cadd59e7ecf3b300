"""``twinline audit``: whether anybody touched the decision log."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from cds_app.commands.stores import open_store, with_store
from cds_app.errors import IntegrityError


@click.group()
def audit() -> None:
    """Check the decision log."""


@audit.command()
@with_store
@click.option("--json", "as_json", is_flag=True, help="The verdict as one JSON object; the status stays the same.")
def verify(*, as_json: bool, **flags: Any) -> None:
    """Check every entry, seal and link of the log, and its head. Status 4 if anything was changed."""
    with open_store(flags) as (_, store):
        verdict = store.verify()
    if as_json:
        click.echo(json.dumps(asdict(verdict), sort_keys=True))
    if verdict.broken_at is not None:
        raise IntegrityError(f"entry {verdict.broken_at}: {verdict.problem}")
    if not as_json:
        click.echo(f"{verdict.entries} entries, unbroken")
