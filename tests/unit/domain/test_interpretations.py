"""When a value lies elsewhere than it is said to, and when it cannot be the one that was measured."""

from __future__ import annotations

import pytest

from cds_app.domain.interpretations import Interpretation, Side
from cds_app.domain.ontology import Range

LOW, INSIDE, HIGH = 1.0, 4.0, 9.0
CLOSED, UP_TO, FROM = Range(low=3.0, high=5.0), Range(low=None, high=5.0), Range(low=3.0, high=None)


def said(side: Side, *, critical: bool = False) -> Interpretation:
    return Interpretation(key="said", label="said", side=side, critical=critical, codes=(), names=())


@pytest.mark.parametrize(
    ("side", "denied"),
    [("low", {INSIDE, HIGH}), ("high", {LOW, INSIDE}), ("normal", {LOW, HIGH}), ("outside", {INSIDE})],
)
def test_a_value_elsewhere_is_denied(side: Side, denied: set[float]) -> None:
    assert {value for value in (LOW, INSIDE, HIGH) if said(side).denies(value, CLOSED)} == denied


@pytest.mark.parametrize(
    ("side", "span", "denied"),
    [
        ("low", UP_TO, {HIGH}), ("low", FROM, {INSIDE, HIGH}),
        ("high", UP_TO, {LOW, INSIDE}), ("high", FROM, {LOW}),
        ("normal", UP_TO, {HIGH}), ("normal", FROM, {LOW}),
        ("outside", UP_TO, set()), ("outside", FROM, set()),
    ],
)  # fmt: skip
def test_of_an_open_end_nothing_is_known(side: Side, span: Range, denied: set[float]) -> None:
    assert {value for value in (LOW, INSIDE, HIGH) if said(side).denies(value, span)} == denied


@pytest.mark.parametrize(
    ("side", "critical", "disproved"),
    [
        ("low", False, {HIGH}), ("high", False, {LOW}), ("normal", False, set()), ("outside", False, set()),
        ("low", True, {INSIDE, HIGH}), ("high", True, {LOW, INSIDE}), ("outside", True, {INSIDE}),
    ],
)  # fmt: skip
def test_only_what_no_other_range_explains_disproves_a_value(side: Side, critical: bool, disproved: set[float]) -> None:
    one = said(side, critical=critical)
    assert {value for value in (LOW, INSIDE, HIGH) if one.disproves(value, CLOSED)} == disproved


@pytest.mark.parametrize("edge", [3.0, 5.0])
def test_the_ends_belong_to_the_range(edge: float) -> None:
    assert not said("normal").denies(edge, CLOSED)
    assert said("outside").denies(edge, CLOSED)
