"""The ``twinline`` command: a table of commands whose bodies are imported when they are called."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

import click

from cds_app import __version__
from cds_app.content import newest
from cds_app.errors import DataError, IntegrityError, SettingsError, TwinlineError

_SECTIONS: Mapping[str, Mapping[str, str]] = {
    "See it": {
        "demo": "Start the service and a small EHR with synthetic patients.",
        "replay": "Feed FHIR bundles through Twinline in event time.",
        "simulate": "Ask what plans of a drug would do to a patient.",
    },
    "Run it, hospital IT": {
        "serve": "Answer CDS Hooks calls.",
        "clients": "Say which EHRs may call.",
        "issuers": "Say which EHRs may launch the sidebar.",
        "keys": "Make and rotate the keys with which Twinline proves who it is.",
        "prefetch": "Print the prefetch keys of every service, to copy.",
        "ingest": "Take in what other sources send: one process for each.",
        "subscribe": "Have EHRs tell of changes, by FHIR Subscription.",
        "fabric": "Say how much of what sources send is understood; check a site's codes.",
        "switch": "Turn a service off, into shadow, or on again; seen within seconds.",
        "doctor": "Say what is wrong with this installation, and how to mend it.",
        "db": "Back the SQLite database up, or restore it.",
    },
    "Answer for it, clinical governance": {
        "decision": "Show or replay decisions of the log.",
        "audit": "Check the decision log.",
        "monitor": "Show how often each topic fires, against what is expected.",
        "canary": "Ask for the canary patients now and compare with what must come out.",
        "erase": "Destroy one patient's key.",
        "content": "Check hooks/, templates/ and models/.",
    },
    "Teach and measure it, data scientists": {
        "train": "Train a model (extra: learn).",
        "evaluate": "Measure a model on data it has not seen (extra: learn).",
        "impute": "Complete what was not measured (extra: learn).",
        "policy": "Choose when a risk may interrupt (extra: learn).",
        "card": "Write the model card of a learned risk.",
        "bench": "Measure speed and memory on this machine.",
    },
}
_NAMES = tuple(name for rows in _SECTIONS.values() for name in rows)
_ELSEWHERE = {
    "bench": "cds_app.bench.group",
}
"""Commands that do not stand in the module of their name."""
_USAGE, _DEPENDENCY, _INTEGRITY = 2, 3, 4
_MIGRATIONS = Path(__file__).parent / "adapters" / "sql" / "migrations" / "versions"


class _Lazy(click.Group):
    """Loads a command's module only when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(_NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in _NAMES:
            return None
        module = importlib.import_module(_ELSEWHERE.get(cmd_name, f"cds_app.commands.{cmd_name}"))
        found: click.Command = getattr(module, cmd_name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any of them."""
        for title, rows in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(list(rows.items()))


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
        click.echo(f"twinline: {error.said}", err=True)
        raise SystemExit(_status(error)) from None


def _status(error: TwinlineError) -> int:
    if isinstance(error, IntegrityError):
        return _INTEGRITY
    if isinstance(error, SettingsError | DataError):
        return _USAGE
    return _DEPENDENCY if error.status == 503 else 1


if __name__ == "__main__":
    main()
