"""How drafts say that a drug is given: elements of several releases, or words where these say nothing."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from cds_app.domain.dosing import Amount, Giving
from cds_app.fabric.drafts.giving import givings_of
from cds_app.fabric.references import Item, References

SNOMED = "http://snomed.info/sct"
UNITS = Amount(value=10.0, unit="[iU]")


def read(
    *instructions: dict[str, Any], name: str = "", beside: tuple[dict[str, Any], ...] = (), **more: Any
) -> tuple[Giving, ...]:
    """What a draft says."""
    drug = (
        {} if "medicationReference" in more or "medication" in more else {"medicationCodeableConcept": {"text": name}}
    )
    resource = {"resourceType": "MedicationRequest", "dosageInstruction": list(instructions), **drug, **more}
    items = [Item(one, "", "") for one in beside]
    return givings_of(resource, References(items), UTC)


def dose(value: float, unit: str, **more: Any) -> dict[str, Any]:
    return {"doseAndRate": [{"doseQuantity": {"value": value, "unit": unit}, **more}]}


@pytest.mark.parametrize(
    "instruction",
    [
        dose(10, "units"),
        dose(10, "IE"),
        {"doseQuantity": {"value": 10, "unit": "U"}},
        {"doseAndRate": [{"doseQuantity": {"value": 10, "unit": "anything", "code": "[iU]"}}]},
        {"text": "10 IE"},
        {"doseAndRate": [{"doseRange": {"low": {"value": 5, "unit": "U"}, "high": {"value": 10, "unit": "U"}}}]},
    ],
)
def test_units_of_insulin_are_one_unit(instruction: dict[str, Any]) -> None:
    assert read(instruction) == (Giving(amount=UNITS),)


@pytest.mark.parametrize("dosed", [dose(10, "puffs"), dose(10, "mg/m2"), dose(10, "mL/h"), {}])
def test_what_has_no_such_unit_is_no_amount(dosed: dict[str, Any]) -> None:
    assert all(one.amount is None for one in read(dosed))


def test_a_dose_that_is_a_bound_is_none() -> None:
    assert read({"doseAndRate": [{"doseQuantity": {"value": 10, "unit": "U", "comparator": "<"}}]}) == ()


@pytest.mark.parametrize(
    ("rated", "value", "unit", "per_kg"),
    [
        ({"rateQuantity": {"value": 7, "unit": "[iU]/h"}}, 7.0, "[iU]", False),
        ({"rateQuantity": {"value": 0.1, "unit": "U/kg/h"}}, 0.1, "[iU]", True),
        ({"rateQuantity": {"value": 1, "unit": "mL/min"}}, 60.0, "mL", False),
        (
            {"rateRatio": {"numerator": {"value": 60, "unit": "mEq"}, "denominator": {"value": 2, "unit": "h"}}},
            30.0,
            "mmol",
            False,
        ),
    ],
)
def test_rates_are_read_for_an_hour(rated: dict[str, Any], value: float, unit: str, per_kg: bool) -> None:
    (found,) = read({"doseAndRate": [rated]})
    assert found.rate is not None
    assert (round(found.rate.value, 6), found.rate.unit, found.rate.per_kg) == (value, unit, per_kg)


def test_a_rate_in_no_time_at_all_is_none() -> None:
    ratio = {"numerator": {"value": 1, "unit": "mmol"}, "denominator": {"value": 5e-324, "unit": "min"}}
    assert read({"doseAndRate": [{"rateRatio": ratio}]}) == ()


@pytest.mark.parametrize("unit", ["mmol/fortnight", "mmol/m2/h", "h", "drops/min"])
def test_rates_in_other_units_are_none(unit: str) -> None:
    assert all(one.rate is None for one in read({"doseAndRate": [{"rateQuantity": {"value": 5, "unit": unit}}]}))


@pytest.mark.parametrize(
    ("route", "way"),
    [
        ({"coding": [{"system": SNOMED, "code": "72607000"}]}, "intrathecal"),
        ({"coding": [{"system": SNOMED, "code": "45890007"}]}, "transdermal"),
        ({"coding": [{"system": SNOMED, "code": "47625008"}]}, "iv"),
        ({"coding": [{"system": "urn:local", "code": "IT"}]}, "intrathecal"),
        ({"text": "Intrathekal"}, "intrathecal"),
        ({"text": "Nasal"}, ""),
    ],
)
def test_a_route_is_known_by_code_or_words(route: dict[str, Any], way: str) -> None:
    found = read({"route": route, "text": "10 mg"})
    assert [one.way for one in found] == [way]


def test_what_no_route_says_the_name_of_a_product_does_where_its_words_say_no_other() -> None:
    assert read({}, name="Fentanyl 25 mcg/h transdermal patch")[0].way == "transdermal"
    assert read({"text": "10 mg p.o."}, name="Fentanyl patch")[0].way == "oral"
    assert read({"text": "i.v. or p.o."}, name="Fentanyl patch") == ()


def test_a_push_is_none_that_runs_for_a_time_or_at_a_rate() -> None:
    pushed = {"route": {"text": "IV push"}}
    assert read(pushed)[0].pushed
    assert read({"method": {"coding": [{"display": "Bolus"}]}})[0].pushed
    slow = {**pushed, "timing": {"repeat": {"duration": 1, "durationUnit": "h"}}}
    assert not read(slow)[0].pushed
    assert not read({**pushed, "doseAndRate": [{"rateQuantity": {"value": 5, "unit": "mmol/h"}}]})[0].pushed


@pytest.mark.parametrize("text", ["100 UNIT IV DRIP TITRATE TO", "100 IE i.v. als Dauerinfusion", "50 E i.v. Perfusor"])
def test_what_runs_says_so(text: str) -> None:
    (found,) = read({"text": text})
    assert found.runs
    assert not read({"text": "10 IE i.v., keine Infusion"})[0].runs


def test_what_is_in_a_ml_is_said_by_an_ingredient_or_a_name() -> None:
    ratio = {"numerator": {"value": 500, "unit": "U"}, "denominator": {"value": 5, "unit": "mL"}}
    kept = {"resourceType": "Medication", "id": "m", "ingredient": [{"strength": ratio}], "code": {"text": "Insulin"}}
    named: Any = {"medicationReference": {"reference": "Medication/m"}}
    assert read({}, beside=(kept,), **named)[0].per_ml == Amount(value=100.0, unit="[iU]")
    assert read({}, medication={"concept": {"text": "insulin U-500"}})[0].per_ml == Amount(value=500.0, unit="[iU]")
    per_tablet = {**ratio, "denominator": {"value": 1, "unit": "tablet"}}
    assert read({}, beside=({**kept, "ingredient": [{"strength": per_tablet}]},), **named) == ()


def test_a_mixture_in_words_counts_before_the_strength_of_a_product() -> None:
    found = read({"text": "20 mmol in 1000 mL over 8 h"}, name="potassium chloride 2 MEQ/ML")
    assert found[0].per_ml == Amount(value=0.02, unit="mmol")


def test_each_instruction_is_told_and_an_order_without_any_by_its_name() -> None:
    both = read({"route": {"text": "IV"}}, {"route": {"text": "IT"}})
    assert [one.way for one in both] == ["iv", "intrathecal"]
    assert read(name="vincristine, intrathecal")[0].way == "intrathecal"
    assert read(name="vincristine") == ()
