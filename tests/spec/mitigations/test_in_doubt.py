"""What is told of results that may not be the patient's, or not be what they seem; and what is the course of things."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from cds_app.domain.facts import Fact, Measurement
from tests.chart import drug, measured, problem, procedure
from tests.spec.mitigations.concerns import offered, said

INSULIN = drug("insulin_regular", hours=1)


def noted(quantity: str, value: float, comment: str) -> Measurement:
    return msgspec.structs.replace(measured(quantity, value), comment=comment)


@pytest.mark.parametrize(
    ("topic", "quantity", "value"),
    [
        ("hypokalaemia", "potassium", 2.0),
        ("anaemia_bleed", "hemoglobin", 5.1),
        ("dysnatraemia", "sodium", 121.0),
        ("hyperglycaemia", "glucose", 900.0),
    ],
)
def test_where_contamination_was_reported_a_fresh_sample_comes_first(topic: str, quantity: str, value: float) -> None:
    option = f"{topic}_contaminated"
    for comment in ("Possible contamination by IV fluid", "Sample diluted?"):
        assert next(iter(offered(topic, noted(quantity, value, comment)))) == option
    assert option not in offered(topic, noted(quantity, value, "No contamination"))
    assert option not in offered(topic, measured(quantity, value))


def test_two_results_that_jump_together_are_for_today_and_one_is_information() -> None:
    cells = [measured("mcv", 96, 30), measured("mcv", 70)]
    kidney = [measured("creatinine", 0.7, 30), measured("creatinine", 3.9)]
    assert said("sample_identity", *cells) == (1, "MCV changed by 8 fL or more in 3 days")
    told = (2, "MCV changed by 8 fL or more, creatinine to twice or half")
    assert said("sample_identity", *cells, *kidney) == told
    dialysed = procedure("renal_replacement_therapy", hours=20)
    assert said("sample_identity", *cells, *kidney, dialysed) == (1, "MCV changed by 8 fL or more in 3 days")
    assert said("sample_identity", *cells, *kidney, drug("red_cells_transfusion", hours=5)) is None


@pytest.mark.parametrize(("done", "told"), [(None, (2, "troponin high and changing")), ("cabg", None)])
def test_after_heart_surgery_a_troponin_that_changes_is_the_course_of_it(
    done: str | None, told: tuple[int, str] | None
) -> None:
    surgery: Sequence[Fact] = () if done is None else (procedure(done, hours=26),)
    chart = (measured("troponin_t_hs", 1100, 8), measured("troponin_t_hs", 900), *surgery)
    assert said("acs", *chart) == told
    assert said("acs", measured("troponin_t_hs", 600, 8), *chart[1:], problem("chest_pain", hours=2)) == (
        3,
        "troponin high and rising",
    )


def test_on_insulin_for_ketoacidosis_a_potassium_below_3_5_is_for_today() -> None:
    low, ketones = measured("potassium", 3.2), measured("ketones_bhb", 3.4)
    assert said("hypokalaemia", low, ketones, INSULIN) == (2, "below 3.5 on insulin for ketoacidosis")
    recorded = problem("diabetic_ketoacidosis", hours=20)
    assert said("hypokalaemia", low, recorded, INSULIN) == (2, "below 3.5 on insulin for ketoacidosis")
    assert said("hypokalaemia", low, ketones) == (1, "below 3.5")
    assert said("hypokalaemia", low, INSULIN) == (1, "below 3.5")
    assert said("hypokalaemia", low, measured("ketones_bhb", 3.4, 14), INSULIN) == (1, "below 3.5")
