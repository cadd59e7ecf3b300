"""Every resource of real and synthetic records (MIMIC-IV demo, Synthea), if they are there, is accounted for."""

from __future__ import annotations

import gzip
import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cds_app.content import artefact
from cds_app.domain.ontology_files import load_ontology
from cds_app.domain.strict_json import loads
from cds_app.domain.units import UnitConverter
from cds_app.fabric.bundles import unpack
from cds_app.fabric.reading import Reading, read
from cds_app.fabric.references import Item

pytestmark = [pytest.mark.data, pytest.mark.slow]

_ROOT = Path(__file__).resolve().parents[2]
_DATA = Path(os.environ.get("TWINLINE_TEST_DATA", _ROOT.parent / "shared" / "data"))


def _files(name: str) -> list[Path]:
    files = sorted((_DATA / name).glob("*.json.gz"))
    if not files:
        pytest.skip(f"no {name} in {_DATA}; TWINLINE_TEST_DATA names the folder that holds it")
    return files


def _readings(name: str, now: datetime) -> Iterator[tuple[tuple[Item, ...], Reading]]:
    ontology = load_ontology(artefact("ontology", "1.0.0"))
    units = UnitConverter(ontology)
    for file in _files(name):
        bundle: dict[str, Any] = loads(gzip.decompress(file.read_bytes()), max_bytes=2**30)
        items, issues = unpack(bundle, at="bundle")
        assert issues == ()
        (patient,) = (entry["resource"]["id"] for entry in bundle["entry"] if _is_patient(entry))
        yield items, read(items, patient=patient, ontology=ontology, units=units, zone=UTC, learned=now, now=now)


def _is_patient(entry: dict[str, Any]) -> bool:
    return bool(entry["resource"]["resourceType"] == "Patient")


@pytest.mark.parametrize(
    ("name", "now"),
    [
        ("mimic_fhir", datetime(2215, 1, 1, tzinfo=UTC)),  # shifted by the publisher into 2110 to 2210
        ("synthea_r4", datetime(2025, 1, 1, tzinfo=UTC)),
    ],
)
def test_every_resource_of_a_record_is_accounted_for(name: str, now: datetime) -> None:
    total: Counter[str] = Counter()
    reasons: Counter[tuple[str, str]] = Counter()
    for items, reading in _readings(name, now):
        tally = reading.tally.values()
        assert sum(one.used + one.unknown + one.dropped for one in tally) == len(items)
        losses = Counter(issue.ref for issue in reading.issues if issue.dropped)
        assert len(losses) >= sum(one.dropped for one in tally)
        reasons.update(
            (issue.ref.partition("/")[0] if "/" in issue.ref else "", issue.code) for issue in reading.issues
        )
        for one in tally:
            total.update(used=one.used, unknown=one.unknown, dropped=one.dropped)
    print(f"\n{name}: {dict(total)}", *(f"{key}: {n}" for key, n in reasons.most_common()), sep="\n  ")
    assert total["used"] > total["unknown"]
