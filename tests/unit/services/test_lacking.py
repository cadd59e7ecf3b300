"""What a page of a dose says of what it does not have: never there, too old, or not to be believed."""

from __future__ import annotations

from typing import Any

import pytest

from cds_app.deps import Deps
from cds_app.services.what_if.dose import Wish
from tests.bedside import bed_of
from tests.conftest import FROZEN
from tests.patients import patient
from tests.trials import dose, measured

WEIGHT, CREATININE = measured("29463-7", "kg", 80.0, 40, "weight"), measured("2160-0", "mg/dL", 1.0, 3, "creatinine")
GIVEN = tuple(dose(hours, 1000, f"g{hours}") for hours in (36, 24, 12))


def level(value: float, hours: float) -> dict[str, Any]:
    return measured("20578-1", "ug/mL", value, hours, "level")


def page(deps: Deps, *more: dict[str, Any]) -> str:
    bed = bed_of(deps, [patient(), *more], FROZEN)
    return bed.trials.what_if(bed.asking(), Wish(drug="vancomycin"))


@pytest.mark.parametrize(
    ("chart", "said"),
    [
        ((CREATININE, *GIVEN), "Weight: is needed by this model<"),
        (
            (measured("29463-7", "kg", 80.0, 40 * 24, "weight"), CREATININE, *GIVEN),
            "Weight: is needed by this model: the last one is 40 days old, which is too old",
        ),
        (
            (WEIGHT, measured("2160-0", "mg/dL", 1.0, 9 * 24, "creatinine")),
            "Creatinine: is needed by this model: the last one is 9 days old, which is too old",
        ),
        (
            (WEIGHT, CREATININE, *GIVEN, level(8.0, 36 + 72)),
            "Doses given: are missing: a level was measured 3 days before the first one on record<",
        ),
        (
            (WEIGHT, CREATININE, level(8.0, 30)),
            "Doses given: are missing: a level was measured 30 h ago, and none is on record<",
        ),
    ],
)
def test_what_keeps_a_dose_from_being_simulated_is_told_apart(
    deps: Deps, chart: tuple[dict[str, Any], ...], said: str
) -> None:
    html = page(deps, *chart)
    assert said in html
    assert "in 100 virtual copies" not in html


def test_a_level_that_cannot_be_true_is_said_to_be_left_out(deps: Deps) -> None:
    said = "Levels that cannot be true were left out: check value and unit."
    assert said not in page(deps, WEIGHT, CREATININE, *GIVEN, {**level(12.0, 2), "id": "true"})
    html = page(deps, WEIGHT, CREATININE, *GIVEN, level(4000.0, 1))
    assert said in html
    assert "3 doses given and 1 level measured were used" in html
