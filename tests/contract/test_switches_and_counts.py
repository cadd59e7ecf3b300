"""Turns of switches and counts of what fired: the same in every store."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from cds_app.domain.decisions import Suppression
from cds_app.domain.switches import EVERY, Mode, Switch, fold
from cds_app.errors import Conflict, NotFound
from cds_app.ports import TwinStore
from tests.stores import NOW, append, decision, feedback

SERVICE = "twinline-patient-view"


def turn(mode: Mode, before: Mode = Mode.ON, *, service: str = SERVICE, topic: str = "") -> Switch:
    return Switch(
        service=service, topic=topic, mode=mode, before=before, by="Ada Marker", reason="too many of them", at=NOW
    )


def test_turns_are_kept_in_order_with_who_and_why(store: TwinStore) -> None:
    made = [turn(Mode.SHADOW), turn(Mode.OFF, service=EVERY), turn(Mode.ON, Mode.SHADOW), turn(Mode.STORM, topic="aki")]
    for one in made:
        store.turn(one)
    assert list(store.turns()) == made
    assert [entry.switch for entry in store.journal()] == made
    assert store.verify().broken_at is None
    assert fold(store.turns()).turned() == (made[1], made[3])


def test_a_turn_from_where_the_switch_does_not_stand_is_refused(store: TwinStore) -> None:
    store.turn(turn(Mode.SHADOW))
    for stale in (turn(Mode.OFF), turn(Mode.OFF, Mode.OFF)):
        with pytest.raises(Conflict):
            store.turn(stale)
    assert len(store.turns()) == 1


def test_of_many_who_turn_at_once_one_is_heard(store: TwinStore) -> None:
    refused: list[Conflict] = []

    def attempt() -> None:
        try:
            store.turn(turn(Mode.STORM, topic="sepsis"))
        except Conflict as error:
            refused.append(error)

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (len(store.turns()), len(refused)) == (1, 7)
    assert store.verify().broken_at is None


def test_switches_are_nobodys_and_cannot_be_erased(store: TwinStore) -> None:
    store.turn(turn(Mode.OFF))
    with pytest.raises(NotFound):
        store.erase("governance", NOW)
    assert store.entries("") == ()


def test_what_fired_is_counted_by_hour_and_kind(store: TwinStore) -> None:
    patient = store.pseudonym("north", "p")
    quiet = replace(decision(topic="aki"), suppression=Suppression.LOCKOUT)
    later = replace(decision(), at=NOW + timedelta(hours=1))
    told = decision()
    append(store, patient, decisions=(told, decision(), quiet, later))
    append(store, patient, feedback=(feedback(told.id),))
    store.turn(turn(Mode.SHADOW))
    found = store.counts(NOW - timedelta(hours=1), NOW + timedelta(hours=2))
    hour = NOW.replace(minute=0, second=0, microsecond=0)
    assert sorted((one.hour, one.topic, one.suppression, one.outcome, one.number) for one in found) == [
        (hour, "aki", "lockout", "", 1),
        (hour, "sepsis", "", "", 2),
        (hour, "sepsis", "", "overridden", 1),
        (hour + timedelta(hours=1), "sepsis", "", "", 1),
    ]
    assert {one.service for one in found} == {SERVICE}


def test_counts_end_before_their_end(store: TwinStore) -> None:
    append(store, store.pseudonym("north", "p"), decisions=(decision(),))
    assert store.counts(NOW, NOW + timedelta(seconds=1))
    assert not store.counts(NOW - timedelta(hours=1), NOW)
