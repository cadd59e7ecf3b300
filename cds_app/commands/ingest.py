"""``twinline ingest``: one process per source, as many as are needed; the store is where they meet.

A source is one module, ``ingest_NAME``, with a click command of its name. It turns messages into
`cds_app.services.sources.intake.Delivery` and acknowledges them when `Intake.accept` has returned.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from cds_app.adapters.clock import SystemClock
from cds_app.bootstrap import identities_of, intake_of
from cds_app.commands.examples import examples
from cds_app.commands.record_files import contents_of, files_of
from cds_app.commands.stores import open_deps, with_store
from cds_app.content import canonical_json
from cds_app.deps import Deps
from cds_app.errors import BadRequest, PatientErased
from cds_app.fabric.identifiers import identifiers_of
from cds_app.ports import TwinStore
from cds_app.services.sources.identities import Tie
from cds_app.services.sources.intake import Delivery, Intake, Source

_SHORT: Final = 16  # of a pseudonym, for people
_Command = TypeVar("_Command", bound=Callable[..., Any])

_SOURCES: Final = ("wearables", "subscriptions", "bulk", "genomics", "mqtt", "hl7v2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """What a source's command stands on."""

    deps: Deps
    intake: Intake


class _Sources(click.Group):
    """Loads a source's module only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Sources, then what is said about all of them."""
        return [*_SOURCES, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in _SOURCES:
            return super().get_command(ctx, cmd_name)
        found: click.Command = getattr(importlib.import_module(f"cds_app.commands.ingest_{cmd_name}"), cmd_name)
        return found


@click.group(cls=_Sources)
def ingest() -> None:
    """Take in what sources send, and say whose it is."""


def with_source(name: str) -> Callable[[_Command], _Command]:
    """Options of every source: what it is called, whose patients it speaks of, and where the store is."""

    def decorated(command: _Command) -> _Command:
        command = with_store(command)
        command = click.option(
            "--tenant", default="local", show_default=True, help="Whose patients: FHIR base URL of the EHR, or local."
        )(command)
        return click.option("--name", default=name, show_default=True, help="Of the source, in metrics.")(command)

    return decorated


@contextmanager
def entrance(flags: Mapping[str, Any]) -> Iterator[Entrance]:
    """The way in for a source; flags are those of `with_source`. Only what is there is opened."""
    source = Source(name=flags["name"], tenant=flags["tenant"])
    with open_deps({key: flags[key] for key in ("data_dir", "database_url")}) as deps:
        yield Entrance(deps=deps, intake=intake_of(deps, source))


def mind(systems: Iterable[str], deps: Deps) -> None:
    """Say of which identifier systems no Patient is read, so that a misspelt one does not keep facts waiting unseen."""
    for system in sorted(set(systems) - set(deps.settings.identifier_systems)):
        said = "is none of TWINLINE_IDENTIFIER_SYSTEMS: until it is, facts wait for `twinline ingest tie`"
        click.echo(f"twinline: {system} {said}", err=True)


@ingest.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@with_source("files")
def files(paths: tuple[Path, ...], **flags: Any) -> None:
    """Take in FHIR records of PATHS under their own ids. Bundles, resources, NDJSON; gzipped or not."""
    with entrance(flags) as way:
        for file in files_of(paths):
            told = [(patient, [resource for _, resource in entries]) for patient, entries in contents_of(file).patients]
            deliveries = [
                Delivery(
                    message=sha256(json.dumps(resources, sort_keys=True).encode()).hexdigest(),
                    received=way.deps.clock.now(),
                    fhir_id=patient,
                    resources=resources,
                )
                for patient, resources in told
            ]
            receipts = way.intake.accept(deliveries)
            for patient, resources in told:
                _learn(way, patient, resources)
            click.echo(f"{file.name}: {receipts.count('stored')} patients, {receipts.count('known')} known already")


def _learn(way: Entrance, patient: str, resources: Iterable[Mapping[str, Any]]) -> None:
    """Tie what else the patient is called, as a call does."""
    people = (one for one in resources if one.get("resourceType") == "Patient")
    tenant = way.intake.source.tenant
    way.intake.identities.learn(tenant, way.deps.store.pseudonym(tenant, patient), identifiers_of(people, patient))


@ingest.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@with_store
def status(*, as_json: bool, **flags: Any) -> None:
    """Say what came from each source, and what was refused. Counts the last weeks, and identifiers that wait."""
    with open_deps(flags) as deps:
        tallies, aliases = deps.store.arrived(), deps.store.aliases()
        waiting = identities_of(deps).waiting(aliases)
    found: dict[str, dict[str, Any]] = {}
    for one in tallies:
        said = found.setdefault(one.source, {"messages": 0, "facts": 0, "refused": {}, "last": ""})
        if one.refused:
            said["refused"][one.refused] = one.number
        else:
            said |= {"messages": one.number, "facts": one.facts}
        said["last"] = max(said["last"], one.last.isoformat(timespec="seconds"))
    for name, said in found.items():
        said["identifiers"] = sum(source == name for source, _ in aliases)
        said["waiting"] = sum(source == name for source, _ in waiting)
    click.echo(canonical_json(found).decode() if as_json else "\n".join(_lines(found)) or "nothing has arrived")


def _lines(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, said in found.items():
        yield f"{name}: {said['messages']} messages, {said['facts']} facts, last at {said['last']}"
        yield f"  {said['identifiers']} identifiers, of which {said['waiting']} wait for a patient"
        for reason, number in said["refused"].items():
            yield f"  refused, {reason}: {number}"


@ingest.command()
@click.argument("system")
@click.argument("value")
@click.option("--patient", default="", help="FHIR id of the patient whose it is; without, it is nobody's.")
@click.option("--tenant", default="local", show_default=True, help="FHIR base URL of the EHR, or local.")
@with_store
def tie(system: str, value: str, *, patient: str, tenant: str, **flags: Any) -> None:
    """Say whose the identifier VALUE of SYSTEM is. For where the EHR's record does not, or says it of two patients."""
    with open_deps(flags) as deps:
        identities = identities_of(deps)
        to = deps.store.pseudonym(tenant, patient) if patient else ""
        wish = Tie(to=to, by="operator", at=SystemClock().now())
        told = identities.tie(identities.alias(tenant, (system, value)), wish)
    if told in ("circular", "older", "too-many"):
        raise BadRequest(f"the tie is {told}: nothing was changed", field="value")
    click.echo("tied" if patient else "untied")


@ingest.command(epilog=examples("twinline ingest identity 4711 --tenant https://ehr.north.example/fhir"))
@click.argument("patient")
@click.option("--tenant", default="local", show_default=True, help="FHIR base URL of the EHR, or local.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@with_store
def identity(patient: str, *, tenant: str, as_json: bool, **flags: Any) -> None:
    """Say what is read as one with PATIENT (FHIR id). Names identifiers and merged records, who said so, and when.

    They are named by their pseudonyms: an identifier is not kept as it was sent.
    """
    with open_deps(flags) as deps:
        identities, own = identities_of(deps), deps.store.pseudonym(tenant, patient)
        rows = [
            {
                "pseudonym": name[:_SHORT],
                "by": tie.by,
                "since": tie.at.isoformat(timespec="seconds"),
                "contested": tie.contested,
                "segments": _segments(deps.store, name),
            }
            for name, tie in identities.ties(own)
        ]
        found = {"goes_on_as": identities.owner(own)[:_SHORT], "tied": rows}
    click.echo(canonical_json(found).decode() if as_json else "\n".join(_identity_lines(found)))


def _segments(store: TwinStore, name: str) -> int:
    try:
        return len(store.segments(name))
    except PatientErased:
        return 0


def _identity_lines(found: Mapping[str, Any]) -> Iterator[str]:
    if found["goes_on_as"]:
        yield f"merged into {found['goes_on_as']}: its record is read there"
    for row in found["tied"]:
        contested = ", contested: read with nobody" if row["contested"] else ""
        yield f"{row['pseudonym']}: {row['segments']} segments, by {row['by']} since {row['since']}{contested}"
    if not found["tied"] and not found["goes_on_as"]:
        yield "nothing is tied to this patient"
