"""How much at once, how fast, how concentrated, which way and how often: what the shipped checks find of it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_app.domain.dosing import Amount, Dosing, Giving
from cds_app.domain.facts import Fact, Medication
from cds_app.domain.proposed import Proposed
from cds_app.mitigate.findings import Checked
from cds_app.mitigate.orders import check_orders
from tests.chart import ago, measured, problem, stay
from tests.sentences import read
from tests.spec.orders.drafts import CHECKS, order, real, takes, view_of

KINDS = frozenset({"once", "rate", "strength", "route", "interval"})
HEAVY = measured("body_weight", 75.0)
WARD = stay(text="General ward")
UNIT = stay(text="Intensive care unit")


def units(value: float, *, per_kg: bool = False) -> Amount:
    return Amount(value=value, unit="[iU]", per_kg=per_kg)


def mmol(value: float) -> Amount:
    return Amount(value=value, unit="mmol")


def draft(name: str, *givings: Giving, **more: Any) -> Medication:
    found = real(replace(order(name), giving=givings, **more))
    assert isinstance(found, Medication)
    return found


def checked(name: str, *givings: Giving, chart: tuple[Fact, ...] = (HEAVY, WARD), **more: Any) -> Checked:
    (found,) = check_orders(CHECKS, view_of(*chart), Proposed(orders=(draft(name, *givings, **more),)), KINDS)
    return found


def told(name: str, *givings: Giving, chart: tuple[Fact, ...] = (HEAVY, WARD), **more: Any) -> list[tuple[str, int]]:
    return [(one.check.id, one.tier) for one in checked(name, *givings, chart=chart, **more).findings]


@pytest.mark.parametrize(
    ("amount", "found"),
    [
        (units(74), []),
        (units(80), [("once_insulin", 2)]),
        (units(1.2, per_kg=True), [("once_insulin", 2)]),
        (units(0.2, per_kg=True), []),
        (units(120), [("once_insulin", 2)]),
        (Amount(value=40.0, unit="mg"), []),
    ],
)
def test_a_dose_of_insulin_that_few_take_is_told(amount: Amount, found: list[tuple[str, int]]) -> None:
    assert told("insulin_glargine", Giving(way="subcutaneous", amount=amount)) == found


@pytest.mark.parametrize(
    ("usual", "unit", "value", "tells"),
    [
        (10.0, "[iU]", 100.0, True),
        (10.0, "U", 30.0, False),  # not much, however much more it is
        (120.0, "units", 130.0, False),  # who takes as much is used to it
        (60.0, "IE", 130.0, True),
        (60.0, "international units", 130.0, True),
        (10.0, "mg", 60.0, False),
    ],
)
def test_a_standing_order_says_what_is_usual(usual: float, unit: str, value: float, tells: bool) -> None:
    taken = replace(takes("insulin_glargine"), dose_value=usual, dose_unit=unit)
    found = checked(
        "insulin_glargine", Giving(way="subcutaneous", amount=units(value)), chart=(HEAVY, WARD, taken)
    ).findings
    assert [one.beside for one in found] == ([(view_of(taken).situation.facts.medications[0],)] if tells else [])


def test_of_a_volume_what_is_in_it_counts() -> None:
    syringe = Giving(way="subcutaneous", amount=Amount(value=5.0, unit="mL"), per_ml=units(100.0))
    (found,) = checked("insulin_lispro", syringe).findings
    assert read(found.why).startswith("500 units at once, at most 100 units.")
    assert told("insulin_lispro", replace(syringe, per_ml=None)) == []


@pytest.mark.parametrize(
    ("giving", "found"),
    [
        (Giving(way="iv", amount=units(10)), []),
        (Giving(way="iv", amount=units(60)), [("once_insulin_vein", 2)]),
        (Giving(way="iv", amount=units(100), runs=True), []),
        (Giving(way="iv", rate=units(7)), []),
        (Giving(way="iv", rate=units(70)), [("rate_insulin", 2)]),
        (Giving(way="iv", rate=units(1, per_kg=True)), [("rate_insulin", 2)]),
        (Giving(way="iv", rate=Amount(value=50.0, unit="mL"), per_ml=units(1)), [("rate_insulin", 2)]),
        (Giving(way="iv", rate=Amount(value=5.0, unit="mL"), per_ml=units(1)), []),
        (Giving(way="iv", per_ml=units(500)), [("strength_insulin", 3)]),
        (Giving(way="subcutaneous", per_ml=units(500)), [("strength_insulin", 2)]),
        (Giving(way="subcutaneous", per_ml=units(300)), []),
    ],
)
def test_insulin_into_a_vein_has_limits_of_its_own(giving: Giving, found: list[tuple[str, int]]) -> None:
    assert told("insulin_regular", giving) == found


def test_without_a_weight_only_what_is_too_much_for_anybody_is_told() -> None:
    by_weight = Giving(way="iv", rate=units(1, per_kg=True))
    assert told("insulin_regular", by_weight, chart=(WARD,)) == []
    assert told("insulin_regular", Giving(way="iv", rate=units(30)), chart=(WARD,)) == [("rate_insulin", 2)]


def test_insulin_for_the_whole_day_is_not_for_a_vein() -> None:
    assert told("insulin_glargine", Giving(way="iv", amount=units(10))) == [("route_insulin_long", 3)]
    assert told("insulin_glargine", Giving(way="subcutaneous", amount=units(10))) == []


@pytest.mark.parametrize(
    ("giving", "ward", "unit"),
    [
        (Giving(way="iv", rate=mmol(10)), None, None),
        (Giving(way="iv", amount=mmol(20), over_h=2.0), None, None),
        (Giving(way="iv", amount=mmol(20), over_h=1.0), 2, None),
        (Giving(way="iv", rate=mmol(30)), 2, 2),
        (Giving(way="iv", rate=mmol(60)), 3, 3),
        (Giving(way="oral", amount=mmol(40), over_h=1.0), None, None),
        (Giving(way="iv", amount=Amount(value=3000.0, unit="mg"), over_h=1.0), 3, 3),
        (Giving(way="iv", amount=Amount(value=1000.0, unit="mg"), over_h=24.0), None, None),
    ],
)
def test_potassium_runs_slowly(giving: Giving, ward: int | None, unit: int | None) -> None:
    for place, tier in ((WARD, ward), (UNIT, unit)):
        found = told("potassium_chloride", giving, chart=(place,))
        assert found == ([] if tier is None else [("rate_potassium_chloride", tier)])


def test_of_other_salts_of_potassium_a_mass_is_no_amount() -> None:
    assert told("potassium_phosphate", Giving(way="iv", rate=Amount(value=9000.0, unit="mg"))) == []
    assert told("potassium_phosphate", Giving(way="iv", rate=mmol(45))) == [("rate_potassium", 3)]


def test_potassium_that_nobody_says_how_fast_to_give_is_noted_and_from_40_mmol_on_told() -> None:
    def lacking(giving: Giving) -> list[bool]:
        found = checked("potassium_chloride", giving).unchecked
        return [one.said for one in found if read(one.lacking) == "neither a rate nor a length of time is said"]

    assert lacking(Giving(way="iv", amount=mmol(60))) == [True]
    assert lacking(Giving(way="iv", amount=mmol(20))) == [False]
    assert lacking(Giving(way="iv", amount=mmol(10))) == []
    assert lacking(Giving(way="oral", amount=mmol(60))) == []
    assert lacking(Giving(way="iv", amount=mmol(60), over_h=12.0)) == []


def test_potassium_is_never_pushed_and_concentrates_stay_in_intensive_care() -> None:
    pushed = Giving(way="iv", amount=mmol(40), pushed=True)
    assert told("potassium_chloride", pushed) == [("route_potassium", 3)]
    assert told("potassium_chloride", replace(pushed, way="")) == [("route_potassium", 3)]
    assert told("potassium_chloride", replace(pushed, way="oral")) == []
    strong = Giving(way="iv", rate=mmol(8), per_ml=mmol(1.0))
    assert told("potassium_chloride", strong) == [("strength_potassium", 1)]
    assert told("potassium_chloride", strong, chart=(UNIT,)) == []


@pytest.mark.parametrize("name", ["vincristine", "vinblastine", "vinorelbine", "vindesine"])
def test_a_vinca_alkaloid_is_never_intrathecal(name: str) -> None:
    assert told(name, Giving(way="intrathecal")) == [("route_vinca", 3)]
    assert told(name, Giving(way="iv"), Giving(way="intrathecal")) == [("route_vinca", 3)]
    assert told(name, Giving(way="iv")) == []


def test_a_vinca_alkaloid_without_a_route_beside_an_intrathecal_drug_may_be_mixed_up() -> None:
    other = draft("methotrexate", Giving(way="intrathecal"))
    vinca = draft("vincristine", Giving(amount=Amount(value=2.0, unit="mg")))

    def tiers(one: Medication) -> list[int]:
        proposed = Proposed(orders=(one, other), selected=(one.ref,))
        (found,) = check_orders(CHECKS, view_of(WARD), proposed, KINDS)
        return [each.tier for each in found.findings]

    assert tiers(vinca) == [2]
    assert tiers(replace(vinca, giving=(Giving(way="iv"),))) == []


def test_ten_times_a_dose_of_vincristine_is_told() -> None:
    assert told("vincristine", Giving(way="iv", amount=Amount(value=20.0, unit="mg"))) == [("once_vincristine", 2)]
    assert told("vincristine", Giving(way="iv", amount=Amount(value=2.0, unit="mg"))) == []


@pytest.mark.parametrize(
    ("taken", "found"),
    [
        ((), [("route_fentanyl_patch", 2)]),
        ((takes("paracetamol"),), [("route_fentanyl_patch", 2)]),
        ((takes("oxycodone"),), []),
        ((replace(takes("morphine"), source="administration", status="completed", when=ago(100)),), []),
    ],
)
def test_a_fentanyl_patch_is_for_whoever_takes_opioids(taken: tuple[Fact, ...], found: list[tuple[str, int]]) -> None:
    assert told("fentanyl", Giving(way="transdermal"), chart=(WARD, *taken)) == found
    assert told("fentanyl", Giving(way="iv", amount=Amount(value=0.05, unit="mg")), chart=(WARD, *taken)) == []


@pytest.mark.parametrize(
    ("giving", "dosing", "tells"),
    [
        (Giving(way="oral", every_h=24.0), None, True),
        (Giving(every_h=24.0), None, True),
        (Giving(way="oral", every_h=168.0), None, False),
        (Giving(way="iv", every_h=24.0), None, False),
        (Giving(way="oral", every_h=24.0), Dosing(once=True), False),
        (Giving(way="oral", every_h=12.0), Dosing(interval_h=12.0, lasts_h=36.0), False),
        (Giving(way="oral", every_h=12.0), Dosing(interval_h=12.0, lasts_h=360.0), True),
        (Giving(way="oral"), None, False),
    ],
)
def test_methotrexate_by_mouth_is_weekly_whatever_its_dose(giving: Giving, dosing: Dosing | None, tells: bool) -> None:
    found = told("methotrexate", giving, dosing=dosing)
    assert found == ([("interval_methotrexate", 3)] if tells else [])


@pytest.mark.parametrize(
    ("ways", "tells"),
    [
        (["iv"], False),
        (["intrathecal"], False),
        (["iv", "intrathecal"], False),
        (["oral"], True),
        ([""], True),
        (["iv", "oral"], True),
        ([], True),
    ],
)
def test_a_dose_against_cancer_is_not_held_to_one_of_a_week_by_mouth(ways: list[Any], tells: bool) -> None:
    daily = {"dose_value": 5000.0, "dose_unit": "mg", "dosing": Dosing(interval_h=24.0)}
    givings = [Giving(way=way, every_h=24.0) for way in ways]
    kinds = KINDS | {"amount"}
    proposed = Proposed(orders=(draft("methotrexate", *givings, **daily),))
    (found,) = check_orders(CHECKS, view_of(HEAVY, WARD), proposed, kinds)
    assert ("daily_methotrexate" in {one.check.id for one in found.findings}) is tells


@pytest.mark.parametrize(
    ("chart", "tier", "unsure"),
    [
        ((measured("neutrophils_abs", 0.8),), 3, False),
        ((measured("neutrophils_abs", 1.3),), 2, False),
        ((measured("neutrophils_abs", 4.0, hours=500),), None, False),
        ((measured("neutrophils_abs", 4.0), measured("wbc", 2.5)), None, False),
        ((measured("wbc", 2.5),), 2, True),
        ((problem("neutropenia", hours=100),), 2, True),
        ((measured("neutrophils_abs", 4.0, hours=900),), None, True),
        ((), None, True),
    ],
)
def test_clozapine_is_held_against_neutrophils_of_the_last_30_days(
    chart: tuple[Fact, ...], tier: int | None, unsure: bool
) -> None:
    (found,) = check_orders(CHECKS, view_of(*chart), Proposed(orders=(draft("clozapine"),)), frozenset({"state"}))
    assert [one.tier for one in found.findings] == ([] if tier is None else [tier])
    assert any(one.said for one in found.unchecked) is unsure
