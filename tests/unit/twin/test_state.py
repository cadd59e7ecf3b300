from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_app.domain.facts import Fact, Measurement
from cds_app.domain.ontology import Ontology
from cds_app.domain.time import to_hours
from cds_app.domain.timeline import Timeline
from cds_app.twin.model import TwinModel
from cds_app.twin.state import TwinState, rebuild, track_of, update
from tests.tracks import bits
from tests.unit.twin.conftest import START

Measure = Callable[..., Measurement]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Measurement], list[int]]:
    """Facts in any order, with ties, corrections, voids and duplicates, and where to cut them into batches."""
    one = st.builds(
        _fact,
        ref=st.integers(0, 12),
        version=st.integers(1, 3),
        quarter=st.integers(0, 40),
        value=st.one_of(st.floats(0.5, 250.0), st.just(82.0)),
        variable=st.sampled_from(["heart_rate", "resting_heart_rate", "potassium", "spo2", "orphan", "elsewhere"]),
        void=st.sampled_from([False, False, False, True]),
        implausible=st.sampled_from([False, False, False, True]),
        bound=st.sampled_from(["=", "=", "=", "<"]),
    )
    by_version = {(fact.ref, fact.version): fact for fact in draw(st.lists(one, max_size=40))}
    facts = list(by_version.values())
    again = draw(st.lists(st.sampled_from(facts), max_size=10)) if facts else []
    order = draw(st.permutations([*facts, *again]))
    return order, sorted(draw(st.lists(st.integers(0, len(order)), max_size=5)))


def _fact(ref: int, version: int, quarter: int, **rest: object) -> Measurement:
    when = START + timedelta(minutes=15 * quarter)
    return Measurement(
        ref=f"Observation/{ref}",
        version=str(version),
        when=when,
        learned=when,
        **rest,  # type: ignore[arg-type]
    )


def _fed(model: TwinModel, ontology: Ontology, batches: Sequence[Sequence[Fact]]) -> tuple[TwinState, Timeline]:
    timeline = Timeline.of(())
    state = rebuild(model, ontology, timeline)
    for batch in batches:
        timeline, change = timeline.extended(batch)
        state = update(model, ontology, state, timeline, change)
    return state, timeline


@settings(deadline=None, max_examples=200)
@given(history=histories())
def test_any_order_any_batching_and_duplicates_give_the_bytes_of_a_rebuild(
    model: TwinModel, ontology: Ontology, history: tuple[list[Measurement], list[int]]
) -> None:
    facts, cuts = history
    bounds = [0, *cuts, len(facts)]
    batches = [facts[start:end] for start, end in pairwise(bounds)]
    state, timeline = _fed(model, ontology, batches)
    ordered = Timeline.of(sorted(facts, key=lambda one: (one.ref, one.version)))
    expected = bits(rebuild(model, ontology, ordered))
    assert bits(state) == expected
    assert bits(rebuild(model, ontology, timeline)) == expected


def test_a_suspect_value_does_not_confirm_itself_under_another_id(
    model: TwinModel, ontology: Ontology, measure: Measure
) -> None:
    before = [measure(f"{at}", at, 80.0) for at in range(6)]
    one, again = measure("one", 6, 250.0), measure("two", 6, 250.0)
    alone = rebuild(model, ontology, Timeline.of([*before, one]))
    assert rebuild(model, ontology, Timeline.of([*before, again, one])) == alone
    assert _fed(model, ontology, [[*before, again], [one]])[0] == alone
    void = msgspec.structs.replace(one, version="2", void=True)
    without = _fed(model, ontology, [[*before, again, one], [void]])[0]
    assert without == rebuild(model, ontology, Timeline.of([*before, again]))


def test_what_is_no_sample_is_left_out(model: TwinModel, ontology: Ontology, measure: Measure) -> None:
    good = measure("1", 0, 80.0)
    others = [
        msgspec.structs.replace(good, ref="Observation/2", bound="<"),
        msgspec.structs.replace(good, ref="Observation/3", implausible=True),
        msgspec.structs.replace(good, ref="Observation/4", void=True),
        msgspec.structs.replace(good, ref="Observation/5", variable="orphan"),
        msgspec.structs.replace(good, ref="Observation/6", variable="unheard_of"),
        msgspec.structs.replace(good, ref="Observation/7", value=float("nan")),
    ]
    state = rebuild(model, ontology, Timeline.of([good, *others]))
    assert state.tracks["heart_rate"].refs == ("Observation/1",)
    assert state.tracks["heart_rate"].hours[0] == to_hours(START)


def test_untouched_tracks_are_shared(model: TwinModel, ontology: Ontology, measure: Measure) -> None:
    timeline = Timeline.of([measure("1", 0, 80.0), measure("2", 0, 97.0, "spo2")])
    state = rebuild(model, ontology, timeline)
    later, change = timeline.extended([measure("3", 1, 82.0)])
    new = update(model, ontology, state, later, change)
    assert new.tracks["spo2"] is state.tracks["spo2"]
    assert len(new.tracks["heart_rate"]) == 2
    assert len(state.tracks["heart_rate"]) == 1


def test_a_change_that_touches_nothing_gives_the_same_state(
    model: TwinModel, ontology: Ontology, measure: Measure
) -> None:
    timeline = Timeline.of([measure("1", 0, 80.0)])
    state = rebuild(model, ontology, timeline)
    same, change = timeline.extended([measure("1", 0, 80.0)])
    assert update(model, ontology, state, same, change) is state


def test_a_track_whose_last_sample_was_an_error_disappears(
    model: TwinModel, ontology: Ontology, measure: Measure
) -> None:
    first = measure("1", 0, 80.0)
    state, _ = _fed(model, ontology, [[first], [msgspec.structs.replace(first, version="2", void=True)]])
    assert state.tracks == {}


def test_other_parameters_refilter_everything(model: TwinModel, ontology: Ontology, measure: Measure) -> None:
    timeline = Timeline.of([measure("1", 0, 80.0)])
    state = rebuild(model, ontology, timeline)
    later, change = timeline.extended([measure("2", 1, 90.0)])
    other = replace(model, sha256="other")
    new = update(other, ontology, state, later, change)
    assert bits(new) == bits(rebuild(other, ontology, later))
    assert new.model_sha256 == "other"


def test_bare_numbers_give_the_track_that_facts_give(model: TwinModel, ontology: Ontology, measure: Measure) -> None:
    values = [80.0, 84.0, 0.0, 79.0, 120.0, 121.0]
    facts = [measure(str(i), i, value) for i, value in enumerate(values)]
    track = rebuild(model, ontology, Timeline.of(facts)).tracks["heart_rate"]
    bare = track_of(model, "heart_rate", track.hours, values)
    assert bare.deviation == track.deviation
    assert bare.z == track.z
