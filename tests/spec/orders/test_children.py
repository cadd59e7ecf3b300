"""What of the checks is asked of children."""

from __future__ import annotations

import pytest

from tests.chart import measured, person, stay
from tests.spec.orders.test_drafts import judged, order


@pytest.mark.parametrize(("years", "found"), [(17, []), (18, ["pressure_low"])])
def test_a_mean_pressure_that_is_low_in_adults_speaks_against_no_drug_of_a_child(years: int, found: list[str]) -> None:
    (one,) = judged([stay(), measured("map", 57), person(years)], order("bisoprolol"))
    assert [finding.check.id for finding in one.findings] == found
    assert ("its limit is of adults" in [lack.lacking for lack in one.unchecked]) is (years < 18)
