"""What is said next, while a treatment runs: what was given is not offered again, and what it does is minded."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cds_app.domain.facts import Fact
from tests.chart import drug, finding, measured, problem, procedure, stay
from tests.spec.mitigations.concerns import cautions, judged, offered, refusals, said, vital_signs

KETOACIDOSIS = (
    measured("glucose", 320),
    measured("ketones_bhb", 4.1),
    measured("ph", 7.18),
    measured("body_weight", 60),
)
INSULIN, SALINE = drug("insulin_regular", hours=1.5), drug("crystalloids", hours=2)
VENTILATED = procedure("mechanical_ventilation", hours=8, status="in-progress")
FILTERED = procedure("crrt", hours=30, status="in-progress")
LOW = vital_signs(sbp=80, map=50)


def test_the_first_fluid_of_ketoacidosis_is_over_once_insulin_was_given() -> None:
    begun = [*KETOACIDOSIS, measured("potassium", 4.4)]
    assert {"hyperglycaemia_dka_fluid", "hyperglycaemia_dka"} <= set(offered("hyperglycaemia", *begun))
    assert any("count it" in one for one in cautions("hyperglycaemia", "hyperglycaemia_dka_fluid", *begun, SALINE))
    held = refusals("hyperglycaemia", *begun, SALINE, INSULIN)
    assert held["hyperglycaemia_dka_fluid"].startswith("Insulin was given")
    assert held["hyperglycaemia_dka"].startswith("Given in the last 6 hours")


def test_ketoacidosis_that_gives_way_to_insulin_is_information() -> None:
    high, acid = measured("glucose", 510, 5), [measured("glucose", 320), measured("ketones_bhb", 4.1), stay()]
    assert said("hyperglycaemia", high, *acid) == (3, "possible ketoacidosis")
    assert said("hyperglycaemia", high, *acid, INSULIN) == (1, "above the inpatient target")
    assert said("hyperglycaemia", measured("glucose", 330, 5), *acid, INSULIN) == (3, "possible ketoacidosis")


def test_a_kidney_injury_that_recovers_is_information() -> None:
    injury = [measured("creatinine", 0.9, 200), measured("creatinine", 2.6, 30)]
    assert said("aki", *injury, measured("creatinine", 2.5)) == (2, "KDIGO stage 2")
    assert said("aki", *injury, measured("creatinine", 2.2)) == (1, "recovering: creatinine falls")
    assert said("aki", injury[0], measured("creatinine", 2.2)) == (2, "KDIGO stage 2")
    for topic, toxin in (("vancomycin_over", "vancomycin"), ("aminoglycoside", "gentamicin")):
        assert said(topic, *injury, measured("creatinine", 2.5), drug(toxin, hours=5)) == (2, "with kidney injury")
        assert said(topic, *injury, measured("creatinine", 2.2), drug(toxin, hours=5)) is None


def test_insulin_that_runs_is_named_where_potassium_falls() -> None:
    assert "hypokalaemia_insulin" in offered("hypokalaemia", measured("potassium", 2.9), INSULIN)
    assert "hypokalaemia_insulin" not in offered("hypokalaemia", measured("potassium", 2.9))
    assert "hypokalaemia_insulin" not in offered("hypokalaemia", measured("potassium", 3.3), INSULIN)
    assert "hypokalaemia_insulin" in offered("hypokalaemia", measured("potassium", 3.3), INSULIN, *KETOACIDOSIS)
    over = drug("insulin_regular", hours=5)
    assert "hypokalaemia_insulin" not in offered("hypokalaemia", measured("potassium", 2.9), over)


def test_fluid_by_weight_is_of_the_first_hours_of_septic_shock() -> None:
    shock = [*LOW, measured("lactate", 4.2), problem("sepsis", hours=9), measured("body_weight", 70)]
    assert "sepsis_fluid" in offered("sepsis", *shock, drug("crystalloids", hours=9))
    treated = [*shock, drug("crystalloids", hours=9), drug("norepinephrine", hours=1)]
    assert refusals("sepsis", *treated)["sepsis_fluid"].startswith("Crystalloid and a vasopressor were given")
    assert "sepsis_fluid_guide" in offered("sepsis", *treated)


def test_filtration_that_runs_takes_potassium_and_phosphate_away() -> None:
    few = [measured("potassium", 2.8), measured("phosphate", 0.8)]
    for topic, option in (("hypokalaemia", "hypokalaemia_iv"), ("low_phosphate", "phosphate_iv")):
        assert any(one.startswith("Filtration runs") for one in cautions(topic, option, *few, FILTERED))
        between = refusals(topic, *few, problem("dialysis_dependence"))
        assert between[option] == "Renal replacement therapy is recorded."


@pytest.mark.parametrize(
    ("chart", "reason"),
    [
        ([problem("active_bleeding", hours=4)], "Bleeding is recorded"),
        ([measured("heart_rate", 38)], "Heart rate is below 50"),
        ([problem("anaphylaxis", hours=1)], "Anaphylaxis is recorded"),
    ],
)
def test_a_vasopressor_does_not_come_before_the_cause(chart: Sequence[Fact], reason: str) -> None:
    assert "hypotension_norepinephrine" in offered("hypotension", *LOW)
    assert refusals("hypotension", *LOW, *chart)["hypotension_norepinephrine"].startswith(reason)


def test_anaphylaxis_and_embolism_have_a_first_step_of_their_own() -> None:
    assert next(iter(offered("hypotension", *LOW, problem("anaphylaxis", hours=1)))) == "hypotension_anaphylaxis"
    assert "hypotension_anaphylaxis" not in offered("hypotension", *LOW, problem("anaphylaxis", hours=90))
    assert "hypotension_embolism" in offered("hypotension", *LOW, problem("venous_thromboembolism", hours=20))


def test_a_fast_arrhythmia_with_a_low_pressure_is_its_likely_cause() -> None:
    fast = [*vital_signs(sbp=82, map=55, heart_rate=168), problem("atrial_fibrillation")]
    assert "hypotension_rhythm" in offered("hypotension", *fast)
    assert "hypotension_rhythm" not in offered("hypotension", *LOW, problem("atrial_fibrillation"))


@pytest.mark.parametrize(
    ("rate", "chart", "told"),
    [
        (
            10,
            [finding("consciousness_acvpu", "responds_to_voice")],
            (2, "10 breaths a minute or fewer, not fully awake"),
        ),
        (10, [measured("gcs_total", 15)], None),
        (11, [measured("gcs_total", 9)], None),
        (10, [measured("gcs_total", 9), VENTILATED], None),
        (8, [measured("gcs_total", 15)], (3, "8 breaths a minute or fewer")),
    ],
)
def test_whoever_fades_on_an_opioid_is_seen_before_breathing_stops(
    rate: float, chart: Sequence[Fact], told: tuple[int, str] | None
) -> None:
    assert said("opioid_breathing", measured("resp_rate", rate), drug("morphine", hours=1), *chart) == told


def test_a_pressure_that_treatment_brought_down_to_where_it_is_usual_is_not_low() -> None:
    assert said("hypotension", *vital_signs(sbp=127), measured("sbp", 175, 5)) is None
    assert said("hypotension", *vital_signs(sbp=104), measured("sbp", 175, 5)) == (1, "systolic fell by more than 40")


@pytest.mark.parametrize(
    ("chart", "ventilated"),
    [
        ([VENTILATED], True),
        ([procedure("mechanical_ventilation", hours=8)], True),
        ([measured("tidal_volume_set", 420, 5)], True),
        ([procedure("mechanical_ventilation", hours=60, end_hours=2)], False),
        ([VENTILATED, procedure("extubation", hours=2)], False),
        ([measured("tidal_volume_set", 420, 5), procedure("extubation", hours=2)], False),
        ([procedure("extubation", hours=9), VENTILATED], True),  # and again on it
        ([procedure("mechanical_ventilation", hours=60, end_hours=8), VENTILATED], True),
    ],
)
def test_whoever_was_freed_from_the_ventilator_is_offered_the_mask_again(
    chart: Sequence[Fact], ventilated: bool
) -> None:
    failing = [*vital_signs(spo2=88, resp_rate=32), measured("fio2", 50), measured("pco2", 62), measured("ph", 7.31)]
    low, acid = offered("hypoxia", *failing, *chart), offered("acidaemia", *failing, *chart)
    assert ("hypoxia_ventilator" in low) is ventilated
    assert ("hypoxia_high_flow" in low) is not ventilated
    assert ("acidaemia_niv" in acid) is not ventilated
    assert ("acidaemia_ventilator" in acid) is ventilated


def test_an_acidaemia_whose_carbon_dioxide_is_not_known_asks_for_it() -> None:
    assert "acidaemia_gas" in offered("acidaemia", measured("ph", 7.1))
    assert "acidaemia_perfusion" in offered("acidaemia", measured("ph", 7.1), measured("lactate", 15))


def test_low_oxygen_is_met_by_what_there_is_to_mend() -> None:
    assert "hypoxia_ventilator" in offered("hypoxia", *vital_signs(spo2=86), VENTILATED)
    assert "hypoxia_ventilator" not in offered("hypoxia", *vital_signs(spo2=86))
    assert "hypoxia_terlipressin" in offered("hypoxia", *vital_signs(spo2=90), drug("terlipressin", hours=5))
    attack = [*vital_signs(spo2=91), problem("asthma")]
    assert "hypoxia_asthma" in offered("hypoxia", *attack, measured("pco2", 44))
    assert "hypoxia_asthma" not in offered("hypoxia", *attack, measured("pco2", 30))


@pytest.mark.parametrize(
    ("chart", "told"),
    [
        ([measured("ph", 7.29)], (2, "with high carbon dioxide, pH below 7.30")),
        ([measured("ph", 7.29), VENTILATED], (1, "with high carbon dioxide")),
        ([measured("ph", 7.24), VENTILATED], (2, "with high carbon dioxide, pH below 7.25")),
        ([measured("ph", 7.31)], (1, "with high carbon dioxide")),
    ],
)
def test_who_breathes_alone_is_helped_earlier(chart: Sequence[Fact], told: tuple[int, str]) -> None:
    assert said("acidaemia", *chart, measured("pco2", 62)) == told


def test_whoever_fades_with_carbon_dioxide_is_offered_the_ventilator_where_the_mask_is_not() -> None:
    fading = [measured("ph", 7.27), measured("pco2", 62), measured("gcs_total", 10)]
    assert "acidaemia_airway" in offered("acidaemia", *fading)
    assert refusals("acidaemia", *fading)["acidaemia_niv"].startswith("The patient is not fully awake")
    assert "acidaemia_airway" not in offered("acidaemia", *fading[:2], measured("gcs_total", 15))


def test_an_acidaemia_that_lactate_explains_is_not_put_down_to_ketones() -> None:
    acid = [measured("ph", 7.12), measured("pco2", 48), measured("lactate", 9.4)]
    assert set(offered("acidaemia", *acid)) == {"acidaemia_perfusion"}
    other = [measured("ph", 7.12), measured("pco2", 48), measured("lactate", 1.4)]
    assert set(offered("acidaemia", *other)) == {"acidaemia_cause"}


def test_saline_of_3_percent_is_for_whoever_is_not_awake_or_very_low() -> None:
    low, awake = measured("sodium", 126), measured("gcs_total", 15)
    found = set(offered("dysnatraemia", low, awake))
    assert {"dysnatraemia_cause"} <= found
    assert "dysnatraemia_saline" not in found
    assert "dysnatraemia_saline" in offered("dysnatraemia", low, measured("gcs_total", 11))
    assert "dysnatraemia_saline" in offered("dysnatraemia", low, finding("consciousness_acvpu", "new_confusion"))
    assert "dysnatraemia_saline" in offered("dysnatraemia", measured("sodium", 112), awake)


def test_a_sodium_that_fell_from_one_morning_to_the_next_is_told_all_morning() -> None:
    assert said("dysnatraemia", measured("sodium", 138, 25), measured("sodium", 128, 1)) == (
        2,
        "falling by more than 8 in 24 h",
    )


@pytest.mark.parametrize(
    ("chart", "told"),
    [
        ([measured("inr", 3.4), measured("alt", 2400)], (3, "3 or above, with liver injury")),
        ([measured("inr", 2.2), measured("alt", 2400)], (2, "2 or above, with liver injury")),
        ([measured("inr", 3.4), measured("alt", 60)], None),
        ([measured("inr", 5.4), measured("alt", 60)], (2, "5 or above")),
        ([measured("inr", 3.4), measured("alt", 2400), drug("warfarin", source="request")], None),
    ],
)
def test_clotting_that_fails_with_the_liver_is_told_early(chart: Sequence[Fact], told: tuple[int, str] | None) -> None:
    assert said("coagulopathy", *chart) == told


def test_drugs_of_a_kidney_injury_and_of_a_high_level_are_named() -> None:
    injured = [measured("creatinine", 0.9, 30), measured("creatinine", 2.1)]
    found = cautions("aki", "aki_nephrotoxins", *injured, drug("tacrolimus", source="request"))
    assert found == [
        "Taken: Tacrolimus.",
        "Tacrolimus and ciclosporin go by their level, with whoever looks after the transplant.",
    ]
    held = [drug(one, source="request") for one in ("lisinopril", "furosemide")]
    assert "Taken: Furosemide, Lisinopril." in cautions("aki", "aki_diuretics", *injured, *held)
    high = [measured("tacrolimus", 22), drug("tacrolimus", source="request"), drug("clarithromycin", source="request")]
    assert cautions("tacrolimus_high", "tacrolimus_high_interactions", *high) == ["Taken: Clarithromycin."]


@pytest.mark.parametrize(
    ("chart", "told"),
    [
        ([measured("calcium_ionized", 0.78)], (3, "ionised below 0.8 mmol/L")),
        ([measured("calcium_ionized", 0.85)], (2, "ionised below 0.9 mmol/L")),
        ([measured("calcium_ionized", 0.95)], None),
        ([measured("calcium_ionized", 0.38), FILTERED], None),  # behind a filter that runs on citrate
        ([measured("calcium_ionized", 0.7), FILTERED], (3, "ionised below 0.8 mmol/L")),
        ([measured("calcium", 6.5)], None),
        ([measured("calcium", 6.5), measured("albumin", 2.2)], None),
        ([measured("calcium", 6.5), measured("albumin", 3.6)], (2, "below 7.6 mg/dL (1.9 mmol/L) for the albumin")),
        ([measured("calcium", 6.9), measured("albumin", 3.8)], (2, "below 7.6 mg/dL (1.9 mmol/L) for the albumin")),
        ([measured("calcium", 6.9), measured("albumin", 3.2)], None),
        ([measured("calcium", 6.5), measured("albumin", 4.1, 30)], None),  # before the fluid
        ([measured("calcium", 6.5), measured("albumin", 3.6), measured("calcium_ionized", 1.05)], None),
        ([measured("calcium_adjusted", 7.2), measured("qtc", 512)], (3, "with a long QTc")),
    ],
)
def test_calcium_is_low_for_its_albumin(chart: Sequence[Fact], told: tuple[int, str] | None) -> None:
    assert said("low_calcium", *chart) == told


def test_ketoacidosis_with_a_glucose_that_is_hardly_high_is_not_met_by_insulin_to_a_target() -> None:
    near = [
        measured("glucose", 207),
        measured("ketones_bhb", 4.1),
        measured("potassium", 4.2),
        measured("body_weight", 60),
    ]
    assert said("hyperglycaemia", *near) == (3, "possible ketoacidosis")
    assert refusals("hyperglycaemia", *near)["hyperglycaemia_insulin"].startswith("Ketoacidosis is likely")
    usual = [measured("glucose", 170), measured("ketones_bhb", 6.2), measured("ph", 7.1), measured("pco2", 20)]
    assert set(offered("acidaemia", *usual, measured("lactate", 1.1))) == {"acidaemia_ketones"}


def test_calcium_is_not_pushed_into_a_high_phosphate() -> None:
    low = [measured("calcium_ionized", 0.78)]
    assert "low_calcium_iv" in offered("low_calcium", *low)
    high = [*low, measured("phosphate", 9.1)]
    assert refusals("low_calcium", *high)["low_calcium_iv"].startswith("Phosphate is high")
    assert "low_calcium_lysis" in offered("low_calcium", *high)


def test_a_very_high_pressure_after_birth_is_told_like_before() -> None:
    high = [*vital_signs(sbp=172, heart_rate=88), measured("sbp", 170, 2), measured("dbp", 114)]
    born = problem("pregnancy_end", hours=96)
    assert said("pregnancy_hypertension", *high, born) == (3, "160 systolic or above, lasting")
    assert said("pregnancy_hypertension", *high, problem("pregnancy_end", hours=1200)) is None
    assert said("pregnancy_hypertension", *high) is None
    inhibitor = drug("lisinopril", source="request")
    assert "pregnancy_pressure_raas" not in offered("pregnancy_hypertension", *high, born, inhibitor)


def test_a_pressure_above_the_limit_after_lysis_is_told_for_a_day() -> None:
    high = [*vital_signs(sbp=192, map=130), measured("dbp", 99)]
    assert said("lysis_pressure", *high, drug("alteplase", hours=3)) == (2, "above 180 systolic or 105 diastolic")
    fading = finding("consciousness_acvpu", "responds_to_voice", hours=0.5)
    assert said("lysis_pressure", *high[1:], fading, drug("alteplase", hours=3)) == (3, "with fading awareness")
    assert said("lysis_pressure", *high, drug("alteplase", hours=30)) is None
    assert said("lysis_pressure", *vital_signs(sbp=172), drug("alteplase", hours=3)) is None


def test_a_haemoglobin_that_falls_on_is_further_beyond() -> None:
    bleeds = [problem("gi_bleed", hours=4), measured("hemoglobin", 12.1, 8)]
    first, later = (judged(*bleeds, measured("hemoglobin", value))[0]["anaemia_bleed"] for value in (9.4, 7.4))
    assert (first.tier, later.tier) == (3, 3)
    assert later.extents["hemoglobin"] - first.extents["hemoglobin"] > 1.5
    assert later.courses()["hemoglobin"][0][1] < later.extents["hemoglobin"]
