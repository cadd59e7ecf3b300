"""``twinline prefetch``: the prefetch table for EHRs that do not read discovery."""

from __future__ import annotations

import click

from cds_app.deps import knowledge_of
from cds_app.services.content.prefetch_table import prefetch_page
from cds_app.settings import Settings


@click.command()
def prefetch() -> None:
    """Print the prefetch keys of every service, to be copied into an EHR."""
    click.echo(prefetch_page(knowledge_of(Settings()).services.values()), nl=False)
