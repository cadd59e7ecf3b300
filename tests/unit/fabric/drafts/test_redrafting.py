"""What another draft takes over from the first is valid in R4, whatever release the first was written in."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from cds_app.domain.proposed import Written
from cds_app.fabric.drafts.redrafting import written_of
from cds_app.fabric.references import Item, References

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
DRUG = {"coding": [{"system": RXNORM, "code": "11124"}], "text": "vancomycin"}


def written(*beside: dict[str, Any], **change: Any) -> Written:
    draft = {
        "resourceType": "MedicationRequest",
        "medicationCodeableConcept": DRUG,
        "dosageInstruction": [{}],
        **change,
    }
    shown = {key: value for key, value in draft.items() if value is not ...}
    return written_of(shown, References([Item(one, "") for one in beside]), UTC)


def timed(**repeat: Any) -> list[Any]:
    return [{"timing": {"repeat": {"frequency": 1, "period": 12, "periodUnit": "h", **repeat}}}]


def bounds(**repeat: Any) -> Any:
    resource = written(dosageInstruction=timed(**repeat)).resource
    if not resource:
        return None
    (instruction,) = resource.get("dosageInstruction", [{}])
    return instruction.get("timing", {}).get("repeat", {})


def test_the_least_draft_is_a_proposal_of_its_drug() -> None:
    assert written() == Written(
        instructions=1,
        resource={
            "resourceType": "MedicationRequest",
            "status": "draft",
            "intent": "proposal",
            "medicationCodeableConcept": DRUG,
        },
    )


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"intent": "order"}, {"intent": "order"}),
        ({"intent": "wish"}, {"intent": "proposal"}),
        ({"priority": "stat"}, {"priority": "stat"}),
        ({"priority": "now"}, {}),
        ({"category": [{"coding": [{"system": "urn:x", "code": "inpatient"}]}]},
         {"category": [{"coding": [{"system": "urn:x", "code": "inpatient"}]}]}),
        ({"category": {"text": "Inpatient"}}, {"category": [{"text": "Inpatient"}]}),
        ({"category": [{"coding": [{"system": "no uri", "code": "a"}, {"code": "b"}]}]}, {}),
        ({"encounter": {"reference": "https://ehr.example/r4/Encounter/1"}},
         {"encounter": {"reference": "Encounter/1"}}),
        ({"encounter": {"display": "ward"}}, {}),
        ({"requester": {"reference": "#me"}}, {}),
        ({"requester": {"reference": "urn:uuid:7"}}, {}),
        ({"reasonReference": [{"reference": "Condition/1"}, {"reference": "#c"}, 7]},
         {"reasonReference": [{"reference": "Condition/1"}]}),
        ({"reasonCode": [{"text": "sepsis"}, {}]}, {"reasonCode": [{"text": "sepsis"}]}),
        ({"note": [{"text": "n"}], "dispenseRequest": {}, "id": "1", "identifier": [{}], "substitution": {}}, {}),
    ],
)  # fmt: skip
def test_what_can_be_said_again_is_kept(change: dict[str, Any], kept: dict[str, Any]) -> None:
    assert written(**change).resource == {**written().resource, **kept}


def test_a_drug_by_reference_is_named_in_words_where_they_came_along() -> None:
    reference = {"reference": "Medication/m"}
    asked = {"medicationCodeableConcept": ..., "medicationReference": reference}
    code = {"resourceType": "Medication", "id": "m", "code": DRUG}
    assert written(code, **asked).resource["medicationCodeableConcept"] == DRUG
    assert written(**asked).resource["medicationReference"] == reference
    contained = {**asked, "medicationReference": {"reference": "#m"}}
    assert written(**contained).resource == {}
    assert written(**contained, contained=[{"id": "m", "code": DRUG}]).resource["medicationCodeableConcept"] == DRUG
    assert written(medicationCodeableConcept={"coding": [{}]}).resource == {}


@pytest.mark.parametrize(
    ("repeat", "kept"),
    [
        ({}, {}),
        ({"boundsPeriod": {"start": "2026-03-01T10:00:00+01:00", "end": "2026-03-08"}},
         {"boundsPeriod": {"start": "2026-03-01T09:00:00+00:00", "end": "2026-03-08"}}),
        ({"boundsPeriod": {"start": "soon"}}, None),
        ({"boundsPeriod": 7}, None),
        ({"boundsDuration": {"value": 7, "unit": "d"}},
         {"boundsDuration": {"value": 7.0, "unit": "d", "code": "d", "system": "http://unitsofmeasure.org"}}),
        ({"boundsDuration": {"value": 7, "unit": "moons"}}, None),
        ({"boundsDuration": {"value": -7, "unit": "d"}}, None),
        ({"boundsRange": {"low": {"value": 5}}}, None),
        ({"count": 3}, None),
        ({"count": 1}, None),
        ({"boundsDuration": {"value": 7, "unit": "d"}, "count": 14}, None),
    ],
)  # fmt: skip
def test_the_length_of_a_course_is_kept_or_there_is_no_other_draft(repeat: dict[str, Any], kept: Any) -> None:
    assert bounds(**repeat) == kept


def test_one_dose_that_names_no_interval_stays_one_dose() -> None:
    found = written(dosageInstruction=[{"timing": {"repeat": {"count": 1}}}])
    assert found.resource["dosageInstruction"] == [{"timing": {"repeat": {"count": 1}}}]


def test_route_is_kept_and_every_instruction_counted() -> None:
    route = {"text": "IV"}
    found = written(dosageInstruction=[{"route": route, "text": "old dose", "doseAndRate": [{}]}, {}])
    assert found.instructions == 2
    assert found.resource["dosageInstruction"] == [{"route": route}]
