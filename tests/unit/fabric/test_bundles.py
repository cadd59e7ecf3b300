from __future__ import annotations

from typing import Any

import pytest

from cds_app.domain.issues import IssueCode
from cds_app.fabric.bundles import unpack
from tests.unit.fabric.conftest import observation, pressure, reading, resource

_UUID = "urn:uuid:0b1d2c3e-0000-4000-8000-000000000001"
_OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning"}]}


def _bundle(*entries: object, **elements: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "entry": list(entries), **elements}


def _patient_entry() -> dict[str, Any]:
    return {"fullUrl": _UUID, "resource": {"resourceType": "Patient", "id": "1", "birthDate": "1980"}}


def _named(key: str, value: str, **more: str) -> dict[str, Any]:
    called = {"system": "urn:mrn", "value": value, **more}
    return {"resource": {"resourceType": "Patient", "id": key, "birthDate": "1980", "identifier": [called]}}


@pytest.mark.parametrize("kind", [None, "collection", "searchset", "transaction", "history", "odd", 3])
def test_a_bundle_of_any_type_gives_its_resources(kind: object) -> None:
    items, issues = unpack(_bundle({"resource": observation()}, type=kind), at="prefetch.vitals")
    assert [item.at for item in items] == ["prefetch.vitals.entry[0]"]
    assert issues == ()


def test_nested_bundles_and_lists_are_opened_to_a_depth() -> None:
    document: object = observation()
    for _ in range(4):
        document = [_bundle({"resource": document})]
    assert len(unpack(document, at="x")[0]) == 1
    items, issues = unpack([document], at="x")
    assert (items, [issue.code for issue in issues]) == ((), [IssueCode.UNREADABLE])


def test_nothing_is_nothing() -> None:
    assert unpack(None, at="x") == ((), ())
    assert unpack({"resourceType": "Bundle", "total": 0}, at="x") == ((), ())


def test_outcomes_and_empty_entries_are_issues() -> None:
    items, issues = unpack(_bundle({"resource": _OUTCOME}, {"request": {"method": "DELETE"}}, 5), at="x")
    assert items == ()
    assert [(issue.code, issue.ref) for issue in issues] == [
        (IssueCode.SERVER_OUTCOME, "x.entry[0]"),
        (IssueCode.UNREADABLE, "x.entry[1]"),
        (IssueCode.UNREADABLE, "x.entry[2]"),
    ]
    assert unpack(_bundle() | {"entry": "x"}, at="x")[1][0].field == "entry"


@pytest.mark.parametrize(
    "reference",
    ["Patient/1", "Patient/1/_history/2", "https://ehr.example/r4/Patient/1", "http://x/Patient/1/_history/9", _UUID],
)
def test_every_form_of_reference_to_the_patient_is_theirs(reference: str) -> None:
    found = reading(_bundle(_patient_entry(), {"resource": observation(subject={"reference": reference})}))
    assert len(found.facts.measurements) == 1
    assert found.issues == ()


def test_a_urn_that_ends_in_the_patients_id_is_theirs() -> None:
    assert len(reading(observation(subject={"reference": "urn:uuid:1"})).facts.measurements) == 1


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Patient?identifier=urn:mrn|4711"},
        {"reference": "Patient?identifier=urn%3Amrn%7C4711"},
        {"reference": "Patient?identifier=4711"},
        {"identifier": {"system": "urn:mrn", "value": "4711"}},
        {"type": "Patient", "identifier": {"system": "urn:mrn", "value": "4711"}},
    ],
)
def test_who_is_named_by_an_identifier_is_found_where_one_alone_has_it(subject: dict[str, Any]) -> None:
    known, result = _named("1", "4711"), {"resource": observation(subject=subject)}
    found = reading(_bundle(known, known, _named("2", "4712"), result, type="transaction"))
    assert len(found.facts.measurements) == 1
    for beside in ([], [known, _named("2", "4711")], [_named("1", "4711", use="old")]):
        again = reading(_bundle(*beside, result, type="transaction"))
        assert len(again.facts.measurements) == 0
        assert "subject" in [one.field for one in again.issues]


@pytest.mark.parametrize("said", [{}, {"id": None}])
def test_a_patient_to_be_created_is_called_as_the_others_of_the_bundle_call_it(said: dict[str, Any]) -> None:
    created = {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient", "birthDate": "1980", **said}}
    found = reading(_bundle(created, {"resource": observation(subject={"reference": "urn:uuid:1"})}))
    assert (found.tally["Patient"].used, len(found.facts.demographics), found.issues) == (1, 1, ())


def test_a_patient_without_an_id_in_a_transaction_is_one_of_several_too() -> None:
    told = _named("1", "4711")
    unsaved = {"fullUrl": "urn:uuid:x", "resource": {key: v for key, v in told["resource"].items() if key != "id"}}
    asked = {"resource": observation(subject={"reference": "Patient?identifier=urn:mrn|4711"})}
    found = reading(_bundle(told, unsaved, asked))
    assert len(found.facts.measurements) == 0


@pytest.mark.parametrize(
    "text",
    [
        "Patient?identifier=urn:mrn|4712",
        "Patient?identifier=|4711",
        "Patient?identifier=other|4711",
        "Patient?identifier=urn:mrn|",
        "Patient?name=x",
        "Patient?identifier=urn:mrn|4711&active=true",
        "Patient?identifier=https://ehr.example/Patient/1",
        "Encounter?identifier=urn:mrn|4711",
        "?identifier=4711",
        "Patient?" + "&" * 900,
    ],
)
def test_what_a_condition_does_not_surely_name_is_unresolved(text: str) -> None:
    found = reading(_bundle(_named("1", "4711"), {"resource": observation(subject={"reference": text})}))
    assert len(found.facts.measurements) == 0
    assert [(one.code, one.field) for one in found.issues] == [(IssueCode.UNRESOLVED_REFERENCE, "subject")]


@pytest.mark.parametrize(
    ("subject", "code"),
    [
        ({"reference": "Patient/2"}, IssueCode.OTHER_PATIENT),
        ({"reference": "https://ehr.example/Patient/11"}, IssueCode.OTHER_PATIENT),
        ({"reference": "Group/1"}, IssueCode.OTHER_PATIENT),
        ({"reference": "urn:uuid:nobody"}, IssueCode.UNRESOLVED_REFERENCE),
        ({"reference": "#p"}, IssueCode.UNRESOLVED_REFERENCE),
        ({"reference": "Patient/../Patient/1?"}, IssueCode.UNRESOLVED_REFERENCE),
        ({"identifier": {"value": "1"}}, IssueCode.UNREADABLE),
        ({"reference": 1}, IssueCode.UNREADABLE),
        (None, IssueCode.UNREADABLE),
        ("Patient/1", IssueCode.UNREADABLE),
    ],
)
def test_what_is_not_surely_theirs_is_dropped(subject: object, code: IssueCode) -> None:
    found = reading(observation(subject=subject))
    assert len(found.facts) == 0
    assert [(issue.code, issue.field) for issue in found.issues] == [(code, "subject")]


def test_another_patient_is_not_this_one() -> None:
    found = reading({"resourceType": "Patient", "id": "2"}, {"resourceType": "Patient"})
    assert len(found.facts) == 0
    assert {issue.code for issue in found.issues} == {IssueCode.OTHER_PATIENT}


def test_results_and_encounters_are_named_by_type_and_id() -> None:
    report = resource(
        "DiagnosticReport", status="final", code={"text": "x"}, effectiveDateTime="2024-03-01T08:00:00Z",
        result=[{"reference": "urn:uuid:a"}, {"reference": "urn:uuid:b"}, {"reference": "https://x/Observation/z"}],
    )  # fmt: skip
    bundle = _bundle(
        {"fullUrl": "urn:uuid:a", "resource": pressure(id="bp", encounter={"reference": "urn:uuid:e"})},
        {"fullUrl": "urn:uuid:b", "resource": observation(id=None)},
        {"fullUrl": "urn:uuid:e", "resource": resource("Encounter", id="e9", period={"start": "2024-03-01T08:00:00Z"})},
        {"resource": report},
    )
    facts = reading(bundle).facts
    assert facts.measurements[0].encounter == "Encounter/e9"
    assert facts.reports[0].results[::2] == ("Observation/bp", "Observation/z")
    assert facts.reports[0].results[1] == facts.measurements[2].ref


@pytest.mark.parametrize("key", ["", "a b", "../x", "x" * 257, 7, None])
def test_an_id_that_is_none_is_replaced_by_a_hash(key: object) -> None:
    assert reading(observation(id=key)).facts.measurements[0].ref.startswith("Observation/~")


def test_what_cannot_be_hashed_is_known_by_its_place() -> None:
    assert reading(observation(id=None, note={3, 4})).facts.measurements[0].ref == "Observation/~[0]"


def _report(**more: Any) -> dict[str, Any]:
    inner = [observation(id="#k", subject=None), observation(id="m", subject=None, effectiveDateTime=None), 5, "x"]
    return resource(
        "DiagnosticReport", id="lab", status="final", code={"text": "x"}, effectiveDateTime="2024-03-01T08:00:00Z",
        contained=inner, **more,
    )  # fmt: skip


def test_results_inside_a_report_are_read_as_it_says_of_them() -> None:
    found = reading(_report())
    assert [(one.ref, one.when.hour) for one in found.facts.measurements] == [
        ("Observation/lab.k", 9),
        ("Observation/lab.m", 8),
    ]
    panel = observation("85354-9", valueQuantity=None, id="panel", hasMember=[{"reference": "#hr"}])
    assert len(reading(panel | {"contained": [observation(id="hr", subject=None)]}).facts.measurements) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"subject": {"reference": "Patient/2"}},
        {"status": "cancelled"},
        {"status": "entered-in-error"},
        {"modifierExtension": [{"url": "x"}]},
        {"contained": "x"},
    ],
)
def test_results_inside_a_report_fall_with_it(change: dict[str, Any]) -> None:
    assert not reading(_report() | change).facts.measurements


def test_whom_results_only_refer_to_is_nothing_that_could_not_be_used() -> None:
    beside = [{"resourceType": kind, "id": "x"} for kind in ("Practitioner", "Organization", "Location")]
    found = reading(observation(), *beside, {"resourceType": "Immunization", "id": "x"})
    assert [(one.code, one.dropped) for one in found.issues] == [(IssueCode.UNSUPPORTED_TYPE, True)]
    assert {kind: tally.dropped for kind, tally in found.tally.items() if tally.dropped} == {"Immunization": 1}


def test_entries_in_lists_within_the_list_and_one_alone_are_read() -> None:
    one, two, three = ({"resource": observation(id=name)} for name in ("a", "b", "c"))
    items, issues = unpack(_bundle([one, [two, 5]], three), at="x")
    assert [item.at for item in items] == ["x.entry[0][0]", "x.entry[0][1][0]", "x.entry[1]"]
    assert [(issue.code, issue.ref) for issue in issues] == [(IssueCode.UNREADABLE, "x.entry[0][1][1]")]
    alone, _ = unpack({"resourceType": "Bundle", "entry": one}, at="x")
    assert [item.at for item in alone] == ["x.entry[0]"]


@pytest.mark.parametrize("entry", [5, [], {"resource": []}])
def test_of_lists_within_the_list_no_more_is_taken_than_is_of_use(entry: object) -> None:
    items, issues = unpack(_bundle([[entry] * 1000]), at="x", most=20)
    assert (items, len(issues)) == ((), 21)
