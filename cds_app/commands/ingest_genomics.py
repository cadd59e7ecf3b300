"""``twinline ingest genomics``: what one sample of a VCF shows of the pharmacogenes."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final, cast

import click

from cds_app.commands.ingest import entrance, mind, with_source
from cds_app.content import latest
from cds_app.domain.facts import GeneResult
from cds_app.domain.pharmacogenes import Pharmacogenes, load_pharmacogenes
from cds_app.errors import DataError
from cds_app.fabric.genes.vcf import read_vcf, results_of
from cds_app.score.genes.calls import call_genes, described
from cds_app.services.sources.intake import Delivery

_LONGEST: Final = 8 * 1024 * 1024
_GZIP: Final = b"\x1f\x8b"


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--patient", default="", help="FHIR id of the patient.")
@click.option("--identifier", nargs=2, default=None, help="SYSTEM and VALUE of an identifier of the patient.")
@click.option("--sample", default=None, help="Which sample, where the file holds several.")
@click.option("--at", type=click.DateTime(["%Y-%m-%d"]), default=None, help="When it was sequenced; without, now.")
@click.option("--show", is_flag=True, help="Tell diplotypes and phenotypes, and take nothing in.")
@with_source("genomics")
def genomics(
    file: Path,
    *,
    patient: str,
    identifier: tuple[str, str] | None,
    sample: str | None,
    at: datetime | None,
    show: bool,
    **flags: Any,
) -> None:
    """Take in the pharmacogenes of one sample of a VCF. FILE is VCF 4.x on GRCh38, plain or (b)gzipped.

    A file of another build, or of none, is refused. What it does not speak of stays unknown.
    """
    now = datetime.now(UTC)
    when = min(at.replace(tzinfo=UTC), now) if at is not None else now
    if show:
        content = load_pharmacogenes(latest("pharmacogenomics"))
        for line in _told(content, _results(file, content, sample, when, now)[1], when):
            click.echo(line)
        return
    if bool(patient) is bool(identifier):
        raise DataError("either a FHIR id or an identifier", field="--patient")
    with entrance(flags) as way:
        mind([identifier[0]] if identifier else [], way.deps)
        name, results = _results(file, way.deps.knowledge.genes, sample, when, now)
        delivery = Delivery(message=name, received=now, identifier=identifier, fhir_id=patient, facts=results)
        (receipt,) = way.intake.accept([delivery])
    click.echo(f"{file.name}: {len(results)} genes, {receipt}")


def _results(
    file: Path, content: Pharmacogenes, sample: str | None, when: datetime, now: datetime
) -> tuple[str, tuple[GeneResult, ...]]:
    """A name that the same content has each time, and what it shows."""
    digest = hashlib.sha256((sample or "").encode())
    seen = read_vcf(_lines(file, digest), content, sample)
    if not seen:
        raise DataError("speaks of no place of a pharmacogene, or calls chromosomes otherwise", field="FILE")
    name = digest.hexdigest()[:32]
    return name, results_of(seen, name=name, when=when, learned=now)


def _lines(file: Path, digest: Any) -> Iterator[str]:
    try:
        with file.open("rb") as plain:
            packed = plain.read(len(_GZIP)) == _GZIP
        with gzip.open(file) if packed else file.open("rb") as opened:
            stream = cast("IO[bytes]", opened)
            while line := stream.readline(_LONGEST + 1):
                if len(line) > _LONGEST:
                    raise DataError("holds a line that is too long", field="FILE")
                digest.update(line)
                yield line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise DataError("is no text in UTF-8", field="FILE") from None
    except (OSError, EOFError, zlib.error):
        raise DataError("cannot be read to its end", field="FILE") from None


def _told(content: Pharmacogenes, results: tuple[GeneResult, ...], when: datetime) -> Iterator[str]:
    for symbol, call in call_genes(content, results, when).items():
        lacking = f"indeterminate: {call.lacking}" if call.lacking else ""
        score = f", activity score {call.score:g}" if call.score is not None else ""
        yield f"{symbol}: {lacking or described(call).removeprefix(f'{symbol} ')}{score}"
