"""``twinline evaluate``: models, measured on data that they have not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from cds_app.commands.examples import examples
from cds_app.commands.learners import HOURLY, data_in, outcomes_in, predictions_out, report_out, tell
from cds_app.commands.progress import working


@click.group(
    epilog=examples(
        "twinline evaluate aki --data stays.parquet --predictions out.parquet --json out.json",
        "twinline evaluate pk --data pkpd/ --predictions pictures/",
        "twinline evaluate imputation --data stays.parquet --mask block --json out.json",
    )
)
def evaluate() -> None:
    """Measure a model on data it has not seen."""


def _add_hourly(head: str, what: str) -> None:
    said = (
        f"The risk of {what}. Discrimination, calibration and what its alerts cost, at the manifest's threshold: of"
        " patients who did not grow its trees, and where all in the file did, of test patients by trees of others."
    )

    @evaluate.command(head, help=said)
    @data_in()
    @predictions_out()
    @report_out()
    @working("Measuring")
    def command(data: Path, predictions: Path, report: Path) -> None:
        from cds_app.learn.hours import evaluating
        from cds_app.learn.hours.heads import HOURLY as HEADS

        tell(evaluating.evaluate(HEADS[head], data, predictions, report))


for _head, _what in HOURLY.items():
    _add_hourly(_head, _what)


@evaluate.command()
@data_in()
@outcomes_in(required=False)
@predictions_out()
@report_out()
@working("Measuring")
def mortality(data: Path, outcomes: Path | None, predictions: Path, report: Path) -> None:
    """The risk of death in hospital. Of patients who did not grow its trees, at the manifest's threshold."""
    from cds_app.learn.stays import mortality as death

    tell(death.evaluate(data, outcomes, predictions, report))


@evaluate.command()
@data_in()
@predictions_out()
@report_out()
@working("Measuring")
def forecast(data: Path, predictions: Path, report: Path) -> None:
    """The twin's forecast at 1, 4 and 8 h. Error against the last value carried forward, and coverage."""
    from cds_app.learn.twin import forecast as ahead

    tell(ahead.evaluate(data, predictions, report))


@evaluate.command("warfarin-dose")
@data_in("CSV, plain or gzipped,")
@predictions_out("CSV")
@report_out(required=False)
@working("Measuring")
def warfarin_dose(data: Path, predictions: Path, report: Path | None) -> None:
    """The stable weekly dose of warfarin. Beside a fixed dose and the published algorithms."""
    from cds_app.learn.warfarin import dose

    tell(dose.evaluate(data, predictions, report))


@evaluate.command()
@data_in("Folder of data sets", folder=True)
@predictions_out("Folder of pictures (visual predictive checks)")
@report_out(required=False)
@working("Measuring")
def pk(data: Path, predictions: Path, report: Path | None) -> None:
    """The next drug level of real people. Before and after their own levels are used; and of invented people."""
    from cds_app.learn.kinetics import evaluating as levels

    tell(levels.evaluate(data, report, predictions))


@evaluate.command()
@data_in()
@report_out()
@click.option(
    "--mask", type=click.Choice(["point", "block"]), default="point", show_default=True, help="What is hidden."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of what is hidden.")
@click.option("--set", "part", help="Only stays of this set of the file.")
@working("Measuring")
def imputation(data: Path, report: Path, mask: Literal["point", "block"], seed: int, part: str | None) -> None:
    """Hours that were measured, and are hidden. Error and coverage, beside every candidate."""
    from cds_app.learn.imputation import imputing

    tell(imputing.summary(imputing.evaluate(data, report, mask, seed, part=part)))
