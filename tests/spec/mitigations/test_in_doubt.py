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


def test_what_falls_after_a_recorded_infarction_is_its_course() -> None:
    falling = (measured("troponin_t_hs", 2200, 8), measured("troponin_t_hs", 1300))
    assert said("acs", *falling) == (2, "troponin high and changing")
    for name in ("myocardial_infarction", "acute_coronary_syndrome"):
        assert said("acs", *falling, problem(name, hours=30)) is None
        assert said("acs", *falling, problem(name, hours=400)) == (2, "troponin high and changing")
    rising = (measured("troponin_t_hs", 900, 8), measured("troponin_t_hs", 1300))
    assert said("acs", *rising, problem("myocardial_infarction", hours=30)) == (2, "troponin high and changing")


@pytest.mark.parametrize("name", ["copd", "hypercapnic_respiratory_failure", "obesity_hypoventilation"])
def test_where_88_to_92_is_the_target_a_saturation_in_it_is_not_low(name: str) -> None:
    assert said("hypoxia", measured("spo2", 89)) == (2, "below target")
    assert said("hypoxia", measured("spo2", 89), problem(name, hours=9000)) is None
    assert said("hypoxia", measured("spo2", 87), problem(name, hours=9000)) == (2, "below target")


def test_a_low_pressure_with_anaphylaxis_is_for_now() -> None:
    low = measured("map", 58)
    assert said("hypotension", low, problem("anaphylaxis", hours=1)) == (3, "with anaphylaxis")
    assert said("hypotension", low, problem("anaphylaxis", hours=60)) == (2, "below 65 mean or 90 systolic")


@pytest.mark.parametrize(
    ("level", "rate", "given", "told"),
    [
        (8.6, 9, True, (3, "with slow breathing")),
        (8.6, 16, True, None),
        (9.4, 16, True, (2, "above 9")),
        (6.4, 16, False, (2, "above 6 with none given")),
        (5.8, 9, True, None),
        (12.6, 16, True, (3, "above 12")),
    ],
)
def test_magnesium_is_high_by_what_it_does_and_by_whether_it_is_given(
    level: float, rate: float, given: bool, told: tuple[int, str] | None
) -> None:
    chart = [measured("magnesium", level), measured("resp_rate", rate), *([drug("magnesium_sulfate")] if given else [])]
    assert said("high_magnesium", *chart) == told
    if told:
        assert "high_magnesium_calcium" in offered("high_magnesium", *chart)
