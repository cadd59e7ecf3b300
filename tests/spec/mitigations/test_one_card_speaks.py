"""Of one thing one topic speaks, and what is alike but another thing has its own."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cds_app.domain.facts import Fact
from tests.chart import drug, measured, problem
from tests.spec.mitigations.concerns import judged, offered, said

DEEP = (measured("glucose", 540), measured("ketones_bhb", 6.0), measured("ph", 7.08), measured("bicarbonate", 7))
INSULIN = drug("insulin_regular", hours=2)


@pytest.mark.parametrize(
    "chart",
    [
        [*DEEP],
        [*DEEP, measured("pco2", 18)],
        [measured("glucose", 420), measured("ph", 7.05), problem("type_1_diabetes", hours=9000)],
        [measured("bicarbonate", 9), measured("ph", 7.1), problem("diabetic_ketoacidosis", hours=5)],
        [measured("glucose", 700, 5), *DEEP, INSULIN, measured("ph", 7.01, 5)],
    ],
)
def test_of_ketoacidosis_high_glucose_speaks_and_acidaemia_does_not(chart: Sequence[Fact]) -> None:
    assert said("acidaemia", *chart) is None


def test_it_says_the_ph_that_acidaemia_would_have_said() -> None:
    assert said("hyperglycaemia", *DEEP) == (3, "possible ketoacidosis")
    assert "ph" in {one.quantity for one in judged(*DEEP)[0]["hyperglycaemia"].readings}


@pytest.mark.parametrize(
    "chart",
    [
        [*DEEP, measured("pco2", 62)],
        [measured("ph", 7.1)],
        [measured("ph", 7.1), measured("glucose", 300)],
        [measured("ph", 7.1), measured("glucose", 150), measured("ketones_bhb", 5.0)],
        [measured("glucose", 520), measured("ph", 7.1), measured("ketones_bhb", 0.4)],
        [measured("glucose", 700, 5), *DEEP, INSULIN, measured("ph", 7.19, 5)],
    ],
)
def test_of_any_other_acidaemia_and_of_one_that_deepens_on_insulin_it_speaks(chart: Sequence[Fact]) -> None:
    assert said("acidaemia", *chart) == (3, "severe, pH below 7.20")


def test_ketones_of_yesterday_do_not_keep_ketoacidosis_from_being_thought_of() -> None:
    chart = (measured("glucose", 520), measured("ph", 7.1), measured("ketones_bhb", 0.3, 20))
    assert said("hyperglycaemia", *chart) == (3, "possible ketoacidosis")


@pytest.mark.parametrize(("level", "told"), [(5.0, (2, "amikacin trough 5 or above")), (4.9, None)])
def test_a_trough_of_amikacin_has_a_limit_of_its_own(level: float, told: tuple[int, str] | None) -> None:
    chart = (measured("amikacin_trough", level), drug("amikacin"))
    assert said("aminoglycoside", *chart) == told
    if told:
        assert {"aminoglycoside_interval", "aminoglycoside_level_amikacin"} <= set(offered("aminoglycoside", *chart))
        assert "aminoglycoside_level" not in offered("aminoglycoside", *chart)
        assert not {"gentamicin_trough", "tobramycin_trough"} & set(judged(*chart)[0]["aminoglycoside"].unknown)


def test_with_an_aldosterone_antagonist_a_potassium_of_5_5_is_for_today() -> None:
    spironolactone = drug("mras", source="request")
    assert said("hyperkalaemia", measured("potassium", 5.6), spironolactone) == (2, "mild, with an MRA")
    assert "hyperkalaemia_hold" in offered("hyperkalaemia", measured("potassium", 5.6), spironolactone)
    assert said("hyperkalaemia", measured("potassium", 5.6)) == (1, "mild")
    assert said("hyperkalaemia", measured("potassium", 6.1), spironolactone) == (2, "moderate")
    on_dialysis = problem("dialysis_dependence", hours=9000)
    assert said("hyperkalaemia", measured("potassium", 5.6), spironolactone, on_dialysis) is None


def test_with_an_ace_inhibitor_alone_a_potassium_of_5_6_is_mild() -> None:
    """As the UK Kidney Association (2023) grades it; a draft of one meets its own check, from 5.5 on."""
    ramipril = drug("ace_inhibitors", source="request")
    assert said("hyperkalaemia", measured("potassium", 5.6), ramipril) == (1, "mild")
    assert said("hyperkalaemia", measured("potassium", 6.0), ramipril) == (2, "moderate")
