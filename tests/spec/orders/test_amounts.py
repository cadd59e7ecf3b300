"""Daily amounts of drafts: what is more than is safe, by weight in the light, and what could not be looked at."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_app.domain.dosing import Daily, Dosing, Open
from cds_app.domain.facts import Fact, Medication
from cds_app.domain.proposed import Proposed
from cds_app.mitigate.findings import Checked
from cds_app.mitigate.orders import check_orders
from tests.chart import ago, measured, person
from tests.sentences import read
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
    assert said is None or read(found.findings[0].why).startswith(said)
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
        assert [(read(one.lacking), one.said) for one in found.unchecked] == [(lacking, False)]
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
    assert said is None or read(found.findings[0].why).startswith(
        f"{said} It accumulates: seizures. Creatinine clearance "
    )
    assert not found.unchecked


def test_a_day_of_meropenem_that_is_not_said_is_not_looked_at() -> None:
    chart = (person(65.0), measured("body_weight", 75.0), measured("creatinine", 3.5))
    (noted,) = judged(1000.0, None, *chart, drug="meropenem", kinds=KIDNEY).unchecked
    assert (read(noted.lacking), noted.said) == ("no dose in mg at an interval", False)


def test_what_an_order_says_beside_its_first_dose_counts_too() -> None:
    heavy = view_of(measured("body_weight", 80.0))

    def found(mg: float, *unsettled: Open) -> Checked:
        dosing = Dosing(interval_h=6.0, unsettled=unsettled)
        draft = replace(real(order("paracetamol")), dose_value=mg, dose_unit="mg", dosing=dosing)
        (checked,) = check_orders(CHECKS, heavy, Proposed(orders=(draft,)), AMOUNT)  # type: ignore[arg-type]
        return checked

    assert found(2000.0, "dosage").findings  # the others only add to it
    assert not found(2000.0, "maximum").findings  # it may be less
    assert [read(found(500.0, "dosage").unchecked[0].lacking), read(found(500.0, "timing").unchecked[0].lacking)] == [
        "more than one dose or interval is said"
    ] * 2
    assert read(found(500.0, "maximum").unchecked[0].lacking) == "no dose in mg at an interval"
    assert not found(1e308).findings


def paracetamol(mg: float, ref: str, *, status: str = "draft", drug: str = "paracetamol", **more: Any) -> Medication:
    """Every six hours."""
    dosing = Dosing(**{"interval_h": 6.0, **more.pop("dosing", {})})
    return grown(replace(order(drug, ref=ref, status=status), dose_value=mg, dose_unit="mg", dosing=dosing, **more))


def mixed(tablets_mg: float, ref: str, *, status: str = "draft") -> Medication:
    """Tablets with oxycodone, by what was read of words."""
    both = replace(order("oxycodone", ref=ref, status=status), concepts=("oxycodone", "paracetamol"))
    day = (Daily(concepts=("oxycodone", "opioids"), mg=60.0), Daily(concepts=("paracetamol",), mg=tablets_mg))
    return grown(replace(both, daily=day))


def grown(one: Medication) -> Medication:
    found = real(one)
    assert isinstance(found, Medication)
    return found


def summed(draft: Medication, *beside: Medication, kg: float = 80.0) -> Checked:
    drafts = (draft, *(one for one in beside if one.status == "draft"))
    taken = [one for one in beside if one.status != "draft"]
    chart = view_of(measured("body_weight", kg), *taken)
    return check_orders(CHECKS, chart, Proposed(orders=drafts), AMOUNT)[0]


@pytest.mark.parametrize(
    ("draft", "beside", "kg", "said"),
    [
        (paracetamol(1000, "d1"), (paracetamol(1000, "d2"),), 80.0, "8000 mg in 24 h together, at most 4000 mg."),
        (paracetamol(500, "d1"), (paracetamol(500, "d2"),), 80.0, ""),
        (paracetamol(500, "d1"), (paracetamol(500, "d2"),), 45.0, "89 mg/kg in 24 h together, below 50 kg at most 60."),
        (
            *(paracetamol(650, "d1"), (mixed(3900.0, "a1", status="active"),), 80.0),
            "6500 mg in 24 h together, at most 4000 mg.",
        ),
        (
            *(mixed(3900.0, "d1"), (paracetamol(650, "a1", status="active"),), 80.0),
            "Paracetamol 6500 mg in 24 h together, at most 4000 mg.",
        ),
        (mixed(6000.0, "d1"), (), 80.0, "Paracetamol 6000 mg in 24 h, at most 4000 mg."),
        (paracetamol(1500, "d1"), (paracetamol(1500, "d2"),), 80.0, "6000 mg in 24 h, at most 4000 mg."),
        (
            *(paracetamol(1000, "d1"), (paracetamol(1000, "a1", status="active", dosing={"once": True}),), 80.0),
            "5000 mg in 24 h together, at most 4000 mg.",
        ),
    ],
)
def test_what_is_ordered_or_drafted_of_the_drug_adds_up(
    draft: Medication, beside: tuple[Medication, ...], kg: float, said: str
) -> None:
    found = summed(draft, *beside, kg=kg)
    assert [one.tier for one in found.findings] == ([2] if said else [])
    assert not said or read(found.findings[0].why).startswith(said)
    together = said.partition(",")[0].endswith("together")
    assert not said or found.findings[0].beside == (beside if together else ())
    assert not found.unchecked


def test_what_adds_less_than_a_day_of_it_or_does_not_say_how_much_is_noted_and_not_counted() -> None:
    ending = paracetamol(1000, "a1", status="active", end=ago(-2.0))
    unsaid = replace(paracetamol(1000, "a1", status="active"), dose_value=None)
    for one in (ending, unsaid):
        found = summed(paracetamol(1000, "d1"), one)
        assert not found.findings
        assert [read(lack.lacking) for lack in found.unchecked] == [
            "what is ordered or drafted beside it says no amount of a day"
        ]
    later = paracetamol(1000, "d1", dosing={"start": ago(-5.0)})
    assert not summed(later, ending).findings
    assert not summed(later, ending).unchecked  # the one is over before the other begins


def test_of_a_mixture_in_mg_it_is_not_known_which_part_is_meant() -> None:
    both = replace(paracetamol(1500, "d1"), concepts=(*paracetamol(1, "d1").concepts, "codeine"))
    found = summed(both)
    assert not found.findings
    assert [read(one.lacking) for one in found.unchecked] == ["no dose in mg at an interval"]


def test_a_single_dose_above_what_is_safe_in_a_day_is_told_however_often_it_is_given() -> None:
    found = judged(6500.0, None)
    assert [read(one.why)[:38] for one in found.findings] == ["6500 mg at once, at most 4000 mg in 24"]
    assert not judged(4000.0, None).findings
    assert not judged(15.0, None, drug="methotrexate").findings  # once a week
    assert judged(15.0, 24.0, drug="methotrexate").findings


def test_what_acts_where_it_is_put_is_no_amount_of_the_body() -> None:
    gel = paracetamol(4000, "d1", drug="diclofenac", dosing={"route": "local"})
    assert (summed(gel).findings, summed(gel).unchecked) == ((), ())
    assert not summed(paracetamol(40, "d1", drug="diclofenac"), replace(gel, ref="a1", status="active")).findings
