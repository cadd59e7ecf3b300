"""Where a patient lies, by the names of encounters and of their places."""

from __future__ import annotations

import pytest

from cds_app.domain.facts import Stay
from cds_app.score.whereabouts import KINDS, Unit, running, unit_of
from tests.chart import NOW, ago, place, stay


def unit(*stays: Stay) -> Unit | None:
    return unit_of(running(stays, NOW), NOW)


@pytest.mark.parametrize(
    "name",
    ["MICU Bed 3", "Trauma SICU (TSICU)", "CVICU", "Coronary Care Unit (CCU)", "Intensive Care Unit", "ITU"],
)
def test_a_place_that_is_named_intensive_care_is(name: str) -> None:
    assert unit(stay(places=(place(name),))) is not None


@pytest.mark.parametrize("name", ["Medicine/Cardiology", "Emergency Department", "PACU", "Circulation desk"])
def test_no_other_place_is(name: str) -> None:
    assert unit(stay(places=(place(name, hours=4),))) is None


def test_intensive_care_begins_where_the_first_of_the_units_was_entered_that_followed_on_one_another() -> None:
    moves = (
        place("Emergency Department", hours=60, end_hours=55),
        place("MICU", hours=55, end_hours=50),  # and a day on a ward after it
        place("Medicine", hours=50, end_hours=26),
        place("MICU", hours=26, end_hours=10),
        place("CVICU", hours=9.5),
    )
    found = unit(stay(hours=60, places=moves))
    assert found is not None
    assert (found.since, found.name, found.kind) == (ago(26), "CVICU", "cardiac_surgery")


def test_who_left_the_unit_or_is_to_come_is_not_in_it() -> None:
    assert unit(stay(places=(place("MICU", hours=30, end_hours=2), place("Medicine", hours=2)))) is None
    assert unit(stay(places=(place("MICU", hours=30, end_hours=0),))) is None  # left this minute
    assert unit(stay(places=(place("MICU", hours=-3),))) is None
    assert unit(stay(hours=40, end_hours=1, status="finished", places=(place("MICU"),))) is None


def test_a_place_without_a_time_is_where_the_patient_lies_since_the_encounter_began() -> None:
    found = unit(stay(hours=40, places=(place("4 West MICU, bed 12"),)))
    assert found is not None
    assert found.since == ago(40)


def test_an_encounter_named_so_has_its_own_beginning_and_the_kind_of_its_place() -> None:
    ward = stay(hours=60, places=(place("Medicine", hours=60, end_hours=12), place("SICU", hours=12)))
    found = unit(ward, stay(hours=11, text="Intensive care unit stay", places=(place("SICU", hours=11),)))
    assert found is not None
    assert (found.since, found.kind) == (ago(11), "surgical")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Coronary Care Unit (CCU)", "coronary"),
        ("Cardiac Vascular Intensive Care Unit (CVICU)", "cardiac_surgery"),
        ("Medical ICU", "medical"),
        ("Trauma SICU", "surgical"),
        ("Medical/Surgical Intensive Care Unit", None),
        ("Intensive care unit", None),
    ],
)
def test_a_units_name_tells_its_kind_or_nothing(name: str, kind: str | None) -> None:
    assert kind is None or kind in KINDS
    assert Unit(name=name, since=NOW).kind == kind
