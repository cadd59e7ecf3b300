"""Every shipped model by simulation-based calibration: true values rank evenly, 90 % intervals hold 88 to 92 %."""

from __future__ import annotations

import numpy as np
import pytest

from cds_app.learn.kinetics.invented import PEOPLE, Ranks, held, held_together, plans_of
from tests.unit.simulate.pharmacy import drug

pytestmark = [pytest.mark.slow, pytest.mark.soak]

DRUGS = ("gentamicin", "meropenem", "propofol", "tacrolimus", "tobramycin", "vancomycin", "warfarin")


@pytest.mark.parametrize("name", DRUGS)
def test_every_model_of_a_drug_is_calibrated(name: str) -> None:
    rng, one = np.random.default_rng(20), drug(name)
    for model in one.models:
        _is_calibrated(held(model, plans_of(one), people=PEOPLE, rng=rng))


@pytest.mark.parametrize("name", ["gentamicin", "tacrolimus", "tobramycin", "vancomycin"])
def test_models_that_are_mixed_are_calibrated_together(name: str) -> None:
    _is_calibrated(held_together(drug(name), people=PEOPLE, rng=np.random.default_rng(21)))


def _is_calibrated(ranks: Ranks) -> None:
    found = ranks.figures()
    for within in ("level_within_90", "course_within_90"):
        assert 0.88 <= found[within]["share"] <= 0.92
    assert found["uneven_p"] > 0.001
    assert found["refused"] <= PEOPLE // 100
