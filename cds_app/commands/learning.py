"""``twinline train`` and ``twinline evaluate``: the learning extra, loaded here and nowhere in serving."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click

from cds_app.content import content_root

_DATA = click.option("--data", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
_PREDICTIONS = click.option("--predictions", type=click.Path(path_type=Path), required=True, help="Parquet out.")
_REPORT = click.option("--json", "report", type=click.Path(path_type=Path), required=True, help="Report out.")
_SEPSIS_SEED, _TWIN_SEED = 20260101, 20190101  # of the shipped artefacts


@click.group()
def train() -> None:
    """Train a model from data; writes the artefact with its manifest and model card."""


@train.command("sepsis")
@_DATA
@click.option("--seed", type=int, default=_SEPSIS_SEED, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Artefact folder (default models/sepsis/1.0.0).")
def train_sepsis(data: Path, seed: int, out: Path | None) -> None:
    """Sepsis within 6 hours, from PhysioNet/CinC Challenge 2019 data."""
    from cds_app.learn.sepsis import train as run

    run(data, out or content_root() / "models" / "sepsis" / "1.0.0", seed)


@train.command("twin")
@_DATA
@click.option("--seed", type=int, default=_TWIN_SEED, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Artefact folder (default models/twin/1.0.0).")
def train_twin(data: Path, seed: int, out: Path | None) -> None:
    """The twin's dynamics and forecasts, from PhysioNet/CinC Challenge 2019 data."""
    from cds_app.learn.forecast import fit as run

    run(data, out or content_root() / "models" / "twin" / "1.0.0", seed)


@click.group()
def evaluate() -> None:
    """Measure a model on data it has not seen."""


@evaluate.command("sepsis")
@_DATA
@_PREDICTIONS
@_REPORT
def evaluate_sepsis(data: Path, predictions: Path, report: Path) -> None:
    """AUROC, AUPRC, calibration and Challenge utility at the manifest's threshold."""
    from cds_app.learn.sepsis import evaluate as run

    _tell(run(data, predictions, report))


@evaluate.command("forecast")
@_DATA
@_PREDICTIONS
@_REPORT
def evaluate_forecast(data: Path, predictions: Path, report: Path) -> None:
    """Error against the last value carried forward, and coverage, at 1, 4 and 8 hours."""
    from cds_app.learn.forecast import evaluate as run

    _tell(run(data, predictions, report))


def _tell(report: Mapping[str, object]) -> None:
    click.echo(json.dumps(report, indent=2, sort_keys=True, default=str))
