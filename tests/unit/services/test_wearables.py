"""What wearables send reaches the record of the person whom an identifier of the EHR ties it to."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cds_app.bootstrap import answering_of, identities_of, intake_of
from cds_app.commands.ingest import ingest
from cds_app.databases import store_of
from cds_app.deps import Deps
from cds_app.domain.facts import Measurement
from cds_app.services.sources.intake import Delivery, Source
from cds_app.services.sources.wearables import deliveries_of
from cds_app.settings import Settings
from tests.conftest import APP, FROZEN
from tests.patients import observation
from tests.wearables import amount, point


def taken(deps: Deps, *values: object) -> list[str]:
    intake = intake_of(deps, Source(name="bands", tenant="local"))
    found = [one for value in values for one in deliveries_of(value, source="bands", system=APP, received=FROZEN)]
    return list(intake.accept(found))


def measured(deps: Deps, user: str = "u7") -> dict[str, list[Measurement]]:
    patient = deps.store.pseudonym("local", "p1")
    identities_of(deps).learn("local", patient, [(APP, user)])
    timeline = answering_of(deps).records.load(patient).timeline
    return {name: list(found) for name, found in timeline.measured.items()}


def result(code: str, value: float, unit: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"w-{code}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"identifier": {"system": APP, "value": "u7"}},
        "effectiveDateTime": "2026-02-28T06:00:00Z",
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
        **more,
    }


def test_the_answer_of_a_shimmer_is_a_list_of_points(deps: Deps) -> None:
    frame = {"date_time": (FROZEN - timedelta(hours=1)).isoformat()}
    points = [point("heart-rate", {"heart_rate": amount(71, "beats/min")}, frame=frame), "no point"]
    assert taken(deps, {"shim": "googlefit", "timeStamp": 1534251049, "body": points}) == ["stored", "refused"]
    assert taken(deps, {"shim": "googlefit", "body": None}) == ["refused"]
    assert [one.value for one in measured(deps)["heart_rate"]] == [71.0]


def test_points_are_measurements_of_their_person_with_the_device_that_made_them(deps: Deps) -> None:
    frame = {"date_time": (FROZEN - timedelta(hours=1)).isoformat()}
    glucose = {"blood_glucose": amount(5.5, "mmol/L"), "specimen_source": "interstitial fluid"}
    resting = {"heart_rate": amount(52, "beats/min"), "temporal_relationship_to_physical_activity": "at rest"}
    receipts = taken(
        deps,
        [point("blood-glucose", glucose, frame=frame), point("heart-rate", resting, frame=frame, id="b")],
        point("heart-rate", resting, frame=frame, id="c", user_id="u8"),
        point("heart-rate", {}, id="d"),
    )
    assert receipts == ["stored", "stored", "stored", "refused"]
    found = measured(deps)
    assert {name: [round(one.value) for one in rows] for name, rows in found.items()} == {
        "cgm_glucose_molar": [99],
        "resting_heart_rate": [52],
    }
    provenance = found["resting_heart_rate"][0].provenance
    assert provenance is not None
    assert (provenance.source, provenance.device, provenance.method) == ("bands", "Band 3", "device")


def test_the_same_points_again_change_nothing_and_a_correction_does(deps: Deps) -> None:
    frame = {"date_time": (FROZEN - timedelta(hours=1)).isoformat()}
    rate = point("heart-rate", {"heart_rate": amount(70, "beats/min")}, frame=frame)
    later = point(
        "heart-rate",
        {"heart_rate": amount(71, "beats/min")},
        frame=frame,
        creation_date_time="2026-03-01T14:00:00Z",
    )
    assert taken(deps, later, rate, rate) == ["stored", "stored", "known"]
    assert [one.value for one in measured(deps)["heart_rate"]] == [71]


@pytest.mark.parametrize(
    ("code", "value", "unit", "variable", "canonical"),
    [
        ("41950-7", 9000, "{steps}/d", "steps_24h", 9000),
        ("55423-8", 400, "{steps}", "steps_interval", 400),
        ("40443-4", 55, "{beats}/min", "resting_heart_rate", 55),
        ("80404-7", 44, "ms", "hrv_sdnn", 44),
        ("93832-4", 420, "min", "sleep_duration", 7),
        ("99504-3", 110, "mg/dL", "cgm_glucose_mass", 110),
        ("97507-8", 140, "mg/dL", "cgm_mean", 140),
        ("97510-2", 71, "%", "cgm_tir", 71),
    ],
)
def test_observations_of_the_activity_and_cgm_guides_are_known(
    deps: Deps, code: str, value: float, unit: str, variable: str, canonical: float
) -> None:
    assert taken(deps, result(code, value, unit)) == ["stored"]
    ((name, (found,)),) = measured(deps).items()
    assert (name, round(found.value, 6)) == (variable, canonical)


def test_a_wearable_says_nothing_of_who_somebody_is_nor_of_whom_it_cannot_name(deps: Deps) -> None:
    person = {"resourceType": "Patient", "id": "person", "gender": "male"}
    nameless = result("40443-4", 50, "/min", subject={"reference": "Patient/p1"})
    bundle = {"resourceType": "Bundle", "entry": [{"resource": one} for one in (person, nameless)]}
    assert taken(deps, bundle, {"resourceType": "Bundle", "entry": 7}) == ["refused", "refused"]
    assert measured(deps) == {}
    assert {one.refused for one in deps.store.arrived()} == {"no-identifier", "malformed"}


@pytest.mark.parametrize("status", ["final", "entered-in-error"])
def test_a_vendors_observation_of_the_same_id_replaces_none_of_the_ehrs(deps: Deps, status: str) -> None:
    taken_there = FROZEN - timedelta(hours=1)
    theirs = observation("potassium", 6.9, taken_there, key="1", meta={"lastUpdated": "2026-02-28T20:00:00Z"})
    ehr = intake_of(deps, Source(name="bulk", tenant="local"))
    ehr.accept([Delivery(message="m", received=FROZEN, fhir_id="p1", resources=[theirs])])
    newer = {"id": "1", "status": status, "meta": {"lastUpdated": "2026-02-28T22:00:00Z"}}
    assert taken(deps, result("40443-4", 55, "{beats}/min", **newer)) == ["stored"]
    assert [one.value for one in measured(deps)["potassium"]] == [6.9]


def test_a_vendor_takes_its_own_observation_back(deps: Deps) -> None:
    said = result("40443-4", 55, "{beats}/min", meta={"lastUpdated": "2026-02-28T20:00:00Z"})
    wrong = {**said, "status": "entered-in-error", "meta": {"lastUpdated": "2026-02-28T22:00:00Z"}}
    assert taken(deps, said, wrong) == ["stored", "stored"]
    assert measured(deps) == {}


def test_a_clock_that_is_a_day_ahead_is_not_believed_and_one_integer_of_a_hundred_digits_is_read_over(
    deps: Deps,
) -> None:
    ahead = {"date_time": (FROZEN + timedelta(days=1)).isoformat()}
    rate = {"heart_rate": amount(70, "beats/min")}
    strange = point("heart-rate", {**rate, "note": 10**99}, frame={"date_time": FROZEN.isoformat()}, id="b")
    assert taken(deps, point("heart-rate", rate, frame=ahead), strange) == ["stored", "stored"]
    assert [one.value for one in measured(deps)["heart_rate"]] == [70]


def test_files_are_taken_in_line_by_line_and_bad_lines_are_counted(
    deps: Deps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate = point("heart-rate", {"heart_rate": amount(70, "beats/min")})
    lines = [json.dumps(rate).encode(), b"{", "é".encode("latin-1"), json.dumps(rate).encode()[:40]]
    (tmp_path / "a.ndjson").write_bytes(b"\n".join(lines))
    (tmp_path / "b.json").write_text(json.dumps([rate]))
    data = tmp_path / "data"
    store_of(Settings(data_dir=data)).close()
    monkeypatch.setattr("cds_app.deps.knowledge_of", lambda settings: deps.knowledge)
    monkeypatch.setenv("TWINLINE_IDENTIFIER_SYSTEMS", APP)
    words = [
        "wearables",
        str(tmp_path / "a.ndjson"),
        str(tmp_path / "b.json"),
        "--system",
        APP,
        "--data-dir",
        str(data),
    ]
    told = CliRunner().invoke(ingest, words, catch_exceptions=False)
    assert json.loads(told.output) == {"encoding": 1, "garbled": 2, "known": 1, "stored": 1}
