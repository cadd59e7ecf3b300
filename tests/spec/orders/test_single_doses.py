"""One dose too many by its route, amounts that not everybody may have, and drugs that are meant beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import pytest
from msgspec.structs import replace

from cds_app.domain.dosing import Dosing
from cds_app.domain.facts import Fact
from cds_app.domain.proposed import Proposed
from cds_app.mitigate.findings import Checked
from cds_app.mitigate.orders import check_orders
from tests.chart import drug, measured, problem
from tests.sentences import read
from tests.spec.orders.drafts import CHECKS, order, real, view_of


def judged(name: str, mg: float, *chart: Fact, kind: str, **dosing: Any) -> Checked:
    draft = real(replace(order(name), dose_value=mg, dose_unit="mg", dosing=Dosing(**dosing)))
    (found,) = check_orders(CHECKS, view_of(*chart), Proposed(orders=(draft,)), frozenset({kind}))  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(
    ("name", "mg", "route", "told"),
    [
        ("morphine", 100.0, "iv", True),
        ("morphine", 20.0, "iv", False),
        ("morphine", 100.0, "oral", False),
        ("fentanyl", 1.0, "iv", True),
        ("enoxaparin", 800.0, "subcutaneous", True),
        ("enoxaparin", 160.0, "subcutaneous", False),
        ("phenytoin", 10_000.0, "iv", True),
        ("phenytoin", 1500.0, "iv", False),
    ],
)
def test_one_dose_of_more_than_its_route_allows_is_told(
    name: str, mg: float, route: Literal["iv", "oral", "subcutaneous"], told: bool
) -> None:
    found = judged(name, mg, kind="once", route=route, interval_h=4.0).findings
    assert [one.tier for one in found] == ([2] if told else [])
    assert not told or read(found[0].why).startswith(f"{mg:g} mg at once, at most ")


def test_what_runs_at_a_rate_and_what_names_no_route_is_no_single_dose() -> None:
    assert not judged("morphine", 100.0, kind="once", route="iv", rated=True).findings
    assert not judged("morphine", 100.0, kind="once").findings


@pytest.mark.parametrize(
    ("chart", "said"),
    [
        ([], None),
        (
            [problem("cirrhosis", hours=9000)],
            "4000 mg in 24 h, at most 3000 mg. Cirrhosis or liver failure is recorded",
        ),
    ],
)
def test_four_grams_of_paracetamol_are_too_much_with_cirrhosis(chart: Sequence[Fact], said: str | None) -> None:
    heavy = measured("body_weight", 80.0)
    found = judged("paracetamol", 1000.0, heavy, *chart, kind="amount", interval_h=6.0).findings
    assert [one.tier for one in found] == ([] if said is None else [2])
    assert said is None or read(found[0].why).startswith(said)
    assert not judged("paracetamol", 500.0, heavy, *chart, kind="amount", interval_h=6.0).findings


@pytest.mark.parametrize(("inr", "tier"), [(1.3, 1), (2.4, 2), (None, 2)])
def test_heparin_beside_warfarin_is_meant_until_the_inr_is_in_range(inr: float | None, tier: int) -> None:
    taken = drug("warfarin", source="request", hours=90)
    chart = (taken, *([] if inr is None else [measured("inr", inr)]))
    found = judged("enoxaparin", 80.0, *chart, kind="duplicate", route="subcutaneous", interval_h=12.0).findings
    assert [one.tier for one in found] == [tier]
    ordered = drug("heparin", source="request", hours=20)
    back = judged("warfarin", 5.0, ordered, *chart[1:], kind="duplicate", route="oral", interval_h=24.0).findings
    assert [one.tier for one in back] == [tier]
