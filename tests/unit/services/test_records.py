"""What is remembered between calls: bounded, never older than the store, and nothing of the erased."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import msgspec
import pytest

from cds_app.adapters.memory_store import MemoryStore
from cds_app.domain.codec import News, encode
from cds_app.domain.decisions import Suppression
from cds_app.domain.facts import Facts
from cds_app.domain.ontology import Ontology
from cds_app.domain.timeline import Change, Timeline
from cds_app.errors import PatientErased
from cds_app.ports import Commit, Entry, Segment, TwinStore
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.records import Record, Records, Twinner
from cds_app.twin.model import TwinModel
from cds_app.twin.state import TwinState, update
from tests.stores import NOW, append, decision, facts, feedback, vault
from tests.tracks import bits


@dataclass(slots=True)
class Watched(MemoryStore):
    """A store in memory that counts how many facts were read from it."""

    read: list[int] = field(default_factory=list)

    def __init__(self) -> None:
        MemoryStore.__init__(self, vault())
        self.read = []

    def segments(self, patient: str, *, after: int = 0) -> tuple[Segment, ...]:
        found = tuple(MemoryStore.segments(self, patient, after=after))
        self.read.append(sum(len(one.facts) for one in found))
        return found


@pytest.fixture
def store() -> Iterator[Watched]:
    made = Watched()
    yield made
    made.close()


@pytest.fixture
def twinner(knowledge: Knowledge) -> Twinner:
    return Twinner(knowledge.twin, knowledge.ontology)


def records_of(store: TwinStore, twinner: Twinner, capacity: int = 1000) -> Records:
    return Records(store, twinner, capacity=capacity)


def test_a_patient_of_whom_nothing_is_known_is_an_empty_record(store: Watched, twinner: Twinner) -> None:
    found = records_of(store, twinner).load("nobody")
    assert (found.segments_known, found.entries_known, len(found.timeline), found.past) == (0, 0, 0, ())


def test_what_is_remembered_is_not_read_again(store: Watched, twinner: Twinner) -> None:
    records = records_of(store, twinner)
    append(store, "p", facts=facts(5))
    store.read.clear()
    assert [len(records.load("p").timeline) for _ in range(3)] == [5, 5, 5]
    assert store.read == [5, 0, 0]


def test_what_another_worker_wrote_is_caught_up_with(store: Watched, twinner: Twinner) -> None:
    mine, theirs = records_of(store, twinner), records_of(store, twinner)
    append(store, "p", facts=facts(2))
    mine.load("p")
    append(store, "p", facts=facts(5), decisions=(decision(id="a"),), feedback=(feedback("a"),))
    found = mine.load("p")
    assert found == theirs.load("p")
    assert (found.segments_known, found.entries_known, len(found.past)) == (2, 2, 2)
    assert found.digest == theirs.load("p").digest != ""


def test_the_past_holds_shown_cards_and_answers_only(store: Watched, twinner: Twinner) -> None:
    hidden = replace(decision(id="hidden"), suppression=Suppression.LOCKOUT)
    append(store, "p", decisions=(decision(id="shown"), hidden), feedback=(feedback("shown"),))
    kinds = [type(one).__name__ for one in records_of(store, twinner).load("p").past]
    assert kinds == ["Decision", "Feedback"]


def test_the_least_used_records_go_when_there_are_too_many_facts(store: Watched, twinner: Twinner) -> None:
    records = records_of(store, twinner, capacity=33)
    for name in "abc":
        append(store, name, facts=facts(10))
        records.load(name)
    records.load("a")
    append(store, "d", facts=facts(10))
    records.load("d")
    store.read.clear()
    for name in "cdab":
        records.load(name)
    assert store.read == [0, 0, 0, 10]  # b was the least used


def test_patients_without_facts_take_room_too(store: Watched, twinner: Twinner) -> None:
    records = records_of(store, twinner, capacity=10)
    for number in range(100):
        records.load(f"empty-{number}")
    assert len(records._held) == 10


def test_a_record_larger_than_the_whole_memory_is_answered_and_not_kept(store: Watched, twinner: Twinner) -> None:
    records = records_of(store, twinner, capacity=0)
    append(store, "p", facts=facts(5))
    assert [len(records.load("p").timeline) for _ in range(2)] == [5, 5]
    assert store.read[-2:] == [5, 5]
    assert records._size == 0


def test_an_older_record_never_replaces_a_newer_one(store: Watched, twinner: Twinner) -> None:
    records = records_of(store, twinner)
    append(store, "p", facts=facts(2))
    old = records.load("p")
    append(store, "p", facts=facts(5))
    new = records.load("p")
    records.keep("p", old)
    store.read.clear()
    assert records.load("p") == new
    assert store.read == [0]


def test_what_was_read_is_remembered_though_it_told_nothing_new(store: Watched, twinner: Twinner) -> None:
    append(store, "p", facts=facts(2))
    records = records_of(store, twinner)
    records.keep("p", replace(records.load("p"), seen=frozenset({b"mark"})))
    assert records.seen("p") == {b"mark"}


def test_extending_a_record_is_remembered_only_when_kept(store: Watched, twinner: Twinner) -> None:
    records = records_of(store, twinner)
    extended, news = records.extend(records.load("p"), facts(3))
    assert (len(extended.timeline), news.facts, news.payload) == (3, facts(3), encode(facts(3)))
    assert len(records.load("p").timeline) == 0
    again, nothing = records.extend(extended, facts(3))
    assert (again, len(nothing.facts), nothing.payload) == (extended, 0, b"")


def test_an_erased_patient_is_forgotten_here_too(store: Watched, twinner: Twinner) -> None:
    records = records_of(store, twinner)
    append(store, "p", facts=facts(3))
    records.load("p")
    store.erase("p", NOW)
    for _ in range(2):
        with pytest.raises(PatientErased):
            records.load("p")
    assert (dict(records._held), records._size) == ({}, 0)


def test_forgetting_somebody_unknown_changes_nothing(store: Watched, twinner: Twinner) -> None:
    records = records_of(store, twinner)
    append(store, "p", facts=facts(3))
    records.load("p")
    records.forget("q")
    assert records._size == 4


def test_a_record_as_of_then_is_what_was_known_then(store: Watched, twinner: Twinner) -> None:
    early, late = facts(3), facts(6)
    moved = Facts(
        measurements=tuple(
            msgspec.structs.replace(one, learned=NOW.replace(year=2032)) for one in late.measurements[3:]
        )
    )
    before, _ = twinner.extended(twinner.empty(), early)
    after, _ = twinner.extended(before, moved)
    then: Record = twinner.as_of(after, NOW)
    assert (then.timeline.facts, then.state) == (before.timeline.facts, before.state)


def test_a_commit_on_an_old_record_is_refused_and_leaves_the_newer_one(store: Watched, twinner: Twinner) -> None:
    records = records_of(store, twinner)
    old = records.load("p")
    append(store, "p", facts=facts(2))
    from cds_app.errors import Conflict

    with pytest.raises(Conflict):
        store.commit(
            Commit(patient="p", segments_known=old.segments_known, entries_known=0, learned=NOW, news=News(facts(9)))
        )
    assert len(records.load("p").timeline) == 2


def test_entries_of_erasures_hold_nothing(store: Watched) -> None:
    append(store, "p", decisions=(decision(id="a"),))
    store.erase("p", NOW)
    assert list(store.journal()) == [Entry(number=1, patient="p"), Entry(number=2, patient="p")]


def test_a_record_that_is_read_anew_is_filtered_once_and_has_the_same_bytes(
    store: Watched, twinner: Twinner, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = records_of(store, twinner)
    for n in range(1, 6):
        append(store, "p", facts=facts(n))
        kept.load("p")
    one_by_one = kept.load("p")
    times: list[Timeline] = []

    def counted(
        model: TwinModel, ontology: Ontology, state: TwinState, timeline: Timeline, change: Change
    ) -> TwinState:
        times.append(timeline)
        return update(model, ontology, state, timeline, change)

    monkeypatch.setattr("cds_app.services.records.update", counted)
    anew = records_of(store, twinner).load("p")
    assert len(times) == 1
    assert (anew.digest, anew.segments_known) == (one_by_one.digest, 5)
    assert bits(anew.state) == bits(one_by_one.state)
    assert list(anew.timeline) == list(one_by_one.timeline)
