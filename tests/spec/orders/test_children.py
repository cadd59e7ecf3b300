"""What of the checks is asked of children."""

from __future__ import annotations

import pytest

from tests.chart import measured, person, stay
from tests.sentences import read
from tests.spec.orders.drafts import judged, order


@pytest.mark.parametrize(("years", "found"), [(17, []), (18, ["pressure_low"])])
def test_a_mean_pressure_that_is_low_in_adults_speaks_against_no_drug_of_a_child(years: int, found: list[str]) -> None:
    (one,) = judged([stay(), measured("map", 57), person(years)], order("bisoprolol"))
    assert [finding.check.id for finding in one.findings] == found
    assert ("its limit is of adults" in [read(lack.lacking) for lack in one.unchecked]) is (years < 18)


@pytest.mark.parametrize(
    ("years", "found"), [(0.02, []), (0.6, []), (1.2, ["potassium_high"]), (60, ["potassium_high"])]
)
def test_a_potassium_that_is_high_after_the_first_year_speaks_against_no_drug_before(
    years: float, found: list[str]
) -> None:
    (one,) = judged([stay(), measured("potassium", 6.1), person(years)], order("spironolactone"))
    assert [finding.check.id for finding in one.findings if "potassium" in finding.check.id] == found
    told = [read(lack.lacking) for lack in one.unchecked if lack.said and lack.check.id == "potassium_high"]
    assert told == ([] if found else ["its limit is of adults"])
