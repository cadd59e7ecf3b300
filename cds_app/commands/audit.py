"""``twinline audit``: whether anybody touched the decision log, or the facts."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from cds_app.commands.stores import open_store, with_store
from cds_app.errors import IntegrityError


@click.group()
def audit() -> None:
    """Check the decision log and the facts."""


@audit.command()
@with_store
@click.option("--json", "as_json", is_flag=True, help="The verdict as one JSON object; the status stays the same.")
def verify(*, as_json: bool, **flags: Any) -> None:
    """Check the whole log, the facts, documents and clients.

    Of the log every entry, seal, link and its head; of each patient the key and every segment of facts; of documents
    the seal; of clients, issuers and signing keys that they are those of which the log spoke last; the status is 4 if
    anything was changed. A patient's last segments, where they were deleted, show only if a decision rests on them.
    Not looked at: which messages came, and used tokens. What that leaves open is in the runbook, under "What the audit
    sees".
    """
    with open_store(flags) as (_, store):
        verdict = store.verify()
    if as_json:
        click.echo(json.dumps(asdict(verdict), sort_keys=True))
    if verdict.problem:
        raise IntegrityError(verdict.said)
    if not as_json:
        click.echo(f"{verdict.entries} entries, unbroken")
