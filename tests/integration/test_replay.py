"""``twinline replay``: a record goes through in event time, in process and over HTTP, and bad files are named."""

from __future__ import annotations

import gzip
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from werkzeug.serving import make_server

from cds_app.bootstrap import app_of
from cds_app.commands.replay import replay
from cds_app.deps import memory_deps
from cds_app.services.content.knowledge import Knowledge
from cds_app.settings import Settings
from tests.patients import QUIET, SEPTIC, bundle, course, observation, patient, stay

NIGHT = datetime(2026, 2, 27, 22, 0, tzinfo=UTC)
MORNING = NIGHT + timedelta(hours=12)
_ROOT = Path(__file__).resolve().parents[2]
_DATA = Path(os.environ.get("TWINLINE_TEST_DATA", _ROOT.parent / "shared" / "data"))


def record(patient_id: str = "p1") -> dict[str, Any]:
    """A woman who gets worse overnight, and whose chart was closed with her diagnosis and her death."""
    admitted = stay(NIGHT, patient_id)
    over = {
        **admitted,
        "status": "finished",
        "period": {"start": NIGHT.isoformat(), "end": (MORNING + timedelta(days=2)).isoformat()},
    }
    diagnosis = {
        "resourceType": "Condition",
        "id": f"{patient_id}-dx",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "91302008"}], "text": "Sepsis"},
        "subject": {"reference": f"Patient/{patient_id}"},
        "recordedDate": (MORNING + timedelta(days=2)).isoformat(),
    }
    return bundle(
        patient(patient_id, deceasedDateTime=(MORNING + timedelta(days=2)).isoformat()),
        over,
        diagnosis,
        *course(MORNING, QUIET, SEPTIC, 11, patient_id),
        observation("potassium", 4.6, NIGHT + timedelta(hours=1), patient_id),
        observation("potassium", 6.9, MORNING - timedelta(hours=6), patient_id, issued=MORNING.isoformat()),
        observation("lactate", 4.4, MORNING, patient_id),
    )


def replayed(folder: Path, *words: str) -> tuple[Result, list[dict[str, Any]]]:
    out = folder / "cards.out"
    result = CliRunner().invoke(replay, [*words, "--out", str(out)])
    lines = out.read_text(encoding="utf-8").splitlines() if out.exists() else []
    return result, [json.loads(line) for line in lines]


def written(file: Path, *documents: object) -> str:
    text = "\n".join(json.dumps(one) for one in documents).encode()
    file.write_bytes(gzip.compress(text) if file.suffix == ".gz" else text)
    return str(file)


def without_ids(shown: list[dict[str, Any]]) -> list[Any]:
    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: bare(one) for key, one in value.items() if key != "uuid"}
        return [bare(one) for one in value] if isinstance(value, list) else value

    return [bare(one) for one in shown]


@contextmanager
def serving(knowledge: Knowledge) -> Iterator[str]:
    """The service on a port of its own, with simulated time."""
    settings = Settings(simulated_time=True, open_to_this_machine=True)
    server = make_server("127.0.0.1", 0, app_of(memory_deps(knowledge, settings)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_record_is_told_in_event_time(tmp_path: Path) -> None:
    result, shown = replayed(tmp_path, written(tmp_path / "one.json", record()))
    assert result.exit_code == 0, result.output
    topics = {one["card"]["source"]["topic"]["code"]: one for one in reversed(shown)}
    assert datetime.fromisoformat(topics["hyperkalaemia"]["at"]) == MORNING  # issued six hours after it was taken
    assert "6.9 mmol/L at 04:00" in topics["hyperkalaemia"]["card"]["summary"]
    assert all("dx" not in json.dumps(one) for one in shown)
    assert "1 patient, 14 chart openings" in result.output
    assert "alerts (warning or critical)" in result.output


def test_what_brings_no_news_is_not_told_as_missing(tmp_path: Path) -> None:
    _, lines = replayed(tmp_path, written(tmp_path / "record.json", record()))
    assert not [one for one in lines if "could not be fetched" in one["card"]["detail"]]


def test_every_resource_is_accounted_for(tmp_path: Path) -> None:
    record_ = record()
    extra = [{"resourceType": "Claim", "patient": {"reference": "Patient/p1"}}, observation("wbc", 9.0, NIGHT, "p9")]
    record_["entry"] += [{"resource": one} for one in extra]
    result, _ = replayed(tmp_path, written(tmp_path / "one.json", record_))
    lines = [line.split(maxsplit=1) for line in result.output.splitlines() if line.startswith("  ")]
    counts = {name: int(count) for count, name in lines}
    kinds = ("Patient", "Encounter", "Condition", "Observation", "Claim")
    counted = sum(count for name, count in counts.items() if name.split()[0] in kinds)
    assert counted + counts["of-nobody-in-the-file"] == len(record_["entry"])


def test_all_formats_give_the_same_cards(tmp_path: Path) -> None:
    one = record()
    resources = [entry["resource"] for entry in one["entry"]]
    names = ["a.json", "b.json.gz", "c.ndjson", "d.ndjson.gz"]
    documents = [[one], [one], resources, resources]
    found = []
    for name, content in zip(names, documents, strict=True):
        result, shown = replayed(tmp_path, written(tmp_path / name, *content))
        assert result.exit_code == 0, result.output
        found.append(without_ids(shown))
    assert found[0]
    assert all(one == found[0] for one in found)


def test_a_folder_and_a_file_may_hold_several_patients(tmp_path: Path) -> None:
    folder = tmp_path / "records" / "deep"
    folder.mkdir(parents=True)
    written(folder / "two.ndjson", record("p1"), record("p2"))
    written(folder / "three.json", record("p3"))
    (folder / "readme.txt").write_text("no record")
    result, shown = replayed(tmp_path, str(tmp_path / "records"))
    assert result.exit_code == 0, result.output
    assert {one["patient"] for one in shown} == {"p1", "p2", "p3"}
    ours = {name: [one["card"]["summary"] for one in shown if one["patient"] == name] for name in ("p1", "p2", "p3")}
    assert ours["p1"] == ours["p2"] == ours["p3"]


def test_http_and_process_give_the_same_cards(tmp_path: Path, knowledge: Knowledge) -> None:
    file = written(tmp_path / "one.json", record())
    inside, here = replayed(tmp_path, file)
    with serving(knowledge) as url:
        outside, there = replayed(tmp_path, file, "--service", url)
    assert (inside.exit_code, outside.exit_code) == (0, 0)
    assert here
    assert without_ids(here) == without_ids(there)


def test_a_record_may_be_told_again_from_its_beginning(tmp_path: Path, knowledge: Knowledge) -> None:
    """Simulated time goes back then, and that is no clock that is behind."""
    file = written(tmp_path / "one.json", record())
    with serving(knowledge) as url:
        results = [replayed(tmp_path, file, "--service", url)[0] for _ in range(2)]
    assert [one.exit_code for one in results] == [0, 0], results[1].output


def test_a_merged_patient_is_replayed_as_the_one_who_goes_on(tmp_path: Path) -> None:
    link = [{"type": "replaces", "other": {"reference": "Patient/old"}}]
    goes_on = patient("p1", link=link)
    earlier = [goes_on, *(entry["resource"] for entry in record("old")["entry"][1:])]
    gone = patient("old", active=False, link=[{"type": "replaced-by", "other": {"reference": "Patient/p1"}}])
    _, own = replayed(tmp_path, written(tmp_path / "own.json", record("p1")))
    for name, merged in (("a.json", earlier), ("b.json", [*earlier, gone])):
        result, shown = replayed(tmp_path, written(tmp_path / name, bundle(*merged)))
        assert {one["patient"] for one in shown} == {"p1"}, result.output
        assert [one["card"]["summary"] for one in shown] == [one["card"]["summary"] for one in own]
        assert "of-nobody" not in result.output


def test_what_later_results_refer_to_is_sent_with_them(tmp_path: Path) -> None:
    one, uuid = record("p1"), "urn:uuid:0b1d2c3e-0000-4000-8000-000000000001"
    _, before = replayed(tmp_path, written(tmp_path / "plain.json", one))
    for reference in (uuid, "Patient?identifier=urn:mrn|4711"):
        first, *rest = (entry["resource"] for entry in one["entry"])
        named = {**first, "identifier": [{"system": "urn:mrn", "value": "4711"}]}
        entries = [{"fullUrl": uuid, "resource": named}]
        entries += [{"resource": {**each, "subject": {"reference": reference}}} for each in rest]
        sent = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        result, shown = replayed(tmp_path, written(tmp_path / "named.json", sent))
        said, expected = ([each["card"]["summary"] for each in some] for some in (shown, before))
        assert said == expected, result.output
        assert "unresolved-reference" not in result.output


def test_a_patient_whom_a_transaction_creates_is_known_by_its_urn(tmp_path: Path) -> None:
    one, uuid = record("p1"), "0b1d2c3e-0000-4000-8000-000000000001"
    _, before = replayed(tmp_path, written(tmp_path / "plain.json", one))
    first, *rest = (entry["resource"] for entry in one["entry"])
    created = {name: value for name, value in first.items() if name != "id"}
    entries = [{"fullUrl": f"urn:uuid:{uuid}", "resource": created, "request": {"method": "POST", "url": "Patient"}}]
    entries += [{"resource": {**each, "subject": {"reference": f"urn:uuid:{uuid}"}}} for each in rest]
    sent = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    result, shown = replayed(tmp_path, written(tmp_path / "created.json", sent))
    assert {each["patient"] for each in shown} == {uuid}, result.output
    assert [each["card"]["summary"] for each in shown] == [each["card"]["summary"] for each in before]
    assert "dropped" not in result.output


def test_ids_that_are_none_stop_no_replay(tmp_path: Path) -> None:
    strange = {**observation("wbc", 9.0, NIGHT), "id": {"no": "id"}}
    result, _ = replayed(tmp_path, written(tmp_path / "one.json", bundle(patient(), strange, strange)))
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("kind", [["Observation"], {"a": 1}, 7, None, ""])
@pytest.mark.parametrize("when", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_what_is_no_resource_or_at_no_possible_time_stops_no_replay(tmp_path: Path, kind: object, when: str) -> None:
    one = record()
    one["entry"] += [{"resource": {**observation("wbc", 9.0, NIGHT), "resourceType": kind}}] * 2
    one["entry"].append({"resource": {**observation("lactate", 9.0, NIGHT, key="odd"), "effectiveDateTime": when}})
    result, shown = replayed(tmp_path, written(tmp_path / "one.json", one), "--step", "6h")
    assert result.exit_code == 0, result.output
    assert shown
    assert not any("9.0 mmol/L" in each["card"]["detail"] for each in shown)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", b"not json", "a.json cannot be read as JSON"),
        ("b.json", b"", "b.json is empty"),
        ("c.json", b'{"resourceType": "Bundle", "entry": []}', "c.json holds no Patient with an id"),
        ("d.json.gz", b"no gzip", "d.json.gz cannot be read"),
        ("e.ndjson", b'{"resourceType": "Patient", "id": "p"}\n{oops\n', "e.ndjson line 2 cannot be read as JSON"),
        ("f.json", b'{"resourceType": "Patient"}', "f.json holds no Patient with an id"),
    ],
)
def test_a_bad_file_is_one_line_and_the_others_go_on(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    good = written(tmp_path / "good.json", record())
    result, shown = replayed(tmp_path, str(tmp_path / name), good)
    assert result.exit_code == 1
    assert [line for line in result.stderr.splitlines() if said in line and line.startswith("twinline: ")]
    assert len(result.stderr.splitlines()) == 1
    assert shown


def test_wrong_use_is_exit_status_2(tmp_path: Path) -> None:
    file = written(tmp_path / "one.json", record())
    assert replayed(tmp_path, str(tmp_path / "absent.json"))[0].exit_code == 2
    assert replayed(tmp_path, file, "--step", "0h")[0].exit_code == 2
    assert replayed(tmp_path, file, "--step", "soon")[0].exit_code == 2


@pytest.mark.data
@pytest.mark.slow
def test_real_intensive_care_records_go_through_with_a_bearable_number_of_alerts(tmp_path: Path) -> None:
    names = ("10001217", "10005348", "10021938")
    files = [_DATA / "mimic_fhir" / f"{name}.json.gz" for name in names]
    if not all(one.exists() for one in files):
        pytest.skip(f"no mimic_fhir in {_DATA}; TWINLINE_TEST_DATA names the folder that holds it")
    result, shown = replayed(tmp_path, *map(str, files))
    assert result.exit_code == 0, result.output
    assert "3 patients" in result.output
    assert all(len(one["card"]["detail"]) <= 900 and len(one["card"]["summary"]) < 140 for one in shown)
    alerts = float(result.output.rstrip().rpartition(" ")[2])
    assert 0 < alerts < 150


def test_what_a_history_says_was_deleted_is_told_as_that(tmp_path: Path) -> None:
    gone = {"request": {"method": "DELETE", "url": "Observation/x"}, "response": {"status": "204"}}
    history = {"resourceType": "Bundle", "type": "history", "entry": [gone, {"request": {"method": "GET"}}]}
    result, _ = replayed(tmp_path, written(tmp_path / "record.ndjson", record(), history))
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines()]
    assert ["1", "deletion-not-replayed"] in lines
    assert ["1", "unreadable"] in lines
