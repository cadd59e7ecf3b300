from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from cds_app.sandbox.people.patients import SyntheticPatient, cohort
from cds_app.sandbox.people.resources import TimedResource
from cds_app.sandbox.people.stories import Expected
from tests.unit.sandbox.stub_service import START

SEED = 7


@pytest.fixture(scope="module")
def patients() -> tuple[SyntheticPatient, ...]:
    return cohort(SEED, START)


def newest(patient: SyntheticPatient, loinc: str) -> list[tuple[datetime, float]]:
    """Values of one code by effective time."""
    found = []
    for one in patient.resources:
        for part in one.resource.get("component") or [one.resource]:
            codes = part.get("code", {}).get("coding", ()) if isinstance(part.get("code"), dict) else ()
            if any(coding["code"] == loinc for coding in codes) and "valueQuantity" in part:
                at = datetime.fromisoformat(one.resource["effectiveDateTime"])
                found.append((at, float(part["valueQuantity"]["value"])))
    return sorted(found)


def everything(patients: tuple[SyntheticPatient, ...]) -> Iterator[TimedResource]:
    for patient in patients:
        yield from patient.resources


def of_type(patient: SyntheticPatient, kind: str) -> list[dict[str, Any]]:
    return [one.resource for one in patient.resources if one.resource["resourceType"] == kind]


def test_every_resource_is_valid_fhir_r4(patients: tuple[SyntheticPatient, ...]) -> None:
    for one in everything(patients):
        get_fhir_model_class(one.resource["resourceType"]).model_validate(one.resource)


def test_the_same_seed_gives_the_same_charts_and_another_seed_others(patients: tuple[SyntheticPatient, ...]) -> None:
    assert cohort(SEED, START) == patients
    assert cohort(SEED + 1, START) != patients


def test_orders_say_dose_route_and_interval_for_machines_too(patients: tuple[SyntheticPatient, ...]) -> None:
    ordered = next(one for one in of_type(patients[2], "MedicationRequest"))
    said = ordered["dosageInstruction"][0]
    assert said["text"] == "1250 mg into a vein every 12 hours"
    assert said["route"]["coding"][0]["code"] == "47625008"
    assert said["timing"]["repeat"] == {"frequency": 1, "period": 12, "periodUnit": "h"}
    assert said["doseAndRate"][0]["doseQuantity"]["value"] == 1250
    given = next(one for one in of_type(patients[2], "MedicationAdministration"))
    assert given["dosage"]["route"] == said["route"]


def test_a_start_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        cohort(SEED, START.replace(tzinfo=None))


def test_ids_and_versions_name_one_state_each(patients: tuple[SyntheticPatient, ...]) -> None:
    names = Counter(
        (one.resource["resourceType"], one.resource["id"], one.resource["meta"]["versionId"])
        for one in everything(patients)
    )
    assert set(names.values()) == {1}


def test_observations_say_when_they_were_taken_and_when_they_were_issued(
    patients: tuple[SyntheticPatient, ...],
) -> None:
    for patient in patients:
        for one in patient.resources:
            if one.resource["resourceType"] == "Observation":
                taken = datetime.fromisoformat(one.resource["effectiveDateTime"])
                issued = datetime.fromisoformat(one.resource["issued"])
                assert taken < issued <= one.known_at


def test_everything_is_known_no_earlier_than_it_is_listed(patients: tuple[SyntheticPatient, ...]) -> None:
    for patient in patients:
        known = [one.known_at for one in patient.resources]
        assert known == sorted(known)
        assert list(patient.opens) == sorted(patient.opens)
        assert all(at > START for at in patient.opens)


def test_names_are_plainly_synthetic(patients: tuple[SyntheticPatient, ...]) -> None:
    for patient in patients:
        assert of_type(patient, "Patient")[0]["name"][0]["family"].startswith("Synthetic-")


def test_quantities_carry_ucum_codes(patients: tuple[SyntheticPatient, ...]) -> None:
    for one in everything(patients):
        for part in one.resource.get("component") or [one.resource]:
            if "valueQuantity" in part:
                assert part["valueQuantity"]["system"] == "http://unitsofmeasure.org"
                assert part["valueQuantity"]["code"]
                assert math.isfinite(part["valueQuantity"]["value"])


@pytest.mark.parametrize(
    ("patient", "loinc", "first", "last"),
    [
        (0, "8867-4", 84, 128),
        (0, "9279-1", 18, 32),
        (0, "8310-5", 37.1, 38.8),
        (0, "32693-4", 1.4, 4.2),
        (0, "6690-2", 10.5, 22.0),
        (0, "8478-0", 92, 64),
        (2, "2160-0", 0.9, 2.4),
        (2, "9187-6", 80, 20),
        (3, "2823-3", 4.6, 6.4),
        (4, "2708-6", 95, 87),
        (4, "3150-0", 24, 60),
        (4, "9279-1", 19, 36),
        (5, "2019-8", 52, 73),
    ],
)
def test_a_course_goes_where_its_story_says(
    patients: tuple[SyntheticPatient, ...], patient: int, loinc: str, first: float, last: float
) -> None:
    values = newest(patients[patient], loinc)
    # An hour's wandering is a few per cent of a value; a course moves much further.
    assert values[0][1] == pytest.approx(first, rel=0.15)
    assert values[-1][1] == pytest.approx(last, rel=0.15)


def test_mean_pressure_lies_a_third_of_the_way_up_from_diastolic(patients: tuple[SyntheticPatient, ...]) -> None:
    for one in everything(patients):
        parts = {
            part["code"]["coding"][0]["code"]: part["valueQuantity"]["value"]
            for part in one.resource.get("component", ())
        }
        if parts:
            expected = parts["8462-4"] + (parts["8480-6"] - parts["8462-4"]) / 3
            assert parts["8478-0"] == pytest.approx(expected, abs=1.01)  # three roundings to whole mmHg


def test_blood_gases_obey_henderson_and_hasselbalch(patients: tuple[SyntheticPatient, ...]) -> None:
    for patient in patients:
        carbon = dict(newest(patient, "2019-8"))
        for at, ph in newest(patient, "2744-1"):
            bicarbonate = 0.03 * carbon[at] * 10 ** (ph - 6.1)
            assert 10 < bicarbonate < 40


def test_there_are_artefacts_as_in_life(patients: tuple[SyntheticPatient, ...]) -> None:
    chart = next(one for one in patients if one.title.startswith("Well"))
    observations = of_type(chart, "Observation")
    values = [(one["code"]["coding"][0]["code"], one.get("valueQuantity", {}).get("value")) for one in observations]
    assert ("8867-4", 0) in values
    assert ("59408-5", 45) in values
    corrected = [one for one in observations if one["status"] == "corrected"]
    assert [one["meta"]["versionId"] for one in corrected] == ["2"]
    assert [one["valueQuantity"]["value"] for one in observations if one["id"] == corrected[0]["id"]] == [6.9, 4.3]
    contents = Counter(
        json.dumps({key: value for key, value in one.items() if key not in ("id", "meta")}, sort_keys=True)
        for one in observations
    )
    assert max(contents.values()) == 2


def test_one_patient_is_allergic_to_penicillin_and_one_has_three_old_values(
    patients: tuple[SyntheticPatient, ...],
) -> None:
    assert of_type(patients[0], "AllergyIntolerance")[0]["code"]["text"] == "Penicillin"
    sparse = of_type(patients[-1], "Observation")
    assert len(sparse) == 3
    assert all(datetime.fromisoformat(one["effectiveDateTime"]) < START - timedelta(days=7) for one in sparse)


def test_stories_cover_what_should_be_seen_and_what_should_not(patients: tuple[SyntheticPatient, ...]) -> None:
    expected = Counter(one.expected for one in patients)
    assert expected[Expected.CARD] >= 5
    assert expected[Expected.QUIET] >= 2


def test_intensive_care_is_an_encounter_within_the_stay(patients: tuple[SyntheticPatient, ...]) -> None:
    stays = of_type(patients[0], "Encounter")
    unit = next(one for one in stays if "Intensive care" in one["type"][0]["text"])
    assert unit["partOf"]["reference"] == f"Encounter/{stays[0]['id']}"
    assert unit["class"]["code"] == "IMP"
