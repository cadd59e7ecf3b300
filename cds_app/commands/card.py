"""``twinline card``: the model card of a learned risk, written again from its manifest and training report."""

from __future__ import annotations

import click

from cds_app.commands.examples import examples
from cds_app.content import content_root
from cds_app.errors import IntegrityError
from cds_app.services.content.model_cards import Shelf


@click.command(epilog=examples("twinline card sepsis", "twinline card sepsis --check"))
@click.argument("head")
@click.option("--check", is_flag=True, help="Write nothing; status 4 if card.md is not what would be written.")
def card(head: str, check: bool) -> None:
    """Write models/HEAD/VERSION/card.md."""
    shelf = Shelf(content_root())
    artefact = shelf.artefact(head)
    if not check:
        click.echo(str(shelf.write(artefact)))
    elif not shelf.is_current(artefact):
        raise IntegrityError(f"models/{head}/{artefact.version}/card.md is not current: twinline card {head}")
    else:
        click.echo("current")
