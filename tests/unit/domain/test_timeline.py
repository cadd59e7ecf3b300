from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby

from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from cds_app.domain.facts import Condition, Fact, Facts, Measurement, UnknownFinding, gather
from cds_app.domain.timeline import Change, Timeline

DAY = datetime(2024, 3, 10, 11, 30, tzinfo=UTC)


def _measured(
    ref: str, value: float = 4.0, *, version: str = "", learned_h: float = 0.0, when_h: float = 0.0, void: bool = False
) -> Measurement:
    return Measurement(
        ref=ref, version=version, when=DAY + timedelta(hours=when_h), learned=DAY + timedelta(hours=learned_h),
        void=void, variable="potassium", value=value,
    )  # fmt: skip


def _condition(ref: str) -> Condition:
    return Condition(
        ref=ref, version="", when=DAY, learned=DAY, concepts=("sepsis",), codes=(), text="", clinical="active",
        verification="",
    )  # fmt: skip


def _values(timeline: Timeline) -> list[float]:
    return [one.value for one in timeline.facts.measurements]


# What a version says follows from identity and version, as it does where an EHR counts versions.
VERSIONED = st.builds(
    lambda ref, version, learned: _measured(
        f"Observation/{ref}", ref * 10.0 + version, version=f"{version}", learned_h=learned, when_h=(ref * version) % 5,
        void=(ref + version) % 4 == 0,
    ),
    st.integers(0, 4), st.integers(1, 4), st.integers(0, 6),
)  # fmt: skip
ANY = st.builds(
    lambda ref, value, version, learned, void: _measured(
        f"Observation/{ref}", value, version=version, learned_h=learned, void=void
    ),
    st.integers(0, 2), st.sampled_from((1.0, 2.0, 3.0)), st.sampled_from(("", "1", "2")), st.integers(0, 3),
    st.booleans(),
)  # fmt: skip


def _elsewhere(version: str) -> UnknownFinding:
    return UnknownFinding(ref="a", version=version, when=DAY, learned=DAY, codes=(), taken=("urine",))


READ_AGAIN = st.builds(
    lambda version, learned, taken, foreign: replace(
        _elsewhere(version) if foreign and taken else _measured("a", version=version),
        learned=DAY + timedelta(hours=learned),
        taken=taken,
    ),
    st.sampled_from(("", "1", "2")), st.integers(0, 4), st.sampled_from(((), ("urine",), ("venous_blood",))),
    st.booleans(),
)  # fmt: skip


def test_a_version_that_is_read_again_without_its_specimen_says_nothing_new() -> None:
    urine = _elsewhere("1")
    again = _measured("a", version="1", learned_h=1)
    assert _values(Timeline.of([urine, again])) == []
    assert _values(Timeline.of([again, replace(urine, learned=DAY + timedelta(hours=2))])) == []
    assert _values(Timeline.of([urine, _measured("a", 5.0, version="2", learned_h=1)])) == [5.0]
    assert Timeline.of([urine, again]).as_of(DAY) == Timeline.of([urine])


def _comes_back(facts: list[Fact]) -> bool:
    """Whether what one version says was said before, and otherwise in between; then its order tells what counts."""
    rows = sorted(facts, key=lambda one: (one.version, one.learned))
    said = [key for key, _ in groupby(replace(one, learned=DAY) for one in rows)]
    return len(set(said)) < len(said)


def test_what_comes_back_counts_again_when_it_comes_in_order() -> None:
    first, other = _measured("a", 4.0), _measured("a", 5.0, learned_h=1)
    back = replace(first, learned=DAY + timedelta(hours=2))
    piecewise = Timeline()
    for one in (first, other, back):
        piecewise = piecewise.extended([one])[0]
    assert piecewise == Timeline.of([back, other, first])
    assert _values(piecewise) == [4.0]


def test_clocks_disagree_where_something_was_so_and_was_learned_later_than_now() -> None:
    of_tomorrow = _measured("a", when_h=20.0, learned_h=10.0)  # a date: it counts at its last moment
    told_late = _measured("b", when_h=9.0, learned_h=30.0)
    timeline = Timeline.of([of_tomorrow, told_late])
    assert not timeline.ahead_of(DAY + timedelta(hours=10))
    assert timeline.ahead_of(DAY + timedelta(hours=8))
    assert not Timeline.of([_measured("a", when_h=20.0, learned_h=10.0, void=True)]).ahead_of(DAY)


@given(st.lists(READ_AGAIN, max_size=5, unique_by=lambda one: one.learned), st.randoms(use_true_random=False))
def test_what_is_known_of_a_specimen_does_not_depend_on_the_order_of_arrival(
    facts: list[Fact], chance: random.Random
) -> None:
    assume(not _comes_back(facts))
    shuffled = chance.sample(facts, len(facts))
    piecewise = Timeline()
    for one in shuffled:
        piecewise = piecewise.extended([one])[0]
    assert piecewise.current("a") == Timeline.of(facts).current("a")


def test_facts_are_sorted_by_time_and_identity() -> None:
    rows = (
        _measured("Observation/b", 1.0),
        _measured("Observation/a", 2.0),
        _measured("Observation/c", 3.0, when_h=-1),
    )
    assert _values(Timeline.of(rows)) == [3.0, 2.0, 1.0]


def test_kinds_do_not_mix() -> None:
    found = Timeline.of([_condition("Condition/1"), _measured("Observation/1")]).facts
    assert (len(found.conditions), len(found.measurements), len(found)) == (1, 1, 2)
    assert [one.ref for one in found] == ["Observation/1", "Condition/1"]


def test_later_version_counts_and_earlier_ones_stay() -> None:
    timeline = Timeline.of([_measured("Observation/1", 9.0, version="2"), _measured("Observation/1", 4.0, version="1")])
    assert _values(timeline) == [9.0]
    assert [one.version for one in timeline] == ["1", "2"]
    assert len(timeline) == 1


def test_correction_removes_what_it_corrects() -> None:
    first, second = (_measured("Observation/1", value, version=version) for value, version in ((4.0, "1"), (9.0, "2")))
    _, change = Timeline.of([first]).extended([second])
    assert (change.novel, change.added, change.removed) == ((second,), (second,), (first,))


def test_older_version_that_comes_late_changes_nothing_visible() -> None:
    timeline, change = Timeline.of([_measured("Observation/1", 9.0, version="2")]).extended(
        [_measured("Observation/1", 4.0, version="1", learned_h=5)]
    )
    assert (change.added, change.removed) == ((), ())
    assert _values(timeline) == [9.0]


def test_entered_in_error_hides_and_a_later_version_shows_again() -> None:
    timeline = Timeline.of([_measured("Observation/1", 4.0, version="1")])
    hidden, change = timeline.extended([_measured("Observation/1", version="2", void=True)])
    assert _values(hidden) == []
    assert len(change.removed) == 1
    shown, change = hidden.extended([_measured("Observation/1", 5.0, version="3")])
    assert _values(shown) == [5.0]
    assert change.removed == ()


def test_void_of_an_unknown_fact_changes_nothing_visible() -> None:
    timeline, change = Timeline.of([]).extended([_measured("Observation/1", void=True)])
    assert (change.added, change.removed) == ((), ())
    assert len(timeline) == 1


def test_same_again_is_a_duplicate_and_the_timeline_is_the_same_object() -> None:
    timeline = Timeline.of([_measured("Observation/1")])
    again, change = timeline.extended([_measured("Observation/1", learned_h=7)])
    assert again is timeline
    assert change == Change(novel=(), added=(), removed=())


def test_first_time_of_learning_stands() -> None:
    timeline = Timeline.of([_measured("Observation/1", learned_h=7), _measured("Observation/1", learned_h=2)])
    assert [one.learned for one in timeline] == [DAY + timedelta(hours=2)]


def test_without_versions_what_was_learned_last_counts() -> None:
    rows = [_measured("Observation/1", 4.0, learned_h=1), _measured("Observation/1", 5.0, learned_h=2)]
    assert _values(Timeline.of(rows)) == [5.0]
    back, _ = Timeline.of(rows).extended([_measured("Observation/1", 4.0, learned_h=3)])
    assert _values(back) == [4.0]


def test_as_of_shows_what_was_known_then() -> None:
    timeline = Timeline.of([
        _measured("Observation/1", 4.0, version="1", learned_h=0, when_h=-2),
        _measured("Observation/1", 9.0, version="2", learned_h=3, when_h=-2),
        _measured("Observation/2", 6.0, learned_h=5, when_h=-9),
    ])  # fmt: skip
    assert _values(timeline.as_of(DAY - timedelta(hours=1))) == []
    assert _values(timeline.as_of(DAY + timedelta(hours=2))) == [4.0]
    assert _values(timeline.as_of(DAY + timedelta(hours=3))) == [9.0]
    assert _values(timeline.as_of(DAY + timedelta(hours=5))) == [6.0, 9.0]


@given(st.lists(VERSIONED, max_size=14), st.randoms(use_true_random=False), st.integers(0, 14))
def test_neither_order_nor_batches_of_arrival_matter(rows: list[Fact], random: object, cut: int) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    two_batches = Timeline.of(shuffled[:cut]).extended(shuffled[cut:])[0]
    assert two_batches.versions == Timeline.of(rows).versions
    assert two_batches.facts == Timeline.of(rows).facts


@given(st.lists(ANY, max_size=12), st.randoms(use_true_random=False))
def test_order_within_a_batch_never_matters_even_if_facts_contradict(rows: list[Fact], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert Timeline.of(shuffled).versions == Timeline.of(rows).versions


@given(st.lists(ANY, max_size=12))
def test_extending_by_what_is_known_is_idempotent(rows: list[Fact]) -> None:
    timeline = Timeline.of(rows)
    again, change = timeline.extended(tuple(timeline))
    assert again is timeline
    assert change == Change(novel=(), added=(), removed=())


@given(st.lists(ANY, max_size=8), st.lists(ANY, max_size=8))
def test_change_leads_from_the_old_facts_to_the_new(before: list[Fact], after: Sequence[Fact]) -> None:
    old = Timeline.of(before)
    new, change = old.extended(after)
    kept = [one for one in old.facts if one not in change.removed]
    assert sorted([*kept, *change.added], key=repr) == sorted(new.facts, key=repr)


@given(st.lists(VERSIONED, max_size=12), st.integers(-1, 7))
def test_as_of_equals_a_timeline_of_what_had_been_learned(rows: list[Fact], hour: int) -> None:
    then = DAY + timedelta(hours=hour)
    assert Timeline.of(rows).as_of(then).facts == Timeline.of(one for one in rows if one.learned <= then).facts


def _pressures(version: str, *names: str, learned_h: float = 0.0) -> list[Measurement]:
    return [_measured(f"Observation/bp#{name}", version=version, learned_h=learned_h) for name in names]


def test_entered_in_error_of_the_whole_hides_its_components() -> None:
    timeline, change = Timeline.of(_pressures("1", "8480-6", "8462-4")).extended(
        [_measured("Observation/bp", version="2", void=True, learned_h=1)]
    )
    assert _values(timeline) == []
    assert [one.ref for one in change.removed] == ["Observation/bp#8462-4", "Observation/bp#8480-6"]
    assert timeline.current("Observation/bp#8480-6") is None
    assert len(timeline.as_of(DAY).facts) == 2


def test_component_that_a_newer_version_lacks_is_gone() -> None:
    timeline, change = Timeline.of(_pressures("1", "8480-6", "8462-4")).extended(_pressures("2", "8480-6", learned_h=1))
    assert [one.ref for one in timeline.facts.measurements] == ["Observation/bp#8480-6"]
    assert len(change.removed) == 2
    assert timeline.facts == Timeline.of(timeline).facts


def test_components_without_versions_outlive_each_other() -> None:
    timeline = Timeline.of([*_pressures("", "8480-6"), *_pressures("", "8462-4", learned_h=1)])
    assert len(timeline.facts) == 2


def test_current_is_the_version_that_counts() -> None:
    timeline = Timeline.of([_measured("Observation/1", 9.0, version="2"), _measured("Observation/1", version="1")])
    found = timeline.current("Observation/1")
    assert found is not None
    assert found.version == "2"
    assert timeline.current("Observation/2") is None


# Components of one resource, and the resource itself where it was entered in error; contents follow from the version.
PARTS = st.builds(
    lambda part, version, learned: _measured(
        f"Observation/bp{part}", version * 1.0, version=f"{version}", learned_h=learned, void=part == ""
    ),
    st.sampled_from(("", "#8480-6", "#8462-4")), st.integers(1, 3), st.integers(0, 3),
)  # fmt: skip


@given(st.lists(PARTS, max_size=8), st.lists(PARTS, max_size=8))
def test_components_come_to_the_same_in_one_batch_or_two(before: list[Fact], after: list[Fact]) -> None:
    old = Timeline.of(before)
    new, change = old.extended(after)
    assert new.facts == Timeline.of([*after, *before]).facts
    kept = [one for one in old.facts if one not in change.removed]
    assert sorted([*kept, *change.added], key=repr) == sorted(new.facts, key=repr)


def test_gather_sorts_by_kind_only() -> None:
    assert gather([]) == Facts()


@given(st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2), st.integers(0, 2)), max_size=4)))
def test_batches_at_once_come_to_what_they_come_to_one_after_the_other(
    batches: list[list[tuple[str, int, int]]],
) -> None:
    told = [
        [_measured(f"Observation/{name}", value + 1.0, version=str(version or ""), learned_h=hour)
         for name, version, value in batch]
        for hour, batch in enumerate(batches)
    ]  # fmt: skip
    one_by_one = Timeline()
    novel: list[Fact] = []
    for facts in told:
        one_by_one, change = one_by_one.extended(facts)
        novel.extend(change.novel)
    at_once, change = Timeline().followed_by(told)
    assert list(at_once) == list(one_by_one)
    assert (at_once.facts, at_once.measured) == (one_by_one.facts, one_by_one.measured)
    assert at_once.components == one_by_one.components
    assert list(change.novel) == novel
