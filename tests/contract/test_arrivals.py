"""What every store does with what sources send."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from cds_app.domain.arrivals import ARRIVALS_KEPT, Arrival
from cds_app.domain.facts import Facts
from cds_app.errors import Conflict
from cds_app.ports import TwinStore
from tests.stores import NOW, append, commit_to, decision, facts, known_of


def arrival(patient: str, message: str = "m1", **more: Any) -> Arrival:
    given: dict[str, Any] = {"source": "lab", "alias": True, "received": NOW, "facts": facts(), **more}
    return Arrival(patient=patient, message=message, **given)


@pytest.fixture
def patient(store: TwinStore) -> str:
    return store.pseudonym("north", "pat-1")


def test_what_arrives_is_a_segment_of_its_patient(store: TwinStore, patient: str) -> None:
    other = store.pseudonym("north", "pat-2")
    receipts = store.take_in([arrival(patient), arrival(other, "m2"), arrival(patient, "m3", facts=facts(2))])
    assert list(receipts) == ["stored", "stored", "stored"]
    assert [len(one.facts) for one in store.segments(patient)] == [1, 2]
    assert [one.facts for one in store.segments(other)] == [facts()]


def test_the_same_message_is_written_once_in_one_batch_and_in_the_next(store: TwinStore, patient: str) -> None:
    assert list(store.take_in([arrival(patient), arrival(patient)])) == ["stored", "known"]
    assert list(store.take_in([arrival(patient), arrival(patient, source="ward")])) == ["known", "stored"]
    assert len(store.segments(patient)) == 2


def test_an_arrival_rests_on_nothing_and_unsettles_who_computed_before_it(store: TwinStore, patient: str) -> None:
    append(store, patient, facts=facts(), decisions=(decision(),))
    known = known_of(store, patient)
    assert list(store.take_in([arrival(patient)])) == ["stored"]
    with pytest.raises(Conflict):
        store.commit(commit_to(patient, known=known, facts=facts()))
    assert known_of(store, patient) == (known[0] + 1, known[1])


def test_a_message_without_facts_leaves_its_name_and_no_segment(store: TwinStore, patient: str) -> None:
    assert list(store.take_in([arrival(patient, facts=Facts())])) == ["stored"]
    assert tuple(store.segments(patient)) == ()
    assert list(store.take_in([arrival(patient)])) == ["known"]


def test_what_was_refused_is_counted_and_of_nobody(store: TwinStore, patient: str) -> None:
    refused = arrival("", "bad", alias=False, facts=Facts(), refused="garbled")
    assert list(store.take_in([refused, refused, arrival(patient)])) == ["refused", "known", "stored"]
    assert [(one.source, one.refused, one.number, one.facts) for one in store.arrived()] == [
        ("lab", "", 1, 1),
        ("lab", "garbled", 1, 0),
    ]
    assert list(store.aliases()) == [("lab", patient)]


def test_nothing_is_added_to_the_erased(store: TwinStore, patient: str) -> None:
    store.take_in([arrival(patient)])
    store.erase(patient, NOW)
    other = store.pseudonym("north", "pat-2")
    assert list(store.take_in([arrival(patient, "m2"), arrival(other, "m3")])) == ["erased", "stored"]


def test_the_name_of_a_message_is_told_to_nobody(store: TwinStore, patient: str) -> None:
    store.take_in([arrival(patient, "MRN4711-lab")])
    assert "4711" not in repr(store.arrived()) + repr(store.aliases())


def test_counts_say_when_the_first_and_the_last_came(store: TwinStore, patient: str) -> None:
    later = NOW + timedelta(hours=1)
    store.take_in([arrival(patient), arrival(patient, "m2", received=later)])
    (one,) = store.arrived()
    assert (one.number, one.first, one.last) == (2, NOW, later)
    assert timedelta(days=30) < ARRIVALS_KEPT


def test_who_holds_a_resource_is_found_by_its_name_and_realm(store: TwinStore) -> None:
    one, other, foreign = (store.pseudonym("north", f"pat-{i}") for i in range(3))
    store.take_in([arrival(one, facts=facts(2), alias=False, realm="north")])
    store.commit(commit_to(other, facts=facts(3), realm="north"))
    store.take_in([arrival(foreign, "m2", facts=facts(3), alias=False, realm="south"), arrival(foreign, "m3")])
    assert store.holders("north", ["Observation/1"]) == {one: True, other: True}
    assert store.holders("north", {"Observation/2", "Observation/77"}) == {other: True}
    assert store.holders("south", ["Observation/2"]) == {foreign: True}
    assert store.holders("", ["Observation/0"]) == store.holders("north", ["Observation/77"]) == {}
    assert store.holders("north", []) == {}


def test_a_part_of_a_resource_is_held_as_the_resource_and_any_name_may_be_asked_for(store: TwinStore) -> None:
    named = ("Observation/bp#c0", "Observation/\ud800", "Condition/ü" * 90)
    (like,) = facts().measurements
    told = Facts(measurements=tuple(msgspec.structs.replace(like, ref=name) for name in named if "\ud800" not in name))
    patient = store.pseudonym("north", "pat-1")
    store.take_in([arrival(patient, facts=told, alias=False, realm="north")])
    assert store.holders("north", ["Observation/bp"]) == store.holders("north", [named[2]]) == {patient: True}
    assert store.holders("north", named[:2]) == {}


def test_the_erased_hold_nothing(store: TwinStore, patient: str) -> None:
    store.take_in([arrival(patient, alias=False, realm="north")])
    store.erase(patient, NOW)
    assert store.holders("north", ["Observation/0"]) == {}
