"""KDIGO staging and CKD-EPI 2021 against their published tables: windows, multiples and golden values."""

from __future__ import annotations

import pytest

from cds_app.domain.facts import Measurement
from cds_app.domain.sentences import sentence
from cds_app.score.clinical.kidney import ckd_epi_2021, cockcroft_gault, egfr, filtration_category, kdigo, on_dialysis
from cds_app.score.result import Abstained
from tests.chart import abstained, drug, hourly_urine, measured, person, problem, procedure, scored, situation


@pytest.mark.parametrize(
    ("before", "now", "hours", "stage"),
    [
        (1.0, 1.29, 48, 0),
        (1.0, 1.3, 48, 1),
        (0.9, 1.2, 47, 1),
        (3.0, 3.2997, 24, 1),  # 26.5 umol/L, as the guideline gives it
        (3.0, 3.3, 49, 0),
        (1.0, 1.49, 168, 0),
        (1.0, 1.5, 168, 1),
        (1.0, 1.99, 168, 1),
        (1.0, 2.0, 168, 2),
        (1.0, 2.99, 168, 2),
        (1.0, 3.0, 168, 3),
        (3.9, 4.0, 24, 0),
        (3.6, 4.0, 24, 3),
        (2.5, 4.0, 160, 3),
    ],
)
def test_kdigo_by_creatinine(before: float, now: float, hours: float, stage: int) -> None:
    facts = [measured("creatinine", before, hours + 1), measured("creatinine", now, 1)]
    result = scored(kdigo(situation(*facts)))
    assert (result.value, result.bound) == (stage, ">=")


def test_kdigo_baseline_is_the_median_of_the_year_where_the_week_is_empty() -> None:
    year = [measured("creatinine", value, 24.0 * day) for value, day in ((0.8, 300), (1.0, 100), (2.0, 30))]
    result = scored(kdigo(situation(*year, measured("creatinine", 2.0, 1))))
    assert result.value == 2
    assert result.parts[0].label == "creatinine 2.00 times the year's median of 1.00 mg/dL, none in the week before"
    assert [one.value for one in result.parts[0].evidence if isinstance(one, Measurement)] == [1.0, 2.0]
    week = [*year, measured("creatinine", 1.8, 100)]
    within = scored(kdigo(situation(*week, measured("creatinine", 2.0, 1))))
    assert within.value == 0
    assert within.parts[0].label == "creatinine 1.11 times the week's lowest of 1.80 mg/dL"


@pytest.mark.parametrize(
    ("course", "stage", "said"),
    [
        # comes with an injury: on the second day nothing lower is in the week
        ([(0.96, 300), (2.15, 25), (2.04, 1)], 2, "creatinine 2.12 times the 0.96 mg/dL before the week"),
        ([(0.9, 3000), (1.0, 2000), (0.8, 300), (2.15, 25), (2.04, 1)], 2, "times the year's median of 0.90 mg/dL"),
        # rose months ago and stays
        ([(0.9, 8000), (0.9, 6000), (1.6, 400), (1.6, 60), (1.6, 1)], 0, "the week's lowest of 1.60 mg/dL"),
        ([(1.2, 300), (0.9, 60), (1.4, 1)], 1, "creatinine 1.56 times the week's lowest of 0.90 mg/dL"),
    ],
)
def test_kdigo_baseline_is_of_before_the_week_where_that_was_lower(
    course: list[tuple[float, float]], stage: int, said: str
) -> None:
    result = scored(kdigo(situation(*(measured("creatinine", value, hours) for value, hours in course))))
    assert result.value == stage
    assert any(said in part.label for part in result.parts)


def test_kdigo_abstains_with_one_creatinine_only() -> None:
    lacks = abstained(kdigo(situation(measured("creatinine", 5.0, 1))))
    assert lacks == {"creatinine": "missing", "body_weight": "missing"}
    assert abstained(kdigo(situation(measured("creatinine", 1.0, 400))))["creatinine"] == "stale"
    low = kdigo(situation(measured("creatinine", 0.2, 1, bound="<")))
    assert abstained(low)["creatinine"] == "bound-only"


@pytest.mark.parametrize(
    ("ml", "hours", "stage"),
    [
        (50, 6, 0),
        (49, 5, None),
        (49, 6, 1),
        (49, 11, 1),
        (49, 12, 2),
        (29, 12, 2),
        (29, 24, 3),
        (30, 24, 2),
        (4, 12, 3),
    ],
)
def test_kdigo_by_urine_of_100_kg(ml: float, hours: int, stage: int | None) -> None:
    result = kdigo(situation(*hourly_urine(ml, hours), measured("body_weight", 100, 100)))
    if stage is None:
        assert abstained(result)["urine_output"] == "stale"
    else:
        assert scored(result).value == stage


@pytest.mark.parametrize(
    ("ml", "told"),
    [(50, "0.50"), (49.8, "0.498"), (49.9999, "0.499999"), (49, "0.49"), (70, "0.70"), (29.97, "0.2997")],
)
def test_urine_output_is_told_on_the_side_of_the_limit_where_it_is(ml: float, told: str) -> None:
    result = scored(kdigo(situation(*hourly_urine(ml, 24), measured("body_weight", 100, 100))))
    assert result.parts[0].finding.startswith(f"{told} mL/kg/h over ")


def test_urine_output_at_the_limit_is_at_it_whatever_the_sums_of_floating_point_say() -> None:
    for tenths in range(400, 1200):
        weight = tenths / 10
        result = scored(kdigo(situation(*hourly_urine(0.5 * weight, 6), measured("body_weight", weight, 100))))
        assert (result.value, result.parts[0].finding) == (0, "0.50 mL/kg/h over 6 h")


def test_kdigo_does_not_read_a_gap_in_charting_as_dry() -> None:
    gap = [measured("urine_output", 10, hour) for hour in (0, 1, 5, 6, 7)]
    assert abstained(kdigo(situation(*gap, measured("body_weight", 80)))) == {
        "creatinine": "missing",
        "urine_output": "stale",
    }
    bound = [*hourly_urine(10, 7)[1:], measured("urine_output", 10, 0, bound="<")]
    assert "urine_output" in abstained(kdigo(situation(*bound, measured("body_weight", 80))))
    none = kdigo(situation(measured("body_weight", 80)))
    assert abstained(none)["urine_output"] == "missing"


def test_solutions_of_renal_replacement_tell_of_it_and_are_no_stage_of_their_own() -> None:
    for hours, dialysed in ((2, True), (90, True), (100, False)):
        chart = situation(drug("renal_replacement_solution", hours=hours))
        assert bool(on_dialysis(chart)) is dialysed
        assert isinstance(kdigo(chart), Abstained)
    assert on_dialysis(situation(drug("renal_replacement_solution", source="request", hours=200)))
    assert not on_dialysis(situation(drug("renal_replacement_solution", source="request", status="cancelled")))


def test_kdigo_counts_renal_replacement_as_stage_3_and_leaves_long_term_dialysis_out() -> None:
    assert scored(kdigo(situation(procedure("renal_replacement_therapy", hours=40)))).value == 3
    assert isinstance(kdigo(situation(procedure("renal_replacement_therapy", hours=60))), Abstained)
    dialysed = situation(procedure("renal_replacement_therapy"), problem("end_stage_renal_disease"))
    assert abstained(kdigo(dialysed)) == {"creatinine": "unsuitable"}


def test_kdigo_of_a_kidney_that_was_transplanted_is_staged_whatever_the_list_still_says() -> None:
    rising = (measured("creatinine", 1.2, 30), measured("creatinine", 2.6, 1))
    old, graft = problem("end_stage_renal_disease", hours=50_000), problem("kidney_transplant", hours=20_000)
    assert scored(kdigo(situation(*rising, old, graft))).value == 2
    same_day = problem("kidney_transplant", hours=50_000)
    assert scored(kdigo(situation(*rising, old, same_day))).value == 2
    for other in (problem("dialysis_dependence"), problem("end_stage_renal_disease", hours=900)):
        assert isinstance(kdigo(situation(*rising, old, graft, other)), Abstained)


def test_a_graft_that_failed_is_no_kidney_that_hides_the_end_stage() -> None:
    rising = (measured("creatinine", 1.9, 30), measured("creatinine", 3.9, 1))
    chart = (*rising, problem("end_stage_renal_disease", hours=50_000), problem("kidney_transplant", hours=20_000))
    failed = problem("kidney_graft_failure", hours=4_000)
    assert isinstance(kdigo(situation(*chart, failed)), Abstained)
    assert isinstance(kdigo(situation(*chart[:3], failed)), Abstained)
    another = problem("kidney_transplant", hours=1_000)
    assert scored(kdigo(situation(*chart, failed, another))).value == 2


@pytest.mark.parametrize(
    ("weight", "height", "obese"),
    [(120.0, None, False), (96.7, 180.0, False), (97.5, 180.0, True)],
)
def test_an_output_that_counts_says_by_which_weight(weight: float, height: float | None, obese: bool) -> None:
    body = [measured("body_weight", weight), *([] if height is None else [measured("body_height", height)])]
    assert scored(kdigo(situation(*hourly_urine(40, 12), *body))).proviso == sentence(
        "proviso_weight", weight_kg=f"{weight:g}", obese=obese
    )
    assert scored(kdigo(situation(*hourly_urine(80, 12), *body))).proviso is None


def test_kdigo_is_exact_when_urine_can_be_judged_too() -> None:
    facts = [measured("creatinine", 1.0, 20), measured("creatinine", 1.0, 1), measured("body_weight", 80)]
    result = scored(kdigo(situation(*facts, *hourly_urine(80, 6), who=person(12))))
    assert (result.value, result.bound, result.band) == (0, "=", "no criterion met")
    assert result.notes == ("Under 18 years: the eGFR criterion is not applied",)


@pytest.mark.parametrize(
    ("creatinine", "age", "sex", "golden"),
    [(1.0, 60, "male", 86.2), (1.0, 60, "female", 64.5), (0.6, 30, "female", 123.8), (2.5, 70, "male", 27.0)],
)
def test_ckd_epi_2021_golden_values(creatinine: float, age: float, sex: str, golden: float) -> None:
    found = ckd_epi_2021(creatinine, age, "female" if sex == "female" else "male")
    assert found == pytest.approx(golden, abs=0.05)  # printed to one decimal


def test_egfr_reads_age_sex_and_the_newest_creatinine() -> None:
    result = scored(egfr(situation(measured("creatinine", 9.0, 40), measured("creatinine", 2.5), who=person(70))))
    assert result.value == pytest.approx(27.0, abs=0.05)
    assert result.band == "G4"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        *[(90, "G1"), (89.9, "G2"), (60, "G2"), (59, "G3a"), (45, "G3a"), (44, "G3b"), (30, "G3b"), (29, "G4")],
        (14, "G5"),
    ],
)
def test_filtration_categories(value: float, name: str) -> None:
    assert filtration_category(value) == name


def test_egfr_says_when_it_is_not_valid_and_abstains_where_it_was_not_made_for() -> None:
    rising = [measured("creatinine", 1.0, 30), measured("creatinine", 2.0, 1)]
    assert scored(egfr(situation(*rising))).notes == ("Creatinine is changing: eGFR does not show filtration",)
    assert scored(egfr(situation(measured("creatinine", 1.0, 30), measured("creatinine", 1.0, 1)))).notes == ()
    child = situation(measured("creatinine", 0.5), who=person(12))
    assert abstained(egfr(child)) == {"age": "out-of-population"}
    unknown = situation(measured("creatinine", 0.5, 200), who=person(None, "unknown"))
    assert abstained(egfr(unknown)) == {"creatinine": "stale", "age": "missing", "sex": "missing"}
    dialysed = situation(measured("creatinine", 5.0), problem("dialysis_dependence"))
    assert abstained(egfr(dialysed)) == {"creatinine": "unsuitable"}


def test_creatinine_clearance_by_cockcroft_and_gault() -> None:
    assert cockcroft_gault(1.0, 60.0, "male", 72.0) == 80.0
    assert cockcroft_gault(1.0, 60.0, "female", 72.0) == 68.0
    assert cockcroft_gault(2.0, 60.0, "male", 36.0) == 20.0
