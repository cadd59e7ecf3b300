"""What the pages claim of numbers is what those numbers are."""

from __future__ import annotations

import html

import pytest

from cds_app.deps import Deps
from tests.bedside import Bed, bed_of
from tests.conftest import FROZEN
from tests.patients import septic
from tests.unit.services.test_deciding import resources


@pytest.fixture
def bed(deps: Deps) -> Bed:
    return bed_of(deps, resources(septic(FROZEN)), FROZEN)


def test_of_a_patients_usual_no_share_of_values_is_claimed(bed: Bed) -> None:
    page = bed.sidebar.trend(bed.asking(), "heart_rate", 24)
    assert "What the twin takes for usual in this patient by now: " in page
    assert "100 values" not in page


def test_what_an_estimate_was_worth_is_told_of_patients_and_their_stay(bed: Bed, deps: Deps) -> None:
    page = html.unescape(bed.sidebar.why(bed.asking(), "sepsis"))
    tiers = deps.knowledge.learned.artefacts["sepsis"].manifest["tiers"]
    said = [f"whose estimate reached “{one['name']}”, {one['of_100']} had sepsis in that stay." for one in tiers]
    assert sum(one in page for one in said) == 1


def test_what_holds_an_option_back_is_said_once(bed: Bed) -> None:
    page = bed.sidebar.options(bed.asking())
    assert "Not known whether it applies, for lack of" in page
    assert "<strong>Not known whether it applies.</strong>" not in page
