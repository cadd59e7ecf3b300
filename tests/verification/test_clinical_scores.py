"""Clinical scores against their published tables: every edge of every band, and golden values."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cds_app.domain.facts import CodedFinding, Fact, Measurement
from cds_app.domain.sentences import sentence
from cds_app.score.clinical.news2 import news2, qsofa
from cds_app.score.clinical.scores import clinical_scores, shock_index
from cds_app.score.clinical.sofa import sofa
from cds_app.score.result import Abstained
from tests.chart import (
    abstained,
    drug,
    finding,
    hourly_urine,
    measured,
    person,
    problem,
    procedure,
    scored,
    situation,
    stay,
)

WELL: dict[str, float] = {
    "resp_rate": 16,
    "spo2": 97,
    "sbp": 120,
    "heart_rate": 70,
    "body_temp": 37.0,
    "o2_flow": 0,
}


def vital_signs(**other: float) -> list[Fact]:
    alert: CodedFinding = finding("consciousness_acvpu", "alert")
    return [alert, *(measured(name, value) for name, value in {**WELL, **other}.items())]


NEWS2_EDGES = [
    *[("resp_rate", v, p) for v, p in [(3, 3), (8, 3), (9, 1), (11, 1), (12, 0), (20, 0), (21, 2), (24, 2), (25, 3)]],
    *[("spo2", v, p) for v, p in [(70, 3), (91, 3), (92, 2), (93, 2), (94, 1), (95, 1), (96, 0), (100, 0)]],
    *[
        ("sbp", v, p)
        for v, p in [(60, 3), (90, 3), (91, 2), (100, 2), (101, 1), (110, 1), (111, 0), (219, 0), (220, 3)]
    ],
    *[("heart_rate", v, p) for v, p in [(30, 3), (40, 3), (41, 1), (50, 1), (51, 0), (90, 0), (91, 1), (110, 1)]],
    *[("heart_rate", v, p) for v, p in [(111, 2), (130, 2), (131, 3), (200, 3)]],
    *[("body_temp", v, p) for v, p in [(34.0, 3), (35.0, 3), (35.1, 1), (36.0, 1), (36.1, 0), (38.0, 0), (38.1, 1)]],
    *[("body_temp", v, p) for v, p in [(39.0, 1), (39.1, 2), (41.0, 2)]],
    # Between the bands: whole numbers and tenths first, halves up.
    *[("resp_rate", v, p) for v, p in [(8.49, 3), (8.5, 1), (20.4, 0), (20.5, 2), (24.5, 3)]],
    *[("body_temp", v, p) for v, p in [(38.04, 0), (38.05, 1), (35.04, 3), (35.05, 1), (39.05, 2)]],
    *[("spo2", v, p) for v, p in [(91.4, 3), (91.5, 2), (95.5, 0)]],
]


@pytest.mark.parametrize(("quantity", "value", "points"), NEWS2_EDGES)
def test_news2_gives_the_points_of_the_chart(quantity: str, value: float, points: int) -> None:
    result = scored(news2(situation(*vital_signs(**{quantity: value}))))
    assert (result.value, result.bound) == (points, "=")


@pytest.mark.parametrize(
    ("value", "air", "oxygen"),
    [
        *[(83, 3, 3), (84, 2, 2), (85, 2, 2), (86, 1, 1), (87, 1, 1), (88, 0, 0), (92, 0, 0)],
        *[(93, 0, 1), (94, 0, 1), (95, 0, 2), (96, 0, 2), (97, 0, 3), (100, 0, 3)],
    ],
)
def test_news2_scale_2_reads_saturation_by_oxygen(value: float, air: int, oxygen: int) -> None:
    hypercapnic = problem("hypercapnic_respiratory_failure")
    assert scored(news2(situation(*vital_signs(spo2=value), hypercapnic))).value == air
    on_oxygen = scored(news2(situation(*vital_signs(spo2=value, o2_flow=2), hypercapnic)))
    assert on_oxygen.value == oxygen + 2
    assert on_oxygen.proviso == sentence("proviso_scale_2")


def test_news2_uses_scale_1_for_copd_without_documented_hypercapnia() -> None:
    copd = scored(news2(situation(*vital_signs(spo2=90), problem("copd"))))
    assert copd.value == 3
    assert copd.proviso == sentence("proviso_scale_1")
    assert scored(news2(situation(*vital_signs(spo2=97), problem("copd")))).proviso is None
    assert scored(news2(situation(*vital_signs(spo2=90)))).proviso is None
    both = (problem("copd"), problem("hypercapnic_respiratory_failure"))
    assert scored(news2(situation(*vital_signs(spo2=90), *both))).value == 0


@pytest.mark.parametrize(
    ("said", "points"),
    [("alert", 0), ("new_confusion", 3), ("responds_to_voice", 3), ("responds_to_pain", 3), ("unresponsive", 3)],
)
def test_news2_scores_anything_but_alert_with_3(said: str, points: int) -> None:
    signs = [one for one in vital_signs() if not isinstance(one, CodedFinding)]
    assert scored(news2(situation(*signs, finding("consciousness_acvpu", said)))).value == points


@pytest.mark.parametrize(("gcs", "points"), [(15, 0), (14, 3), (3, 3)])
def test_news2_takes_consciousness_from_the_coma_score_when_acvpu_is_missing(gcs: float, points: int) -> None:
    signs = [one for one in vital_signs() if not isinstance(one, CodedFinding)]
    assert scored(news2(situation(*signs, measured("gcs_total", gcs)))).value == points


@pytest.mark.parametrize(
    ("facts", "points"),
    [
        ([measured("o2_flow", 0)], 0),
        ([measured("o2_flow", 0.5)], 2),
        ([measured("fio2", 21)], 0),
        ([measured("fio2", 24)], 2),
        ([measured("o2_flow", 2, 3), measured("fio2", 21, 1)], 0),
        ([measured("o2_flow", 0, 1), procedure("oxygen_therapy", status="in-progress")], 2),
        ([procedure("oxygen_therapy", hours=2)], 2),
        ([drug("oxygen", hours=2)], 2),
        ([finding("oxygen_device", "room_air")], 0),
        ([finding("oxygen_device", "supplemental_oxygen"), measured("fio2", 21, 3)], 2),
    ],
)
def test_news2_decides_oxygen_by_the_newest_record(facts: list[Fact], points: int) -> None:
    signs = [one for one in vital_signs() if not (isinstance(one, Measurement) and one.variable == "o2_flow")]
    assert scored(news2(situation(*signs, *facts))).value == points


@pytest.mark.parametrize(
    ("signs", "total", "band"),
    [
        ({}, 0, "low"),
        ({"resp_rate": 22, "heart_rate": 112}, 4, "low"),
        ({"resp_rate": 25}, 3, "low-medium"),
        ({"resp_rate": 22, "heart_rate": 112, "body_temp": 38.5}, 5, "medium"),
        ({"resp_rate": 22, "heart_rate": 112, "spo2": 93}, 6, "medium"),
        ({"resp_rate": 25, "heart_rate": 112, "spo2": 93}, 7, "high"),
    ],
)
def test_news2_bands(signs: dict[str, float], total: int, band: str) -> None:
    result = scored(news2(situation(*vital_signs(**signs))))
    assert (result.value, result.band) == (total, band)


def test_news2_names_what_is_missing_and_how_old_the_stale_is() -> None:
    result = news2(situation(measured("resp_rate", 16, 30), measured("sbp", 120)))
    assert isinstance(result, Abstained)
    lacks = {lack.name: (lack.why, lack.age_h) for lack in result.reasons}
    assert lacks["resp_rate"] == ("stale", 30.0)
    assert lacks["heart_rate"] == ("missing", None)
    assert lacks["oxygen"] == ("missing", None)
    assert "sbp" not in lacks


def test_news2_says_at_least_as_soon_as_what_is_known_is_enough() -> None:
    five = scored(news2(situation(measured("resp_rate", 22), measured("heart_rate", 112), measured("sbp", 105))))
    assert (five.value, five.bound, five.band) == (5, ">=", "medium")
    single = scored(news2(situation(measured("sbp", 85))))
    assert (single.value, single.bound, single.band) == (3, ">=", "low-medium")


def test_news2_scale_2_does_not_guess_oxygen_above_the_target() -> None:
    hypercapnic, signs = problem("hypercapnic_respiratory_failure"), vital_signs(spo2=95, resp_rate=25)
    unknown = [one for one in signs if not (isinstance(one, Measurement) and one.variable == "o2_flow")]
    result = scored(news2(situation(*unknown, hypercapnic)))
    assert {lack.name for lack in result.lacks} == {"spo2", "oxygen"}


def test_news2_reads_a_bound_only_where_it_is_all_in_one_band() -> None:
    low = [one for one in vital_signs() if not (isinstance(one, Measurement) and one.variable == "spo2")]
    assert scored(news2(situation(*low, measured("spo2", 90, bound="<")))).value == 3
    assert abstained(news2(situation(*low, measured("spo2", 95, bound="<")))) == {"spo2": "bound-only"}
    assert scored(news2(situation(*low, measured("spo2", 96, bound=">=")))).value == 0
    assert abstained(news2(situation(*low, measured("spo2", 92, bound="<=")))) == {"spo2": "bound-only"}


def test_news2_is_for_16_years_and_older_outside_pregnancy() -> None:
    assert abstained(news2(situation(*vital_signs(), who=person(15)))) == {"age": "out-of-population"}
    assert scored(news2(situation(*vital_signs(), who=person(16)))).value == 0
    assert abstained(news2(situation(*vital_signs(), who=person(None)))) == {"age": "missing"}
    pregnant = situation(*vital_signs(), problem("pregnancy"), who=person(30, "female"))
    assert abstained(news2(pregnant)) == {"pregnancy": "out-of-population"}
    unknown = scored(news2(situation(*vital_signs(), who=person(30, "female"))))
    assert unknown.notes == ("Not for pregnancy, of which nothing is known",)
    assert scored(news2(situation(*vital_signs(), who=person(30, "male")))).notes == ()


@pytest.mark.parametrize(
    ("signs", "gcs", "total"),
    [
        ({"resp_rate": 21, "sbp": 101}, 15, 0),
        ({"resp_rate": 22, "sbp": 101}, 15, 1),
        ({"resp_rate": 21, "sbp": 100}, 15, 1),
        ({"resp_rate": 22, "sbp": 100}, 14, 3),
    ],
)
def test_qsofa(signs: dict[str, float], gcs: float, total: int) -> None:
    facts = [measured(name, value) for name, value in signs.items()]
    assert scored(qsofa(situation(*facts, measured("gcs_total", gcs)))).value == total


def test_qsofa_without_mentation_is_at_least_two_or_abstained() -> None:
    two = scored(qsofa(situation(measured("resp_rate", 30), measured("sbp", 80))))
    assert (two.value, two.bound) == (2, ">=")
    assert abstained(qsofa(situation(measured("resp_rate", 30), measured("sbp", 120)))) == {"consciousness": "missing"}
    old = situation(measured("resp_rate", 30), measured("gcs_total", 15, 40), measured("sbp", 120))
    assert abstained(qsofa(old)) == {"consciousness": "stale"}


SOFA_EDGES = [
    *[("platelets", v, p) for v, p in [(150, 0), (149, 1), (100, 1), (99, 2), (50, 2), (49, 3), (20, 3), (19, 4)]],
    *[("bilirubin_total", v, p) for v, p in [(1.1, 0), (1.2, 1), (1.9, 1), (2.0, 2), (5.9, 2), (6.0, 3), (11.9, 3)]],
    ("bilirubin_total", 12.0, 4),
    *[("gcs_total", v, p) for v, p in [(15, 0), (14, 1), (13, 1), (12, 2), (10, 2), (9, 3), (6, 3), (5, 4)]],
    *[("creatinine", v, p) for v, p in [(1.1, 0), (1.2, 1), (1.9, 1), (2.0, 2), (3.4, 2), (3.5, 3), (4.9, 3), (5, 4)]],
    *[("map", v, p) for v, p in [(70, 0), (69, 1)]],
]


@pytest.mark.parametrize(("quantity", "value", "points"), SOFA_EDGES)
def test_sofa_gives_the_points_of_the_table(quantity: str, value: float, points: int) -> None:
    result = scored(sofa(situation(measured(quantity, value))))
    assert (result.value, result.bound, len(result.parts)) == (points, ">=", 1)
    assert result.band == f"at least {points} of 24, from 1 of 6 parts"


@pytest.mark.parametrize(
    ("po2", "fio2", "ventilated", "points"),
    [
        *[(400, 100, False, 0), (399, 100, False, 1), (300, 100, False, 1), (299, 100, False, 2)],
        *[(200, 100, True, 2), (199, 100, True, 3), (100, 100, True, 3), (99, 100, True, 4), (99, 100, False, 2)],
        (84, 21, False, 0),
    ],
)
def test_sofa_lungs(po2: float, fio2: float, ventilated: bool, points: int) -> None:
    facts: list[Fact] = [measured("po2", po2, 2), measured("fio2", fio2, 3)]
    facts += [procedure("mechanical_ventilation", status="in-progress")] if ventilated else []
    assert scored(sofa(situation(*facts))).value == points


@pytest.mark.parametrize(
    ("name", "points"), [("norepinephrine", 3), ("epinephrine", 3), ("dopamine", 2), ("dobutamine", 2)]
)
def test_sofa_counts_a_vasopressor_with_its_least(name: str, points: int) -> None:
    result = scored(sofa(situation(drug(name), measured("map", 80))))
    assert (result.value, result.bound) == (points, ">=")


def test_sofa_takes_the_worst_of_24_hours_and_nothing_older() -> None:
    facts = [measured("platelets", 40, 25), measured("platelets", 90, 20), measured("platelets", 160, 1)]
    assert scored(sofa(situation(*facts))).value == 2


def test_sofa_with_six_exact_parts_is_exact() -> None:
    facts = [measured("platelets", 90), measured("bilirubin_total", 1.0), measured("gcs_total", 15)]
    facts += [measured("creatinine", 1.0), measured("map", 80), measured("po2", 90), measured("fio2", 21)]
    result = scored(sofa(situation(*facts)))
    assert (result.value, result.bound, result.band) == (2, "=", "2 of 24, from 6 of 6 parts")


@pytest.mark.parametrize(
    ("gcs", "hours", "said"), [(7, 3.0, True), (15, 3.0, False), (7, 30.0, False)], ids=["low", "full", "not lately"]
)
def test_sofa_says_where_a_coma_score_was_charted_under_sedation(gcs: float, hours: float, said: bool) -> None:
    slept = drug("propofol", hours=hours, end_hours=hours - 1.0)
    found = scored(sofa(situation(slept, measured("gcs_total", gcs))))
    assert found.notes == (("The coma score may be that of sedation",) if said else ())


def test_sofa_abstains_without_any_part() -> None:
    lacks = abstained(sofa(situation(measured("po2", 90), measured("platelets", 90, 30))))
    assert lacks == {
        "fio2": "missing",
        "platelets": "stale",
        "bilirubin_total": "missing",
        "map": "missing",
        "gcs_total": "missing",
        "creatinine": "missing",
    }


@pytest.mark.parametrize(("ml", "points"), [(21, 0), (20, 3), (9, 3), (8, 4)])
def test_sofa_kidney_by_urine_of_24_hours(ml: float, points: int) -> None:
    assert scored(sofa(situation(*hourly_urine(ml, 24)))).value == points
    both = scored(sofa(situation(*hourly_urine(ml, 24), measured("creatinine", 1.3))))
    assert both.value == max(points, 1)


@pytest.mark.parametrize(("pulse", "band"), [(70, "usual"), (71, "raised"), (99, "raised"), (100, "high")])
def test_shock_index(pulse: float, band: str) -> None:
    result = scored(shock_index(situation(measured("heart_rate", pulse), measured("sbp", 100))))
    assert (result.value, result.band) == (pulse / 100, band)
    assert len(result.inputs) == 2


def test_shock_index_needs_both_at_about_the_same_time() -> None:
    assert abstained(shock_index(situation(measured("heart_rate", 70)))) == {"sbp": "missing"}
    apart = situation(measured("heart_rate", 70, 3), measured("sbp", 100, 1))
    assert abstained(shock_index(apart)) == {"heart_rate": "stale"}
    apart = situation(measured("heart_rate", 70, 1), measured("sbp", 100, 3))
    assert abstained(shock_index(apart)) == {"sbp": "stale"}


def test_every_score_answers_for_a_patient_without_data() -> None:
    found = clinical_scores(situation(stay()))
    assert all(isinstance(one, Abstained) and one.reasons for one in found.values())
    assert set(found) == {"news2", "qsofa", "sofa", "kdigo", "egfr", "shock_index", "sodium_corrected"}
    assert (len(found), found.get("nothing")) == (7, None)


def test_consciousness_is_not_judged_under_sedation() -> None:
    vitals = [measured(name, value) for name, value in {**WELL, "resp_rate": 26}.items()]
    coma = measured("gcs_total", 5)
    awake = scored(news2(situation(person(60), *vitals, coma)))
    assert "consciousness" in [one.label for one in awake.parts]
    asleep = scored(
        news2(situation(person(60), *vitals, coma, replace(drug("digoxin", hours=0.5), concepts=("propofol",))))
    )
    assert [one.text for one in asleep.lacks if one.name == "consciousness"] == ["not judged under sedation"]
    over = scored(
        news2(situation(person(60), *vitals, coma, replace(drug("digoxin", hours=9), concepts=("propofol",))))
    )
    assert "consciousness" in [one.label for one in over.parts]
