"""``twinline impute``: complete what was not measured."""

from __future__ import annotations

from pathlib import Path

import click

from cds_app.commands.examples import examples
from cds_app.commands.learners import apart, data_in
from cds_app.commands.progress import working


@click.command(epilog=examples("twinline impute --data stays.parquet --out complete.parquet --causal"))
@data_in()
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, callback=apart, help="Parquet out."
)
@click.option("--causal", is_flag=True, help="From the past of each hour only, as at a bedside.")
@working("Completing")
def impute(data: Path, out: Path, causal: bool) -> None:
    """Complete every hour of every variable of the first 48 hours, with 90 % intervals."""
    from cds_app.learn.imputation import imputing

    patients = imputing.complete(data, out, "causal" if causal else "retrospective")
    click.echo(f"{patients} patients completed, from {'the past of each hour' if causal else 'the whole window'}.")
