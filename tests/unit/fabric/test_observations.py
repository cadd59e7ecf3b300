from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cds_app.domain.facts import Measurement
from cds_app.domain.issues import IssueCode
from cds_app.domain.timeline import Timeline
from tests.unit.fabric.conftest import LEARNED, LOINC, coded, observation, pressure, reading

_WHEN = datetime(2024, 3, 10, 9, 0, tzinfo=UTC)


def _one(resource: dict[str, Any]) -> Measurement:
    found = reading(resource)
    (measurement,) = found.facts.measurements
    assert found.tally["Observation"].used == 1
    return measurement


def _codes(*resources: dict[str, Any]) -> list[IssueCode]:
    return [issue.code for issue in reading(*resources).issues]


def _dropped(resource: dict[str, Any]) -> tuple[IssueCode, str]:
    found = reading(resource)
    assert all(fact.void for fact in found.facts)
    assert found.tally["Observation"].dropped == 1
    issue = next(issue for issue in found.issues if issue.dropped)
    return issue.code, issue.field


def test_a_plain_observation_becomes_a_measurement() -> None:
    found = _one(observation(encounter={"reference": "Encounter/e1"}))
    assert found == Measurement(
        ref="Observation/r1", version="", when=_WHEN, learned=LEARNED, variable="heart_rate", value=80.0,
        encounter="Encounter/e1",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "unit", "expected"),
    [
        ("umol/L", "umol/L", 1.0),
        ("mg/dL", "mg/dl", 88.42),
        ("nonsense", "umol/L", 1.0),
        ("mmol/L", "mg/dL", 88.42),
        (None, "umol/L", 1.0),
    ],
)
def test_units_are_converted_by_code_or_else_by_text(code: str | None, unit: str, expected: float) -> None:
    quantity = {"value": 88.42, "unit": unit, "code": code}
    assert _one(observation("2160-0", valueQuantity=quantity)).value == pytest.approx(expected)


def test_the_choice_of_a_unit_holds_for_the_next_value() -> None:
    first, second = (observation("2160-0", value, "umol/L", id=str(value)) for value in (88.42, 176.84))
    assert [round(fact.value, 6) for fact in reading(first, second).facts.measurements] == [1.0, 2.0]


def test_code_and_text_that_contradict_each_other_are_not_believed() -> None:
    quantity = {"value": 88.42, "unit": "umol/L", "code": "mg/dL"}
    assert _dropped(observation("2160-0", valueQuantity=quantity))[0] is IssueCode.WRONG_DIMENSION


def test_fahrenheit_is_converted() -> None:
    assert _one(observation("8310-5", 98.6, "[degF]")).value == pytest.approx(37.0)


def test_a_fraction_of_oxygen_is_converted_and_a_percentage_below_one_is_flagged() -> None:
    assert _one(observation("3150-6", 0.4, "1")).value == pytest.approx(40)
    flagged = reading(observation("3150-6", 0.4, "%"))
    assert flagged.facts.measurements[0].implausible
    assert flagged.facts.measurements[0].value == 0.4
    assert [(issue.code, issue.dropped) for issue in flagged.issues] == [(IssueCode.IMPLAUSIBLE, False)]


@pytest.mark.parametrize(
    ("quantity", "code", "field"),
    [
        ({"value": 4.1}, IssueCode.NO_UNIT, "valueQuantity.unit"),
        ({"value": 4.1, "code": "furlong"}, IssueCode.UNKNOWN_UNIT, "valueQuantity.code"),
        ({"value": 4.1, "unit": "furlong"}, IssueCode.UNKNOWN_UNIT, "valueQuantity.unit"),
        ({"value": 4.1, "code": "Cel"}, IssueCode.WRONG_DIMENSION, "valueQuantity.code"),
        ({"value": "4.1", "code": "mmol/L"}, IssueCode.NOT_A_NUMBER, "valueQuantity.value"),
        ({"value": True, "code": "mmol/L"}, IssueCode.NOT_A_NUMBER, "valueQuantity.value"),
        ({"value": math.nan, "code": "mmol/L"}, IssueCode.NOT_A_NUMBER, "valueQuantity.value"),
        ({"value": 10**400, "code": "mmol/L"}, IssueCode.NOT_A_NUMBER, "valueQuantity.value"),
        ({"code": "mmol/L"}, IssueCode.NO_VALUE, "valueQuantity.value"),
        ({"value": 4.1, "comparator": "ad", "code": "mmol/L"}, IssueCode.UNREADABLE, "valueQuantity.comparator"),
        ([4.1], IssueCode.UNREADABLE, "valueQuantity"),
    ],
)
def test_a_quantity_that_is_no_quantity_is_dropped_with_the_reason(
    quantity: object, code: IssueCode, field: str
) -> None:
    assert _dropped(observation("2823-3", valueQuantity=quantity)) == (code, field)


def test_a_number_too_large_after_conversion_is_no_number() -> None:
    assert _dropped(observation("3150-6", 1e308, "1"))[0] is IssueCode.NOT_A_NUMBER


def test_an_inr_needs_no_unit() -> None:
    assert _one(observation("6301-6", valueQuantity={"value": 1.4})).value == 1.4
    assert _one(observation("6301-6", valueQuantity=None, valueInteger=2)).value == 2.0
    assert _dropped(observation(valueQuantity=None, valueInteger=2)) == (IssueCode.NO_UNIT, "valueInteger")
    assert _dropped(observation(valueQuantity=None, valueInteger=2.5))[0] is IssueCode.NOT_A_NUMBER


@pytest.mark.parametrize("comparator", ["<", "<=", ">", ">="])
def test_a_comparator_is_a_bound(comparator: str) -> None:
    resource = observation("2823-3", valueQuantity={"value": 8, "comparator": comparator, "code": "mmol/L"})
    assert _one(resource).bound == comparator
    assert _codes(resource) == [IssueCode.CENSORED]


def test_of_a_range_a_bound_is_kept() -> None:
    low, high = {"value": 60, "code": "/min"}, {"value": 80, "code": "/min"}
    assert _one(observation(valueQuantity=None, valueRange={"low": low, "high": high})).bound == ">="
    assert _one(observation(valueQuantity=None, valueRange={"high": high})).bound == "<="
    assert _one(observation(valueQuantity=None, valueRange={"low": low, "high": dict(low)})).bound == "="
    assert _dropped(observation(valueQuantity=None, valueRange={})) == (IssueCode.UNREADABLE, "valueRange.high")


def test_a_ratio_is_a_quotient_with_the_quotient_of_its_units() -> None:
    milligrams = {"value": 3, "code": "mg"}
    ratio = {"numerator": milligrams, "denominator": {"value": 2, "code": "g"}}
    assert _one(observation("9318-7", valueQuantity=None, valueRatio=ratio)).value == 1.5
    worded = {"numerator": {"value": 3, "unit": "mg"}, "denominator": {"value": 2, "unit": "g"}}
    assert _one(observation("9318-7", valueQuantity=None, valueRatio=worded)).value == 1.5
    titre = {"numerator": {"value": 1, "code": "1"}, "denominator": {"value": 4, "code": "1"}}
    assert _one(observation("5048-4", valueQuantity=None, valueRatio=titre)).value == 0.25


@pytest.mark.parametrize(
    "ratio",
    [
        {}, {"numerator": {"value": 1}, "denominator": {"value": 0}}, "1:4",
        {"numerator": {"value": 1, "comparator": "<"}, "denominator": {"value": 2}},
        {"numerator": {"value": 1, "code": "mg"}, "denominator": {"value": 2, "code": "mg/mL"}},
        {"numerator": {"value": 1, "code": "mg"}, "denominator": {"value": 2, "code": "furlong"}},
    ],
)  # fmt: skip
def test_a_ratio_that_is_none_is_dropped(ratio: object) -> None:
    assert _dropped(observation("9318-7", valueQuantity=None, valueRatio=ratio))[1] == "valueRatio"


def test_text_is_never_guessed_into_a_number() -> None:
    found = reading(observation("6301-6", valueQuantity=None, valueString="1.4"))
    assert not found.facts.measurements
    assert found.facts.coded[0].text == "1.4"
    assert [(issue.code, issue.dropped) for issue in found.issues] == [(IssueCode.NOT_A_NUMBER, False)]


def test_a_coded_value_keeps_codes_and_concepts() -> None:
    found = reading(observation("67775-7", valueQuantity=None, valueCodeableConcept=coded(LOINC, "LA9340-6")))
    assert found.facts.coded[0].codes == ((LOINC, "LA9340-6"),)
    assert found.facts.coded[0].concepts == ("alert",)
    assert found.issues == ()


def test_a_number_for_a_coded_variable_is_kept_as_words() -> None:
    found = reading(observation("67775-7", valueQuantity={"value": 30.0, "comparator": ">", "unit": "mg/dL"}))
    assert (found.facts.coded[0].text, found.issues) == (">30 mg/dL", ())
    assert _dropped(observation("67775-7", valueQuantity={"unit": "mg/dL"}))[0] is IssueCode.NO_VALUE


def test_a_boolean_is_a_text() -> None:
    found = reading(observation("67775-7", valueQuantity=None, valueBoolean=False))
    assert found.facts.coded[0].text == "false"


@pytest.mark.parametrize(
    ("more", "code", "field"),
    [
        ({}, IssueCode.NO_VALUE, "value[x]"),
        ({"dataAbsentReason": coded("x", "masked")}, IssueCode.DATA_ABSENT, "dataAbsentReason"),
        ({"valueSampledData": {"data": "1 2"}}, IssueCode.NO_VALUE, "valueSampledData"),
        ({"valueCodeableConcept": {}}, IssueCode.NO_VALUE, "value[x]"),
        ({"valueJohnDoe": 3}, IssueCode.NO_VALUE, "value[x]"),
    ],
)
def test_no_usable_value_is_an_issue(more: dict[str, Any], code: IssueCode, field: str) -> None:
    assert _dropped(observation(valueQuantity=None, **more)) == (code, field)


@pytest.mark.parametrize("status", ["registered", "cancelled", "unknown", "", None, 3, ["final"]])
def test_what_is_not_final_is_dropped(status: object) -> None:
    assert _dropped(observation(status=status)) == (IssueCode.NOT_FINAL, "status")


@pytest.mark.parametrize("status", ["final", "amended", "corrected"])
def test_what_is_final_is_used(status: str) -> None:
    assert not _one(observation(status=status)).preliminary


def test_preliminary_is_flagged() -> None:
    assert _one(observation(status="preliminary")).preliminary


@pytest.mark.parametrize("status", ["entered-in-error", "entered-in-error "])
def test_entered_in_error_voids_the_value_and_its_components(status: str) -> None:
    before = reading(pressure())
    after = reading(pressure(status=status, meta={"versionId": "2"}, modifierExtension=[{"url": "x"}]))
    assert all(fact.void for fact in after.facts)
    assert [(issue.code, issue.dropped) for issue in after.issues] == [(IssueCode.ENTERED_IN_ERROR, False)]
    assert len(Timeline.of([*before.facts, *after.facts]).facts) == 0


def test_a_blood_pressure_is_two_measurements() -> None:
    found = reading(pressure())
    refs = {fact.ref: fact.value for fact in found.facts.measurements}
    assert refs == {"Observation/r1#8480-6": 120.0, "Observation/r1#8462-4": 70.0}
    assert found.tally["Observation"].used == 1


def test_the_pressure_of_a_pulmonary_artery_is_no_blood_pressure() -> None:
    found = reading(pressure(code=coded(LOINC, "76284-9")))
    assert [one.ref for one in found.facts.unknown] == ["Observation/r1#8480-6", "Observation/r1#8462-4"]
    assert len(found.facts) == 2
    parts = [{"code": {"coding": [{"system": LOINC, "code": one} for one in ("8462-4", "8385-7")]},
              "valueQuantity": {"value": 12, "unit": "mmHg", "code": "mm[Hg]"}}]  # fmt: skip
    assert not reading(observation("85354-9", valueQuantity=None, component=parts)).facts.measurements
    alone = reading(observation(code=parts[0]["code"], valueQuantity=parts[0]["valueQuantity"]))
    assert not alone.facts.measurements


def test_a_bad_component_does_not_take_the_others_along() -> None:
    resource = pressure()
    resource["component"][0]["valueQuantity"] = "high"
    resource["component"].append({"code": coded(LOINC, "8480-6"), "modifierExtension": []})
    resource["component"].append({"code": {}, "valueQuantity": {"value": 1}})
    found = reading(resource)
    assert [fact.variable for fact in found.facts.measurements] == ["diastolic"]
    assert [(issue.code, issue.ref) for issue in found.issues] == [
        (IssueCode.UNREADABLE, "Observation/r1#8480-6"),
        (IssueCode.MODIFIER_EXTENSION, "Observation/r1#component[2]"),
        (IssueCode.NO_CODE, "Observation/r1#component[3]"),
    ]


def test_a_value_beside_components_is_read_too() -> None:
    resource = observation(component=[{"code": {"text": "odd"}, "valueString": "x"}, 7])
    found = reading(resource)
    assert len(found.facts.measurements) == 1
    assert len(found.facts.unknown) == 1
    resource["valueQuantity"] = "junk"
    assert len(reading(resource).facts) == 1


def test_components_that_are_none_are_an_issue() -> None:
    assert _dropped(observation(valueQuantity=None, component="x")) == (IssueCode.UNREADABLE, "component")


def test_more_components_than_anybody_sends_are_cut_and_said_so() -> None:
    many = [{"code": coded("x", str(i))} for i in range(501)]
    found = reading(observation(valueQuantity=None, component=many))
    assert len(found.facts.unknown) == 500
    assert found.issues[0].code is IssueCode.TRUNCATED


def test_an_unknown_code_is_counted_and_shown() -> None:
    found = reading(observation("1-1", code=coded(LOINC, "1-1", "Odd \x00test\n\u202e2" + "x" * 300)))
    assert found.tally["Observation"].unknown == 1
    text = found.facts.unknown[0].text
    assert text.startswith("Odd test 2x")
    assert len(text) == 200


def test_no_code_at_all_is_dropped() -> None:
    assert _dropped(observation(code=None)) == (IssueCode.NO_CODE, "code")


def test_a_specific_code_beats_the_generic_one() -> None:
    codes = {"coding": [{"system": LOINC, "code": "2708-6"}, {"system": LOINC, "code": "59408-5"}]}
    resource = observation(code=codes, valueQuantity={"value": 97, "code": "%"})
    assert _one(resource).variable == "spo2_pulse"
    assert _codes(resource) == []


def test_two_specific_codes_are_ambiguous_and_the_first_counts() -> None:
    codes = {"coding": [{"system": LOINC, "code": "8867-4"}, {"system": LOINC, "code": "2823-3"}]}
    assert _one(observation(code=codes)).variable == "heart_rate"
    assert _codes(observation(code=codes)) == [IssueCode.AMBIGUOUS_CODE]


def test_loinc_may_be_named_by_its_oid() -> None:
    assert _one(observation(code=coded("urn:oid:2.16.840.1.113883.6.1", "8867-4"))).variable == "heart_rate"


def test_what_is_focused_on_somebody_else_is_not_the_patients() -> None:
    assert _dropped(observation(focus=[{"reference": "RelatedPerson/fetus"}])) == (IssueCode.OTHER_PATIENT, "focus")
    assert _one(observation(focus=[{"reference": "Patient/1"}])).value == 80


def test_a_modifier_extension_makes_it_unusable() -> None:
    assert _dropped(observation(modifierExtension=[{"url": "x"}]))[0] is IssueCode.MODIFIER_EXTENSION
    assert _dropped(observation(implicitRules="http://x"))[1] == "implicitRules"


def test_without_an_id_repetitions_are_one() -> None:
    resource = observation(id=None)
    found = reading(resource, dict(reversed(resource.items())))
    assert found.tally["Observation"].used == 2
    assert found.facts.measurements[0].ref.startswith("Observation/~")
    assert len(Timeline.of(found.facts)) == 1


@pytest.mark.parametrize(
    "newer",
    [
        {"status": "cancelled"},
        {
            "valueQuantity": None,
            "dataAbsentReason": coded("http://terminology.hl7.org/CodeSystem/data-absent-reason", "error"),
        },
        {"status": "corrected", "valueQuantity": None},
        {"valueQuantity": {"value": 80, "unit": "furlong"}},
        {"valueQuantity": {"value": "hidden", "unit": "/min"}},
        {"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]},
        {
            "valueQuantity": None,
            "component": [{"code": coded(LOINC, "8480-6"), "dataAbsentReason": {"text": "unknown"}}],
        },
    ],
)
@pytest.mark.parametrize("versions", [("1", "2"), (None, None)])
def test_what_a_newer_version_takes_back_counts_no_more(
    newer: dict[str, Any], versions: tuple[str | None, str | None]
) -> None:
    metas: list[dict[str, Any]] = [{"meta": {"versionId": one}} if one else {} for one in versions]
    value = reading(observation(**metas[0]))
    gone = reading(observation(**metas[1] | newer), learned=LEARNED + timedelta(minutes=1))
    assert gone.tally["Observation"].dropped == 1
    timeline = Timeline.of(value.facts)
    assert len(timeline.facts.measurements) == 1
    assert len(timeline.extended(gone.facts)[0].facts) == 0
    back = reading(observation(meta={"versionId": "3"}), learned=LEARNED + timedelta(minutes=2))
    assert len(timeline.extended([*gone.facts, *back.facts])[0].facts.measurements) == 1
    if versions[0]:
        assert len(Timeline.of([*gone.facts, *value.facts]).facts) == 0


def test_what_is_only_early_or_of_somebody_else_takes_nothing_back() -> None:
    for name, other in (("effectiveDateTime", "2024-03-10T13:00:00Z"), ("subject", {"reference": "Patient/2"})):
        assert len(reading(observation() | {"meta": {"versionId": "2"}, name: other}).facts) == 0


def test_a_value_beside_a_copy_without_one_stands() -> None:
    copy = observation(meta={"versionId": "1"}, valueQuantity=None)
    assert [one.void for one in reading(copy, observation(meta={"versionId": "1"})).facts] == [False]


def test_a_correction_wins_whatever_the_order_of_arrival() -> None:
    old = observation(value=80, meta={"versionId": "9", "lastUpdated": "2024-03-10T10:00:00Z"})
    new = observation(value=90, status="corrected", meta={"versionId": "10", "lastUpdated": "2024-03-10T09:00:00Z"})
    for order in ([old, new], [new, old]):
        (fact,) = Timeline.of(reading(*order).facts).facts.measurements
        assert fact.value == 90


def test_the_version_is_a_number_then_a_time_and_nothing_without_order() -> None:
    metas: tuple[object, ...] = (
        {"lastUpdated": "2024-03-10T10:00:00+01:00"},
        {"versionId": "7"},
        {"versionId": "W/abc"},
        {"versionId": 7},
        {"lastUpdated": "soon"},
        [],
    )
    versions = [_one(observation(meta=meta)).version for meta in metas]
    assert versions == [
        "/2024-03-10T09:00:00.000000+00:00", "00000000000000000007/", "", "", "", "",
    ]  # fmt: skip
