"""What is offered goes by where the patient is in the illness: awake, ventilated, in intensive care, on a ward."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cds_app.domain.facts import Fact
from tests.chart import drug, measured, problem, procedure, stay
from tests.spec.mitigations.concerns import cautions, offered, said

OLD = problem("heart_failure", hours=9000)
ACUTE = problem("acute_heart_failure", hours=20)
STRETCHED = measured("ntprobnp", 2400, 20)


@pytest.mark.parametrize(
    ("chart", "told"),
    [
        ([ACUTE, measured("sbp", 84)], (3, "with low pressure")),
        ([ACUTE, measured("spo2", 86)], (3, "with low oxygen")),
        ([OLD, STRETCHED, measured("sbp", 84)], (3, "possible, with low pressure")),
        ([OLD, STRETCHED, measured("spo2", 86)], (3, "possible, with low oxygen")),
        ([OLD, measured("sbp", 84)], None),
    ],
)
def test_heart_failure_of_old_with_a_low_pressure_is_possibly_acute(
    chart: Sequence[Fact], told: tuple[int, str] | None
) -> None:
    assert said("acute_hf", *chart) == told


def test_what_comes_before_discharge_is_not_told_in_intensive_care() -> None:
    signs = [ACUTE, measured("resp_rate", 24), measured("sbp", 120), measured("spo2", 95)]
    assert "acute_hf_discharge" in offered("acute_hf", *signs, stay(text="Cardiology ward"))
    assert "acute_hf_discharge" not in offered("acute_hf", *signs, stay(text="Intensive care unit"))


def test_who_is_ventilated_is_offered_the_ventilator() -> None:
    blood = [measured("ph", 7.12), measured("pco2", 71)]
    assert "acidaemia_ventilator" in offered("acidaemia", *blood, procedure("mechanical_ventilation", hours=2))
    assert "acidaemia_ventilator" not in offered("acidaemia", *blood)
    clear = [measured("ph", 7.12), measured("pco2", 38)]
    assert "acidaemia_ventilator" not in offered("acidaemia", *clear, procedure("mechanical_ventilation", hours=2))


@pytest.mark.parametrize(("glucose", "alone"), [(251, True), (250, False), (140, False)])
def test_insulin_for_potassium_may_do_without_glucose_where_that_is_high(glucose: float, alone: bool) -> None:
    chart = [measured("potassium", 6.8), measured("glucose", glucose)]
    texts = cautions("hyperkalaemia", "hyperkalaemia_insulin", *chart)
    assert any("insulin without glucose may do" in one for one in texts) is alone


def test_who_was_given_warfarin_before_may_take_it_still() -> None:
    high = measured("inr", 6.5)
    assert "coagulopathy_warfarin" in offered("coagulopathy", high, drug("warfarin", hours=800))
    assert "coagulopathy_warfarin" not in offered("coagulopathy", high)
    assert "coagulopathy_warfarin" not in offered("coagulopathy", high, drug("warfarin", hours=5000))


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (measured("wbc", 240, 20), True),
        (measured("platelets", 1400, 20), True),
        (measured("wbc", 24, 20), False),
        (measured("wbc", 240, 90), False),
    ],
)
def test_potassium_may_have_left_very_many_cells_in_the_tube(cells: Fact, told: bool) -> None:
    found = offered("hyperkalaemia", measured("potassium", 6.8), cells)
    assert ("hyperkalaemia_cells" in found) is told
    assert "hyperkalaemia_calcium" in found
