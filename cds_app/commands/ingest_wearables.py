"""``twinline ingest wearables``: data points of Open mHealth, and FHIR Observations of wearables, from files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click

from cds_app.commands.ingest import entrance, mind, with_source
from cds_app.commands.record_files import files_of, streamed
from cds_app.content import canonical_json
from cds_app.services.sources.intake import Delivery
from cds_app.services.sources.wearables import deliveries_of

_BATCH: Final = 500
_REFUSED: Final = {"unreadable": "garbled", "encoding": "encoding", "too-long": "oversize", "truncated": "garbled"}


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--system", required=True, help="Within which header.user_id names a person: an identifier system.")
@with_source("wearables")
def wearables(paths: tuple[Path, ...], *, system: str, **flags: Any) -> None:
    """Take in Open mHealth and FHIR Observations of wearables. PATHS hold JSON or NDJSON, gzipped or not.

    People are named by identifier: header.user_id within SYSTEM, or subject.identifier of an Observation.
    """
    counts: Counter[str] = Counter()
    with entrance(flags) as way:
        mind([system], way.deps)
        for file in files_of(paths):
            deliveries = _deliveries(file, flags["name"], system, way.deps.clock.now)
            while batch := list(islice(deliveries, _BATCH)):
                receipts = way.intake.accept(batch)
                counts.update(one.refused or receipt for one, receipt in zip(batch, receipts, strict=True))
    click.echo(canonical_json(dict(sorted(counts.items()))).decode())


def _deliveries(file: Path, source: str, system: str, now: Any) -> Iterator[Delivery]:
    for told in streamed(file):
        if told.problem:
            yield Delivery(message=told.where, received=now(), refused=_REFUSED[told.problem])
        else:
            yield from deliveries_of(told.value, source=source, system=system, received=now())
