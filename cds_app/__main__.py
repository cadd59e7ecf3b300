"""The ``twinline`` command: a table of commands whose bodies are imported when they are called."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

import click

from cds_app import __version__
from cds_app.content import newest
from cds_app.errors import DataError, IntegrityError, SettingsError, TwinlineError

_SECTIONS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "See it": {
        "demo": ("cds_app.commands.serving", "Start the service and a small EHR with synthetic patients."),
        "replay": ("cds_app.commands.replaying", "Feed FHIR bundles through Twinline in event time."),
        "simulate": ("cds_app.commands.simulating", "Ask what plans of a drug would do to a patient."),
    },
    "Run it, hospital IT": {
        "serve": ("cds_app.commands.serving", "Answer CDS Hooks calls."),
        "clients": ("cds_app.commands.trusting", "Say which EHRs may call."),
        "issuers": ("cds_app.commands.issuing", "Say which EHRs may launch the sidebar."),
        "keys": ("cds_app.commands.issuing", "Make and rotate the keys with which Twinline proves who it is."),
        "prefetch": ("cds_app.commands.prefetching", "Print the prefetch keys of every service, to copy."),
        "ingest": ("cds_app.commands.ingesting", "Take in what other sources send: one process for each."),
        "subscribe": ("cds_app.commands.subscribing", "Have EHRs tell of changes, by FHIR Subscription."),
        "fabric": ("cds_app.commands.fabric", "Say how much of what sources send is understood; check a site's codes."),
        "switch": ("cds_app.commands.watching", "Turn a service off, into shadow, or on again; seen within seconds."),
        "doctor": ("cds_app.commands.doctoring", "Say what is wrong with this installation, and how to mend it."),
        "db": ("cds_app.commands.governing", "Back the SQLite database up, or restore it."),
    },
    "Answer for it, clinical governance": {
        "decision": ("cds_app.commands.governing", "Show or replay decisions of the log."),
        "audit": ("cds_app.commands.governing", "Check the decision log."),
        "monitor": ("cds_app.commands.watching", "Show how often each topic fires, against what is expected."),
        "canary": ("cds_app.commands.watching", "Ask for the canary patients now and compare with what must come out."),
        "erase": ("cds_app.commands.governing", "Destroy one patient's key."),
        "content": ("cds_app.commands.governing", "Check hooks/, templates/ and models/."),
    },
    "Teach and measure it, data scientists": {
        "train": ("cds_app.commands.learning", "Train a model (extra: learn)."),
        "evaluate": ("cds_app.commands.learning", "Measure a model on data it has not seen (extra: learn)."),
        "impute": ("cds_app.commands.learning", "Complete what was not measured (extra: learn)."),
        "policy": ("cds_app.commands.learning", "Choose when a risk may interrupt (extra: learn)."),
        "card": ("cds_app.commands.carding", "Write the model card of a learned risk."),
        "bench": ("cds_app.bench.group", "Measure speed and memory on this machine."),
    },
}
_COMMANDS = {name: row for rows in _SECTIONS.values() for name, row in rows.items()}
_USAGE, _DEPENDENCY, _INTEGRITY = 2, 3, 4
_MIGRATIONS = Path(__file__).parent / "adapters" / "migrations" / "versions"


class _Lazy(click.Group):
    """Loads a command's module only when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in _COMMANDS:
            return None
        found: click.Command = getattr(importlib.import_module(_COMMANDS[cmd_name][0]), cmd_name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any of them."""
        for title, rows in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, text) for name, (_, text) in rows.items()])


_EPILOG = """Begin with `twinline demo`; `twinline COMMAND --help` shows examples.

\b
Exit status:
  0  done
  1  refused, or something was found that somebody should look at
  2  it cannot be asked like that: an option, a setting or the data
  3  something that Twinline needs does not answer, or does not hold
  4  something was changed that nobody may change: the log, a model, content"""


def _tell_versions(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    """Print the versions of everything that estimates, options and the database rest on, and end."""
    if not value or ctx.resilient_parsing:
        return
    found = newest()
    models = ", ".join(f"{name} {version}" for name, version in found.items() if not name.startswith("pkpd/"))
    drugs = ", ".join(f"{name[5:]} {version}" for name, version in found.items() if name.startswith("pkpd/"))
    schema = max(one.name[:4] for one in _MIGRATIONS.glob("[0-9]*_*.py"))
    click.echo(f"twinline, version {__version__}\nmodels: {models}\ndrugs: {drugs}\ndatabase schema: {schema}")
    ctx.exit()


@click.group(cls=_Lazy, epilog=_EPILOG)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_tell_versions,
    help="Show the versions of Twinline, its models and its database, and exit.",
)
def twinline() -> None:
    """Explainable decision support on patient digital twins, inside the EHR."""


def main() -> None:
    """Run the command line; errors of ours become one line and an exit status."""
    try:
        twinline()
    except TwinlineError as error:
        where = f" ({error.field})" if error.field else ""
        click.echo(f"twinline: {error.message}{where}", err=True)
        raise SystemExit(_status(error)) from None


def _status(error: TwinlineError) -> int:
    if isinstance(error, IntegrityError):
        return _INTEGRITY
    if isinstance(error, SettingsError | DataError):
        return _USAGE
    return _DEPENDENCY if error.status == 503 else 1


if __name__ == "__main__":
    main()
