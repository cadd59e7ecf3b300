"""Filtration, pregnancy, problems and daily amounts that a textbook names: each drug with the check that it meets."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cds_app.domain.dosing import Dosing
from cds_app.domain.facts import Fact
from cds_app.domain.proposed import Proposed
from cds_app.mitigate.orders import check_orders
from tests.chart import measured, person, procedure, stay
from tests.sentences import read
from tests.spec.orders.drafts import CHECKS, has, judged, order, real, view_of

POOR = [measured("creatinine", 4.4), measured("potassium", 4.2), stay()]  # a man of 70: eGFR 14
KIDNEY = (
    "pregabalin baclofen levofloxacin cefepime aciclovir valaciclovir tramadol famotidine levetiracetam colchicine "
    "alendronic_acid tenofovir magnesium_sulfate glibenclamide co_trimoxazole"
)


def tiers(chart: list[Fact], drug: str) -> dict[str, int]:
    (found,) = judged(chart, order(drug))
    return {one.check.id: one.tier for one in found.findings}


@pytest.mark.parametrize("drug", KIDNEY.split())
def test_low_filtration_is_told(drug: str) -> None:
    found = tiers(POOR, drug)
    assert [tier for key, tier in found.items() if key.startswith("kidney_")] == [2]
    assert tiers([measured("creatinine", 0.8), measured("potassium", 4.2), stay()], drug) == {}


@pytest.mark.parametrize("drug", [*KIDNEY.split(), "ibuprofen"])
def test_that_filtration_is_not_known_is_no_card_of_its_own(drug: str) -> None:
    (found,) = judged([measured("potassium", 4.2), stay()], order(drug))
    assert not [one for one in found.unchecked if one.said]
    assert "kidney function" in {one.check.asks for one in found.unchecked}


@pytest.mark.parametrize(
    ("drug", "tier"),
    [
        *dict.fromkeys(
            ["isotretinoin", "thalidomide", "bosentan", "misoprostol", "ribavirin", "leflunomide"], 3
        ).items(),
        *dict.fromkeys(["naproxen", "carbamazepine", "phenytoin", "topiramate", "lithium", "fluconazole"], 2).items(),
    ],
)
def test_a_pregnancy_is_told(drug: str, tier: int) -> None:
    chart = [person(30, "female"), has("pregnancy")]
    assert tier in tiers(chart, drug).values()
    assert not {"pregnancy_drugs", "pregnancy_caution"} & tiers([person(30, "female")], drug).keys()


@pytest.mark.parametrize(
    ("problem", "drug", "check"),
    [
        ("parkinson_disease", "metoclopramide", "parkinson_dopamine"),
        ("epilepsy", "bupropion", "epilepsy_threshold"),
        ("g6pd_deficiency", "rasburicase", "g6pd_drugs"),
    ],
)
def test_a_problem_is_told(problem: str, drug: str, check: str) -> None:
    assert tiers([has(problem)], drug) == {check: 2}
    assert tiers([], drug) == {}


@pytest.mark.parametrize(
    ("drug", "usual", "tenfold", "tier"),
    [
        ("methotrexate", (15.0, 168.0), (15.0, 24.0), 3),
        ("amlodipine", (10.0, 24.0), (100.0, 24.0), 2),
        ("digoxin", (0.25, 24.0), (2.5, 24.0), 2),
        ("levothyroxine", (0.15, 24.0), (1.5, 24.0), 2),
        ("apixaban", (5.0, 12.0), (50.0, 12.0), 2),
        ("ibuprofen", (800.0, 6.0), (8000.0, 6.0), 2),
        ("metformin", (850.0, 8.0), (8500.0, 8.0), 2),
    ],
)
def test_ten_times_the_dose_is_told(
    drug: str, usual: tuple[float, float], tenfold: tuple[float, float], tier: int
) -> None:
    for (mg, every_h), found in ((usual, []), (tenfold, [tier])):
        draft = replace(real(order(drug)), dose_value=mg, dose_unit="mg", dosing=Dosing(interval_h=every_h))
        (checked,) = check_orders(CHECKS, view_of(), Proposed(orders=(draft,)), frozenset({"amount"}))  # type: ignore[arg-type]
        assert [one.tier for one in checked.findings] == found


def test_a_single_dose_is_that_dose() -> None:
    for mg, found in ((600.0, []), (3000.0, [2])):
        loading = Dosing(interval_h=6.0, once=True)
        draft = replace(real(order("clopidogrel")), dose_value=mg, dose_unit="mg", dosing=loading)
        (checked,) = check_orders(CHECKS, view_of(), Proposed(orders=(draft,)), frozenset({"amount"}))  # type: ignore[arg-type]
        assert [one.tier for one in checked.findings] == found


def test_dialysis_stands_in_the_summary_from_one_session_to_the_next() -> None:
    for hours, figure in ((20, "renal replacement therapy"), (90, "renal replacement therapy"), (100, "")):
        (found,) = judged([procedure("renal_replacement_therapy", hours=hours), *POOR], order("cefepime"))
        (one,) = found.findings
        assert (read(one.figure or ""), one.tier) == (figure, 2)
