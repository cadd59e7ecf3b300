"""What was given in the window of a trend: nothing that went on in it is missing, and how often is said."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cds_app.deps import Deps
from cds_app.pages.canvas import LEFT, Asked
from cds_app.pages.trend import TrendView, trend
from tests.bedside import bed_of, resources
from tests.conftest import FROZEN
from tests.patients import observation, septic
from tests.sentences import WORDS

BEGUN = FROZEN - timedelta(hours=11)


def given(drug: str, at: datetime, *, end: datetime | None = None, key: str = "") -> dict[str, Any]:
    when = {"effectivePeriod": {"start": at.isoformat(), "end": end.isoformat()}} if end else None
    return {
        "resourceType": "MedicationAdministration",
        "id": key or drug.replace(" ", "-"),
        "status": "completed",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": {"text": drug},
        **(when or {"effectiveDateTime": at.isoformat()}),
    }


def seen(deps: Deps, *more: dict[str, Any], window_h: float = 12.0) -> TrendView:
    bed = bed_of(deps, [*resources(septic(FROZEN)), *more], FROZEN)
    subject = bed.opening.subject(bed.asking().opened)
    asked = Asked(quantity="heart_rate", window_h=window_h, zone=ZoneInfo("UTC"))
    view = trend(subject.twin, subject.state, subject.material.situation, asked, WORDS)
    assert view is not None
    return view


def test_labels_of_treatments_never_cover_each_other_and_none_is_lost(deps: Deps) -> None:
    minutes = (0, 2, 4, 300, 420)
    found = seen(deps, *(given(f"drug {n}", BEGUN + timedelta(minutes=at)) for n, at in enumerate(minutes))).treated
    assert [one.number for one in found.events] == [1, 2, 3, 4, 5]
    assert [one.text for one in found.labels] == ["1–3", "4", "5"]
    assert found.events[0].x <= found.labels[0].at <= found.events[2].x


def test_what_was_given_again_is_told_with_how_often_and_when_last(deps: Deps) -> None:
    rows = [given("Insulin", FROZEN - timedelta(hours=hours), key=f"i{hours}") for hours in (9, 5, 1)]
    (insulin,) = seen(deps, *rows).treated.events
    assert insulin.text == f"Insulin, 3 times, last {FROZEN - timedelta(hours=1):%H:%M}"
    assert insulin.time == f"{FROZEN - timedelta(hours=9):%H:%M}"


def test_an_infusion_that_began_before_the_window_and_went_on_in_it_is_told(deps: Deps) -> None:
    running = given("Norepinephrine", FROZEN - timedelta(hours=20), end=FROZEN - timedelta(hours=2))
    over = given("Dobutamine", FROZEN - timedelta(hours=20), end=FROZEN - timedelta(hours=14))
    (event,) = seen(deps, running, over).treated.events
    assert (event.text, event.x) == ("Norepinephrine", LEFT)


def test_how_many_treatments_are_left_out_is_said(deps: Deps) -> None:
    rows = [given(f"drug {n:02}", BEGUN + timedelta(minutes=20 * n)) for n in range(14)]
    found = seen(deps, *rows).treated
    assert [one.text for one in found.events] == [f"drug {n:02}" for n in range(2, 14)]
    assert found.more == 2


def test_how_many_values_are_in_the_drawing_only_is_said(deps: Deps) -> None:
    rows = [observation("heart_rate", 80.0, FROZEN - timedelta(minutes=m), key=f"h{m}") for m in range(11, 56)]
    view = seen(deps, *rows)
    assert (len(view.rows), view.older) == (40, len(view.marks) - 40)


def test_a_value_that_came_back_to_what_it_was_is_not_said_to_be_unchanged(deps: Deps) -> None:
    rows = [observation("heart_rate", 76.0, FROZEN - timedelta(minutes=1))]
    first = observation("heart_rate", 76.0, FROZEN - timedelta(hours=11, minutes=30))
    assert ", the same at " in seen(deps, first, *rows).finding
