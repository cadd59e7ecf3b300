"""What comes without a version, or with half of one, after versions that had it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cds_app.domain.corrections import placed
from cds_app.domain.facts import Fact, Measurement, UnknownFinding
from cds_app.domain.timeline import Change, Timeline

DAY = datetime(2024, 3, 10, 11, 30, tzinfo=UTC)
ONE = f"{1:020}/2024-03-10T09:00:00.000000+00:00"
TWO = f"{2:020}/2024-03-10T10:00:00.000000+00:00"


def result(value: float, version: str = "", *, hour: float = 0.0, part: str = "", taken: Sequence[str] = ()) -> Fact:
    return Measurement(
        ref=f"Observation/1{part}", version=version, when=DAY, learned=DAY + timedelta(hours=hour),
        variable="potassium", value=value, taken=tuple(taken),
    )  # fmt: skip


def void(version: str = "", *, hour: float = 0.0) -> Fact:
    learned = DAY + timedelta(hours=hour)
    return UnknownFinding(ref="Observation/1", version=version, when=DAY, learned=learned, void=True, codes=())


def told(*batches: Sequence[Fact]) -> tuple[Timeline, list[Change]]:
    """A timeline to which batches came one after another, and what each changed."""
    timeline, changes = Timeline(), []
    for batch in batches:
        timeline, change = timeline.extended(placed(timeline, batch))
        changes.append(change)
    return timeline, changes


def values(*batches: Sequence[Fact]) -> list[float]:
    return [one.value for one in told(*batches)[0].facts.measurements]


def test_a_correction_without_a_version_counts_after_what_was_known() -> None:
    assert values([result(5.0, ONE)], [result(6.0, hour=1)]) == [6.0]
    assert values([result(5.0, ONE)], [result(6.0, hour=1)], [result(7.0, hour=2)]) == [7.0]


def test_what_says_to_be_newer_still_goes_before_it() -> None:
    assert values([result(5.0, ONE)], [result(6.0, hour=1)], [result(7.0, TWO, hour=2)]) == [7.0]


@pytest.mark.parametrize("older", [ONE, "/2024-03-10T08:00:00.000000+00:00"])
def test_what_says_to_be_older_changes_nothing(older: str) -> None:
    assert values([result(6.0, TWO)], [result(7.0, hour=1)], [result(5.0, older, hour=2)]) == [7.0]
    assert values([result(6.0, TWO)], [result(5.0, older, hour=2)]) == [6.0]


def test_a_time_alone_is_compared_with_the_time_of_a_version_that_has_a_number_too() -> None:
    later, earlier = "/2024-03-10T10:30:00.000000+00:00", "/2024-03-10T09:30:00.000000+00:00"
    assert values([result(6.0, TWO)], [result(7.0, later, hour=1)]) == [7.0]
    assert values([result(7.0, later)], [result(6.0, TWO, hour=1)]) == [7.0]
    assert values([result(5.0, earlier)], [result(6.0, TWO, hour=1)]) == [6.0]
    assert told([result(6.0, TWO)], [result(6.0, "/" + TWO.partition("/")[2], hour=1)])[1][1].novel == ()


def test_the_same_again_without_a_version_is_nothing_new() -> None:
    timeline, changes = told([result(5.0, ONE)], [result(5.0, hour=1)], [result(5.0, hour=2)])
    assert len(list(timeline)) == 1
    assert [len(one.novel) for one in changes] == [1, 0, 0]
    timeline, changes = told([result(5.0, ONE)], [result(6.0, hour=1)], [result(6.0, hour=2)], [result(5.0, ONE)])
    assert [len(one.novel) for one in changes] == [1, 1, 0, 0]
    assert [one.value for one in timeline.facts.measurements] == [6.0]


def test_an_error_without_a_version_takes_the_result_back_for_good() -> None:
    assert values([result(5.0, ONE)], [void(hour=1)]) == []
    assert values([result(5.0, ONE)], [void(hour=1)], [result(5.0, ONE, hour=2)]) == []
    assert values([result(5.0, ONE)], [void(hour=1)], [result(6.0, hour=2)]) == [6.0]


def test_a_panel_is_corrected_as_a_whole() -> None:
    panel = [result(120.0, ONE, part="#8480-6"), result(80.0, ONE, part="#8462-4")]
    again = [result(121.0, part="#8480-6", hour=1), result(80.0, part="#8462-4", hour=1)]
    assert sorted(values(panel, again)) == [80.0, 121.0]
    assert values(panel, again[:1]) == [121.0]
    assert values(panel, [void(hour=1)]) == []


def test_what_was_learned_before_a_version_does_not_correct_it() -> None:
    assert values([result(5.0, ONE, hour=2)], [result(6.0, hour=1)]) == [5.0]


def test_without_any_version_nothing_is_changed() -> None:
    facts = [result(6.0, hour=1)]
    assert placed(Timeline.of([result(5.0)]), facts) == facts


def test_a_result_read_without_its_specimen_is_no_correction_of_the_one_with_it() -> None:
    urine = UnknownFinding(ref="Observation/1", version=ONE, when=DAY, learned=DAY, codes=(), taken=("urine",))
    assert values([urine], [result(60.0, hour=1)]) == []
    venous = result(5.0, ONE, taken=["venous_blood"])
    assert told([venous], [result(5.0, hour=1)])[0].facts.measurements == (venous,)
    assert values([venous], [result(6.0, hour=1)]) == [6.0]


@pytest.mark.parametrize("version", ["", ONE])
def test_of_some_time_of_a_day_the_first_time_of_learning_stands(version: str) -> None:
    def dated(hour: float, value: float = 5.0) -> Fact:
        moment = min(DAY + timedelta(hours=hour), datetime(2024, 3, 10, 23, 59, 59, 999999, tzinfo=UTC))
        return replace(result(value, version), when=moment, learned=DAY + timedelta(hours=hour))

    timeline, changes = told([dated(1)], [dated(2)], [dated(3)], [dated(30)])
    assert timeline.facts.measurements == (dated(1),)
    assert [len(one.novel) for one in changes] == [1, 0, 0, 0]
    exact = replace(result(5.0, version), when=DAY + timedelta(hours=2), learned=DAY + timedelta(hours=3))
    assert [one.when for one in told([dated(1)], [exact])[0].facts.measurements] == [exact.when]
    assert values([dated(1)], [dated(2, 6.0)]) == ([6.0] if not version else values([dated(1), dated(2, 6.0)]))


@pytest.mark.parametrize("version", ["", ONE])
def test_what_contradicts_itself_in_every_message_grows_no_record(version: str) -> None:
    both = [[result(value, hour=hour) for value in (5.0, 6.0)] for hour in (1, 2, 3)]
    timeline, changes = told([result(4.0, version)], *both)
    assert [len(one.novel) for one in changes] == [1, 2, 0, 0]
    assert [one.value for one in timeline.facts.measurements] == [6.0]


STEPS = st.lists(
    st.tuples(st.sampled_from(("", ONE, TWO, "/2024-03-10T10:30:00.000000+00:00")), st.integers(0, 2)), max_size=8
)


@given(STEPS, st.randoms(use_true_random=False))
def test_what_was_kept_comes_to_the_same_in_any_order(steps: list[tuple[str, int]], chance: random.Random) -> None:
    batches = [[result(value, version, hour=hour)] for hour, (version, value) in enumerate(steps)]
    timeline, changes = told(*batches)
    kept = [fact for change in changes for fact in change.novel]
    chance.shuffle(kept)
    assert Timeline.of(kept).facts == timeline.facts
