"""The command line of sources: take in, say what came, say whose it is, erase all of it."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cds_app.__main__ import twinline
from cds_app.bootstrap import identities_of
from cds_app.commands import record_files
from cds_app.commands.stores import open_deps
from cds_app.databases import store_of
from cds_app.errors import BadRequest, SettingsError
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.sources.identities import Tie
from cds_app.settings import Settings
from tests.conftest import FROZEN
from tests.patients import bundle, observation, patient
from tests.wearables import amount, point


@pytest.fixture
def home(tmp_path: Path) -> Path:
    store_of(Settings(data_dir=tmp_path)).close()
    return tmp_path


def run(home: Path, *words: str) -> Result:
    return CliRunner().invoke(twinline, [*words, "--data-dir", str(home)], catch_exceptions=False)


def status(home: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(home, "ingest", "status", "--json").output)
    return found


def test_records_in_files_are_taken_in_once(home: Path) -> None:
    file = home / "one.json"
    file.write_text(json.dumps(bundle(patient(), observation("potassium", 4.5, FROZEN))))
    assert run(home, "ingest", "files", str(file)).output == "one.json: 1 patients, 0 known already\n"
    assert run(home, "ingest", "files", str(file)).output == "one.json: 0 patients, 1 known already\n"
    said = status(home)["files"]
    assert (said["messages"], said["facts"], said["waiting"], said["refused"]) == (1, 2, 0, {})
    assert "files: 1 messages, 2 facts" in run(home, "ingest", "status").output
    run(home, "erase", "--patient", "p1", "--yes")
    assert run(home, "ingest", "files", str(file)).output == "one.json: 0 patients, 1 known already\n"


@pytest.mark.parametrize("name", ["one.json.gz", "one.ndjson.gz"])
def test_what_is_packed_is_unpacked_no_further_than_it_may_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(record_files, "_MAX_BYTES", 1 << 20)
    (tmp_path / name).write_bytes(gzip.compress(b"[" * (32 << 20)))
    tracemalloc.start()
    try:
        with pytest.raises(BadRequest, match="too many bytes"):
            record_files.contents_of(tmp_path / name)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_a_patient_in_a_file_is_who_their_identifiers_name(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINLINE_IDENTIFIER_SYSTEMS", "urn:app:users")
    data, file = point("heart-rate", {"heart_rate": amount(61, "beats/min")}), home / "one.json"
    (home / "points.ndjson").write_text(json.dumps(data))
    run(home, "ingest", "wearables", str(home / "points.ndjson"), "--system", "urn:app:users")
    assert status(home)["wearables"]["waiting"] == 1
    carried = [{"system": "urn:app:users", "value": data["header"]["user_id"]}]
    file.write_text(json.dumps(bundle(patient(identifier=carried), observation("potassium", 4.5, FROZEN))))
    run(home, "ingest", "files", str(file))
    assert status(home)["wearables"]["waiting"] == 0


def test_an_identifier_is_tied_and_untied_by_hand(home: Path) -> None:
    assert run(home, "ingest", "tie", "urn:oid:1.2", "4711", "--patient", "p1").output == "tied\n"
    assert run(home, "ingest", "tie", "urn:oid:1.2", "4711").output == "untied\n"


@pytest.mark.parametrize(("system", "minded"), [("urn:app:users", False), ("urn:app:user", True)])
def test_a_source_says_by_which_system_nobody_is_found(
    home: Path, monkeypatch: pytest.MonkeyPatch, system: str, minded: bool
) -> None:
    monkeypatch.setenv("TWINLINE_IDENTIFIER_SYSTEMS", "urn:app:users")
    file = home / "points.ndjson"
    file.write_text(json.dumps(point("heart-rate", {"heart_rate": amount(61, "beats/min")})))
    said = run(home, "ingest", "wearables", str(file), "--system", system)
    assert ("urn:app:user is none of TWINLINE_IDENTIFIER_SYSTEMS" in said.stderr) is minded
    assert json.loads(said.stdout) == {"stored": 1}


def test_a_mistyped_folder_is_no_new_database(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no database"):
        run(tmp_path / "elsewhere", "ingest", "status")


def test_nothing_has_arrived_where_nothing_has(home: Path) -> None:
    assert run(home, "ingest", "status").output == "nothing has arrived\n"


def test_who_is_read_as_one_is_told_with_who_said_so(
    home: Path, knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cds_app.deps.knowledge_of", lambda settings: knowledge)
    with open_deps({"data_dir": home}) as deps:
        identities, first = identities_of(deps), deps.store.pseudonym("local", "p1")
        at = datetime(2026, 3, 1, tzinfo=UTC)
        identities.tie(deps.store.pseudonym("local", "p2"), Tie(to=first, by="merge", at=at))
        identities.tie(identities.alias("local", ("urn:mrn", "4711")), Tie(to=first, by="record", at=at))

    def told(*words: str) -> str:
        return run(home, "ingest", "identity", *words).output

    found = json.loads(told("p1", "--json"))
    assert sorted(one["by"] for one in found["tied"]) == ["merge", "record"]
    assert json.loads(told("p2", "--json"))["goes_on_as"] == first[:16]
    assert "by merge since 2026-03-01" in told("p1")
    assert told("p2").startswith("merged into")
    assert told("p3") == "nothing is tied to this patient\n"
    assert "4711" not in json.dumps(found)
