"""``twinline train``, ``evaluate``, ``impute`` and ``policy tune``: the learning extra, loaded nowhere in serving."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from cds_app.commands.examples import examples
from cds_app.commands.progress import working
from cds_app.content import Artefact, content_root, latest

HOURLY_HEADS = ("sepsis", "hypotension", "hypoxaemia", "aki")
HEADS = (*HOURLY_HEADS, "mortality")
DOSE = "warfarin-dose"
PK = "pk"
IMPUTATION = "imputation"
_FIRST_VERSION = "1.0.0"
_FIRST_SEED = 0
_DATA = click.option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    required=True,
    help="Parquet in; CSV of a dose; folder of pk.",
)
_OUTCOMES = click.option(
    "--outcomes",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Parquet in: what became of the patients, where the data do not say (mortality).",
)


@click.command(
    epilog=examples(
        "twinline train sepsis --data sepsis.parquet --out models/sepsis/1.1.0",
        "twinline train mortality --data stays.parquet --outcomes outcomes.parquet",
    )
)
@click.argument("model", type=click.Choice([*HEADS, "twin", DOSE, IMPUTATION]))
@_DATA
@_OUTCOMES
@click.option("--seed", type=int, help="Default: the shipped model's, which makes the same again; 0 if none is.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder .../NAME/VERSION (default: the shipped model's).")
@working("Training")
def train(model: str, data: Path, outcomes: Path | None, seed: int | None, out: Path | None) -> None:
    """Train MODEL from data; write it with its manifest and model card."""
    _check_kind(model, data)
    folder = out or content_root() / "models" / _folder_of(model) / _version_of(model)
    chosen = _seed_of(model) if seed is None else seed
    if model == "twin":
        from cds_app.learn.forecast import fit

        fit(data, folder, chosen)
    elif model == DOSE:
        from cds_app.learn import warfarin_dose

        warfarin_dose.train(data, folder, chosen)
    elif model == IMPUTATION:
        # before numpy is loaded: with one thread sums come in one order, and the same seed makes the same bytes
        os.environ["OMP_NUM_THREADS"] = "1"
        from cds_app.learn import impute_fit

        impute_fit.train(data, folder, chosen)
    elif model == "mortality":
        from cds_app.learn import mortality

        if outcomes is None:
            raise click.UsageError("mortality is learned from --outcomes too")
        mortality.train(data, outcomes, folder, chosen)
    else:
        from cds_app.learn.heads import HOURLY
        from cds_app.learn.hourly import train as grow

        grow(HOURLY[model], data, folder, chosen)


def _check_kind(model: str, data: Path) -> None:
    if data.is_dir() != (model == PK):
        raise click.UsageError(f"--data of {model} must be a {'folder' if model == PK else 'file'}")


def _seed_of(model: str) -> int:
    """That of the shipped model; a model that is trained for the first time has none yet."""
    shipped = _shipped(model)
    return _FIRST_SEED if shipped is None else int(shipped.manifest["seed"])


def _version_of(model: str) -> str:
    shipped = _shipped(model)
    return _FIRST_VERSION if shipped is None else shipped.version


def _shipped(model: str) -> Artefact | None:
    name = _folder_of(model)
    return latest(name) if (content_root() / "models" / name).is_dir() else None


def _folder_of(model: str) -> str:
    return model.replace("-", "_")


@click.command(
    epilog=examples(
        "twinline evaluate aki --data stays.parquet --predictions out.parquet --json out.json",
        "twinline evaluate pk --data pkpd/ --predictions pictures/",
        "twinline evaluate imputation --data stays.parquet --mask block --json out.json",
    )
)
@click.argument("model", type=click.Choice([*HEADS, "forecast", DOSE, PK, IMPUTATION]))
@_DATA
@_OUTCOMES
@click.option(
    "--predictions",
    type=click.Path(path_type=Path),
    help="Parquet out; CSV of a dose; folder of pictures of pk; none of imputation.",
)
@click.option("--json", "report", type=click.Path(path_type=Path), help="Report out; of a dose it may be left out.")
@click.option("--mask", type=click.Choice(["point", "block"]), default="point", help="What is hidden (imputation).")
@click.option("--seed", type=int, default=_FIRST_SEED, help="Of what is hidden (imputation).")
@click.option("--set", "part", help="Only stays of this set of the file (imputation).")
@working("Measuring")
def evaluate(model: str, data: Path, report: Path | None, **asked: Any) -> None:
    """Measure MODEL on data it has not seen.

    A risk: discrimination, calibration and what its alerts cost, at the manifest's threshold; of patients who did not
    grow its trees, and of an hourly one, where all in the file did, of test patients by trees of others. The forecast:
    error against the last value carried forward, and coverage, at 1, 4 and 8 hours. The dose of warfarin: error and
    coverage, beside a fixed dose and the published algorithms. The simulation of drugs (pk): error of the next level of
    real people, before and after their own levels are used, with visual predictive checks. Imputation: error on hours
    that were measured and are hidden from it, beside every candidate.
    """
    _check_kind(model, data)
    if model == IMPUTATION:
        if report is None:
            raise click.UsageError("Missing option '--json'.")
        from cds_app.learn import imputing

        _tell(imputing.summary(imputing.evaluate(data, report, asked["mask"], asked["seed"], part=asked["part"])))
        return
    if asked["predictions"] is None:
        raise click.UsageError("Missing option '--predictions'.")
    _evaluate(model, data, report, asked["predictions"], asked["outcomes"])


def _evaluate(model: str, data: Path, report: Path | None, predictions: Path, outcomes: Path | None) -> None:
    if model == PK:
        from cds_app.learn import pk

        _tell(pk.evaluate(data, report, predictions))
        return
    if model == DOSE:
        from cds_app.learn import warfarin_dose

        _tell(warfarin_dose.evaluate(data, predictions, report))
        return
    if report is None:
        raise click.UsageError("Missing option '--json'.")
    if model == "forecast":
        from cds_app.learn import forecast

        _tell(forecast.evaluate(data, predictions, report))
    elif model == "mortality":
        from cds_app.learn import mortality

        _tell(mortality.evaluate(data, outcomes, predictions, report))
    else:
        from cds_app.learn import evaluating
        from cds_app.learn.heads import HOURLY

        _tell(evaluating.evaluate(HOURLY[model], data, predictions, report))


@click.command(epilog=examples("twinline impute --data stays.parquet --out complete.parquet --causal"))
@click.option("--data", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True, help="Parquet in.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Parquet out.")
@click.option("--causal", is_flag=True, help="From the past of each hour only, as at a bedside.")
@working("Completing")
def impute(data: Path, out: Path, causal: bool) -> None:
    """Complete every hour of every variable of the first 48 hours, with 90 % intervals."""
    from cds_app.learn import imputing

    patients = imputing.complete(data, out, "causal" if causal else "retrospective")
    click.echo(f"{patients} patients completed, from {'the past of each hour' if causal else 'the whole window'}.")


@click.group()
def policy() -> None:
    """When a risk may interrupt."""


@policy.command(
    epilog=examples("twinline policy tune sepsis --data sepsis.parquet --budget 10 --json tuned.json --svg tuned.svg")
)
@click.argument("head", type=click.Choice(HOURLY_HEADS))
@_DATA
@click.option(
    "--budget", type=click.FloatRange(min=0, min_open=True), required=True, help="Alerts per 100 patient-days."
)
@click.option("--json", "report", type=click.Path(path_type=Path), required=True, help="Report out.")
@click.option("--svg", "drawing", type=click.Path(path_type=Path), help="Drawing out.")
@click.option("--keep", is_flag=True, help="Put it in force: into the model's manifest and card.")
@working("Trying policies")
def tune(head: str, data: Path, budget: float, report: Path, drawing: Path | None, keep: bool) -> None:
    """Find the policy that warns most patients within a budget of alerts.

    Threshold, lockout and rise are swept over whole stays. The choice is made on the calibration patients of the file
    and measured on its test patients: it is printed beside the policy in force.
    """
    from cds_app.learn import evaluating, risk_artefact
    from cds_app.learn.heads import HOURLY

    found = evaluating.tune(HOURLY[head], data, report, budget, drawing=drawing)
    if keep:
        risk_artefact.with_policy(latest(head), found)
    _tell({name: found[name] for name in ("budget", "chosen", "live") if name in found})


def _tell(report: Mapping[str, object]) -> None:
    click.echo(json.dumps(report, indent=2, sort_keys=True, default=str))
