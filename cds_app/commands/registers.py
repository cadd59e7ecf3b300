"""What the log says of who was registered and removed: clients, issuers, keys."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import click

from cds_app.adapters.sealed.ledger import Change
from cds_app.errors import IntegrityError


def check_registered(names: Iterable[str], history: Sequence[Change]) -> None:
    """Whether each of these was registered last, and not removed, according to the log. Raises IntegrityError."""
    standing = {one.name: one.what for one in history}
    if put_back := [name for name in names if standing.get(name, "removed") == "removed"]:
        raise IntegrityError(f"not registered according to the log: {', '.join(put_back)}")


def tell_history(history: Sequence[Change], *, as_json: bool) -> None:
    """Print every change."""
    if as_json:
        rows = [{"number": one.number, "at": one.at, "what": one.what, "name": one.name} for one in history]
        click.echo(json.dumps(rows, indent=2))
    for one in () if as_json else history:
        click.echo(f"{one.number:>7}  {one.at[:19]}Z  {one.what:<7}  {one.name}")
