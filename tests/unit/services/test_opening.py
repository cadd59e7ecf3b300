"""Opening the twin: read when it is due, kept, and honest about what could not be read."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cds_app.domain.switches import Mode, Switch
from cds_app.errors import ClockBehind, NotFound, ServiceOff
from cds_app.services.sidebar.deciding import Wanted
from tests.bedside import Bed, token
from tests.conftest import FROZEN, FrozenClock
from tests.patients import observation


def test_what_was_read_is_stored(bed: Bed) -> None:
    opened = bed.opening.refresh(bed.visit, token)
    patient = bed.opening.store.pseudonym(bed.visit.realm, bed.visit.patient)
    assert opened.record.segments_known == 1
    assert len(bed.opening.store.segments(patient)) == 1


def test_a_page_that_is_opened_again_at_once_does_not_ask_the_ehr(bed: Bed, clock: FrozenClock) -> None:
    bed.opening.refresh(bed.visit, token)
    asked = bed.chart.asked
    bed.opening.refresh(bed.visit, token)
    assert bed.chart.asked == asked
    clock.forward(seconds=30)
    bed.opening.refresh(bed.visit, token)
    assert bed.chart.asked > asked


def test_an_ehr_that_does_not_answer_leaves_what_was_known(bed: Bed, clock: FrozenClock) -> None:
    before = bed.opening.refresh(bed.visit, token)
    bed.chart.down = True
    clock.forward(minutes=2)
    after = bed.opening.refresh(bed.visit, token)
    assert after.unreached
    assert after.record.digest == before.record.digest


def test_a_clock_that_is_behind_the_record_opens_nothing(bed: Bed, clock: FrozenClock) -> None:
    bed.opening.refresh(bed.visit, token)
    clock.forward(days=-2)
    with pytest.raises(ClockBehind):
        bed.opening.refresh(bed.visit, token)


def test_parts_that_could_not_be_read_are_named(bed: Bed) -> None:
    bed.chart.refused.add("Condition")
    assert bed.opening.refresh(bed.visit, token).failed == ("conditions",)


def test_looking_back_shows_what_was_known_then(bed: Bed, clock: FrozenClock) -> None:
    bed.opening.refresh(bed.visit, token)
    clock.forward(hours=2)
    bed.chart.resources.append(observation("lactate", 9.9, FROZEN - timedelta(hours=1)))  # a result that came late
    opened = bed.opening.refresh(bed.visit, token)
    then = bed.opening.subject(opened, back_h=1.0)
    latest = then.material.situation.latest("lactate")
    assert latest is not None
    assert latest.value == 4.4
    assert not then.hindsight


def test_before_the_first_meeting_the_page_says_that_it_looks_with_hindsight(bed: Bed) -> None:
    opened = bed.opening.refresh(bed.visit, token)
    then = bed.opening.subject(opened, back_h=5.0)
    assert then.hindsight
    latest = then.material.situation.latest("heart_rate")
    assert latest is not None
    assert latest.when <= FROZEN - timedelta(hours=5)


def turned(bed: Bed, topic: str, to: Mode) -> None:
    switch = Switch(
        service="twinline-sidebar", topic=topic, before=Mode.ON, mode=to, at=FROZEN, by="governance", reason="test"
    )
    bed.opening.switchboard.turn(switch)


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.SHADOW])
def test_a_sidebar_that_is_off_or_in_shadow_shows_nothing(bed: Bed, mode: Mode) -> None:
    opened = bed.opening.refresh(bed.visit, token)
    turned(bed, "", mode)
    with pytest.raises(ServiceOff):
        bed.opening.refresh(bed.visit, token)
    with pytest.raises(ServiceOff):
        bed.opening.subject(opened)


def test_a_topic_in_shadow_is_shown_nowhere_and_cannot_be_decided(bed: Bed) -> None:
    opened = bed.opening.refresh(bed.visit, token)
    assert "sepsis" in {one.topic for one in bed.opening.subject(opened).material.concerns}
    turned(bed, "sepsis", Mode.SHADOW)
    assert "sepsis" not in {one.topic for one in bed.opening.subject(opened).material.concerns}
    with pytest.raises(NotFound):
        bed.deciding.override(
            bed.visit, token, Wanted(topic="sepsis", digest=opened.record.digest, reason="need-more-info")
        )
