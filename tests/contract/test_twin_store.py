"""What every TwinStore does, whatever it stands on."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from cds_app.errors import BadRequest, Conflict, DependencyDown, NotFound, PatientErased
from cds_app.ports import TwinStore
from tests.stores import NOW, append, commit_to, decision, facts, feedback, known_of


@pytest.fixture
def patient(store: TwinStore) -> str:
    return store.pseudonym("north", "pat-1")


def test_a_pseudonym_depends_on_tenant_and_patient_and_shows_neither(store: TwinStore) -> None:
    pairs = [("north", "pat-1"), ("north", "pat-2"), ("south", "pat-1"), ("northp", "at-1")]
    names = [store.pseudonym(*pair) for pair in pairs]
    assert len(set(names)) == 4
    assert names[0] == store.pseudonym("north", "pat-1")
    assert all(len(name) == 64 and "pat" not in name for name in names)


def test_an_unknown_patient_has_nothing(store: TwinStore, patient: str) -> None:
    assert tuple(store.segments(patient)) == ()
    assert tuple(store.entries(patient)) == ()
    assert store.find("nothing") is None
    assert list(store.journal()) == []
    assert store.verify().entries == 0


def test_what_was_committed_is_read_back_exactly(store: TwinStore, patient: str) -> None:
    shown, answer, learned = decision(), feedback("some-card"), facts(3, name="Ada")
    assert store.commit(commit_to(patient, facts=learned, decisions=(shown,), feedback=(answer,))) == 1
    (segment,) = store.segments(patient)
    first, second = store.entries(patient)
    assert (segment.number, segment.learned, segment.facts) == (1, NOW, learned)
    assert (first.number, first.patient, first.decision, first.feedback) == (1, patient, shown, None)
    assert (second.number, second.patient, second.decision, second.feedback) == (2, patient, None, answer)


def test_reading_can_start_after_what_is_known(store: TwinStore, patient: str) -> None:
    for _ in range(3):
        append(store, patient, facts=facts(), decisions=(decision(),))
    assert [segment.number for segment in store.segments(patient, after=1)] == [2, 3]
    assert [entry.number for entry in store.entries(patient, after=2)] == [3]
    assert tuple(store.segments(patient, after=3)) == ()
    assert tuple(store.entries(patient, after=3)) == ()


def test_no_new_facts_write_no_segment(store: TwinStore, patient: str) -> None:
    assert store.commit(commit_to(patient, decisions=(decision(),))) == 0
    assert store.commit(commit_to(patient, known=(0, 1), facts=facts())) == 1
    assert store.commit(commit_to(patient, known=(1, 1))) == 1
    assert known_of(store, patient) == (1, 1)


def test_an_empty_commit_leaves_no_trace(store: TwinStore, patient: str) -> None:
    assert store.commit(commit_to(patient)) == 0
    with pytest.raises(NotFound):
        store.erase(patient, NOW)


def test_entries_count_over_all_patients_and_segments_per_patient(store: TwinStore) -> None:
    names = [store.pseudonym("north", f"pat-{i}") for i in range(3)]
    for name in names * 2:
        append(store, name, facts=facts(), decisions=(decision(),))
    assert [entry.patient for entry in store.journal()] == names * 2
    assert [entry.number for entry in store.entries(names[1])] == [2, 5]
    assert [segment.number for segment in store.segments(names[1])] == [1, 2]


@pytest.mark.parametrize("known", [(0, 1), (1, 0), (2, 1), (1, 2), (0, 0)])
def test_a_commit_that_rests_on_other_versions_writes_nothing(
    store: TwinStore, patient: str, known: tuple[int, int]
) -> None:
    append(store, patient, facts=facts(), decisions=(decision(),))
    with pytest.raises(Conflict):
        store.commit(commit_to(patient, known=known, facts=facts(), decisions=(decision(),), feedback=(feedback("a"),)))
    assert known_of(store, patient) == (1, 1)
    assert len(list(store.journal())) == 1


def test_a_decision_is_found_by_its_uuid_and_nothing_else_is(store: TwinStore, patient: str) -> None:
    shown = decision()
    append(store, patient, decisions=(decision(), shown), feedback=(feedback(shown.id),))
    entry = store.find(shown.id)
    assert entry is not None
    assert (entry.number, entry.patient, entry.decision) == (2, patient, shown)
    assert store.find(shown.id.upper() + "x") is None


def test_the_same_decision_twice_is_refused(store: TwinStore, patient: str) -> None:
    shown = decision()
    append(store, patient, decisions=(shown,))
    with pytest.raises(Conflict):
        store.commit(commit_to(patient, known=(0, 1), facts=facts(), decisions=(shown,)))
    twice = decision()
    with pytest.raises(Conflict):
        store.commit(commit_to(patient, known=(0, 1), facts=facts(), decisions=(twice, twice)))
    assert known_of(store, patient) == (0, 1)


def test_the_same_feedback_again_is_swallowed(store: TwinStore, patient: str) -> None:
    append(store, patient, feedback=(feedback("a"), feedback("a"), feedback("a", minutes=1)))
    append(store, patient, feedback=(feedback("a"), feedback("b")))
    answers = [entry.feedback for entry in store.entries(patient)]
    assert answers == [feedback("a"), feedback("a", minutes=1), feedback("b")]


def test_feedback_that_says_something_else_of_the_same_instant_is_kept(store: TwinStore, patient: str) -> None:
    told = [feedback("a"), feedback("a", comment="busy")]
    for _ in range(2):
        append(store, patient, feedback=tuple(told))
    assert [entry.feedback for entry in store.entries(patient)] == told


def test_feedback_at_the_same_instant_elsewhere_is_the_same_feedback(store: TwinStore, patient: str) -> None:
    append(store, patient, feedback=(feedback("a"),))
    append(store, store.pseudonym("north", "pat-2"), feedback=(feedback("a"),))
    assert len(list(store.journal())) == 1


def test_feedback_on_unknown_cards_is_kept_under_nobody(store: TwinStore) -> None:
    for card in ("x", "y", "x"):
        assert store.commit(commit_to("", feedback=(feedback(card),))) == 0
    assert [entry.feedback for entry in store.entries("")] == [feedback("x"), feedback("y")]
    assert {entry.patient for entry in store.journal()} == {""}
    assert store.verify().broken_at is None
    with pytest.raises(NotFound):
        store.erase("", NOW)


def test_nobody_has_facts_or_decisions(store: TwinStore) -> None:
    with pytest.raises(ValueError, match="patient"):
        store.commit(commit_to("", facts=facts()))
    with pytest.raises(ValueError, match="patient"):
        store.commit(commit_to("", decisions=(decision(),)))


def test_an_erased_patient_cannot_be_read_or_written(store: TwinStore, patient: str) -> None:
    shown = decision()
    append(store, patient, facts=facts(), decisions=(shown,), feedback=(feedback(shown.id),))
    store.erase(patient, NOW)
    for attempt in (
        lambda: store.segments(patient),
        lambda: store.segments(patient, after=1),
        lambda: store.entries(patient, after=99),
        lambda: store.commit(commit_to(patient, known=(1, 2), facts=facts())),
        lambda: store.commit(commit_to(patient)),
    ):
        with pytest.raises(PatientErased):
            attempt()


def test_an_erasure_is_in_the_log_and_the_log_still_verifies(store: TwinStore, patient: str) -> None:
    other, shown = store.pseudonym("north", "pat-2"), decision()
    append(store, patient, facts=facts(), decisions=(shown,), feedback=(feedback(shown.id),))
    append(store, other, decisions=(decision(),))
    store.erase(patient, NOW)
    store.erase(patient, NOW + timedelta(days=1))  # once is enough
    journal = list(store.journal())
    assert [entry.patient for entry in journal] == [patient, patient, other, patient]
    assert [bool(entry.decision or entry.feedback) for entry in journal] == [False, False, True, False]
    found = store.find(shown.id)
    assert found is not None
    assert found.decision is None
    assert (store.verify().entries, store.verify().broken_at) == (4, None)


def test_nobody_can_be_erased_who_was_never_there(store: TwinStore, patient: str) -> None:
    with pytest.raises(NotFound):
        store.erase(patient, NOW)


def test_a_text_without_utf8_form_is_refused_and_named_in_no_error(store: TwinStore, patient: str) -> None:
    with pytest.raises(BadRequest) as caught:
        store.commit(commit_to(patient, facts=facts(name="Ada\ud800")))
    assert "Ada" not in str(caught.value)
    assert known_of(store, patient) == (0, 0)


def test_a_time_without_zone_is_a_mistake(store: TwinStore, patient: str) -> None:
    append(store, patient, facts=facts())
    with pytest.raises(ValueError, match="aware"):
        store.erase(patient, datetime(2031, 1, 1))  # noqa: DTZ001 - the point of the test


def test_a_journal_of_many_pages_is_whole(store: TwinStore, patient: str) -> None:
    for page in range(3):
        append(store, patient, feedback=tuple(feedback(f"{page}-{i}") for i in range(400)))
    assert [entry.number for entry in store.journal()] == list(range(1, 1201))
    assert store.verify().entries == 1200


def test_many_threads_on_one_patient_lose_nothing_and_leave_no_gap(store: TwinStore, patient: str) -> None:
    def work(thread: int) -> list[int]:
        return [
            append(
                store, patient, facts=facts(), decisions=(decision(), decision()), feedback=(feedback(f"{thread}/{i}"),)
            )
            for i in range(3)
        ]

    with ThreadPoolExecutor(16) as pool:
        numbers = [number for numbers in pool.map(work, range(16)) for number in numbers]
    assert sorted(numbers) == list(range(1, 49))
    assert [segment.number for segment in store.segments(patient)] == list(range(1, 49))
    assert [entry.number for entry in store.journal()] == list(range(1, 145))
    assert Counter(bool(entry.decision) for entry in store.journal()) == {True: 96, False: 48}
    assert store.verify().broken_at is None


def test_many_threads_with_the_same_feedback_write_it_once(store: TwinStore, patient: str) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: append(store, patient, feedback=(feedback("a"),)), range(32)))
    assert len(store.entries(patient)) == 1


def test_a_store_is_ready_until_it_is_closed(store: TwinStore, patient: str) -> None:
    store.ready()
    append(store, patient, decisions=(decision(),))
    store.ready()
    store.close()
    with pytest.raises(DependencyDown):
        store.ready()
    with pytest.raises(DependencyDown):
        store.commit(commit_to(patient, known=(0, 1), facts=facts()))
    store.close()
