"""What holds of most patients and not of this one: a visit, dialysis, warfarin just begun, limits of treatment."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cds_app.domain.facts import Fact
from cds_app.mitigate.conditions import View
from cds_app.mitigate.gates import pass_gates
from cds_app.score.clinical.scores import clinical_scores
from tests.chart import drug, measured, problem, procedure, stay
from tests.sentences import read
from tests.spec.mitigations.concerns import CATALOGUE, charted, judged, offered, said, vital_signs

VISIT = stay(hours=1, class_code="AMB")


@pytest.mark.parametrize(
    ("glucose", "others", "tier"),
    [
        (66, [VISIT], None),
        (66, [stay(hours=30, status="finished", class_code="AMB", end_hours=29)], None),
        (66, [VISIT, problem("diabetes")], 2),
        (66, [VISIT, problem("type_1_diabetes")], 2),
        (66, [VISIT, drug("sulfonylureas", source="request")], 2),
        (66, [stay()], 2),
        (66, [stay(class_code="EMER")], 2),
        (66, [], 2),
        (52, [VISIT], 3),
    ],
)
def test_a_glucose_just_below_70_is_low_in_hospital_and_in_diabetes(
    glucose: float, others: Sequence[Fact], tier: int | None
) -> None:
    found = said("hypoglycaemia", measured("glucose", glucose), *others)
    assert (None if found is None else found[0]) == tier


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ([520], "above 450"),
        ([440], None),
        ([440, 260], "above 250 twice in 24 h"),
        ([520, 300], "above 450"),
        ([170, 520], None),
        ([186, 360, 400], None),
        ([251, 260], "above 250 twice in 24 h"),
    ],
)
def test_one_glucose_beyond_the_critical_limit_is_told_at_once(values: Sequence[float], word: str | None) -> None:
    rows = [measured("glucose", value, 1 + 3 * index) for index, value in enumerate(values)]
    assert said("hyperglycaemia", VISIT, *rows) == (None if word is None else (2, word))


IN_RANGE = (measured("inr", 2.6, 300), measured("inr", 4.1, 200))


@pytest.mark.parametrize(
    ("warfarin", "told"),
    [
        ([drug("warfarin", source="request", hours=2000)], True),
        ([drug("warfarin", hours=200), drug("warfarin", hours=20)], True),
        ([drug("warfarin", source="request", hours=6)], False),
        ([drug("warfarin", source="request", hours=70), drug("warfarin", hours=20)], False),
        ([drug("warfarin", source="request", hours=2000), drug("phytonadione", hours=150)], False),
        ([drug("warfarin", source="request", hours=2000), drug("phytonadione", hours=400)], True),
    ],
)
def test_an_inr_is_not_low_where_warfarin_has_just_been_resumed_or_turned_back(
    warfarin: Sequence[Fact], told: bool
) -> None:
    assert (said("inr_low", *IN_RANGE, measured("inr", 1.3), *warfarin) is not None) is told


KIDNEYS = (measured("creatinine", 5.6, 30), measured("creatinine", 5.3, 4))


@pytest.mark.parametrize(
    ("known", "told"),
    [([], True), ([problem("end_stage_renal_disease")], False), ([problem("dialysis_dependence")], False)],
)
def test_a_creatinine_that_is_always_high_makes_no_sepsis(known: Sequence[Fact], told: bool) -> None:
    chart = (*vital_signs(), problem("infection"), measured("gcs_total", 15), *KIDNEYS, *known)
    assert (said("sepsis", *chart) is not None) is told


def test_organs_that_fail_beside_dialysis_do() -> None:
    failing = (measured("gcs_total", 9), measured("bilirubin_total", 7.0), measured("platelets", 40))
    chart = (problem("infection"), problem("end_stage_renal_disease"), *KIDNEYS, *failing)
    assert said("sepsis", *chart) is not None


def test_potassium_by_mouth_is_weighed_where_the_kidneys_filter_little() -> None:
    text = "eGFR below 30: potassium accumulates, less may do."
    low = measured("potassium", 3.2)
    few = offered("hypokalaemia", low, measured("creatinine", 3.4, 30), measured("creatinine", 3.4))
    assert text in [read(one.said) for one in few["hypokalaemia_oral"].cautions]
    many = offered("hypokalaemia", low, measured("creatinine", 0.9))
    assert text not in [read(one.said) for one in many["hypokalaemia_oral"].cautions]


def test_limits_of_low_sodium_are_not_told_of_high_sodium() -> None:
    high = offered("dysnatraemia", measured("sodium", 162))
    assert "dysnatraemia_limit" not in high
    assert "water" in high["dysnatraemia_water"].text
    assert high["dysnatraemia_water"].guideline.org == "General consensus"
    low = offered("dysnatraemia", measured("sodium", 124))
    assert "dysnatraemia_limit" in low
    assert "dysnatraemia_water" not in low


@pytest.mark.parametrize("known", ["do_not_resuscitate", "palliative_care"])
def test_what_is_invasive_asks_for_the_wishes_that_are_recorded(known: str) -> None:
    text = "Limits of treatment are recorded: ask what the patient wants."
    ill = (measured("ph", 7.15), measured("pco2", 80), procedure("ecg"))
    for cautioned, facts in ((False, ill), (True, (*ill, problem(known)))):
        airway = offered("acidaemia", *facts)["acidaemia_airway"]
        assert (text in [read(one.said) for one in airway.cautions]) is cautioned


ON_DIALYSIS = (problem("end_stage_renal_disease"), procedure("renal_replacement_therapy", hours=20))


@pytest.mark.parametrize("known", ON_DIALYSIS)
def test_on_dialysis_where_no_filtration_is_estimated_a_dose_still_goes_by_it(known: Fact) -> None:
    text = "Renal replacement therapy is recorded: dose and timing differ."
    failing = (measured("gcs_total", 9), measured("bilirubin_total", 7.0), measured("platelets", 40))
    options = offered("sepsis", problem("infection"), *KIDNEYS, *failing, known)
    assert text in [read(one.said) for one in options["sepsis_antimicrobials"].cautions]


def test_whatever_is_weighed_by_filtration_is_weighed_on_dialysis_too() -> None:
    weighed = {
        entry.id: entry.gates.renal
        for topic in CATALOGUE.topics.values()
        for entry in topic.options
        if any("egfr" in repr(one.when) for one in entry.gates.cautions)
    }
    assert len(weighed) >= 6
    assert all(weighed.values()), weighed


def test_one_parameter_of_news2_asks_for_a_review_on_a_ward_and_of_nobody_at_a_visit() -> None:
    low = measured("sbp", 90)
    assert said("news2_escalation", low, VISIT) is None
    assert said("news2_escalation", low, stay()) == (1, "one parameter scores 3")
    assert "news2_single" in offered("news2_escalation", low, stay()), "although oxygen is not known"


HIGH_INR = (measured("inr", 7.1), drug("warfarin", source="request", hours=500))


def test_who_bleeds_on_warfarin_is_offered_what_stops_it_though_no_weight_is_known() -> None:
    bleeding = offered("inr_high", *HIGH_INR, problem("gi_bleed", hours=10))
    assert list(bleeding) == ["inr_high_bleed_vitamin_k"], "an INR in a day or two is of those who do not bleed"
    weighed = offered("inr_high", *HIGH_INR, problem("gi_bleed", hours=10), measured("body_weight", 70))
    assert "inr_high_bleed" in weighed


def test_a_bleeding_of_long_ago_keeps_no_dose_from_being_left_out() -> None:
    found = offered("inr_high", *HIGH_INR, problem("gi_bleed", hours=9000), measured("body_weight", 70))
    assert set(found) == {"inr_high_hold", "inr_high_recheck"}


DIGOXIN = (measured("digoxin", 2.6), drug("digoxin", source="request", hours=900))


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ([problem("atrial_fibrillation", hours=9000)], (2, "above 2")),
        ([problem("atrial_fibrillation")], (2, "above 2")),
        ([problem("heart_block", hours=9000)], (2, "above 2")),
        ([problem("heart_block", hours=9)], (3, "above 2 with an arrhythmia")),
        ([measured("potassium", 5.3)], (3, "above 2 with high potassium")),
        ([measured("heart_rate", 42)], (3, "above 2 with a slow heart")),
    ],
)
def test_what_digoxin_is_given_for_is_no_sign_of_too_much_of_it(others: Sequence[Fact], told: tuple[int, str]) -> None:
    assert said("digoxin_toxicity", *DIGOXIN, *others) == told
    concern = judged(*DIGOXIN, *others)[0]["digoxin_toxicity"]
    assert concern.readings[0].quantity == "digoxin"


def test_a_level_soon_after_a_dose_is_told_as_one() -> None:
    text = "Digoxin was given in the last 8 hours: a level of less than 6 h after a dose reads high."
    for hours, soon in ((2, True), (20, False)):
        hold = offered("digoxin_toxicity", *DIGOXIN, drug("digoxin", hours=hours))["digoxin_hold"]
        assert ([read(one.said) for one in hold.cautions] == [text]) is soon


def test_a_second_anticoagulant_is_weighed() -> None:
    troponin = (measured("troponin_t_hs", 22, 6), measured("troponin_t_hs", 90), problem("chest_pain", hours=5))
    assert said("acs", *troponin) == (3, "troponin high and rising")
    on_warfarin = offered("acs", *troponin, drug("warfarin", source="request", hours=900))
    assert "An anticoagulant is taken: not a second one." in [
        read(one.said) for one in on_warfarin["acs_anticoagulation"].cautions
    ]


def test_who_takes_insulin_is_asked_for_its_dose_and_drafted_no_other() -> None:
    sweet = (measured("glucose", 300, 5), measured("glucose", 310), stay())
    taken = offered("hyperglycaemia", *sweet, drug("insulin_glargine", source="request", hours=90))
    assert {"hyperglycaemia_dose", "hyperglycaemia_insulin"} & set(taken) == {"hyperglycaemia_dose"}
    assert taken["hyperglycaemia_dose"].resource is None
    begun = offered("hyperglycaemia", *sweet)
    assert {"hyperglycaemia_dose", "hyperglycaemia_insulin"} & set(begun) == {"hyperglycaemia_insulin"}


def test_a_metabolic_acidosis_has_a_next_step_once_lactate_is_known() -> None:
    acid = (measured("ph", 7.1), measured("pco2", 30), measured("bicarbonate", 9))
    assert "acidaemia_lactate" in offered("acidaemia", *acid)
    known = offered("acidaemia", *acid, measured("lactate", 1.1))
    assert {"acidaemia_lactate", "acidaemia_cause"} & set(known) == {"acidaemia_cause"}
    assert "acidaemia_cause" not in offered(
        "acidaemia", measured("ph", 7.1), measured("pco2", 80), measured("lactate", 1)
    )


@pytest.mark.parametrize(
    ("saturation", "why"),
    [
        (87, None),
        (88, "The saturation is in the target already."),
        (92, "The saturation is in the target already."),
        (93, "The saturation is above 88-92 %: if oxygen is given, less may do."),
    ],
)
def test_a_saturation_above_a_low_target_is_not_said_to_be_in_it(saturation: float, why: str | None) -> None:
    chart = charted([measured("spo2", saturation), problem("copd")])
    view = View(situation=chart, scores=clinical_scores(chart))
    (entry,) = (one for one in CATALOGUE.topics["hypoxia"].options if one.id == "hypoxia_target_88")
    assert [read(one.reason) for one in pass_gates(entry, view)[0]] == ([why] if why else [])


@pytest.mark.parametrize(("value", "word"), [(3.4, "below 3.5"), (2.9, "below 3.0"), (2.4, "below 2.5")])
def test_a_potassium_that_a_laboratory_calls_usual_is_told_by_the_limit_it_is_below(value: float, word: str) -> None:
    found = said("hypokalaemia", measured("potassium", value))
    assert found is not None
    assert found[1] == word


@pytest.mark.parametrize(
    ("taken", "why"), [("azole_antifungals", None), ("meropenem", "Given in the last 24 hours: Meropenem.")]
)
def test_what_treats_no_bacteria_is_no_antimicrobial_given_for_sepsis(taken: str, why: str | None) -> None:
    chart = charted([drug(taken, hours=2), problem("infection"), measured("lactate", 2.4)])
    view = View(situation=chart, scores=clinical_scores(chart))
    (entry,) = (one for one in CATALOGUE.topics["sepsis"].options if one.id == "sepsis_antimicrobials")
    assert [read(one.reason) for one in pass_gates(entry, view)[0] if one.gate == "already"] == ([why] if why else [])


@pytest.mark.parametrize(
    ("taken", "told"),
    [("meropenem", True), ("antibacterials", True), ("caspofungin", True), ("tenofovir", False), ("aciclovir", False)],
)
def test_what_treats_viruses_beside_a_blood_culture_is_no_suspected_infection(taken: str, told: bool) -> None:
    ill = vital_signs(resp_rate=23, heart_rate=112, body_temp=38.6)
    found = said("sepsis", *ill, procedure("blood_culture"), drug(taken))
    assert found == ((2, "possible sepsis") if told else None)
