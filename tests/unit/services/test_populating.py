"""What an export holds comes to the patients whom it is about, once, and goes again when the EHR deletes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cds_app.bootstrap import answering_of, app_of, identities_of, intake_of
from cds_app.deps import Deps
from cds_app.fabric.exchange.ndjson import Line
from cds_app.services.records import Record
from cds_app.services.sources.intake import Source
from cds_app.services.sources.populating import Populating
from tests.conftest import FROZEN, MRN
from tests.exports import LISINOPRIL, ORDER
from tests.patients import call, observation, patient

EHR = "https://ehr.example/fhir"
STAMP = "2026-02-01T00:00:00Z"


@pytest.fixture
def taker(deps: Deps) -> Populating:
    return populating(deps)


def populating(deps: Deps, tenant: str = EHR) -> Populating:
    return Populating(intake_of(deps, Source(name="bulk", tenant=tenant)))


def lines(*resources: object) -> list[Line]:
    return [Line(i, i, one) for i, one in enumerate(resources, 1)]


def record(deps: Deps, key: str = "p1", tenant: str = EHR) -> Record:
    return answering_of(deps).records.load(deps.store.pseudonym(tenant, key))


def potassium(deps: Deps, key: str = "p1", tenant: str = EHR) -> list[float]:
    return [one.value for one in record(deps, key, tenant).timeline.measured.get("potassium", ())]


def result(value: float, key: str, who: str = "p1", **meta: str) -> dict[str, Any]:
    return observation("potassium", value, FROZEN - timedelta(hours=1), who, key=key, meta=meta)


def test_each_patient_gets_their_own_and_the_same_again_changes_nothing(deps: Deps, taker: Populating) -> None:
    batch = lines(patient(), result(4.0, "a"), result(5.0, "b", "p2"), {"resourceType": "Practitioner", "id": "d"})
    assert taker.take(batch, "f") == {"messages-stored": 2, "resources": 4}
    assert (potassium(deps), potassium(deps, "p2")) == ([4.0], [5.0])
    assert taker.take(batch, "another file") == {"messages-known": 2, "resources": 4}
    assert record(deps).segments_known == 1


def test_what_an_export_says_is_what_a_call_says(deps: Deps, taker: Populating) -> None:
    taker.take(lines(result(4.0, "a", versionId="1")), "f")
    (fact,) = record(deps).timeline.measured["potassium"]
    assert fact.provenance is None
    assert fact.learned == FROZEN


def test_orders_find_the_drugs_that_a_hospital_shares(deps: Deps, taker: Populating) -> None:
    drug = {"resourceType": "Medication", "id": "m", "code": LISINOPRIL, "batch": {"lotNumber": "1"}}
    taker.shared(lines(drug, 7))
    taker.take(lines(ORDER), "f")
    assert "lisinopril" in ordered(deps)[0]


def ordered(deps: Deps) -> list[tuple[str, ...]]:
    return [one.concepts for one in record(deps).timeline.facts.medications]


def test_a_drug_is_known_by_what_it_is_made_of(deps: Deps, taker: Populating) -> None:
    parts = [{"itemCodeableConcept": LISINOPRIL, "strength": {}}, "x"]
    taker.shared(lines({"resourceType": "Medication", "id": "m", "ingredient": parts}))
    assert "orders-without-drug" not in taker.take(lines(ORDER), "f")
    assert "lisinopril" in ordered(deps)[0]


def test_a_drug_that_did_not_come_is_asked_for_once(deps: Deps) -> None:
    asked: list[str] = []

    def find(name: str) -> object:
        asked.append(name)
        return {"resourceType": "Medication", "id": "m", "code": LISINOPRIL}

    taker = Populating(intake_of(deps, Source(name="bulk", tenant=EHR)), find)
    taker.take(lines(ORDER, {**ORDER, "id": "o2"}), "f")
    taker.take(lines({**ORDER, "id": "o3"}), "f")
    assert asked == ["Medication/m"]
    assert len(ordered(deps)) == 3


def test_an_order_without_its_drug_is_counted_and_is_read_when_the_drug_came(deps: Deps, taker: Populating) -> None:
    assert taker.take(lines(ORDER), "f") == {"messages-stored": 1, "resources": 1, "orders-without-drug": 1}
    assert ordered(deps) == []
    assert taker.bring([ORDER, {"resourceType": "Medication", "id": "m", "code": LISINOPRIL}])["messages-stored"] == 1
    assert "lisinopril" in ordered(deps)[0]


def test_lines_that_cannot_be_read_are_counted_by_name(deps: Deps, taker: Populating) -> None:
    bad = [Line(1, 1, None, "unreadable"), Line(2, 2, None, "encoding"), Line(3, 3, None, "too-long")]
    assert taker.take([*bad, *lines(result(4.0, "a"), {"resourceType": "Observation", "subject": {}})], "f") == {
        "messages-stored": 1,
        "messages-refused": 3,
        "resources": 2,
        "of-nobody": 1,
    }
    assert {(one.refused, one.number) for one in deps.store.arrived() if one.refused} == {
        ("garbled", 1),
        ("encoding", 1),
        ("oversize", 1),
    }


def test_an_integer_of_a_hundred_digits_harms_nobody(deps: Deps, taker: Populating) -> None:
    strange = result(4.0, "b") | {"extension": [{"url": "x", "valueInteger": 10**99}]}
    assert taker.take(lines(result(4.5, "a", "p2"), strange), "f")["messages-stored"] == 2
    assert potassium(deps, "p2") == [4.5]


def test_what_the_ehr_deleted_counts_no_more_and_nobody_elses_goes_with_it(deps: Deps, taker: Populating) -> None:
    taker.take(lines(patient(), result(4.0, "a", versionId="2", lastUpdated=STAMP), result(5.0, "b")), "f")
    other = populating(deps, "https://other.example/fhir")
    other.take(lines(patient(), result(6.0, "a", versionId="1")), "f")
    gone = dict.fromkeys(("Observation/a", "Observation/none"), datetime(2026, 3, 1, tzinfo=UTC))
    assert taker.withdraw(gone) == {"deletions-stored": 1}
    assert potassium(deps) == [5.0]
    assert potassium(deps, tenant="https://other.example/fhir") == [6.0]
    assert taker.withdraw(gone) == {}
    taker.take(lines(result(4.2, "a", versionId="4", lastUpdated="2026-03-02T00:00:00Z")), "f")
    assert sorted(potassium(deps)) == [4.2, 5.0], "a resource may be made again"


def test_a_deletion_finds_its_patient_though_no_patient_resource_ever_came(deps: Deps, taker: Populating) -> None:
    taker.take(lines(result(4.0, "a"), result(5.0, "b")), "f")
    populating(deps, "https://other.example/fhir").take(lines(result(6.0, "a")), "f")
    gone = {"Observation/a": FROZEN}
    assert populating(deps).withdraw(gone) == {"deletions-stored": 1}
    assert potassium(deps) == [5.0]
    assert potassium(deps, tenant="https://other.example/fhir") == [6.0]


def test_what_came_with_a_hook_is_taken_back_too(deps: Deps) -> None:
    body = call(result(4.0, "a"))
    assert app_of(deps).test_client().post("/cds-services/twinline-patient-view", json=body).status_code == 200
    assert potassium(deps, tenant="local") == [4.0]
    assert populating(deps).withdraw({"Observation/a": FROZEN}) == {}, "another server's"
    assert populating(deps, "local").withdraw({"Observation/a": FROZEN}) == {"deletions-stored": 1}
    assert potassium(deps, tenant="local") == []


def test_merged_patients_are_one_until_they_are_taken_apart(deps: Deps, taker: Populating) -> None:
    taker.take(lines(patient("p1"), patient("p2"), result(4.0, "a", "p1"), result(5.0, "b", "p2")), "f")
    link = [{"type": "replaced-by", "other": {"reference": "Patient/p1"}}]
    merged = patient("p2", meta={"lastUpdated": "2026-02-02T00:00:00Z"}, link=link)
    assert taker.take(lines(merged), "f")["merge-tied"] == 1
    assert potassium(deps) == [4.0, 5.0]
    older = patient("p2", meta={"lastUpdated": STAMP})
    assert taker.take(lines(older), "f")["unmerge-older"] == 1
    assert potassium(deps) == [4.0, 5.0]
    apart = patient("p2", meta={"lastUpdated": "2026-02-03T00:00:00Z"})
    assert taker.take(lines(apart), "f")["unmerge-tied"] == 1
    assert (potassium(deps), potassium(deps, "p2")) == ([4.0], [5.0])


def test_who_goes_on_after_a_merge_keeps_sex_age_and_life(deps: Deps, taker: Populating) -> None:
    link = [{"type": "replaced-by", "other": {"reference": "Patient/p1"}}]
    gone = patient("p2", gender="male", birthDate="1990-01-01", deceasedDateTime="2026-01-01", link=link)
    taker.take(lines(patient("p1", gender="female", birthDate="1950-01-01"), result(5.0, "b", "p2"), gone), "f")
    (who,) = record(deps).timeline.facts.demographics
    assert (who.ref, who.sex, who.deceased) == ("Patient/p1", "female", None)
    assert potassium(deps) == [5.0]


def test_the_one_that_goes_on_may_say_it_too_and_two_successors_are_none(deps: Deps, taker: Populating) -> None:
    replaces = [{"type": "replaces", "other": {"reference": f"{EHR}/Patient/p2"}}]
    both = [{"type": "replaced-by", "other": {"reference": f"Patient/{one}"}} for one in ("p1", "p4")]
    others = [{"type": "seealso", "other": {"reference": "Patient/p1"}}, {"type": "refer", "other": {}}, "x"]
    counts = taker.take(lines(patient("p1", link=replaces), patient("p3", link=both), patient("p5", link=others)), "f")
    assert {name: one for name, one in counts.items() if "merge" in name} == {"merge-tied": 1, "merge-contested": 1}


def test_identifiers_of_a_record_tie_what_other_systems_told(deps: Deps, taker: Populating) -> None:
    taker.take(lines(patient(identifier=[{"system": MRN, "value": "4711"}])), "f")
    identities = identities_of(deps)
    assert identities.owner(identities.alias(EHR, (MRN, "4711"))) == deps.store.pseudonym(EHR, "p1")


def test_what_comes_without_meta_corrects_what_was_known_as_in_a_call(deps: Deps, taker: Populating) -> None:
    taker.take(lines(result(4.0, "a", versionId="3")), "f")
    corrected = result(5.0, "a")
    assert taker.take(lines(corrected), "g")["messages-stored"] == 1
    assert potassium(deps) == [5.0]
    taker.bring([corrected, result(4.5, "b")])
    assert potassium(deps) == [5.0, 4.5]
    taker.take(lines(result(6.0, "a", versionId="4")), "h")
    assert potassium(deps) == [6.0, 4.5]
    taker.take(lines({**corrected, "status": "entered-in-error"}), "i")
    assert potassium(deps) == [4.5]
