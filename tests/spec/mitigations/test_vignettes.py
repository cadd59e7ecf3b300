"""What a ward, an emergency department and a labour ward see, and no vital sign alone tells."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cds_app.domain.facts import Fact
from tests.chart import drug, finding, measured, problem, procedure, stay
from tests.spec.mitigations.concerns import cautions, judged, offered, refusals, said, vital_signs

MORPHINE = drug("morphine", hours=1)
SLOW = measured("resp_rate", 6)
UNIT = stay(text="Intensive care unit")
CANCER = problem("malignancy", hours=300)
LYSIS = "two laboratory criteria, with kidney injury or potassium of 6"
JUMP = (measured("mcv", 84, 25), measured("mcv", 95))


@pytest.mark.parametrize(
    ("course", "told"),
    [
        ([(112, 18), (124, 1)], (3, "by more than 10 in 24 h")),
        ([(112, 18), (121, 1)], (2, "by more than 8 in 24 h, the limit at high risk")),
        ([(112, 18), (119, 1)], None),
        ([(128, 18), (139, 1)], None),  # no longer low
        ([(112, 30), (124, 1)], None),
    ],
)
def test_a_low_sodium_that_rises_fast_has_a_topic_of_its_own(
    course: Sequence[tuple[float, float]], told: tuple[int, str] | None
) -> None:
    chart = [measured("sodium", value, hours) for value, hours in course]
    assert said("sodium_correction", *chart) == told
    if told is not None:
        assert (said("dysnatraemia", *chart) or (0, ""))[0] != 2


@pytest.mark.parametrize(
    ("chart", "told"),
    [
        ([SLOW, MORPHINE], True),
        ([measured("resp_rate", 9), MORPHINE], False),
        ([SLOW], False),
        ([SLOW, drug("morphine", hours=30)], False),
        ([SLOW, MORPHINE, procedure("mechanical_ventilation", hours=3)], False),
        ([SLOW, MORPHINE, measured("tidal_volume_set", 450)], False),
        ([SLOW, MORPHINE, measured("peep", 5)], True),  # by mask, too
        ([SLOW, MORPHINE, UNIT], False),
        ([SLOW, measured("resp_rate", 7, 1.8), MORPHINE, UNIT, measured("spo2", 97)], False),
        ([SLOW, measured("resp_rate", 7, 1.8), MORPHINE, UNIT, measured("pco2", 60)], True),
    ],
)
def test_slow_breathing_on_an_opioid_is_for_now(chart: Sequence[Fact], told: bool) -> None:
    assert (said("opioid_breathing", *chart) is not None) == told


def test_a_coma_score_on_a_ventilator_says_nothing_of_a_low_glucose() -> None:
    low = [measured("glucose", 62), measured("gcs_total", 10), stay()]
    assert said("hypoglycaemia", *low) == (3, "not fully awake")
    assert said("hypoglycaemia", *low, measured("peep", 5)) == (3, "not fully awake")
    assert said("hypoglycaemia", *low, measured("tidal_volume_set", 420)) == (2, "below 70")


ACID = (measured("ph", 7.08), measured("bicarbonate", 7))
TYPE_1 = problem("type_1_diabetes", hours=9000)


@pytest.mark.parametrize(
    ("chart", "told"),
    [
        ([measured("glucose", 420), *ACID, TYPE_1], (3, "possible ketoacidosis")),
        ([measured("glucose", 520), *ACID], (3, "possible ketoacidosis")),
        ([measured("glucose", 300), *ACID], None),
        ([measured("glucose", 520), *ACID, measured("ketones_bhb", 0.3)], (2, "above 450")),
        ([measured("glucose", 640), measured("ketones_bhb", 0.4)], (3, "possible hyperosmolar state")),
        ([measured("glucose", 640), *ACID, measured("ketones_bhb", 5.0)], (3, "possible ketoacidosis")),
    ],
)
def test_ketoacidosis_and_the_hyperosmolar_state_are_thought_of_before_ketones_are_known(
    chart: Sequence[Fact], told: tuple[int, str] | None
) -> None:
    assert said("hyperglycaemia", *chart) == told


def test_insulin_to_a_target_is_not_offered_in_either() -> None:
    hyperosmolar = [measured("glucose", 640), measured("ketones_bhb", 0.4), measured("potassium", 4.1)]
    assert refusals("hyperglycaemia", *hyperosmolar)["hyperglycaemia_insulin"].startswith("600")
    found = offered("hyperglycaemia", *hyperosmolar)
    assert {"hyperglycaemia_hhs_fluid", "hyperglycaemia_hhs_insulin"} <= set(found)
    acid = [measured("glucose", 420), *ACID, TYPE_1, measured("potassium", 3.1), measured("body_weight", 60)]
    held = refusals("hyperglycaemia", *acid)
    assert held["hyperglycaemia_insulin"].startswith("Ketoacidosis is possible")
    assert held["hyperglycaemia_dka"].startswith("Potassium is below")
    assert "hyperglycaemia_dka_potassium" in offered("hyperglycaemia", *acid)


def test_in_comfort_care_nothing_else_is_told() -> None:
    dying = [*vital_signs(sbp=70, map=48, spo2=78), measured("potassium", 6.9), problem("do_not_resuscitate")]
    assert set(judged(*dying, problem("comfort_care", hours=20))[0]) == {"comfort_care"}
    assert said("hyperkalaemia", *dying, problem("palliative_care")) == (3, "severe")
    assert said("hyperkalaemia", *dying, problem("comfort_care", hours=400)) == (3, "severe")


def test_a_high_sensitive_troponin_i_counts_like_t() -> None:
    rising = [measured("troponin_i_hs", 38, 4), measured("troponin_i_hs", 190), problem("chest_pain", hours=5)]
    assert said("acs", *rising) == (3, "troponin high and rising")
    assert said("acs", *rising[1:]) is None
    assert said("acs", measured("troponin_i_hs", 8, 4), measured("troponin_i_hs", 20)) is None


def test_blood_is_not_offered_to_whoever_refuses_it() -> None:
    chart = [measured("hemoglobin", 5.8), problem("gi_bleed", hours=5), problem("blood_refused")]
    assert refusals("anaemia_bleed", *chart)["anaemia_transfusion"].startswith("A refusal of blood")
    assert {"anaemia_refused", "anaemia_gut"} <= set(offered("anaemia_bleed", *chart))
    few = [measured("platelets", 8), problem("blood_refused")]
    assert refusals("low_platelets", *few)["low_platelets_prophylaxis"].startswith("A refusal of blood")


def test_bleeding_after_birth_and_sickle_cell_disease_are_their_own() -> None:
    fell = [measured("hemoglobin", 11.2, 20), measured("hemoglobin", 7.4)]
    birth = [*fell, problem("postpartum_haemorrhage", hours=2)]
    assert said("anaemia_bleed", *birth) == (3, "falling, with bleeding recorded")
    assert "anaemia_birth" in offered("anaemia_bleed", *birth)
    sickle = problem("sickle_cell_disease", hours=9000)
    assert said("anaemia_bleed", measured("hemoglobin", 6.6), sickle) is None
    assert said("anaemia_bleed", measured("hemoglobin", 4.8), sickle) == (3, "below 5")
    asked = cautions("anaemia_bleed", "anaemia_transfusion", measured("hemoglobin", 4.8), sickle)
    assert any(one.startswith("Sickle cell disease") for one in asked)


def test_potassium_before_dialysis_is_no_news_until_6() -> None:
    assert said("hyperkalaemia", measured("potassium", 5.8), problem("dialysis_dependence")) is None
    assert said("hyperkalaemia", measured("potassium", 6.1), problem("dialysis_dependence")) == (2, "moderate")


def test_too_much_oxygen_is_named_where_carbon_dioxide_is_retained() -> None:
    narcosis = [measured("ph", 7.28), measured("pco2", 70), measured("spo2", 98), measured("o2_flow", 8)]
    assert "acidaemia_oxygen" in offered("acidaemia", *narcosis, problem("copd"))
    assert "acidaemia_oxygen" not in offered("acidaemia", *narcosis)
    assert "acidaemia_oxygen" not in offered("acidaemia", *narcosis[:2], measured("spo2", 90), problem("copd"))


@pytest.mark.parametrize(
    ("topic", "chart", "told"),
    [
        ("lithium_toxicity", [measured("lithium", 2.5)], (3, "2.5 or above")),
        (
            "lithium_toxicity",
            [measured("lithium", 1.6), finding("consciousness_acvpu", "responds_to_voice")],
            (3, "1.5 or above, not fully awake"),
        ),
        ("lithium_toxicity", [measured("lithium", 1.6)], (2, "1.5 or above")),
        ("lithium_toxicity", [measured("lithium", 1.1)], None),
        ("paracetamol_poisoning", [measured("paracetamol_level", 150)], (3, "100 mg/L or above")),
        ("paracetamol_poisoning", [measured("paracetamol_level", 15)], None),
        (
            "paracetamol_poisoning",
            [measured("paracetamol_level", 15), measured("alt", 900)],
            (2, "detected with raised liver tests"),
        ),
        ("phenytoin_high", [measured("phenytoin_total", 22)], (2, "above 20")),
        (
            "phenytoin_high",
            [measured("phenytoin_total", 14), measured("albumin", 2.0)],
            (2, "above 20 for the albumin"),
        ),
        ("phenytoin_high", [measured("phenytoin_total", 14), measured("albumin", 4.0)], None),
        ("dyshaemoglobin", [measured("carboxyhaemoglobin", 28)], (3, "carbon monoxide")),
        ("dyshaemoglobin", [measured("methaemoglobin", 12)], (2, "methaemoglobin")),
        ("dyshaemoglobin", [measured("carboxyhaemoglobin", 6)], None),
        ("low_magnesium", [measured("magnesium", 0.7)], (2, "below 1.0 mg/dL (0.4 mmol/L)")),
        ("low_magnesium", [measured("magnesium", 1.1)], None),
        ("low_phosphate", [measured("phosphate", 0.8)], (2, "below 1.0 mg/dL (0.32 mmol/L)")),
        ("muscle_breakdown", [measured("ck_total", 58000)], (2, "creatine kinase above 5000")),
        (
            "tumour_lysis",
            [measured("uric_acid", 11), measured("phosphate", 8), CANCER],
            (2, "two laboratory criteria"),
        ),
        ("tumour_lysis", [measured("uric_acid", 11), measured("potassium", 6.2), CANCER], (3, LYSIS)),
        ("tumour_lysis", [measured("uric_acid", 11, 30), measured("phosphate", 8), CANCER], None),
        ("tumour_lysis", [measured("uric_acid", 11), CANCER], None),
        ("tumour_lysis", [measured("uric_acid", 11), measured("phosphate", 8)], None),
        ("tumour_lysis", [measured("phosphate", 8), measured("calcium", 6.5), CANCER], None),
        (
            "sample_identity",
            [measured("mcv", 84, 25), measured("mcv", 95)],
            (1, "MCV changed by 8 fL or more in 3 days"),
        ),
        (
            "sample_identity",
            [measured("mcv", 84, 25), measured("mcv", 95), drug("red_cells_transfusion", hours=9)],
            None,
        ),
    ],
)
def test_levels_and_laboratory_values_that_are_told(
    topic: str, chart: Sequence[Fact], told: tuple[int, str] | None
) -> None:
    assert said(topic, *chart) == told


def test_digoxin_above_1_2_counts_where_potassium_or_magnesium_is_low_or_the_heart_is_slow() -> None:
    level = [drug("digoxin", source="request"), measured("digoxin", 1.6, 8)]
    low = "above 1.2 with low potassium or magnesium"
    assert said("digoxin_toxicity", *level, measured("potassium", 2.9)) == (2, low)
    assert said("digoxin_toxicity", *level, measured("magnesium", 1.3)) == (2, low)
    assert said("digoxin_toxicity", *level, measured("heart_rate", 42)) == (2, "above 1.2 with a slow heart")
    assert said("digoxin_toxicity", *level, measured("potassium", 4.2), measured("heart_rate", 70)) is None


@pytest.mark.parametrize(
    ("chart", "word"),
    [
        ([measured("tsh", 0.01), *vital_signs(heart_rate=158, body_temp=40.1)], "storm"),
        ([measured("tsh", 92), *vital_signs(heart_rate=44, body_temp=32.1)], "myxoedema"),
        ([measured("tsh", 92), *vital_signs(heart_rate=44)], None),
        ([measured("tsh", 2), *vital_signs(heart_rate=158, body_temp=40.1)], None),
    ],
)
def test_a_thyroid_emergency_is_told_by_tsh_temperature_and_heart(chart: Sequence[Fact], word: str | None) -> None:
    found = said("thyroid_emergency", *chart)
    assert (found is not None and found[1].startswith(word)) if word else found is None


def test_methylene_blue_is_held_back_where_it_haemolyses() -> None:
    chart = [measured("methaemoglobin", 32), problem("g6pd_deficiency", hours=9000)]
    assert refusals("dyshaemoglobin", *chart)["dyshaemoglobin_blue"].startswith("G6PD")
    assert "dyshaemoglobin_blue" in offered("dyshaemoglobin", chart[0])


def test_low_magnesium_is_corrected_where_potassium_is_low() -> None:
    low = [measured("potassium", 2.9), measured("magnesium", 1.3)]
    assert "hypokalaemia_magnesium_low" in offered("hypokalaemia", *low)
    assert "hypokalaemia_magnesium_low" not in offered("hypokalaemia", low[0], measured("magnesium", 2.1))
    assert "aki_muscle" in offered(
        "aki", measured("creatinine", 0.9, 30), measured("creatinine", 2.1), measured("ck_total", 9000)
    )
