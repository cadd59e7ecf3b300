"""``twinline train`` and ``twinline evaluate``: the learning extra, loaded here and nowhere in serving."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click

from cds_app.content import content_root, latest

HEADS = ("sepsis", "mortality")
_FIRST_VERSION = "1.0.0"
_DATA = click.option(
    "--data", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True, help="Parquet in."
)
_OUTCOMES = click.option(
    "--outcomes",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Parquet in: what became of the patients, where the data do not say (mortality).",
)


@click.command()
@click.argument("model", type=click.Choice([*HEADS, "twin"]))
@_DATA
@_OUTCOMES
@click.option("--seed", type=int, help="Default: that of the shipped model, which makes the same model again.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder .../NAME/VERSION (default: the shipped model's).")
def train(model: str, data: Path, outcomes: Path | None, seed: int | None, out: Path | None) -> None:
    """Train MODEL from data; write it with its manifest and model card."""
    folder = out or content_root() / "models" / model / _FIRST_VERSION
    chosen = latest(model).manifest["seed"] if seed is None else seed
    if model == "twin":
        from cds_app.learn.forecast import fit

        fit(data, folder, chosen)
    elif model == "mortality":
        from cds_app.learn import mortality

        if outcomes is None:
            raise click.UsageError("mortality is learned from --outcomes too")
        mortality.train(data, outcomes, folder, chosen)
    else:
        from cds_app.learn.heads import HOURLY
        from cds_app.learn.hourly import train as grow

        grow(HOURLY[model], data, folder, chosen)


@click.command()
@click.argument("model", type=click.Choice([*HEADS, "forecast"]))
@_DATA
@_OUTCOMES
@click.option("--predictions", type=click.Path(path_type=Path), required=True, help="Parquet out.")
@click.option("--json", "report", type=click.Path(path_type=Path), required=True, help="Report out.")
def evaluate(model: str, data: Path, outcomes: Path | None, predictions: Path, report: Path) -> None:
    """Measure MODEL on data it has not seen.

    A risk: discrimination, calibration and what its alerts cost, at the manifest's threshold. The forecast: error
    against the last value carried forward, and coverage, at 1, 4 and 8 hours.
    """
    if model == "forecast":
        from cds_app.learn import forecast

        _tell(forecast.evaluate(data, predictions, report))
    elif model == "mortality":
        from cds_app.learn import mortality

        _tell(mortality.evaluate(data, outcomes, predictions, report))
    else:
        from cds_app.learn import hourly
        from cds_app.learn.heads import HOURLY

        _tell(hourly.evaluate(HOURLY[model], data, predictions, report))


def _tell(report: Mapping[str, object]) -> None:
    click.echo(json.dumps(report, indent=2, sort_keys=True, default=str))
