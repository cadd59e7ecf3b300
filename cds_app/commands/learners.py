"""What the commands of the learning extra have in common. The extra itself is loaded by the command that runs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from cds_app.content import Artefact, content_root, latest

Command = TypeVar("Command", bound=Callable[..., Any])
HOURLY: Final[Mapping[str, str]] = {
    "sepsis": "sepsis within 6 h",
    "hypotension": "a mean pressure below 65 mmHg within 4 h",
    "hypoxaemia": "an SpO2 below 90 % within 4 h",
    "aki": "kidney injury within 24 h",
}
"""Risks that are estimated hour by hour, by their heads."""
_FIRST_VERSION: Final = "1.0.0"
_FIRST_SEED: Final = 0
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW: Final = click.Path(path_type=Path)


def apart(ctx: click.Context, _: click.Parameter, path: Path | None) -> Path | None:
    """Where something is written, if nothing that the command reads or writes lies there: before the work, not after.

    What is read is known by then, as it is of the options that click hears first.
    """
    if path is None:
        return None
    place = path.resolve()
    named = {one.resolve() for one in ctx.params.values() if isinstance(one, Path)}
    if place in named and (place.is_file() or not place.exists()):
        raise click.BadParameter("another option of this command names the same file.")
    if not os.access(place.parent, os.W_OK):
        raise click.BadParameter("there is no folder of this name that can be written to.")
    return path


def data_in(what: str = "Parquet or CSV", *, folder: bool = False) -> Callable[[Command], Command]:
    """``--data``."""
    kind = click.Path(exists=True, file_okay=not folder, dir_okay=folder, path_type=Path)
    return click.option("--data", type=kind, required=True, is_eager=True, help=f"{what} in.")


def outcomes_in(*, required: bool) -> Callable[[Command], Command]:
    """``--outcomes``, where the data do not say them."""
    told = "Parquet or CSV in: what became of the patients."
    return click.option("--outcomes", type=_FILE, required=required, is_eager=True, help=told)


def predictions_out(what: str = "Parquet") -> Callable[[Command], Command]:
    """``--predictions``."""
    return click.option("--predictions", type=_NEW, required=True, callback=apart, help=f"{what} out.")


def report_out(*, required: bool = True) -> Callable[[Command], Command]:
    """``--json``."""
    told = "Report out; it is printed, too."
    return click.option("--json", "report", type=_NEW, required=required, callback=apart, help=told)


def place_of(model: str, out: Path | None, seed: int | None) -> tuple[Path, int]:
    """The folder to write and the seed: as asked, else those of the shipped model, which makes the same again."""
    name = model.replace("-", "_")
    found = _shipped(name)
    version, first = (found.version, int(found.manifest["seed"])) if found else (_FIRST_VERSION, _FIRST_SEED)
    return out or content_root() / "models" / name / version, first if seed is None else seed


def tell(report: Mapping[str, object]) -> None:
    """Print a report."""
    click.echo(json.dumps(report, indent=2, sort_keys=True, default=str))


def _shipped(name: str) -> Artefact | None:
    return latest(name) if (content_root() / "models" / name).is_dir() else None
