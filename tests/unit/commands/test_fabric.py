"""``twinline fabric`` on files: what it prints, and when it says no."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cds_app.commands.fabric import fabric
from cds_app.deps import vocabulary_of
from cds_app.domain.ontology import Ontology
from cds_app.domain.units import UnitConverter
from cds_app.errors import BadRequest, DataError
from cds_app.services.content.knowledge import Knowledge
from cds_app.settings import Settings
from tests.mappings import content, number
from tests.wearables import amount, point

_LOINC = "http://loinc.org"


def result(code: str, patient: str = "p", system: str = _LOINC, **more: Any) -> dict[str, Any]:
    quantity = {"value": 4.1, "unit": "mmol/L", "code": "mmol/L"}
    return {
        "resourceType": "Observation",
        "id": f"{patient}-{code}",
        "status": "final",
        "code": {"coding": [{"system": system, "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": "2025-03-01T08:00:00Z",
        "valueQuantity": quantity,
        **more,
    }


@pytest.fixture(autouse=True)
def _loaded_once(knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content without a mapping is the same each time, and takes a second to load."""

    def held(settings: Settings) -> tuple[Ontology, UnitConverter]:
        return vocabulary_of(settings) if settings.site_mapping else (knowledge.ontology, knowledge.units)

    monkeypatch.setattr("cds_app.commands.fabric.vocabulary_of", held)


def run(*words: object) -> Result:
    return CliRunner().invoke(fabric, [str(one) for one in words], catch_exceptions=False)


def report(*words: object) -> dict[str, Any]:
    """The report of one source."""
    (found,) = json.loads(run("coverage", "--json", *words).output).values()
    assert isinstance(found, dict)
    return found


@pytest.fixture
def ndjson(tmp_path: Path) -> Path:
    file = tmp_path / "Observation.ndjson"
    rows = [result("2823-3"), result("K", system="urn:north:lab"), result("2823-3", "q")]
    file.write_bytes(b"\n".join(json.dumps(one).encode() for one in rows) + b'\n{"broken\n7\n')
    return file


def test_a_file_without_its_patients_is_counted_and_bad_lines_with_it(ndjson: Path) -> None:
    found = report(ndjson)
    assert found["patients"] == 2
    assert [(one["variable"], one["count"]) for one in found["mapped"]] == [("potassium", 2)]
    assert found["unmapped"][0]["codes"] == [["urn:north:lab", "K"]]
    assert found["left_out"]["unreadable"] == 2


def test_a_mapping_makes_a_code_known(ndjson: Path, tmp_path: Path) -> None:
    mapping = tmp_path / "site.json"
    mapping.write_bytes(content(number()))
    assert run("check", mapping).output.startswith("ok     1 codes")
    found = report(ndjson, "--site-mapping", mapping)
    assert [(one["variable"], one["count"]) for one in found["mapped"]] == [("potassium", 3)]
    assert found["unmapped"] == []


def test_every_problem_of_a_mapping_is_told(tmp_path: Path) -> None:
    mapping = tmp_path / "site.json"
    mapping.write_bytes(content(number(variable="kryptonite"), number(code="L", unit="furlong")))
    told = run("check", mapping)
    assert told.exit_code == 1
    assert [line.split()[1] for line in told.output.splitlines()] == ["codes.0.variable:", "codes.1.unit:"]


def test_bundles_drugs_beside_and_gzip_are_read(tmp_path: Path) -> None:
    file = tmp_path / "p.json.gz"
    drug = {"resourceType": "Medication", "id": "m", "code": {"text": "lisinopril"}}
    order = {
        "resourceType": "MedicationRequest",
        "id": "o",
        "status": "active",
        "intent": "order",
        "medicationReference": {"reference": "Medication/m"},
        "subject": {"reference": "Patient/p"},
        "authoredOn": "2025-03-01",
    }
    entries = [{"resource": one} for one in (drug, order, result("2823-3", issued="2025-03-09T08:00:00Z"))]
    file.write_bytes(gzip.compress(json.dumps({"resourceType": "Bundle", "entry": entries}).encode()))
    found = report(file)
    assert found["resources"]["MedicationRequest"] == {"used": 1, "unknown": 0, "dropped": 0}
    assert found["resources"]["Medication"]["used"] == 1
    text = run("coverage", file).output
    assert "1 of 1" in text
    assert "patients 1" in text


def test_each_folder_is_a_source_and_data_points_are_counted_as_what_they_become(ndjson: Path, tmp_path: Path) -> None:
    bands = tmp_path / "bands"
    bands.mkdir()
    rate, weight = (point(name, {"heart_rate": amount(70, "beats/min")}) for name in ("heart-rate", "body-weight"))
    (bands / "a.json").write_text(json.dumps([rate, weight]))
    found = json.loads(run("coverage", "--json", ndjson, bands).output)
    assert list(found) == [tmp_path.name, "bands"]
    assert [(one["variable"], one["count"]) for one in found["bands"]["mapped"]] == [("heart_rate", 1)]
    assert found["bands"]["left_out"] == {"unsupported-type": 1}
    assert found["bands"]["patients"] == 1


def test_what_lies_later_than_now_is_the_future(ndjson: Path) -> None:
    assert report(ndjson, "--as-of", "2024-01-01")["left_out"]["future"] == 3
    assert "future (later than now; see --as-of)" in run("coverage", ndjson, "--as-of", "2024-01-01").output


@pytest.mark.parametrize(("name", "bad"), [("a.json", b"{"), ("a.json.gz", b"no gzip"), ("a.json.gz", b"")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, bad: bytes) -> None:
    file = tmp_path / name
    file.write_bytes(bad)
    with pytest.raises(DataError, match=r"a\.json"):
        run("coverage", file)


def test_a_folder_without_records_is_named_before_any_file_is_read(tmp_path: Path) -> None:
    broken, empty = tmp_path / "broken.json", tmp_path / "empty"
    broken.write_bytes(b"{")
    empty.mkdir()
    found = CliRunner().invoke(fabric, ["coverage", str(broken), str(empty)])
    assert isinstance(found.exception, BadRequest)
    assert found.exception.message.startswith(f"{empty} holds no")
