"""What a situation answers about a patient, and on which facts."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cds_app.domain.facts import Demographics, gather
from cds_app.score.situation import Situation
from tests.chart import (
    NOW,
    ONTOLOGY,
    ago,
    allergy,
    drug,
    finding,
    measured,
    person,
    problem,
    procedure,
    report,
    situation,
    stay,
)


def test_age_counts_completed_years_and_admits_ambiguity() -> None:
    assert situation(who=person(70)).age_years == 70
    assert situation(who=person(70, spread_days=364)).age_years == 69
    assert situation(who=person(70, spread_days=800)).age_years is None
    assert situation(who=person(None)).age_years is None
    assert situation(who=person(-1)).age_years is None
    assert Situation(ontology=ONTOLOGY, facts=gather(()), now=NOW).age_years is None


def test_age_of_the_dead_stops_at_death() -> None:
    dead = situation(who=person(70, died_hours=24 * 365 * 5))
    assert dead.deceased
    assert dead.age_years == 65
    assert not situation(who=person(70, died_hours=-1)).deceased


def test_sex_is_told_only_where_it_is_female_or_male() -> None:
    assert situation(who=person(70, "female")).sex == "female"
    assert situation(who=person(70, "other")).sex is None


def test_the_patient_learned_last_counts() -> None:
    old, new = person(40), replace(person(70), ref="Patient/p2", learned=NOW)
    facts = gather((new, old))
    assert Situation(ontology=ONTOLOGY, facts=facts, now=NOW).age_years == 70


@pytest.mark.parametrize(
    ("who", "pregnant"),
    [
        *[(person(30, "male"), False), (person(30, "female"), None), (person(11, "female"), False)],
        *[(person(56, "female"), False), (person(None, "female"), None), (person(30, "unknown"), None)],
    ],
)
def test_pregnancy_is_not_assumed(who: Demographics, pregnant: bool | None) -> None:
    assert situation(who=who).pregnant is pregnant


def test_pregnancy_is_what_was_recorded_lately() -> None:
    who = person(30, "female")
    assert situation(problem("pregnancy"), who=who).pregnant is True
    assert situation(problem("pregnancy", hours=24 * 330), who=who).pregnant is None
    assert situation(problem("pregnancy", clinical="resolved"), who=who).pregnant is None
    assert situation(finding("pregnancy_status", "not_pregnant"), who=who).pregnant is False
    assert situation(finding("pregnancy_status", "not_pregnant", hours=24 * 330), who=who).pregnant is None


def test_measurements_are_those_up_to_now_that_are_plausible() -> None:
    facts = [measured("potassium", 4.0, 30), measured("potassium", 5.0, 3), measured("potassium", 9.9, -1)]
    chart = situation(*facts, measured("potassium", 99.0, 2, implausible=True))
    newest = chart.latest("potassium")
    assert newest is not None
    assert newest.value == 5.0
    assert chart.latest("potassium", within_h=3.0) is newest
    assert chart.latest("potassium", within_h=2.9) is None
    assert chart.latest("sodium") is None
    assert [one.value for one in chart.series("potassium")] == [4.0, 5.0]
    assert chart.quantities == ("potassium",)
    assert chart.age_h(newest) == 3.0


def test_what_two_resources_say_alike_of_one_instant_is_one_result() -> None:
    said = measured("potassium", 5.9, 3)
    again, bound = replace(said, ref="Observation/zz"), replace(said, ref="Observation/zzz", bound=">")
    rows = situation(again, said, bound, measured("potassium", 4.0, 3)).series("potassium")
    assert sorted((one.value, one.bound) for one in rows) == [(4.0, "="), (5.9, "="), (5.9, ">")]
    assert said in rows


@pytest.mark.parametrize(("usual", "unusual"), [(4.1, 6.8), (3.9, 2.4)])
def test_of_two_values_of_one_instant_the_most_unusual_counts_whatever_their_names(
    usual: float, unusual: float
) -> None:
    for names in (("a", "b"), ("b", "a")):
        rows = [measured("potassium", one, 2, ref=name) for one, name in zip((usual, unusual), names, strict=True)]
        newest = situation(*rows, measured("potassium", usual, 3)).latest("potassium")
        assert newest is not None
        assert newest.value == unusual


def test_windows_have_both_ends() -> None:
    chart = situation(*(measured("sbp", 100 + hour, hour) for hour in (0, 2, 4, 6)))
    assert [one.value for one in chart.history("sbp", 4)] == [104, 102, 100]
    assert [one.value for one in chart.history("sbp", 2, until=ago(2))] == [104, 102]
    assert chart.history("map", 4) == ()
    earlier = chart.previous("sbp", ago(2))
    assert earlier is not None
    assert earlier.value == 104
    assert chart.previous("sbp", ago(6)) is None
    assert chart.previous("map", NOW) is None


def test_extremes_are_the_newest_of_equals() -> None:
    chart = situation(*(measured("map", value, hour) for value, hour in ((60, 5), (60, 3), (80, 2), (80, 1))))
    low, high = chart.lowest("map", 6), chart.highest("map", 6)
    assert low is not None
    assert high is not None
    assert (low.when, high.when) == (ago(3), ago(1))
    assert chart.lowest("map", 0.5) is None
    assert chart.highest("map", 0.5) is None


def test_freshness_is_the_ontologys() -> None:
    chart = situation(measured("heart_rate", 80, 13), measured("potassium", 4, 13))
    assert chart.fresh("heart_rate") is None
    assert chart.fresh("potassium") is not None
    assert chart.fresh("sodium") is None
    assert chart.fresh_h("heart_rate") == 12.0


def test_coded_findings_are_found_by_variable_and_by_concept() -> None:
    facts = [finding("consciousness_acvpu", "alert", hours=9), finding("consciousness_acvpu", "unresponsive")]
    chart = situation(*facts)
    newest = chart.finding("consciousness_acvpu")
    assert newest is not None
    assert newest.concepts == ("unresponsive", "not_alert")
    assert chart.finding("consciousness_acvpu", within_h=0.5) is None
    assert chart.finding("rhythm") is None
    assert len(chart.findings("alert")) == 1
    assert chart.findings("alert", within_h=8) == ()


@pytest.mark.parametrize(
    ("clinical", "verification", "holds"),
    [
        *[("active", "confirmed", True), ("", "", True), ("recurrence", "unconfirmed", True)],
        *[("resolved", "confirmed", False), ("inactive", "", False), ("remission", "", False)],
        *[("active", "refuted", False), ("active", "entered-in-error", False), ("active", "differential", False)],
    ],
)
def test_problems_hold_by_their_status(clinical: str, verification: str, holds: bool) -> None:
    chart = situation(problem("acute_heart_failure", clinical=clinical, verification=verification))
    assert bool(chart.conditions("heart_failure")) is holds


def test_a_problem_that_abated_or_begins_later_does_not_hold() -> None:
    assert situation(problem("copd", abated_hours=1)).conditions("copd") == ()
    assert situation(problem("copd", abated_hours=-1)).conditions("copd") != ()
    assert situation(problem("copd", hours=-1)).conditions("copd") == ()


BACTERIAL = ("beta_lactams", "antibacterials", "antimicrobials")


@pytest.mark.parametrize(
    ("recorded", "asked", "relation", "via"),
    [
        ("amoxicillin", "amoxicillin", "named", ("amoxicillin",)),
        ("penicillins", "piperacillin_tazobactam", "class", ("penicillins",)),
        ("amoxicillin", "penicillins", "member", ("penicillins",)),
        ("amoxicillin", "piperacillin_tazobactam", "cross", ("penicillins", *BACTERIAL)),
        ("ceftriaxone", "piperacillin_tazobactam", "cross", BACTERIAL),
    ],
)
def test_allergies_speak_by_name_class_member_or_cross(
    recorded: str, asked: str, relation: str, via: tuple[str, ...]
) -> None:
    (match,) = situation(allergy(recorded)).allergies(asked)
    assert (match.relation, match.via) == (relation, via)


def test_allergies_that_do_not_concern_the_drug_or_do_not_hold_are_left_out() -> None:
    assert situation(allergy("furosemide")).allergies("amoxicillin") == ()
    assert situation(allergy("amoxicillin", verification="refuted")).allergies("amoxicillin") == ()
    assert situation(allergy("amoxicillin", clinical="resolved")).allergies("amoxicillin") == ()
    assert situation(allergy("amoxicillin", verification="unconfirmed")).allergies("amoxicillin") != ()


def test_a_concept_that_this_ontology_does_not_know_is_left_out() -> None:
    strange = replace(allergy("amoxicillin"), concepts=("amoxicillin", "removed_in_this_version"))
    (match,) = situation(strange).allergies("amoxicillin")
    assert match.relation == "named"


def test_given_are_administrations_in_the_window_or_still_running() -> None:
    facts = [drug("norepinephrine", hours=30), drug("norepinephrine", hours=20, end_hours=5)]
    chart = situation(
        *facts, drug("norepinephrine", hours=40, status="in-progress"), drug("digoxin", status="not-done")
    )
    assert [chart.age_h(one) for one in chart.given("vasopressors", 6)] == [40.0, 20.0]
    assert chart.given("digoxin", 24) == ()
    assert chart.given("insulins", 24) == ()


def test_ordered_are_standing_orders() -> None:
    facts = [
        drug("lisinopril", source="request", hours=50),
        drug("lisinopril", source="request", hours=5, status="on-hold"),
        drug("lisinopril", source="request", status="stopped"),
        drug("lisinopril", source="request", status="draft"),
        drug("lisinopril", source="request", intent="proposal"),
        drug("lisinopril", source="request", end_hours=1),
        drug("lisinopril", source="statement"),
        drug("lisinopril"),
    ]
    chart = situation(*facts)
    assert [chart.age_h(one) for one in chart.ordered("raas_inhibitors")] == [50.0, 5.0]
    assert len(chart.ordered("raas_inhibitors", within_h=6)) == 1


def test_medications_are_what_is_taken() -> None:
    assert situation(drug("ibuprofen", source="request")).medications("nsaids") != ()
    assert situation(drug("ibuprofen", source="request", status="on-hold")).medications("nsaids") == ()
    assert situation(drug("ibuprofen", source="statement")).medications("nsaids") != ()
    assert situation(drug("ibuprofen", source="statement", end_hours=2)).medications("nsaids") == ()
    assert situation(drug("ibuprofen", source="statement", status="completed")).medications("nsaids") == ()
    assert situation(drug("ibuprofen", hours=23)).medications("nsaids") != ()
    assert situation(drug("ibuprofen", hours=25)).medications("nsaids") == ()
    assert situation(drug("ibuprofen", hours=25)).medications("nsaids", given_within_h=48) != ()


def test_procedures_done_ordered_and_reported_are_apart() -> None:
    facts = [
        procedure("ecg", hours=3),
        procedure("ecg", source="request", hours=5),
        procedure("ecg", source="request", status="revoked", hours=1),
        procedure("ecg", status="not-done", hours=1),
        report("ecg", hours=2),
        report("ecg", hours=1, status="registered"),
    ]
    chart = situation(*facts)
    assert [chart.age_h(one) for one in chart.procedures_done("ecg")] == [3.0]
    assert chart.procedures_done("ecg", within_h=2) == ()
    assert [chart.age_h(one) for one in chart.procedures_ordered("ecg", within_h=6)] == [5.0]
    assert [chart.age_h(one) for one in chart.reported("ecg", within_h=6)] == [2.0]


def test_the_running_stay_is_the_one_begun_last() -> None:
    chart = situation(
        stay(hours=72), stay(hours=24, text="Medical ICU"), stay(hours=100, status="finished", end_hours=80)
    )
    assert chart.stay is not None
    assert chart.age_h(chart.stay) == 24.0
    assert chart.inpatient
    assert chart.hospital_start == ago(72)
    assert chart.icu_start == ago(24)


def test_without_a_running_stay_the_patient_is_not_in_hospital() -> None:
    chart = situation(stay(status="planned"), stay(status="in-progress", end_hours=1))
    assert chart.stay is None
    assert not chart.inpatient
    assert chart.hospital_start is None
    assert chart.icu_start is None
    assert not situation(stay(class_code="AMB")).inpatient
    assert situation(stay(status="finished", end_hours=-1)).inpatient


def test_intensive_care_is_also_known_by_an_admission_procedure_of_this_stay() -> None:
    moved = procedure("icu_admission", hours=10)
    assert situation(stay(hours=48), moved).icu_start == ago(10)
    assert situation(stay(hours=5), moved).icu_start is None


def test_facts_out_of_order_are_put_in_order() -> None:
    facts = gather((measured("sbp", 1, 1), measured("sbp", 2, 2)))
    chart = Situation(ontology=ONTOLOGY, facts=facts, now=NOW)
    assert [one.value for one in chart.series("sbp")] == [2, 1]
