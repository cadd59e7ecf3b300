"""What counts where several sources speak of the same thing: decided by the facts, not by who came first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_app.domain.facts import Fact, Measurement, Provenance, Stay
from cds_app.domain.precedence import SAME
from cds_app.domain.timeline import Timeline
from cds_app.services.content.knowledge import Knowledge

AT = datetime(2026, 3, 1, 9, 30, 5, tzinfo=UTC)


def measured(ref: str, method: str | None = None, *, value: float = 80.0, samples: int = 0, **more: Any) -> Measurement:
    given: dict[str, Any] = {"version": "", "when": AT, "learned": AT, "variable": "heart_rate", **more}
    source = None if method is None else Provenance(source="s", method=method, samples=samples)  # type: ignore[arg-type]
    return Measurement(ref=ref, value=value, provenance=source, **given)


def counting(*facts: Fact) -> set[str]:
    """What counts, however the facts arrive: at once, or one by one in any order."""
    found = {one.ref for one in Timeline.of(facts).facts}
    for order in permutations(facts):
        timeline = Timeline()
        for fact in order:
            timeline, _ = timeline.extended([fact])
        assert {one.ref for one in timeline.facts} == found
        assert timeline == Timeline.of(facts)
        assert timeline.facts == Timeline.of(facts).facts
        assert timeline.measured == Timeline.of(facts).measured
    return found


def test_a_charted_value_goes_before_a_device_in_its_minute_and_not_in_the_next() -> None:
    later = AT + timedelta(minutes=1)
    monitor = measured("m1", "device", samples=60)
    assert counting(measured("nurse"), monitor, measured("m2", "device", when=later)) == {"nurse", "m2"}
    assert counting(measured("lab", "charted"), monitor) == {"lab"}


def test_the_ehrs_record_goes_before_the_same_result_by_another_way() -> None:
    assert counting(measured("fhir"), measured("hl7", "charted")) == {"fhir"}
    assert counting(measured("fhir"), measured("too")) == {"fhir", "too"}


def test_an_arterial_line_goes_before_a_cuff_unless_it_is_no_signal() -> None:
    cuff = measured("cuff", "cuff", samples=1, variable="sbp_noninvasive")
    assert counting(measured("line", "arterial", samples=60, variable="sbp"), cuff) == {"line"}
    flat = measured("line", "arterial", samples=60, variable="sbp", implausible=True)
    assert counting(flat, cuff) == {"cuff"}


def test_of_two_devices_one_counts_that_with_more_samples() -> None:
    assert counting(measured("a", "device", samples=20), measured("b", "device", samples=60)) == {"b"}
    assert counting(measured("a", "device", samples=60), measured("b", "device", samples=60)) == {"a"}


def test_what_goes_before_may_be_taken_back_or_moved() -> None:
    monitor = measured("m", "device", samples=60)
    void = measured("nurse", version="2", void=True)
    moved = measured("nurse", version="2", when=AT + timedelta(minutes=5))
    assert counting(measured("nurse", version="1"), monitor, void) == {"m"}
    assert counting(measured("nurse", version="1"), monitor, moved) == {"m", "nurse"}


def test_what_is_set_aside_is_known_with_what_goes_before_it() -> None:
    timeline = Timeline.of([measured("nurse", value=82.0), measured("m", "device", value=120.0, samples=60)])
    assert [(one.ref, before.ref) for one, before in timeline.contested] == [("m", "nurse")]
    assert Timeline.of([measured("nurse")]).contested == ()


def stay(ref: str, source: str = "", *, days: float = 0.0, end: float | None = None) -> Stay:
    return Stay(
        ref=ref,
        version="",
        when=AT + timedelta(days=days),
        learned=AT,
        status="finished" if end is not None else "in-progress",
        class_code="IMP",
        end=AT + timedelta(days=end) if end is not None else None,
        provenance=Provenance(source=source) if source else None,
    )


def test_a_stay_of_another_source_gives_way_to_one_of_the_record_that_overlaps_it() -> None:
    assert counting(stay("fhir", days=0.1), stay("adt", "adt")) == {"fhir"}
    assert counting(stay("fhir", days=10), stay("adt", "adt", end=3)) == {"fhir", "adt"}
    assert counting(stay("adt", "adt"), stay("other", "adt", days=1)) == {"adt", "other"}


def test_pairs_of_variables_measure_one_quantity(knowledge: Knowledge) -> None:
    variables = knowledge.ontology.variables
    assert all(variables[one].quantity == variables[other].quantity for one, other in SAME.items())


_FACTS = st.builds(
    measured,
    st.sampled_from("abc"),
    st.sampled_from([None, "charted", "device", "arterial", "cuff"]),
    samples=st.sampled_from([0, 30, 60]),
    version=st.sampled_from(["", "1", "2"]),
    void=st.booleans(),
    implausible=st.booleans(),
    when=st.sampled_from([AT, AT + timedelta(minutes=1)]),
)


@settings(max_examples=60)
@given(st.lists(_FACTS, max_size=6), st.integers(0, 6))
def test_a_timeline_is_the_same_at_once_and_in_two_parts(facts: list[Measurement], cut: int) -> None:
    whole = Timeline.of(facts)
    parted, _ = Timeline.of(facts[:cut]).extended(facts[cut:])
    assert parted == whole
    assert parted.facts == whole.facts


@pytest.mark.parametrize("number", [1, 2])
def test_a_change_says_what_has_come_and_what_has_gone(number: int) -> None:
    monitors = [measured(f"m{at}", "device", samples=60 - at) for at in range(number)]
    timeline, change = Timeline.of(monitors).extended([measured("nurse")])
    assert [one.ref for one in change.added] == ["nurse"]
    assert [one.ref for one in change.removed] == ["m0"]
    assert len(timeline.measured["heart_rate"]) == 1
