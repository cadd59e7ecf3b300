"""``twinline fabric``: how much of what sources send is understood, and a site's own mapping."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import click
import msgspec

from cds_app.adapters.clock import SystemClock
from cds_app.commands.examples import examples
from cds_app.commands.record_files import files_of, streamed
from cds_app.deps import mapping_in, vocabulary_of
from cds_app.domain.issues import IssueCode
from cds_app.domain.ontology import Ontology
from cds_app.domain.site_mapping import problems
from cds_app.domain.time import parse_fhir_time
from cds_app.domain.units import UnitConverter
from cds_app.fabric.bundles import unpack
from cds_app.fabric.coverage import Coverage, CoverageReport
from cds_app.fabric.devices.open_mhealth import DataPoint, read_point
from cds_app.fabric.exchange.parting import by_patient
from cds_app.fabric.lexicon import lexicon_of
from cds_app.fabric.reading import read
from cds_app.fabric.references import Item
from cds_app.settings import Settings, configured

_BATCH: Final = 5_000
_SHOWN: Final = 15


@click.group()
def fabric() -> None:
    """Say how much of what sources send is understood, and check a site's own codes and units."""


@fabric.command(
    epilog=examples(
        "twinline fabric coverage records/", "twinline fabric coverage export.ndjson --site-mapping site.json --json"
    )
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--site-mapping", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Codes of the site.")
@click.option("--as-of", help="Now, for files from another time; what lies later counts as future.")
@click.option("--json", "as_json", is_flag=True, help="For machines, and everything.")
def coverage(paths: tuple[Path, ...], *, site_mapping: Path | None, as_of: str | None, as_json: bool) -> None:
    """Count what the ontology knows of what stands in PATHS. Each folder, or the files of one, is a source.

    FHIR Bundles and resources, data points of Open mHealth; JSON or NDJSON, gzipped or not.
    """
    settings = configured({"site_mapping": site_mapping})
    known, zone = vocabulary_of(settings), ZoneInfo(settings.timezone)
    now = parse_fhir_time(as_of, field="as-of").end if as_of else SystemClock().now()
    sources: dict[Path, Coverage] = {}
    found = [(path, list(files_of([path]))) for path in paths]  # what is wrong with a path is said before any is read
    for path, files in found:
        folder = path if path.is_dir() else path.absolute().parent
        counted = sources.setdefault(folder, Coverage(lexicon_of(*known), known[0].variables, zone))
        for file in files:
            _count(file, counted, known, now)
    alike = Counter(folder.name for folder in sources)
    reports = {
        folder.name if alike[folder.name] == 1 else str(folder): counted.report() for folder, counted in sources.items()
    }
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(reports)).decode())
    for name, report in () if as_json else reports.items():
        click.echo("\n".join((f"source {name}", *lines_of(report), "")))


@fabric.command(epilog=examples("twinline fabric check site.json"))
@click.argument("mapping", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def check(mapping: Path) -> None:
    """Check a site's MAPPING against the ontology. Status 1 if anything in it does not hold."""
    found = mapping_in(mapping)
    ontology, _ = vocabulary_of(Settings())
    wrong = problems(found, ontology)
    for one in wrong:
        click.echo(f"WRONG  {one.where}: {one.what}")
    if wrong:
        raise SystemExit(1)
    click.echo(f"ok     {len(found.rows)} codes and {len(found.units)} unit texts of {found.site}")


def _count(file: Path, counted: Coverage, known: tuple[Ontology, UnitConverter], now: datetime) -> None:
    """Count one file, a batch of its resources at a time."""
    items, (ontology, units) = _items(file, counted), known
    while batch := list(islice(items, _BATCH)) if ".ndjson" in file.name else list(items):
        parted = by_patient(batch)
        counted.missed("of-nobody", len(parted.strays))
        for patient, own in (*parted.patients.items(), ("", parted.shared)):
            reading = read(
                own,
                patient=patient,
                ontology=ontology,
                units=units,
                zone=counted.zone,
                learned=now,
                now=now,
                beside=() if own is parted.shared else parted.shared,
            )
            counted.add(patient, own, reading)


def _items(file: Path, counted: Coverage) -> Iterator[Item]:
    for told in streamed(file):
        values = told.value if isinstance(told.value, list) else [told.value]
        for value in () if told.problem else values:
            yield from (
                _of_point(value, told.where, counted) if _is_point(value) else _of_fhir(value, told.where, counted)
            )
        if told.problem:
            counted.missed(told.problem)


def _of_fhir(value: object, where: str, counted: Coverage) -> Iterator[Item]:
    items, issues = unpack(value, at=where)
    for issue in issues:
        counted.missed(issue.code.value)
    yield from items


def _is_point(value: object) -> bool:
    return isinstance(value, dict) and "header" in value and "resourceType" not in value


def _of_point(value: object, where: str, counted: Coverage) -> Iterator[Item]:
    """A data point of Open mHealth as the Observations that it becomes."""
    point = read_point(value)
    if not isinstance(point, DataPoint):
        counted.missed(point)
        return
    who = f"Patient/{blake2b(point.user.encode(), digest_size=8).hexdigest()}"
    for resource in point.resources:
        yield Item({**resource, "subject": {"reference": who}}, where)


def lines_of(report: CoverageReport) -> Iterator[str]:
    """A report for people: what is worth the next entry of a mapping first."""
    yield f"patients {report.patients}"
    yield from _table(
        ("type", "used", "unknown", "left out"),
        [(kind, *map(str, tally.values())) for kind, tally in report.resources.items()],
    )
    yield from _table(
        ("observations", "count", "unmapped", "without a standard code"),
        [
            (one.category, str(one.count), _share(one.unmapped, one.count), _share(one.local_only, one.count))
            for one in report.categories
        ],
    )
    yield from _table(
        ("mapped to", "count", "implausible", "stale when reported"),
        [
            (one.variable, str(one.count), str(one.implausible), f"{one.stale} of {one.dated}")
            for one in report.mapped[:_SHOWN]
        ],
        of=len(report.mapped),
    )
    yield from _table(
        ("unmapped", "count", "unit", "code"),
        [
            (f"{one.kind} {one.display}", str(one.count), one.unit, " ".join("|".join(code) for code in one.codes))
            for one in report.unmapped[:_SHOWN]
        ],
        of=len(report.unmapped),
    )
    yield from _table(
        ("refused unit of", "reason", "unit", "count"),
        [(one.variable, one.reason, one.unit, str(one.count)) for one in report.refused[:_SHOWN]],
        of=len(report.refused),
    )
    yield from _table(("left out because", "count"), [(_told(code), str(n)) for code, n in report.left_out.items()])
    yield f"the same resource again {report.again}; the same result under another id {report.repeated}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], of: int = 0) -> Iterator[str]:
    if not rows:
        return
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    if of > len(rows):
        yield f"and {of - len(rows)} more (--json)"
    yield ""


def _told(code: str) -> str:
    return f"{code} (later than now; see --as-of)" if code == IssueCode.FUTURE else code


def _share(part: int, whole: int) -> str:
    return f"{part} ({100 * part / whole:.1f} %)" if whole else "0"
