"""``twinline content``: whether hooks/, templates/ and models/ fit together."""

from __future__ import annotations

import json

import click

from cds_app.deps import knowledge_of
from cds_app.settings import configured


@click.group()
def content() -> None:
    """Check hooks/, templates/ and models/."""


@content.command()
@click.option("--json", "as_json", is_flag=True, help="Names and pins as one JSON object.")
def check(*, as_json: bool) -> None:
    """Load everything as the service would at start."""
    knowledge = knowledge_of(configured())
    if as_json:
        click.echo(json.dumps(dict(knowledge.pins), indent=2, sort_keys=True))
        return
    for name, pin in sorted(knowledge.pins.items()):
        click.echo(f"{name}  {pin}")
