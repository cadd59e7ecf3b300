"""``twinline policy``: when a risk may interrupt."""

from __future__ import annotations

from pathlib import Path

import click

from cds_app.commands.examples import examples
from cds_app.commands.learners import HOURLY, apart, data_in, report_out, tell
from cds_app.commands.progress import working
from cds_app.content import latest


@click.group()
def policy() -> None:
    """When a risk may interrupt."""


@policy.command(
    epilog=examples("twinline policy tune sepsis --data sepsis.parquet --budget 10 --json tuned.json --svg tuned.svg")
)
@click.argument("head", type=click.Choice(list(HOURLY)))
@data_in()
@click.option(
    "--budget", type=click.FloatRange(min=0, min_open=True), required=True, help="Alerts per 100 patient-days."
)
@report_out()
@click.option("--svg", "drawing", type=click.Path(path_type=Path), callback=apart, help="Drawing out.")
@click.option("--keep", is_flag=True, help="Put it in force: into the model's manifest and card.")
@working("Trying policies")
def tune(head: str, data: Path, budget: float, report: Path, drawing: Path | None, keep: bool) -> None:
    """Find the policy that warns most patients within a budget.

    Threshold, lockout and rise are swept over whole stays. The choice is made on the calibration patients of the file
    and measured on its test patients: it is printed beside the policy in force.
    """
    from cds_app.learn.hours import artefact, evaluating
    from cds_app.learn.hours.heads import HOURLY as HEADS

    found = evaluating.tune(HEADS[head], data, report, budget, drawing=drawing)
    if keep:
        artefact.with_policy(latest(head), found)
    tell({name: found[name] for name in ("budget", "chosen", "live") if name in found})
