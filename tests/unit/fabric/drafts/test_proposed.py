"""Drafts are read in every shape in which EHRs send them."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from cds_app.domain.issues import IssueCode
from cds_app.domain.proposed import Proposed, proposed_of, proposed_text
from cds_app.errors import BadRequest, IntegrityError
from cds_app.fabric.drafts.proposed import Draft, read_proposed
from cds_app.fabric.references import Item
from tests.unit.fabric.conftest import NOW, ONTOLOGY, RXNORM, FewUnits, coded

UNITS = FewUnits()
LONG = "eKz.QvA-" * 12


def draft(**change: Any) -> dict[str, Any]:
    made = {
        "resourceType": "MedicationRequest",
        "id": "103",
        "status": "draft",
        "subject": {"reference": "Patient/1"},
        "medicationCodeableConcept": coded(RXNORM, "29046"),
        **change,
    }
    return {key: value for key, value in made.items() if value is not ...}


def bundle(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "entry": [one if "resource" in one else {"resource": one} for one in entries]}


def proposed(value: object, field: str = "draftOrders", beside: tuple[Item, ...] = (), **context: object) -> Any:
    where = Draft(field=field, patient="1", beside=beside)
    return read_proposed({field: value, **context}, where, ontology=ONTOLOGY, units=UNITS, zone=UTC, now=NOW)


def drugs(value: object, **more: Any) -> list[str]:
    found, _ = proposed(value, **more)
    return [one.concepts[0] if one.concepts else "" for one in found.orders]


MEDICATION = {"resourceType": "Medication", "id": "m", "code": coded(RXNORM, "29046")}
BY_REFERENCE = {"medicationCodeableConcept": ..., "medicationReference": {"reference": "Medication/m"}}


@pytest.mark.parametrize(
    "value",
    [
        bundle(draft()),
        {**bundle(draft()), "type": "collection"},
        bundle(draft(intent=..., category={"coding": []}, dosageInstruction=[{"doseQuantity": {"value": 10}}])),
        bundle(draft(subject=...)),
        bundle(draft(subject={"reference": "https://ehr.example/r4/Patient/1"})),
        bundle(draft(id=LONG)),
        bundle({"fullUrl": "urn:uuid:3f1dde72-162b-11ec-82a8-0242ac130003", "resource": draft(id=...)}),
        bundle(draft(authoredOn="2099-01-01")),
        bundle(draft(medicationCodeableConcept={"coding": [{"system": "urn:x", "code": "1"},
                                                           {"system": RXNORM, "code": "29046"}]})),
        bundle(draft(medicationCodeableConcept={"text": "Lisinopril 10 mg tablet"})),
        bundle(draft(**BY_REFERENCE), MEDICATION),
        bundle(draft(**BY_REFERENCE | {"medicationReference": {"reference": "https://ehr.example/r4/Medication/m"}}),
               MEDICATION),
        bundle(draft(**BY_REFERENCE | {"medicationReference": {"reference": "#m"}}, contained=[MEDICATION])),
        bundle(draft(**BY_REFERENCE | {"medicationReference": {"reference": "urn:uuid:7"}}),
               {"fullUrl": "urn:uuid:7", "resource": MEDICATION}),
        bundle(draft(**BY_REFERENCE | {"medicationReference": {"reference": "Medication/9", "display": "lisinopril"}})),
        [draft()],
        draft(),
        {"entry": [{"resource": draft()}]},
        {"resourceType": "Bundle", "entry": [draft()]},
        {"resourceType": "Bundle", "entry": {"resource": draft()}},
        bundle(draft(medicationCodeableConcept=..., medication={"concept": coded(RXNORM, "29046")})),
        bundle(draft(medicationCodeableConcept=..., medication={"reference": {"reference": "#m"}},
                     contained=[MEDICATION])),
    ],
)  # fmt: skip
def test_a_draft_in_any_shape_is_lisinopril(value: object) -> None:
    assert drugs(value) == ["lisinopril"]


def test_a_medication_of_the_prefetch_may_be_referred_to() -> None:
    assert drugs(bundle(draft(**BY_REFERENCE)), beside=(Item(MEDICATION, "prefetch.x"),)) == ["lisinopril"]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (bundle(draft(subject={"reference": "Patient/2"})), IssueCode.OTHER_PATIENT),
        (bundle(draft(doNotPerform=True)), IssueCode.MODIFIER_EXTENSION),
        (bundle(draft(medicationCodeableConcept=...)), IssueCode.NO_CODE),
        (bundle({"resource": 7}), IssueCode.UNREADABLE),
        (7, IssueCode.UNREADABLE),
    ],
)
def test_what_is_not_a_draft_of_this_patient_is_an_issue(value: object, code: IssueCode) -> None:
    found, issues = proposed(value)
    assert found.orders == ()
    assert code in {one.code for one in issues}


NUMBER = {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000001"}
PERSON = Item({"resourceType": "Patient", "id": "1", "identifier": [NUMBER]}, "prefetch.patient")


def test_a_draft_for_whom_an_identifier_names_is_theirs() -> None:
    value = bundle(draft(subject={"identifier": NUMBER}))
    assert drugs(value, beside=(PERSON,)) == ["lisinopril"]
    assert drugs(value) == []


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (bundle(draft(subject={"reference": "Patient/2"})), {"MedicationRequest/103": "other-patient"}),
        (bundle(draft(subject={"identifier": NUMBER})), {"MedicationRequest/103": "unreadable"}),
        (bundle(draft(subject={"reference": "urn:uuid:9"})), {"MedicationRequest/103": "unresolved-reference"}),
        (bundle(draft(resourceType="MedicationOrder")), {"context.draftOrders.entry[0]": "unreadable"}),
        (bundle(draft(resourceType=...)), {"context.draftOrders.entry[0]": "unreadable"}),
        ({"resourceType": "Bundle", "entry": [{"fullUrl": "urn:uuid:9"}]},
         {"context.draftOrders.entry[0]": "unreadable"}),
        ({"entry": "none"}, {"context.draftOrders.entry[0]": "unreadable"}),
        (bundle({"resourceType": "NutritionOrder", "id": "n"}), {}),
        (bundle(draft(subject={"reference": "Patient/2"}, status="cancelled")), {}),
    ],
)  # fmt: skip
def test_a_draft_that_is_lost_is_said_to_be(value: object, why: dict[str, str]) -> None:
    found, _ = proposed(value)
    assert (found.orders, found.unread) == ((), why)


def test_of_what_is_recorded_nothing_is_called_an_order() -> None:
    for field in ("conditions", "allergyIntolerance"):
        assert proposed({"entry": [{}]}, field=field)[0].unread == {}


def test_an_unknown_drug_is_kept_and_is_an_issue() -> None:
    found, issues = proposed(bundle(draft(medicationCodeableConcept={"text": "xyzzamab"})))
    assert ([one.concepts for one in found.orders], [one.code for one in issues]) == ([()], [IssueCode.UNKNOWN_DRUG])
    assert not issues[0].dropped


def test_nothing_and_other_requests_are_tolerated() -> None:
    request = {"resourceType": "ServiceRequest", "id": "s", "status": "draft", "code": {"text": "x"},
               "subject": {"reference": "Patient/1"}}  # fmt: skip
    assert [proposed(one)[0].orders for one in (None, bundle(), {"resourceType": "Bundle"}, bundle(request))] == [
        ()
    ] * 4


@pytest.mark.parametrize(
    ("status", "read"),
    [("draft", 1), ("active", 1), ("on-hold", 1), ("cancelled", 0), ("stopped", 0), ("completed", 0)],
)
def test_an_order_that_ends_a_drug_is_no_draft_of_it(status: str, read: int) -> None:
    assert len(drugs(bundle(draft(status=status)))) == read


def test_a_draft_that_comes_twice_is_one() -> None:
    assert drugs(bundle(draft(), draft(), draft(id="104"))) == ["lisinopril", "lisinopril"]


@pytest.mark.parametrize(
    ("selections", "judged"),
    [
        (None, ["103", "104"]),
        ([], []),
        (["MedicationRequest/104"], ["104"]),
        (["104"], ["104"]),
        (["https://ehr.example/r4/MedicationRequest/103"], ["103"]),
        (["urn:uuid:9"], ["104"]),
        (["MedicationRequest/unheard-of"], ["103", "104"]),
        (["ServiceRequest/s"], []),
    ],
)
def test_selections_name_what_is_judged(selections: object, judged: list[str]) -> None:
    request = {"resourceType": "ServiceRequest", "id": "s", "code": {"text": "x"}}
    value = bundle(draft(), {"fullUrl": "urn:uuid:9", "resource": draft(id="104")}, request)
    found, _ = proposed(value, selections=selections)
    assert [one.ref.partition("/")[2] for one in found.judged] == judged


def test_allergies_and_problems_are_read_wrapped_or_not() -> None:
    allergy = {"resourceType": "AllergyIntolerance", "code": {"text": "penicillin"}}
    for value in (allergy, {"resource": allergy}, bundle(allergy)):
        found, _ = proposed(value, field="allergyIntolerance")
        assert [one.concepts for one in found.allergies] == [("penicillin",)]
    problem = {"resourceType": "Condition", "id": "c", "code": coded("http://hl7.org/fhir/sid/icd-10-cm", "I48.91")}
    found, _ = proposed(bundle(problem), field="conditions")
    assert [one.concepts for one in found.conditions] == [("atrial_fibrillation",)]


def test_drafts_come_back_from_their_text_as_they_were() -> None:
    found, _ = proposed(bundle(draft(dosageInstruction=[{"doseQuantity": {"value": 0.1, "unit": "mg"}}])))
    assert proposed_of(proposed_text(found)) == found
    with pytest.raises(IntegrityError):
        proposed_of('{"orders": 7}')
    half = Proposed(selected=("\ud800",))
    with pytest.raises(BadRequest):
        proposed_text(half)
