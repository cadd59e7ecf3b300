"""How a drug is given: what dosages of real records say, and what they leave open."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cds_app.domain.dosing import Dosing
from cds_app.fabric.drugs.dosing import dosing_of

SNOMED = "http://snomed.info/sct"
MG = {"value": 1000, "unit": "mg", "code": "mg"}
DAY = {"value": 1, "unit": "d", "code": "d"}


def given(dose: dict[str, Any] | None = None, **instruction: Any) -> Dosing | None:
    return dosing_of(instruction, MG if dose is None else dose, UTC)


@pytest.mark.parametrize(
    ("route", "found"),
    [
        ({"coding": [{"system": SNOMED, "code": "47625008"}], "text": "IV DRIP"}, "iv"),
        ({"coding": [{"system": SNOMED, "code": "47625008"}]}, "iv"),
        ({"coding": [{"system": SNOMED, "code": "26643006", "display": "Oral route"}], "text": "PO"}, "oral"),
        ({"text": "PO/NG"}, "oral"),
        ({"coding": [{"code": "PO"}]}, "oral"),
        ({"coding": [{"system": SNOMED, "code": "34206005"}], "text": "SC"}, "subcutaneous"),
        ({"text": "SubQ"}, "subcutaneous"),
        ({"text": "Inhalation"}, "other"),
    ],
)
def test_a_route_is_known_by_code_or_by_word(route: dict[str, Any], found: str) -> None:
    dosing = given(route=route)
    assert dosing is not None
    assert dosing.route == found


@pytest.mark.parametrize(
    ("timing", "hours"),
    [
        ({"repeat": {"frequency": 3, "period": 1, "periodUnit": "d"}}, 8.0),
        ({"repeat": {"frequency": 1, "period": 12, "periodUnit": "h"}}, 12.0),
        ({"repeat": {"frequency": 1, "period": 1, "periodUnits": "d"}}, 24.0),
        ({"repeat": {"frequency": 1, "period": 1, "periodUnit": "wk"}}, 168.0),
        ({"code": {"text": "Q 8H"}}, 8.0),
        ({"code": {"text": "Q36H"}}, 36.0),
        ({"code": {"coding": [{"code": "BID"}]}}, 12.0),
        ({"code": {"text": "DAILY"}}, 24.0),
    ],
)
def test_an_interval_is_read(timing: dict[str, Any], hours: float) -> None:
    dosing = given(timing=timing)
    assert dosing is not None
    assert dosing.interval_h == hours


@pytest.mark.parametrize(
    "timing",
    [
        {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d", "dayOfWeek": ["mon"]}},
        {"code": {"text": "TITRATE TO RASS"}},
        {"code": {"text": "Q0H"}},
        {"repeat": {"frequency": 0, "period": 1, "periodUnit": "d"}},
        {"repeat": {"frequency": 1, "period": -1, "periodUnit": "d"}},
        {"repeat": {"frequency": 1, "period": 1, "periodUnit": "fortnight"}},
        {"repeat": "twice"},
        "twice",
    ],
)
def test_what_says_no_interval_has_none(timing: object) -> None:
    assert given(timing=timing) is None


@pytest.mark.parametrize(
    ("instruction", "hours"),
    [
        ({"timing": {"repeat": {"duration": 90, "durationUnit": "min"}}}, 1.5),
        ({"doseAndRate": [{"rateQuantity": {"value": 2, "unit": "h"}}]}, 2.0),
        ({"rateQuantity": {"value": 500, "code": "mg/h"}}, 2.0),
        ({"rateQuantity": {"value": 10, "code": "mg/min"}}, 100.0 / 60.0),
        (
            {
                "doseAndRate": [
                    {
                        "rateRatio": {
                            "numerator": {"value": 500, "code": "mg"},
                            "denominator": {"value": 30, "code": "min"},
                        }
                    }
                ]
            },
            1.0,
        ),
    ],
)
def test_the_length_of_an_infusion_is_read(instruction: dict[str, Any], hours: float) -> None:
    dosing = given(**instruction)
    assert dosing is not None
    assert dosing.over_h == pytest.approx(hours)


@pytest.mark.parametrize("micro", ["\N{MICRO SIGN}g", "\N{GREEK SMALL LETTER MU}g", "ug"])
def test_a_microgram_is_a_mass_however_it_is_written(micro: str) -> None:
    instruction = {
        "doseAndRate": [{"rateQuantity": {"value": 25, "unit": f"{micro}/h"}}],
        "maxDosePerAdministration": {"value": 0.1, "unit": "mg"},
    }
    assert given({"value": 50, "unit": micro}, **instruction) == Dosing(over_h=2.0, rated=True)


@pytest.mark.parametrize(
    ("instruction", "rated"),
    [
        ({"rateQuantity": {"value": 100, "code": "mL/h"}}, True),
        ({"rateQuantity": {"value": 9.5, "code": "ug/kg/min"}}, True),
        ({"rateQuantity": {"value": 0, "code": "mg/h"}}, True),
        ({"rateQuantity": {"value": 1, "code": "g/h"}}, True),
        ({"doseAndRate": [{"rateRatio": {"numerator": {"value": 1, "code": "mg"}}}]}, True),
        ({"doseAndRate": ["x"], "timing": {"repeat": {"duration": 0, "durationUnit": "h"}}}, False),
    ],
)
def test_a_rate_in_another_unit_says_no_length(instruction: dict[str, Any], rated: bool) -> None:
    assert given(**instruction) == (Dosing(rated=True, unsettled=("length",)) if rated else None)


@pytest.mark.parametrize(
    ("timing", "once", "with_meals"),
    [
        ({"repeat": {"count": 1}}, True, False),
        ({"repeat": {"count": 3}}, False, False),
        ({"repeat": {"count": True}}, False, False),
        ({"code": {"text": "ONCE"}}, True, False),
        ({"code": {"text": "Stat"}}, True, False),
        ({"code": {"text": "TID AC"}}, False, True),
        ({"code": {"text": "ACHS"}}, False, True),
        ({"code": {"coding": [{"code": "AC"}]}}, False, True),
        ({"code": {"text": "with meals"}}, False, True),
        ({"repeat": {"when": ["PCM"]}}, False, True),
        ({"repeat": {"when": "C"}}, False, True),
        ({"repeat": {"when": ["HS", {"x": 1}], "count": 1}}, True, False),
        ({"code": {"text": "pack daily"}}, False, False),
    ],
)
def test_one_dose_and_a_dose_for_a_meal_are_told_apart(timing: dict[str, Any], once: bool, with_meals: bool) -> None:
    dosing = given(timing=timing) or Dosing()
    assert (dosing.once, dosing.with_meals) == (once, with_meals)


@pytest.mark.parametrize(
    ("said", "grams"),
    [
        ({"text": "8 units now for 60 g carbohydrate"}, 60.0),
        ({"text": "Insulin lispro 8 units SC before lunch (60 g carbs)"}, 60.0),
        ({"text": "8 units with lunch", "additionalInstruction": [{"text": "45.5 grams of carbohydrate"}]}, 45.5),
        ({"text": "8 units", "patientInstruction": "For a meal containing 60g CHO."}, 60.0),
        ({"text": "60 g carbs", "timing": {"code": {"text": "AC"}}}, 60.0),
        ({"text": "8 units with lunch"}, None),
        ({"text": "8 units, 60 g"}, None),
        ({"text": "1 unit per 10 g carbohydrate"}, None),
        ({"text": "1 unit/10 g carbs"}, None),
        ({"text": "1:10 g carbs"}, None),
        ({"text": "45-60 g carbs"}, None),
        ({"text": "45 to 60 g carbs"}, None),
        ({"text": "160,5 g carbs"}, None),
        ({"text": "-60 g carbs"}, None),
        ({"text": "60 g carbs if eating"}, None),
        ({"text": "at least 60 g carbs"}, None),
        ({"text": "60 g carbs, 30 g protein"}, None),
        ({"text": "60 g carbs, 60 g carbs"}, None),
        ({"text": "60 g carbs", "patientInstruction": "45 g carbs"}, None),
        ({"text": "60 g carbs", "patientInstruction": "Skip if not eating."}, None),
        ({"text": "60 g carbs", "timing": {"repeat": {"when": ["PCM"]}}}, None),
        ({"text": "60 g carbs", "timing": {"repeat": {"when": ["AC"], "offset": 30}}}, None),
        ({"text": "60 g carbs", "timing": {"code": {"text": "ACHS"}}}, None),
        ({"text": "60 g carbs" + " now" * 60}, None),
    ],
)
def test_carbohydrate_counts_where_a_dosage_says_one_amount_and_nothing_else(
    said: dict[str, Any], grams: float | None
) -> None:
    dosing = given(**said)
    assert dosing is None or dosing.carbohydrate_g == grams
    assert grams is None or (dosing is not None and dosing.with_meals)


@pytest.mark.parametrize("text", ["before lunch", "60 g carbs", "if eating", "1 unit per 10 g carbohydrate"])
def test_a_dose_of_whose_meal_only_words_speak_goes_with_a_meal(text: str) -> None:
    dosing = given(text=text)
    assert dosing is not None
    assert dosing.with_meals


TWICE = {"frequency": 1, "period": 12, "periodUnit": "h"}


def timed(**repeat: Any) -> dict[str, Any]:
    return {"timing": {"repeat": {**TWICE, **repeat}}}


def rated(**rate: Any) -> dict[str, Any]:
    return {**timed(), "doseAndRate": [{"doseQuantity": MG, **rate}]}


@pytest.mark.parametrize(
    ("instruction", "unsettled"),
    [
        (timed(), ()),
        (timed(frequencyMax=3), ("timing",)),
        (timed(periodMax=24), ("timing",)),
        (timed(count=9, countMax=14), ("timing",)),
        (timed(frequency=1.5), ("timing",)),
        (timed(frequency=2, period=1, periodUnit="d", timeOfDay=["08:00:00", "20:00:00"]), ()),
        (timed(timeOfDay=["08:00:00", "12:00:00"]), ("timing",)),
        (timed(timeOfDay=["08:00:00", "14:00:00", "20:00:00"]), ("timing",)),
        (timed(timeOfDay=["08:00:00", "later"]), ("timing",)),
        ({"timing": {"repeat": {"timeOfDay": ["08:00:00"]}}}, ("timing",)),
        ({"timing": {"event": ["2031-02-01T08:00:00Z"], "repeat": TWICE}}, ("timing",)),
        ({"timing": {"code": {"text": "BID"}, "repeat": TWICE}}, ()),
        ({"timing": {"code": {"text": "Q6H"}, "repeat": TWICE}}, ("timing",)),
        ({"timing": {"code": {"text": "BID", "coding": [{"code": "Q6H"}]}}}, ("timing",)),
        (timed(duration=1, durationUnit="h"), ()),
        (timed(duration=1, durationMax=4, durationUnit="h"), ("length",)),
        (timed(duration=2, durationUnit="mo"), ("length",)),
        (rated(rateQuantity={"value": 500, "code": "mg/h"}), ()),
        (rated(rateQuantity={"value": 250, "code": "mL/h"}), ("length",)),
        (rated(rateQuantity={"value": 10, "code": "mg/kg/h"}), ("length",)),
        (rated(rateRange={"low": {"value": 1, "code": "mg/h"}}), ("length",)),
        ({**rated(rateQuantity={"value": 100, "code": "mg/h"}), **timed(duration=1, durationUnit="h")}, ("length",)),
        ({**timed(), "maxDosePerAdministration": MG}, ()),
        ({**timed(), "maxDosePerAdministration": {"value": 0.5, "unit": "g"}}, ("maximum",)),
        ({**timed(), "maxDosePerAdministration": {"value": 20, "unit": "mL"}}, ("maximum",)),
        ({**timed(), "maxDosePerPeriod": {"numerator": {"value": 2, "unit": "g"}, "denominator": DAY}}, ()),
        ({**timed(), "maxDosePerPeriod": {"numerator": MG, "denominator": DAY}}, ("maximum",)),
        ({**timed(), "maxDosePerPeriod": {"numerator": MG}}, ("maximum",)),
        ({**timed(), "maxDosePerLifetime": {"value": 99, "unit": "g"}}, ("maximum",)),
        ({**timed(), "doseAndRate": [{"doseQuantity": MG}, {"doseQuantity": {"value": 1, "unit": "g"}}]}, ()),
        ({**timed(), "doseAndRate": [{"doseQuantity": MG}, {"doseQuantity": {"value": 2, "unit": "g"}}]}, ("dose",)),
    ],
)
def test_what_a_dosage_says_beyond_one_dose_at_one_interval_is_named(
    instruction: dict[str, Any], unsettled: tuple[str, ...]
) -> None:
    dosing = given(**instruction)
    assert dosing is not None
    assert dosing.unsettled == unsettled


@pytest.mark.parametrize(
    "dose",
    [{**MG, "comparator": "<"}, {"value": 1, "unit": "mg", "code": "g"}, {"value": 1, "unit": "ug", "code": "mg"}],
)
def test_a_dose_that_is_a_bound_or_has_two_units_is_not_settled(dose: dict[str, Any]) -> None:
    dosing = given(dose, **timed())
    assert dosing is not None
    assert dosing.unsettled == ("dose",)


def test_spellings_of_one_unit_are_one() -> None:
    for unit, code in (("mcg", "ug"), ("µg", "ug"), ("MG", "mg"), ("mg", ""), ("", "mg"), ("tablet", "{tbl}")):
        dosing = given({"value": 1, "unit": unit, "code": code}, **timed())
        assert dosing is not None
        assert dosing.unsettled == ()


@pytest.mark.parametrize(
    ("repeat", "hours"),
    [
        ({}, None),
        ({"count": 3}, 36.0),
        ({"boundsDuration": {"value": 10, "code": "d"}}, 240.0),
        ({"boundsDuration": {"value": 1, "code": "mo"}}, 672.0),
        ({"boundsDuration": {"value": 2, "unit": "fortnights"}}, 0.0),
        ({"boundsRange": {"low": {"value": 5, "code": "d"}, "high": {"value": 7, "code": "d"}}}, 120.0),
        ({"boundsRange": {"high": {"value": 7, "code": "d"}}}, 0.0),
        ({"count": 20, "boundsDuration": {"value": 2, "code": "d"}}, 48.0),
    ],
)
def test_how_long_a_course_lasts_at_least(repeat: dict[str, Any], hours: float | None) -> None:
    dosing = given(**timed(**repeat))
    assert dosing is not None
    assert dosing.lasts_h == hours


@pytest.mark.parametrize(
    "said",
    [
        {"asNeeded": True},
        {"asNeededFor": [{"text": "fever"}]},
        {"text": "1000 mg every 12 h PRN"},
        {"text": "as needed for pain"},
        {"timing": {"code": {"text": "Q12H PRN"}}},
        {"timing": {"code": {"text": "PRN"}}},
    ],
)
def test_on_demand_is_heard_in_words_too(said: dict[str, Any]) -> None:
    dosing = given(**{**timed(), **said})
    assert dosing is not None
    assert dosing.as_needed


def test_several_instructions_are_no_one_plan() -> None:
    dosing = dosing_of(timed(), MG, UTC, beside=True)
    assert dosing is not None
    assert dosing.unsettled == ("dosage",)


def test_the_start_of_an_order_may_lie_in_the_future_and_needs_a_time() -> None:
    dosing = given(timing={"repeat": {"boundsPeriod": {"start": "2031-02-01T08:00:00+02:00"}}})
    assert dosing is not None
    assert dosing.start == datetime(2031, 2, 1, 6, tzinfo=UTC)
    month = given(timing={"repeat": {"boundsPeriod": {"start": "2031-02"}}})
    assert month == Dosing(start_day=datetime(2031, 2, 1, tzinfo=UTC))


def test_on_demand_is_said() -> None:
    assert given(asNeededBoolean=True) == Dosing(as_needed=True)
    assert given(asNeededCodeableConcept={"text": "pain"}) == Dosing(as_needed=True)
    assert given(asNeededBoolean=False) is None
