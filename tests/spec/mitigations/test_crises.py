"""Adrenal crisis, severe hypertension in pregnancy, and high calcium."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cds_app.domain.facts import Fact
from tests.chart import allergy, drug, measured, person, problem
from tests.sentences import read
from tests.spec.mitigations.concerns import cautions, offered, refusals, said

ADDISON = problem("adrenal_insufficiency", hours=20000)
LONG = (drug("prednisolone", source="request", hours=1000),)
LOW = (measured("sbp", 82), measured("sbp", 84, 1.5))


@pytest.mark.parametrize(
    ("chart", "told"),
    [
        ([ADDISON, *LOW], (3, "low pressure with adrenal insufficiency")),
        ([ADDISON, measured("sodium", 124)], (2, "low sodium with adrenal insufficiency")),
        ([ADDISON, measured("glucose", 60)], (2, "low glucose with adrenal insufficiency")),
        ([ADDISON, measured("sodium", 136), measured("sbp", 120)], None),
        ([ADDISON, *LOW, drug("methylprednisolone", hours=3)], None),
        ([*LONG, *LOW, measured("sodium", 126)], (3, "low pressure after long steroids")),
        ([*LONG, *LOW], (2, "low pressure after long steroids")),
        ([*LONG, LOW[0]], None),
        ([*LONG, measured("sodium", 126)], None),
        ([drug("prednisolone", source="request", hours=100), *LOW, measured("sodium", 126)], None),
        ([drug("prednisolone", hours=900), *LOW, measured("sodium", 126)], None),  # given once, five weeks ago
        ([*LOW, measured("sodium", 126)], None),
    ],
)
def test_who_lacks_cortisol_and_is_in_shock_may_be_in_adrenal_crisis(
    chart: Sequence[Fact], told: tuple[int, str] | None
) -> None:
    assert said("adrenal_crisis", *chart) == told


def test_hydrocortisone_comes_first_and_sodium_is_watched() -> None:
    found = offered("adrenal_crisis", ADDISON, *LOW, measured("sodium", 118), measured("glucose", 55))
    assert list(found)[:2] == ["adrenal_hydrocortisone", "adrenal_fluid"]
    assert "adrenal_glucose" in found
    assert any("rise fast" in read(one.said) for one in found["adrenal_fluid"].cautions)


PREGNANT = problem("pregnancy", hours=3000)


@pytest.mark.parametrize(
    ("chart", "told"),
    [
        ([PREGNANT, measured("sbp", 168), measured("sbp", 162, 2)], (3, "160 systolic or above, lasting")),
        ([PREGNANT, measured("dbp", 112), measured("dbp", 110, 2)], (3, "110 diastolic or above, lasting")),
        ([PREGNANT, measured("sbp", 168), measured("sbp", 130, 2)], (2, "160 systolic or above")),
        ([PREGNANT, measured("dbp", 112)], (2, "110 diastolic or above")),
        ([PREGNANT, measured("sbp", 134), measured("sbp", 168, 2), measured("sbp", 170, 3)], None),
        ([problem("pre_eclampsia"), measured("sbp", 168)], (3, "160 systolic or above, pre-eclampsia")),
        ([problem("pregnancy", hours=8000), measured("sbp", 168)], None),
        ([measured("sbp", 168), person(30, sex="female")], None),
    ],
)
def test_a_pressure_of_160_over_110_in_pregnancy_is_told(chart: Sequence[Fact], told: tuple[int, str] | None) -> None:
    assert said("pregnancy_hypertension", *chart) == told


def test_what_lowers_the_pressure_goes_by_the_patient() -> None:
    severe = [problem("pre_eclampsia"), measured("sbp", 168), measured("sbp", 166, 1.2)]
    found = offered("pregnancy_hypertension", *severe, problem("asthma"), allergy("labetalol"))
    texts = [read(one.said) for one in found["pregnancy_pressure_drugs"].cautions]
    assert "Allergy recorded: not labetalol." in texts
    assert any(one.startswith("Asthma") for one in texts)
    assert "pregnancy_pressure_magnesium" in found
    assert "pregnancy_pressure_again" not in found
    once = offered("pregnancy_hypertension", PREGNANT, measured("sbp", 168))
    assert "pregnancy_pressure_again" in once
    assert "pregnancy_pressure_magnesium" not in once


@pytest.mark.parametrize(
    ("chart", "told"),
    [
        ([measured("calcium", 15.0)], (3, "above 14 mg/dL (3.5 mmol/L)")),
        ([measured("calcium_adjusted", 14.1)], (3, "above 14 mg/dL (3.5 mmol/L)")),
        ([measured("calcium_ionized", 1.9)], (3, "ionised 1.75 mmol/L or above")),
        ([measured("calcium", 12.6), measured("albumin", 1.8)], (3, "above 14 mg/dL (3.5 mmol/L) for the albumin")),
        ([measured("calcium", 12.6), measured("albumin", 4.0)], (2, "above 12 mg/dL (3.0 mmol/L)")),
        ([measured("calcium", 11.4), measured("albumin", 2.8)], (2, "above 12 mg/dL (3.0 mmol/L) for the albumin")),
        ([measured("calcium_ionized", 1.5)], (2, "ionised 1.5 mmol/L or above")),
        ([measured("calcium", 11.4), measured("albumin", 3.8)], None),
        ([measured("calcium", 11.4)], None),
    ],
)
def test_high_calcium_is_told_by_what_the_albumin_leaves(chart: Sequence[Fact], told: tuple[int, str] | None) -> None:
    assert said("hypercalcaemia", *chart) == told


def test_high_calcium_is_treated_with_fluid_first() -> None:
    high = [measured("calcium", 15.0), measured("creatinine", 1.0), person(66, sex="female")]
    assert list(offered("hypercalcaemia", *high))[:2] == ["hypercalcaemia_fluid", "hypercalcaemia_bisphosphonate"]
    kidneys = [high[0], measured("creatinine", 4.0), high[2]]
    assert refusals("hypercalcaemia", *kidneys)["hypercalcaemia_bisphosphonate"].startswith("eGFR")
    assert "hypercalcaemia_dialysis" in offered("hypercalcaemia", *kidneys)
    taken = cautions("hypercalcaemia", "hypercalcaemia_stop", *high, drug("indapamide", source="request"))
    assert "Taken: Indapamide." in taken


def test_a_total_calcium_is_not_treated_where_the_ionised_is_usual() -> None:
    found = offered("hypercalcaemia", measured("calcium", 12.8), measured("calcium_ionized", 1.1))
    assert "hypercalcaemia_citrate" in found


def test_magnesium_accumulates_where_creatinine_is_raised() -> None:
    severe = [problem("pre_eclampsia"), measured("sbp", 168), measured("creatinine", 1.6)]
    assert any(
        "accumulates" in one for one in cautions("pregnancy_hypertension", "pregnancy_pressure_magnesium", *severe)
    )
    assert refusals("pregnancy_hypertension", *severe, drug("magnesium_sulfate", hours=3))[
        "pregnancy_pressure_magnesium"
    ].startswith("Given")
