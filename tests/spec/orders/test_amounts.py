"""Daily amounts of drafts: what is more than is safe, by weight in the light, and what could not be looked at."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cds_app.domain.facts import Dosing, Fact, Open
from cds_app.domain.proposed import Proposed
from cds_app.mitigate.findings import Checked
from cds_app.mitigate.orders import check_orders
from tests.chart import measured, person
from tests.spec.orders.drafts import CHECKS, order, real, view_of

AMOUNT = frozenset({"amount"})
KIDNEY = frozenset({"kidney"})


def judged(
    mg: float | None,
    every_h: float | None,
    *chart: Fact,
    unit: str = "mg",
    drug: str = "paracetamol",
    kinds: frozenset[str] = AMOUNT,
) -> Checked:
    draft = replace(order(drug), dose_value=mg, dose_unit=unit, dosing=Dosing(interval_h=every_h, as_needed=True))
    (found,) = check_orders(CHECKS, view_of(*chart), Proposed(orders=(real(draft),)), kinds)  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(
    ("mg", "every_h", "kg", "said"),
    [
        (1000.0, 6.0, 70.0, None),
        (1000.0, 6.0, 50.0, None),
        (1000.0, 4.0, 70.0, "6000 mg in 24 h, at most 4000 mg."),
        (1000.0, 6.0, 45.0, "89 mg/kg in 24 h, below 50 kg at most 60."),
        (500.0, 6.0, 45.0, None),
        (1000.0, 4.0, None, "6000 mg in 24 h, at most 4000 mg."),
    ],
)
def test_paracetamol(mg: float, every_h: float, kg: float | None, said: str | None) -> None:
    found = judged(mg, every_h, *([] if kg is None else [measured("body_weight", kg)]))
    assert [one.tier for one in found.findings] == ([] if said is None else [2])
    assert said is None or found.findings[0].why.startswith(said)
    assert not found.unchecked


def test_grams_are_grams_and_what_cannot_be_looked_at_is_noted() -> None:
    heavy = measured("body_weight", 80.0)
    assert judged(1.5, 6.0, heavy, unit="g").findings
    for found, lacking in (
        (judged(2.0, 6.0, heavy, unit="{tbl}"), "no dose in mg at an interval"),
        (judged(1000.0, None, heavy), "no dose in mg at an interval"),
        (judged(1000.0, 6.0), "no current weight"),
        (judged(1000.0, 6.0, measured("body_weight", 45.0, 24 * 40)), "no current weight"),
    ):
        assert not found.findings
        assert [(one.lacking, one.said) for one in found.unchecked] == [(lacking, False)]
    assert not judged(9000.0, 6.0, heavy, drug="lorazepam").findings


@pytest.mark.parametrize(
    ("mg", "every_h", "creatinine", "said"),
    [
        (2000.0, 8.0, 1.0, None),
        (1000.0, 8.0, 1.7, None),
        (2000.0, 8.0, 1.7, "6000 mg in 24 h, at most 4000 mg below 51 mL/min."),
        (500.0, 12.0, 3.5, None),
        (1000.0, 12.0, 3.5, None),
        (1000.0, 8.0, 3.5, "3000 mg in 24 h, at most 2000 mg below 26 mL/min."),
        (1000.0, 12.0, 9.0, "2000 mg in 24 h, at most 1000 mg below 10 mL/min."),
    ],
)
def test_meropenem_by_what_the_kidneys_filter(mg: float, every_h: float, creatinine: float, said: str | None) -> None:
    chart = (person(65.0), measured("body_weight", 75.0), measured("creatinine", creatinine))
    found = judged(mg, every_h, *chart, drug="meropenem", kinds=KIDNEY)
    assert [one.tier for one in found.findings] == ([] if said is None else [2])
    assert said is None or found.findings[0].why.startswith(f"{said} It accumulates: seizures. Creatinine clearance ")
    assert not found.unchecked


def test_a_day_of_meropenem_that_is_not_said_is_not_looked_at() -> None:
    chart = (person(65.0), measured("body_weight", 75.0), measured("creatinine", 3.5))
    (noted,) = judged(1000.0, None, *chart, drug="meropenem", kinds=KIDNEY).unchecked
    assert (noted.lacking, noted.said) == ("no dose in mg at an interval", False)


def test_what_an_order_says_beside_its_first_dose_counts_too() -> None:
    heavy = view_of(measured("body_weight", 80.0))

    def found(mg: float, *unsettled: Open) -> Checked:
        dosing = Dosing(interval_h=6.0, unsettled=unsettled)
        draft = replace(real(order("paracetamol")), dose_value=mg, dose_unit="mg", dosing=dosing)
        (checked,) = check_orders(CHECKS, heavy, Proposed(orders=(draft,)), AMOUNT)  # type: ignore[arg-type]
        return checked

    assert found(2000.0, "dosage").findings  # the others only add to it
    assert not found(2000.0, "maximum").findings  # it may be less
    assert [found(500.0, "dosage").unchecked[0].lacking, found(500.0, "timing").unchecked[0].lacking] == [
        "more than one dose or interval is said"
    ] * 2
    assert found(500.0, "maximum").unchecked[0].lacking == "no dose in mg at an interval"
    assert not found(1e308).findings
