"""``twinline content``: whether hooks/, templates/ and models/ fit together."""

from __future__ import annotations

import json

import click

from cds_app.bootstrap import quiet_logs
from cds_app.deps import knowledge_of
from cds_app.errors import IntegrityError
from cds_app.settings import configured


@click.group()
def content() -> None:
    """Check hooks/, templates/ and models/."""


@content.command()
@click.option("--json", "as_json", is_flag=True, help="Names and pins as one JSON object.")
def check(*, as_json: bool) -> None:
    """Load everything as the service would at start. Status 4 if a model is not what was trained."""
    quiet_logs()
    knowledge = knowledge_of(configured())
    if as_json:
        click.echo(json.dumps(dict(knowledge.pins), indent=2, sort_keys=True))
    else:
        click.echo("\n".join(f"{name}  {pin}" for name, pin in sorted(knowledge.pins.items())))
    if knowledge.learned.failed:
        raise IntegrityError(f"not what was trained: {', '.join(sorted(knowledge.learned.failed))}", field="models")
