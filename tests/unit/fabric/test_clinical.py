from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cds_app.domain.facts import Place
from cds_app.domain.issues import IssueCode
from cds_app.domain.timeline import Timeline
from tests.unit.fabric.conftest import ICD10, RXNORM, coded, observation, reading, resource

_PATIENT = {
    "resourceType": "Patient",
    "id": "1",
    "gender": "female",
    "birthDate": "1980-05",
    "name": [{"given": ["Ada", 3], "family": "Ly\x07on"}],
}


def _patient(**elements: Any) -> tuple[Any, list[tuple[IssueCode, str]]]:
    found = reading(_PATIENT | elements)
    return found.facts.demographics[0], [(issue.code, issue.field) for issue in found.issues]


def test_a_patient_is_read_with_the_limits_of_a_partial_birth_date() -> None:
    found, issues = _patient()
    assert (found.birth_start, found.name, found.sex) == (datetime(1980, 5, 1, tzinfo=UTC), "Ada Lyon", "female")
    assert found.birth_end.day == 31
    assert issues == []


def test_what_is_wrong_with_a_patient_is_said_and_the_rest_is_read() -> None:
    assert _patient(birthDate="2090-01-01")[1] == [(IssueCode.FUTURE, "birthDate")]
    assert _patient(birthDate=[])[1] == [(IssueCode.UNREADABLE, "birthDate")]
    assert _patient(birthDate=None)[0].birth_start is None
    assert _patient(gender="F")[0].sex == "unknown"
    assert _patient(name="Ada")[0].name == ""
    assert _patient(name={"text": "Ada"})[0].name == "Ada"
    assert _patient(deceasedBoolean=True)[1] == [(IssueCode.NO_TIME, "deceasedBoolean")]
    assert _patient(deceasedDateTime="2024-03-01T00:00:00Z")[0].deceased == datetime(2024, 3, 1, tzinfo=UTC)
    assert _patient(deceasedDateTime="2090-03-01")[1] == [(IssueCode.FUTURE, "deceasedDateTime")]


def test_a_stay_is_read() -> None:
    period = {"start": "2024-03-01T08:00:00Z", "end": "2024-03-02T08:00:00Z"}
    given = resource("Encounter", status="in-progress", period=period, type=[{"text": "Urgent"}])
    found = reading(given | {"class": {"code": "IMP"}}).facts.stays[0]
    assert (found.class_code, found.status, found.text) == ("IMP", "in-progress", "Urgent")
    assert found.end == datetime(2024, 3, 2, 8, tzinfo=UTC)
    assert reading(given | {"class": [coded("x", "AMB")]}).facts.stays[0].class_code == "AMB"
    assert reading(resource("Encounter")).issues[0].code is IssueCode.NO_TIME


def test_a_stay_that_runs_and_does_not_say_since_when_began_when_its_parts_did() -> None:
    begun = {"status": "in-progress", "period": {"start": "2024-03-01T08:00:00Z"}}
    planned = {"status": "planned", "period": {"start": "2024-02-01T08:00:00Z"}}
    bed = {"location": {"display": "MICU"}, "period": {"start": "2024-03-01T09:30:00Z"}}
    given = resource("Encounter", status="in-progress", statusHistory=[planned, begun], location=[bed])
    found = reading(given)
    assert [one.when for one in found.facts.stays] == [datetime(2024, 3, 1, 8, tzinfo=UTC)]
    assert [(one.code, one.dropped) for one in found.issues] == [(IssueCode.IMPRECISE_TIME, False)]
    assert reading(given | {"statusHistory": []}).facts.stays[0].when == datetime(2024, 3, 1, 9, 30, tzinfo=UTC)
    for unknown in (given | {"status": "finished"}, given | {"statusHistory": [planned], "location": [{"period": 7}]}):
        assert [(one.code, one.dropped) for one in reading(unknown).issues] == [(IssueCode.NO_TIME, True)]


def test_the_places_of_a_stay_are_read_but_for_those_where_nobody_lay() -> None:
    period = {"start": "2024-03-01T08:00:00Z"}
    contained = [{"resourceType": "Location", "id": "bed", "name": "SICU bed 4"}]
    given = resource("Encounter", status="in-progress", period=period, contained=contained)
    moved = {"start": "2024-03-01T09:00:00Z", "end": "2024-03-01T10:00:00Z"}
    places = [
        {"location": {"display": "MICU"}, "status": "completed", "period": moved},
        {"location": {"reference": "#bed"}, "status": "active", "period": {"start": ["soon"]}},
        {"location": {"display": "Planned unit"}, "status": "planned"},
        {"location": {"display": "Left nobody knows when"}, "status": "completed", "period": period},
        {"location": {"reference": "Location/unknown"}},
        {"location": "ICU"},
        None,
    ]
    found = reading(given | {"location": places}).facts.stays[0].places
    assert found == (
        Place(text="MICU", start=datetime(2024, 3, 1, 9, tzinfo=UTC), end=datetime(2024, 3, 1, 10, tzinfo=UTC)),
        Place(text="SICU bed 4"),
    )


def test_a_german_diagnosis_is_found_and_keeps_its_code() -> None:
    german = "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
    (found,) = reading(resource("Condition", code=coded(german, "I48.9"))).facts.conditions
    assert (found.concepts, found.codes) == (("atrial_fibrillation",), ((german, "I48.9"),))


def test_a_diagnosis_is_found_through_its_category() -> None:
    given = resource(
        "Condition",
        code=coded(ICD10, "I48.91"),
        clinicalStatus=coded("x", "active"),
        verificationStatus="confirmed",
        onsetDateTime="2020-01-01T00:00:00Z",
        abatementDateTime="2021-01-01",
    )
    found = reading(given).facts.conditions[0]
    assert found.concepts == ("atrial_fibrillation",)
    assert (found.clinical, found.verification) == ("active", "confirmed")
    assert found.abated is not None
    assert reading(given | {"code": coded(ICD10, "I4891")}).facts.conditions[0].concepts == ("atrial_fibrillation",)
    assert reading(given | {"code": coded(ICD10, "I4")}).facts.conditions[0].concepts == ()


@pytest.mark.parametrize("kind", ["Condition", "Procedure", "DiagnosticReport", "AllergyIntolerance", "ServiceRequest"])
def test_what_has_no_name_is_dropped(kind: str) -> None:
    found = reading(resource(kind, status="final", code={"coding": [{"display": 3}]}))
    assert [(issue.code, issue.field) for issue in found.issues] == [(IssueCode.NO_CODE, "code")]
    assert found.tally[kind].dropped == 1


def test_a_retracted_diagnosis_is_void() -> None:
    given = resource("Condition", code={"text": "x"}, onsetDateTime="2020-01-01T00:00:00Z")
    void = given | {"verificationStatus": coded("x", "entered-in-error"), "meta": {"versionId": "2"}}
    assert len(Timeline.of([*reading(given).facts, *reading(void).facts]).facts) == 0


def test_procedures_done_and_ordered_are_told_apart() -> None:
    done = resource("Procedure", code={"text": "x"}, performedPeriod={"start": "2024-03-01", "end": "2024-03-02"})
    asked = resource("ServiceRequest", code={"text": "x"}, authoredOn="2024-03-01T08:00:00Z", status="draft")
    found = reading(done, asked).facts.procedures
    assert [(one.source, one.status) for one in found] == [("procedure", ""), ("request", "draft")]
    assert reading(resource("Procedure", code={"text": "x"})).issues[0].code is IssueCode.NO_TIME


def test_an_allergy_is_known_by_name_where_it_has_no_code() -> None:
    found = reading(resource("AllergyIntolerance", code={"text": "Penicillin G"}, criticality="high")).facts.allergies
    assert (found[0].concepts, found[0].criticality) == (("penicillin",), "high")
    reaction = [{"substance": {"text": "penicillin"}}]
    assert reading(resource("AllergyIntolerance", reaction=reaction)).facts.allergies[0].concepts == ("penicillin",)


def test_an_allergy_in_general_words_is_known_by_the_substance_of_its_reaction() -> None:
    reactions = [
        {"substance": {"text": "heparin sodium"}},
        {"substance": {"text": "Penicillin G"}},
        {"description": "rash"},
    ]
    given = resource("AllergyIntolerance", code={"text": "Drug allergy"}, reaction=reactions)
    (found,) = reading(given).facts.allergies
    assert (found.text, found.concepts) == ("Drug allergy", ("heparin", "penicillin"))


def test_an_allergy_is_known_by_any_of_its_names() -> None:
    displays = ("Penicillins", "Penicillin (substance)")
    codings = [{"system": "urn:site", "code": str(n), "display": one} for n, one in enumerate(displays)]
    code = {"text": "PCN", "coding": codings}
    (found,) = reading(resource("AllergyIntolerance", code=code)).facts.allergies
    assert (found.text, found.concepts) == ("PCN", ("penicillin",))


@pytest.mark.parametrize(
    ("text", "drugs"),
    [
        ("No known penicillin allergy", ()),
        ("No penicillin", ("penicillin",)),
        ("NKDA except heparin", ("heparin",)),
    ],
)
def test_a_denied_allergy_is_none(text: str, drugs: tuple[str, ...]) -> None:
    (found,) = reading(resource("AllergyIntolerance", code={"text": text})).facts.allergies
    assert (found.text, found.concepts) == (text, drugs)


def test_a_code_in_a_reaction_does_not_hide_the_name_of_the_allergy() -> None:
    reaction = [{"substance": coded(RXNORM, "29046")}]
    (found,) = reading(resource("AllergyIntolerance", code={"text": "Penicillin"}, reaction=reaction)).facts.allergies
    assert found.concepts == ("penicillin", "lisinopril", "raas_inhibitor")


def test_a_problem_is_known_by_any_of_its_names() -> None:
    code = {"text": "AF", "coding": [{"system": "urn:site", "code": "4", "display": "Atrial Fibrillation"}]}
    (found,) = reading(resource("Condition", code=code)).facts.conditions
    assert (found.text, found.concepts) == ("AF", ("atrial_fibrillation",))


def test_an_allergy_dated_in_the_future_is_dropped() -> None:
    assert reading(resource("AllergyIntolerance", code={"text": "x"}, onsetDateTime="2090")).issues[0].dropped


def test_a_report_names_its_results() -> None:
    results = [{"reference": "Observation/r1"}, {"reference": "urn:uuid:nobody"}]
    report = resource(
        "DiagnosticReport", status="final", code={"text": "BMP"}, issued="2024-03-01T08:00:00Z", result=results
    )
    found = reading(report)
    assert found.facts.reports[0].results == ("Observation/r1",)
    assert IssueCode.UNRESOLVED_REFERENCE in [issue.code for issue in found.issues]
    assert found.tally["DiagnosticReport"].used == 1
    assert reading(report | {"status": "registered"}).issues[0].code is IssueCode.NOT_FINAL
    assert reading(report | {"issued": None}).issues[0].code is IssueCode.NO_TIME


def test_one_bad_resource_never_loses_the_others() -> None:
    found = reading(None, 3, "x", [], [[observation()]], {"resourceType": 4}, {}, observation(id="o2"))
    assert len(found.facts.measurements) == 2
    assert found.tally["other"].dropped == 4


def test_other_types_are_counted_by_names_that_exist() -> None:
    found = reading({"resourceType": "Claim", "id": "1"}, {"resourceType": "ZQXsecret", "id": "1"})
    assert set(found.tally) == {"Claim", "other"}
    assert "ZQX" not in repr(found)
