"""That a card was not taken is a fact of the log like any other, whatever the store stands on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cds_app.errors import Conflict, PatientErased
from cds_app.ports import TwinStore
from tests.stores import NOW, append, commit_to, decision, untaken


@pytest.fixture
def patient(store: TwinStore) -> str:
    return store.pseudonym("north", "pat-1")


def test_it_is_written_with_the_decision_or_after_it_and_read_back_exactly(store: TwinStore, patient: str) -> None:
    first, second = decision(), decision()
    append(store, patient, decisions=(first,), untaken=(untaken(first),))
    append(store, patient, decisions=(second,))
    append(store, patient, untaken=(untaken(second, minutes=1),))
    found = [one.decision or one.untaken for one in store.entries(patient)]
    assert found == [first, untaken(first), second, untaken(second, minutes=1)]
    assert [one.untaken for one in store.journal()] == [None, untaken(first), None, untaken(second, minutes=1)]
    assert (store.verify().entries, store.verify().said) == (4, "")


def test_to_be_told_again_is_no_news(store: TwinStore, patient: str) -> None:
    card = decision()
    append(store, patient, decisions=(card,), untaken=(untaken(card), untaken(card)))
    append(store, patient, untaken=(untaken(card, minutes=5),))
    assert [one.untaken for one in store.entries(patient)] == [None, untaken(card)]


def test_who_computed_without_it_has_to_compute_again(store: TwinStore, patient: str) -> None:
    card = decision()
    append(store, patient, decisions=(card,))
    append(store, patient, untaken=(untaken(card),))
    with pytest.raises(Conflict):
        store.commit(commit_to(patient, known=(0, 1), decisions=(decision(),)))


def test_it_is_counted_beside_the_card_as_what_became_of_it(store: TwinStore, patient: str) -> None:
    card = decision()
    append(store, patient, decisions=(card,), untaken=(untaken(card),))
    counted = store.counts(NOW - timedelta(hours=1), NOW + timedelta(hours=1))
    found = [(one.topic, one.suppression, one.outcome, one.number) for one in counted]
    assert sorted(found) == [("sepsis", "", "", 1), ("sepsis", "", "untaken", 1)]


def test_of_nobody_nothing_can_be_lost(store: TwinStore) -> None:
    with pytest.raises(ValueError, match="patient"):
        store.commit(commit_to("", untaken=(untaken(decision()),)))


def test_it_is_gone_with_the_patient(store: TwinStore, patient: str) -> None:
    card = decision()
    append(store, patient, decisions=(card,), untaken=(untaken(card),))
    store.erase(patient, NOW)
    with pytest.raises(PatientErased):
        store.entries(patient)
    assert [one.untaken for one in store.journal()] == [None, None, None]
    assert store.verify().said == ""
