"""The inbox: what waits here is named, what waits at other patients is counted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cds_app.domain.visits import Visit
from cds_app.services.sidebar.inbox import Elsewhere, Inbox, inbox_of
from tests.bedside import BASE, Chart, token
from tests.conftest import FROZEN

DOCTOR = "Practitioner/7"


def task(patient: str = "p1", hours: float = 2.0, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "proposal",
        "description": "Take blood cultures",
        "for": {"reference": f"Patient/{patient}"},
        "requester": {"reference": DOCTOR},
        "authoredOn": (FROZEN - timedelta(hours=hours)).isoformat(),
    }
    return made | more


def asked(chart: Chart, *scopes: str) -> Inbox:
    visit = Visit(
        id="v1",
        issuer=BASE,
        realm=BASE,
        patient="p1",
        encounter="",
        user=DOCTOR,
        began=FROZEN,
        scopes=frozenset(scopes),
    )
    return inbox_of(chart, visit, token, FROZEN)


def test_what_waits_elsewhere_is_counted_and_not_named() -> None:
    chart = Chart([task(), task("p2", 5.0), task("p2", 1.0), task("p3", 3.0)])
    found = asked(chart, "user/Task.rs")
    assert found.elsewhere == Elsewhere(drafts=3, patients=2, since="5 h")
    assert found.here is not None
    assert [one.text for one in found.here] == ["Take blood cultures"]


def test_an_ehr_that_ignores_what_was_searched_for_adds_nothing() -> None:
    strange = [
        task("p2", requester={"reference": "Practitioner/17"}),
        task("p2", requester=None),
        task("p2", status="completed"),
        {"resourceType": "Task", "status": "requested"},
    ]
    assert asked(Chart(strange), "user/Task.rs").elsewhere == Elsewhere(drafts=0, patients=0, since="")


@pytest.mark.parametrize("when", ["", "soon", None, 7, (FROZEN + timedelta(hours=1)).isoformat()])
def test_a_task_without_a_time_that_can_be_is_counted_without_one(when: object) -> None:
    found = asked(Chart([task("p2", authoredOn=when)]), "user/Task.rs")
    assert found.elsewhere == Elsewhere(drafts=1, patients=1, since="")


def test_only_what_was_granted_is_asked_for() -> None:
    chart = Chart([task(), task("p2")])
    assert asked(chart) == Inbox(here=None, elsewhere=None)
    assert chart.asked == 0
    assert asked(chart, "patient/Task.rs").elsewhere is None
    assert chart.asked == 1


def test_what_cannot_be_read_is_not_called_empty() -> None:
    assert asked(Chart([task()], down=True), "user/Task.rs") == Inbox(here=None, elsewhere=None)
