"""``twinline train``: models from data."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from cds_app.commands.examples import examples
from cds_app.commands.learners import HOURLY, data_in, outcomes_in, place_of
from cds_app.commands.progress import working
from cds_app.content import is_place


@click.group(
    epilog=examples(
        "twinline train sepsis --data sepsis.parquet --out models/sepsis/1.1.0",
        "twinline train mortality --data stays.parquet --outcomes outcomes.parquet --overwrite",
    )
)
def train() -> None:
    """Train a model from data; write it with its manifest and model card."""


def _written(command: Callable[..., None]) -> Callable[..., None]:
    """Where every model goes, and what makes it the same again: the command is given a folder and a seed."""
    made = working("Training")(command)

    @wraps(command)
    def placed(*, out: Path | None, seed: int | None, overwrite: bool, **given: Any) -> None:
        head = click.get_current_context().command.name or ""
        folder, first = place_of(head, out, seed)
        if not is_place(folder.resolve(), name := head.replace("-", "_")):
            raise click.UsageError(f"--out must end in {name}/VERSION, such as {name}/1.1.0: a model is found by both.")
        if not overwrite and (folder / "manifest.json").exists():
            raise click.UsageError(f"{folder} is there already: name another version with --out, or say --overwrite.")
        made(**given, out=folder, seed=first)

    where = "Folder .../NAME/VERSION. Default: the shipped model's."
    again = "Default: the shipped model's, which makes the same again; 0 if none is."
    option = click.option("--out", type=click.Path(path_type=Path), help=where)
    over = click.option("--overwrite", is_flag=True, help="Write over a version that is there.")
    return option(click.option("--seed", type=click.IntRange(min=0), help=again)(over(placed)))


def _add_hourly(head: str, what: str) -> None:
    @train.command(head, help=f"The risk of {what}.")
    @data_in()
    @_written
    def command(data: Path, seed: int, out: Path) -> None:
        from cds_app.learn.hours import training
        from cds_app.learn.hours.heads import HOURLY as HEADS

        training.train(HEADS[head], data, out, seed)


for _head, _what in HOURLY.items():
    _add_hourly(_head, _what)


@train.command()
@data_in()
@outcomes_in(required=True)
@_written
def mortality(data: Path, outcomes: Path, seed: int, out: Path) -> None:
    """The risk of death in hospital, from the first 48 h."""
    from cds_app.learn.stays import mortality as death

    death.train(data, outcomes, out, seed)


@train.command()
@data_in()
@_written
def twin(data: Path, seed: int, out: Path) -> None:
    """How each quantity moves, and how far people differ."""
    from cds_app.learn.twin.forecast import fit

    fit(data, out, seed)


@train.command("warfarin-dose")
@data_in("CSV, plain or gzipped,")
@_written
def warfarin_dose(data: Path, seed: int, out: Path) -> None:
    """The stable weekly dose of warfarin."""
    from cds_app.learn.warfarin import dose

    dose.train(data, out, seed)


@train.command()
@data_in()
@_written
def imputation(data: Path, seed: int, out: Path) -> None:
    """What was likely in hours that nobody measured. Needs the extra deep."""
    # before numpy is loaded: with one thread sums come in one order, and the same seed makes the same bytes
    os.environ["OMP_NUM_THREADS"] = "1"
    from cds_app.learn.imputation import fit

    fit.train(data, out, seed)
