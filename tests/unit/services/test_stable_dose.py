"""The stable dose of warfarin on the page: from the genotype where it is known, and wider where it is not."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cds_app.deps import Deps
from cds_app.services.what_if.dose import Wish
from tests.bedside import bed_of
from tests.conftest import FROZEN
from tests.genomes import genotype
from tests.patients import patient
from tests.trials import measured

BODY = (measured("29463-7", "kg", 70.0, 30, "weight"), measured("8302-2", "cm", 165.0, 30, "height"))


def said(deps: Deps, *more: dict[str, Any], birth: str = "1961-02-03", body: tuple[dict[str, Any], ...] = BODY) -> str:
    bed = bed_of(deps, [patient(birthDate=birth), *body, *more], FROZEN)
    html = bed.trials.what_if(bed.asking(), Wish(drug="warfarin"))
    (text,) = re.findall(r'<h2 id="stable">Stable dose</h2><p>(.*?) <span', html)
    return str(text)


def numbers(text: str) -> tuple[float, float, float]:
    found = re.search(
        r"estimated: (\d+) mg a week for an INR of about 2\.5; 90 of 100 such people need (\d+) to (\d+)\.", text
    )
    assert found is not None, text
    return float(found[1]), float(found[2]), float(found[3])


@pytest.mark.parametrize(
    ("cyp2c9", "vkorc1", "low", "high"), [("*1/*1", "G/G", 26, 36), ("*1/*3", "A/A", 9, 14), ("*1/*1", "A/A", 13, 19)]
)
def test_a_sensitive_genotype_needs_less_and_is_said(
    deps: Deps, cyp2c9: str, vkorc1: str, low: float, high: float
) -> None:
    text = said(deps, genotype("CYP2C9", cyp2c9), genotype("VKORC1", vkorc1))
    assert low <= numbers(text)[0] <= high  # the IWPC's own equation gives 39, 13 and 21 for this woman
    assert f"Rests on CYP2C9 {cyp2c9} and VKORC1 {vkorc1}" in text


def test_without_a_genotype_it_is_less_sure_and_says_so(deps: Deps) -> None:
    blind, typed = said(deps), said(deps, genotype("CYP2C9", "*1/*1"), genotype("VKORC1", "A/G"))
    assert "No genotype is known, which would narrow it most" in blind
    assert numbers(blind)[2] - numbers(blind)[1] > numbers(typed)[2] - numbers(typed)[1]


def test_a_genotype_that_is_contradicted_does_not_count(deps: Deps) -> None:
    both = (genotype("VKORC1", "A/A"), genotype("VKORC1", "G/G", key="other"))
    assert "No genotype is known" in said(deps, *both)


def test_a_weight_that_is_not_current_does_not_count_and_is_said(deps: Deps) -> None:
    def of(weight_h: float, key: str) -> str:
        return said(deps, body=(measured("29463-7", "kg", 110.0, weight_h, key),))

    assert "No current weight or height is on record" in of(40.0 * 24.0, "old")
    assert "No current height is on record: that of people alike stands in." in of(30.0, "now")


def test_a_body_beyond_belief_gets_no_number(deps: Deps) -> None:
    body = (measured("29463-7", "kg", 70.0, 30, "weight"), measured("8302-2", "cm", 95.0, 30, "height"))
    assert said(deps, body=body) == "No stable dose is estimated: height is outside of 100 to 230 cm."


def test_a_child_gets_no_number(deps: Deps) -> None:
    assert said(deps, birth="2015-02-03") == "No stable dose is estimated: only for adults whose age is recorded."
