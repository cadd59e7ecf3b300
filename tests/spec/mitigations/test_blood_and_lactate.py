"""Few platelets, an INR that no warfarin raised, lactate without infection, and what else a bedside looks for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cds_app.domain.facts import Fact
from tests.chart import allergy, drug, measured, problem, procedure
from tests.spec.mitigations.concerns import cautions, offered, refusals, said, vital_signs

BLEEDS = problem("gi_bleed", hours=5)
ON_HEPARIN = (drug("heparin", hours=140), drug("heparin", hours=3))
LIMITED = "Limits of treatment are recorded"


def limited(topic: str, option: str, *facts: Fact) -> bool:
    return any(one.startswith(LIMITED) for one in cautions(topic, option, *facts))


@pytest.mark.parametrize(
    ("count", "others", "told"),
    [
        (8, [], (2, "below 10")),
        (12, [], (2, "below 20")),
        (20, [], None),
        (48, [problem("cirrhosis")], None),
        (48, [BLEEDS], (3, "below 50, with bleeding")),
        (50, [BLEEDS], None),
        (12, [problem("gi_bleed", hours=200)], (2, "below 20")),
    ],
)
def test_platelets_are_told_below_20_or_below_50_where_there_is_bleeding(
    count: float, others: Sequence[Fact], told: tuple[int, str] | None
) -> None:
    assert said("low_platelets", measured("platelets", count), *others) == told


@pytest.mark.parametrize(
    ("course", "heparin", "told"),
    [
        ((240, 100), ON_HEPARIN, True),
        ((240, 130), ON_HEPARIN, False),
        ((400, 160), ON_HEPARIN, False),
        ((240, 100), ON_HEPARIN[1:], False),  # begun today
        ((240, 100), ON_HEPARIN[:1], False),  # no longer given
        ((240, 100), (drug("heparin", source="request", hours=140),), True),
        ((240, 100), (), False),
    ],
)
def test_a_fall_by_half_from_the_fifth_day_of_heparin_is_told(
    course: tuple[float, float], heparin: Sequence[Fact], told: bool
) -> None:
    before, now = course
    chart = [measured("platelets", before, 120), measured("platelets", now), *heparin]
    assert said("low_platelets", *chart) == ((2, "fell by half on heparin") if told else None)
    if told:
        assert "low_platelets_hit" in offered("low_platelets", *chart)


def test_platelets_are_not_offered_against_bleeding_that_they_may_not_be_given_for() -> None:
    few = measured("platelets", 8)
    assert "low_platelets_prophylaxis" in offered("low_platelets", few)
    known = refusals("low_platelets", few, problem("heparin_induced_thrombocytopenia"))
    assert known["low_platelets_prophylaxis"].startswith("Heparin-induced thrombocytopenia")
    bleeding = offered("low_platelets", few, BLEEDS)
    assert "low_platelets_bleeding" in bleeding
    assert "low_platelets_prophylaxis" not in bleeding


@pytest.mark.parametrize(
    ("inr", "others", "told"),
    [
        (6.2, [], (2, "5 or above")),
        (4.9, [], None),
        (6.2, [BLEEDS], (3, "5 or above, with bleeding")),
        (6.2, [drug("warfarin", source="request")], None),
    ],
)
def test_a_high_inr_is_told_without_warfarin_too(
    inr: float, others: Sequence[Fact], told: tuple[int, str] | None
) -> None:
    assert said("coagulopathy", measured("inr", inr), *others) == told


def test_a_high_inr_is_looked_into_by_what_the_patient_has() -> None:
    high = measured("inr", 6.2)
    assert set(offered("coagulopathy", high)) == {"coagulopathy_repeat", "coagulopathy_vitamin_k"}
    assert {"coagulopathy_liver", "coagulopathy_transplant"} <= set(
        offered("coagulopathy", high, measured("alt", 4000))
    )
    assert "coagulopathy_liver" not in offered("coagulopathy", high, problem("liver_disease"), BLEEDS)
    taken = cautions("coagulopathy", "coagulopathy_anticoagulant", high, drug("rivaroxaban", source="request"))
    assert "Taken: Rivaroxaban." in taken
    known = refusals("coagulopathy", high, allergy("phytonadione"))
    assert known["coagulopathy_vitamin_k"].startswith("Allergy recorded")


@pytest.mark.parametrize(
    ("lactate", "told"), [(3.9, None), (4.0, (2, "4 or above")), (9.9, (2, "4 or above")), (10.0, (3, "10 or above"))]
)
def test_a_high_lactate_is_told_without_infection(lactate: float, told: tuple[int, str] | None) -> None:
    assert said("high_lactate", measured("lactate", lactate)) == told


def test_metformin_is_thought_of_where_lactate_is_high() -> None:
    high = [measured("lactate", 14), drug("metformin", source="request")]
    assert "high_lactate_metformin" in offered("high_lactate", *high)
    assert "high_lactate_metformin" not in offered("high_lactate", high[0])
    acid = [*high, measured("ph", 6.98), measured("pco2", 18), measured("bicarbonate", 6)]
    assert "acidaemia_metformin" in offered("acidaemia", *acid)
    assert limited("high_lactate", "high_lactate_metformin", *high, problem("palliative_care"))


@pytest.mark.parametrize(
    ("blood", "told"),
    [
        ([measured("wbc", 0.4)], True),
        ([measured("neutrophils_abs", 0.3), measured("wbc", 1.2)], True),
        ([problem("neutropenia")], True),
        ([measured("neutrophils_abs", 0.9), measured("wbc", 1.6)], False),
        ([measured("wbc", 9)], False),
        ([measured("wbc", 30), measured("neutrophils_abs", 0.3), problem("malignancy")], True),  # leukaemia
    ],
)
def test_fever_with_few_neutrophils_is_possible_sepsis(blood: Sequence[Fact], told: bool) -> None:
    found = said("sepsis", *vital_signs(body_temp=38.4), *blood)
    assert found == ((2, "neutropenia with fever") if told else None)
    assert said("sepsis", *vital_signs(body_temp=37.9), *blood) is None
    if told:
        at_once = cautions("sepsis", "sepsis_antimicrobials", *vital_signs(body_temp=38.4), *blood)
        assert any("at once" in one for one in at_once)


def test_a_slow_heart_is_named_as_a_cause_of_low_pressure() -> None:
    slow = [*vital_signs(sbp=84, map=59, heart_rate=34), drug("bisoprolol", source="request")]
    assert "Taken: Bisoprolol." in cautions("hypotension", "hypotension_bradycardia", *slow)
    assert "hypotension_bradycardia" not in offered("hypotension", *vital_signs(sbp=84, map=59, heart_rate=104))


@pytest.mark.parametrize("topic", ["acidaemia", "hypoxia"])
def test_naloxone_is_thought_of_where_an_opioid_slows_the_breathing(topic: str) -> None:
    narcosis = [measured("ph", 7.19), measured("pco2", 78), measured("spo2", 84), measured("resp_rate", 6)]
    opioid = drug("morphine", hours=1)
    assert "Taken: Morphine." in cautions(topic, f"{topic}_naloxone", *narcosis, opioid)
    assert f"{topic}_naloxone" not in offered(topic, *narcosis)
    ventilated = procedure("mechanical_ventilation", hours=2)
    assert f"{topic}_naloxone" not in offered(topic, *narcosis, opioid, ventilated)
    assert f"{topic}_naloxone" not in offered(topic, *narcosis[:3], measured("resp_rate", 14), opioid)


def test_a_gas_with_carbon_dioxide_lowers_the_target_of_oxygen() -> None:
    gas = [measured("spo2", 84), measured("ph", 7.19), measured("pco2", 78)]
    assert any("88-92 %" in one for one in cautions("hypoxia", "hypoxia_target_94", *gas))
    assert not cautions("hypoxia", "hypoxia_target_94", gas[0], measured("ph", 7.40), measured("pco2", 38))


def test_ketones_are_named_where_they_are_raised_with_a_usual_glucose() -> None:
    acid = [measured("ph", 7.18), measured("pco2", 28), measured("glucose", 168), measured("ketones_bhb", 5.1)]
    taken = cautions("acidaemia", "acidaemia_ketones", *acid, drug("empagliflozin", source="request"))
    assert "Taken: Empagliflozin." in taken
    assert "acidaemia_ketones" not in offered("acidaemia", *acid[:3], measured("ketones_bhb", 0.2))


@pytest.mark.parametrize("topic", ["sepsis", "hypotension"])
def test_limits_of_treatment_stand_beside_a_vasopressor(topic: str) -> None:
    shock = [*vital_signs(sbp=80, map=50), problem("infection"), measured("lactate", 5)]
    assert limited(topic, f"{topic}_norepinephrine", *shock, problem("do_not_resuscitate"))
    assert not limited(topic, f"{topic}_norepinephrine", *shock)


def test_blood_comes_before_a_vasopressor_where_there_is_bleeding() -> None:
    found = refusals("hypotension", *vital_signs(sbp=80, map=50), BLEEDS)
    assert found["hypotension_norepinephrine"].startswith("Bleeding is recorded")


def test_dialysis_is_offered_at_6_to_whoever_lives_on_it() -> None:
    high = measured("potassium", 6.2)
    first = next(iter(offered("hyperkalaemia", high, problem("dialysis_dependence"))))
    assert first == "hyperkalaemia_dialysis_due"
    assert not {"hyperkalaemia_dialysis_due", "hyperkalaemia_dialysis"} & set(offered("hyperkalaemia", high))


def test_drugs_that_the_kidney_clears_are_named_in_kidney_injury() -> None:
    injured = [measured("creatinine", 0.9, 30), measured("creatinine", 2.1)]
    found = cautions(
        "aki", "aki_doses", *injured, drug("metformin", source="request"), drug("digoxin", source="request")
    )
    assert "Taken: Digoxin, Metformin." in found
